// Package csrf keeps the sessions of the X-CSRF-Token handshake, as the
// integration runtime and the OData API speak it (wire/sap.md 5.5 and 6.1):
// a request with "X-CSRF-Token: Fetch" is answered with a token and cookies,
// and a modifying request must carry both.
package csrf

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
)

// Header is the name of the header that carries the token, and the words
// "Fetch" and "required".
const Header = "X-CSRF-Token"

// session is the cookie the token is bound to.
const session = "JSESSIONID"

// limit bounds the sessions that are kept; the oldest goes first.
const limit = 1024

// Sessions is the open sessions of one part. The zero Sessions has none; it is
// safe for concurrent use.
type Sessions struct {
	mu     sync.Mutex
	tokens map[string]string // by session
	order  []string          // oldest first
}

// IsFetch reports whether the request asks for a token.
func IsFetch(r *http.Request) bool { return strings.EqualFold(r.Header.Get(Header), "fetch") }

// Modifies reports whether a method wants the token.
func Modifies(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

// Grant writes the token of the caller's session to the header of the answer,
// and opens a session, with its cookies, when the caller has none.
func (s *Sessions) Grant(w http.ResponseWriter, r *http.Request) {
	if token, ok := s.token(r); ok {
		w.Header().Set(Header, token)
		return
	}
	w.Header().Set(Header, s.open(w))
}

// Refuse writes the header and the cookies of the answer to a modifying
// request without a token; the status (403) and the page are the caller's.
// The session it opens is what the handshake then continues.
func (s *Sessions) Refuse(w http.ResponseWriter) {
	s.open(w)
	w.Header().Set(Header, "required")
}

// Valid reports whether the request carries a session's cookie and its token.
func (s *Sessions) Valid(r *http.Request) bool {
	token, ok := s.token(r)
	return ok && subtle.ConstantTimeCompare([]byte(token), []byte(r.Header.Get(Header))) == 1
}

func (s *Sessions) token(r *http.Request) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range r.CookiesNamed(session) {
		if token, ok := s.tokens[c.Value]; ok {
			return token, true
		}
	}
	return "", false
}

// open starts a session: three cookies, as the platform sets them, and a
// token that goes with the first.
func (s *Sessions) open(w http.ResponseWriter) string {
	id, token := rand.Text(), rand.Text()
	s.mu.Lock()
	if s.tokens == nil {
		s.tokens = map[string]string{}
	}
	if len(s.order) == limit {
		delete(s.tokens, s.order[0])
		s.order = append(s.order[:0], s.order[1:]...)
	}
	s.tokens[id] = token
	s.order = append(s.order, id)
	s.mu.Unlock()
	// Not Secure: over plain HTTP a cookie jar would keep them back.
	for _, c := range []*http.Cookie{
		{Name: session, Value: id},
		{Name: "JTENANTSESSIONID_sandbox", Value: rand.Text()},
		{Name: "__VCAP_ID__", Value: rand.Text()},
	} {
		c.Path, c.HttpOnly = "/", true
		http.SetCookie(w, c)
	}
	return token
}
