package httpx

import (
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// stopwatch takes the timings of a Do. A dial may outlive the request that
// asked for it, so every hook takes the lock.
type stopwatch struct {
	mu      sync.Mutex
	sum     Timings
	dial    Timings // of the connection being made; counts only when it is used
	phase   phase
	got     bool
	started struct{ dns, connect, tls, wait, body time.Time }
}

// phase is what a request was doing when its time was up.
type phase int

const (
	phaseConnection phase = iota
	phaseDNS
	phaseConnect
	phaseTLS
	phaseSend
	phaseWait
	phaseBody
)

func (p phase) String() string {
	switch p {
	case phaseDNS:
		return "while resolving the name"
	case phaseConnect:
		return "while connecting"
	case phaseTLS:
		return "during the TLS handshake"
	case phaseSend:
		return "while sending the request"
	case phaseWait:
		return "while waiting for the answer"
	case phaseBody:
		return "while reading the body"
	}
	return "before there was a connection"
}

// begin starts another request.
func (w *stopwatch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = false
	w.phase = phaseConnection
	w.dial = Timings{}
	w.started.wait = time.Now()
}

// headers notes that the head of the answer is there.
func (w *stopwatch) headers() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started.body = time.Now()
	if w.phase != phaseBody { // a transport without traces
		w.sum.Wait += w.started.body.Sub(w.started.wait)
		w.phase = phaseBody
	}
}

// end notes that the body was read to its end.
func (w *stopwatch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sum.Body += time.Since(w.started.body)
}

func (w *stopwatch) timings() Timings {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sum
}

func (w *stopwatch) now() phase {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.phase
}

// enter starts a part of the dialling. Dials go on after the request found
// another connection: what they do then is nobody's time.
func (w *stopwatch) enter(p phase, start *time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.got {
		return
	}
	w.phase = p
	if start.IsZero() {
		*start = time.Now()
	}
}

func (w *stopwatch) leave(start *time.Time, into *time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.got || start.IsZero() {
		return
	}
	*into = time.Since(*start)
}

func (w *stopwatch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { w.enter(phaseDNS, &w.started.dns) },
		DNSDone:              func(httptrace.DNSDoneInfo) { w.leave(&w.started.dns, &w.dial.DNS) },
		ConnectStart:         func(string, string) { w.enter(phaseConnect, &w.started.connect) },
		ConnectDone:          func(string, string, error) { w.leave(&w.started.connect, &w.dial.Connect) },
		TLSHandshakeStart:    func() { w.enter(phaseTLS, &w.started.tls) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { w.leave(&w.started.tls, &w.dial.TLS) },
		GotConn:              w.gotConn,
		WroteRequest:         func(httptrace.WroteRequestInfo) { w.wrote() },
		GotFirstResponseByte: w.firstByte,
	}
}

func (w *stopwatch) gotConn(info httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = true
	w.phase = phaseSend
	w.started.wait = time.Now()
	if info.Reused {
		return
	}
	w.sum.DNS += w.dial.DNS
	w.sum.Connect += w.dial.Connect
	w.sum.TLS += w.dial.TLS
	w.dial = Timings{}
	w.started.dns, w.started.connect, w.started.tls = time.Time{}, time.Time{}, time.Time{}
}

func (w *stopwatch) wrote() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == phaseSend {
		w.phase = phaseWait
		w.started.wait = time.Now()
	}
}

func (w *stopwatch) firstByte() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == phaseSend || w.phase == phaseWait {
		w.sum.Wait += time.Since(w.started.wait)
		w.phase = phaseBody
	}
}
