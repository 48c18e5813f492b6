package sandbox

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"time"

	"iflowtest/internal/sandbox/fault"
)

// resetter is a ResponseWriter that can lose its connection without a socket.
type resetter interface{ reset() }

// reset ends the connection with a TCP reset, and the handler with it.
func reset(w http.ResponseWriter) {
	if memory, ok := w.(resetter); ok {
		memory.reset()
		panic(http.ErrAbortHandler)
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn() // TLS would say goodbye first
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // what fails here ends in Close all the same
	}
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}

func retryAfter(w http.ResponseWriter, f fault.Fault) {
	if f.Duration > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.Duration/time.Second)))
	}
}

// truncate lets the handler answer in full and sends a half of it: header and
// Content-Length are those of the whole, then the connection ends. It does not
// return.
func truncate(w http.ResponseWriter, r *http.Request, h http.Handler) {
	whole := &held{header: w.Header()}
	h.ServeHTTP(whole, r)
	size := whole.body.Len()
	half := whole.body.Bytes()[:size/2]
	// An answer without a body still has to miss some of it.
	w.Header().Set("Content-Length", strconv.Itoa(max(size, 64)))
	status := whole.status
	switch status {
	case 0, http.StatusNoContent, http.StatusNotModified:
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(half)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// held keeps an answer back.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header { return h.header }

func (h *held) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *held) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}
