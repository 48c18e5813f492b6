package httpx

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	chunkSize = 32 << 10
	// trustedSize is how much is set aside on the word of a Content-Length
	// alone: a header must not be able to claim memory that never fills.
	trustedSize = 8 << 20
)

// Body is what a request sends.
type Body struct {
	// Open gives the bytes from their beginning; it may be called more than
	// once (redirects, a connection that turned out to be dead).
	Open func() (io.ReadCloser, error)
	// Size is the number of bytes; -1: unknown, sent in chunks.
	Size int64
	// ContentType is sent unless the request's headers have one; empty: none.
	ContentType string
	// File is where the bytes come from, for a curl line; empty: no file.
	File string
	// inMemory says that Open cannot fail. net/http knows readers of memory
	// and sends them in one packet with the headers, unless they are wrapped.
	inMemory bool
}

// TextBody is a body that holds text.
func TextBody(contentType, text string) *Body {
	return &Body{
		Open:        func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
		Size:        int64(len(text)),
		ContentType: contentType,
		inMemory:    true,
	}
}

type reader = io.ReadCloser

// source marks errors that come from reading what is to be sent, to tell them
// from those of the network.
type source struct{ io.ReadCloser }

func openSource(b *Body) (reader, error) {
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	if b.inMemory {
		return r, nil
	}
	return source{r}, nil
}

// Read implements io.Reader.
func (s source) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &sourceError{err}
	}
	return n, err
}

type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

var (
	errTooLarge = errors.New("body larger than the limit")
	errEncoding = errors.New("body does not decode")
)

// readBody reads and decodes the body of an answer to its end. The text beside
// an error is what arrived.
func (c *Client) readBody(answer *http.Response) (string, error) {
	if answer.Body == nil || answer.Body == http.NoBody {
		return "", nil
	}
	encoding := strings.ToLower(strings.TrimSpace(answer.Header.Get("Content-Encoding")))
	if answer.Uncompressed || (encoding != "gzip" && encoding != "x-gzip") {
		return c.collect(answer.Body, answer.ContentLength)
	}
	first := make([]byte, 1)
	switch _, err := io.ReadFull(answer.Body, first); {
	case err == io.EOF:
		return "", nil
	case err != nil:
		return "", err
	}
	zipped, err := gzip.NewReader(io.MultiReader(bytes.NewReader(first), answer.Body))
	if err != nil {
		return "", judgeDecoding(err)
	}
	text, err := c.collect(zipped, -1)
	return text, judgeDecoding(err)
}

func judgeDecoding(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || isCorrupt(err) {
		return fmt.Errorf("%w: %w", errEncoding, err)
	}
	return err
}

func isCorrupt(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "flate: corrupt")
}

// collect reads to the end, with one copy between a pooled chunk and the text.
func (c *Client) collect(from io.Reader, size int64) (string, error) {
	chunk := c.buffers.Get().(*[chunkSize]byte)
	defer c.buffers.Put(chunk)
	var text strings.Builder
	if size > 0 {
		text.Grow(int(min(size, c.maxBody, trustedSize)))
	}
	for {
		n, err := from.Read(chunk[:])
		if room := c.maxBody - int64(text.Len()); int64(n) > room {
			text.Write(chunk[:room])
			return text.String(), errTooLarge
		}
		if n > 0 {
			if free := text.Cap() - text.Len(); free < n && text.Cap() > 0 {
				text.Grow(max(n, text.Cap()))
			}
			text.Write(chunk[:n])
		}
		if err == io.EOF {
			return text.String(), nil
		}
		if err != nil {
			return text.String(), err
		}
	}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
