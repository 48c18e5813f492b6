// Package oauth obtains access tokens with client credentials (RFC 6749 4.4)
// and judges them: a cache with one flight per credential, renewal before
// expiry, errors with cause and cure, JWT decoding and signature checks.
package oauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/secret"
)

// The ways to send client ID and secret (Credential.AuthStyle).
const (
	// StyleBody sends them as form fields; the default.
	StyleBody = "body"
	// StyleHeader sends them as Basic authorization, as they are: SAP's
	// authorization server does not undo the percent-encoding of RFC 6749
	// 2.3.1 (wire/sap.md 2.3).
	StyleHeader = "header"
)

// styleCertificate is mutual TLS: there is no secret to put anywhere.
const styleCertificate = "certificate"

const (
	// renewAhead is how long before its end a token is renewed; a tenth of
	// its life when that is shorter.
	renewAhead = 30 * time.Second
	// flightLimit bounds a shared request for a token, with all its repeats.
	flightLimit = 2 * time.Minute
)

var errFlightLimit = errors.New("limit of 2m0s for a token request")

// Param is one further form field of a token request.
type Param struct{ Name, Value string }

// Credential is what can obtain an access token.
type Credential struct {
	// Name is the credential's name in the scenario, for messages.
	Name string
	// TokenURL is asked as written.
	TokenURL string
	// ClientID and ClientSecret are sent as AuthStyle says.
	ClientID     string
	ClientSecret secret.Secret
	// AuthStyle is StyleBody (also when empty) or StyleHeader. It does not
	// apply to a certificate.
	AuthStyle string
	// Certificate is a chain in PEM, leaf first, and Key its private key in
	// PEM. With them the client signs in by mutual TLS: the body holds the
	// client ID and no secret (RFC 8705 2, wire/sap.md 2.1 d), and ClientSecret
	// is not looked at.
	Certificate string
	Key         secret.Secret
	// Password decrypts Key; zero: it is not encrypted.
	Password secret.Secret
	// ValidUntil is certificatedetails.validuntil of a service key; may be
	// empty. The earlier of it and the end of the certificate counts.
	ValidUntil string
	// Scope is asked for; empty: everything the client has.
	Scope string
	// Params are further form fields; they may not repeat "scope" when Scope
	// is set, and may replace "grant_type".
	Params []Param
}

// Token is an access token. The zero value is none.
type Token struct {
	// Value is what is sent.
	Value secret.Secret
	// Type is "Bearer".
	Type string
	// Expiry is when the token must be thought dead by this machine's clock;
	// zero: unknown.
	Expiry time.Time
	// Lifetime is how long the token lives from its issue, as the server
	// says; zero: unknown.
	Lifetime time.Duration

	header secret.Secret
}

// Header gives the value of the header Authorization (RFC 6750, 2.1). It holds
// the token.
func (t Token) Header() secret.Secret { return t.header }

// Source obtains tokens and keeps them for a run. It is safe for concurrent
// use; make it with NewSource.
type Source struct {
	identities *identities
	learned    func(name, token string)

	mu      sync.Mutex
	entries map[key]*entry
}

// NewSource makes a source without any token. learned is told every token
// before anybody sees it, under a name like "sender.access-token"; nil: nobody
// is told.
func NewSource(c *httpx.Client, learned func(name, token string)) *Source {
	if learned == nil {
		learned = func(string, string) {}
	}
	return &Source{identities: newIdentities(c), learned: learned, entries: make(map[key]*entry)}
}

// key tells credentials apart that must not share a token: the keys of one
// instance have the same client ID and secrets of their own.
type key struct {
	tokenURL, clientID string
	secret             digest // of the client secret, or of certificate and key
	scope              string
	params             string
	style              string
}

func (c Credential) key() key {
	var params strings.Builder
	for _, p := range c.Params {
		params.WriteString(strconv.Quote(p.Name) + "=" + strconv.Quote(p.Value) + "&")
	}
	return key{c.TokenURL, c.ClientID, c.secretDigest(), c.Scope, params.String(), c.style()}
}

// secretDigest stands for the client secret or the certificate.
func (c Credential) secretDigest() digest {
	if c.UsesCertificate() {
		return c.certificateDigest()
	}
	return sha256.Sum256([]byte(c.ClientSecret.Reveal()))
}

func (c Credential) style() string {
	if c.UsesCertificate() {
		return styleCertificate
	}
	if c.AuthStyle == StyleHeader {
		return StyleHeader
	}
	return StyleBody
}

// entry is what is known for one key.
type entry struct {
	token  Token
	renew  time.Time // when to fetch another; zero: when it is refused
	held   bool
	flight *flight
	// replaced is the token that the last renewal was asked to replace.
	replaced string
}

func (e *entry) fresh() bool {
	return e.held && (e.renew.IsZero() || time.Now().Before(e.renew))
}

func (e *entry) hold(t Token) {
	e.token, e.held, e.renew = t, true, time.Time{}
	if !t.Expiry.IsZero() {
		life := time.Until(t.Expiry)
		e.renew = t.Expiry.Add(-min(renewAhead, max(life, 0)/10))
	}
}

// flight is one request for a token that any number of callers wait for. It
// belongs to none of them: it ends when it is done, or when the last has left.
type flight struct {
	done    chan struct{}
	cancel  context.CancelCauseFunc
	waiters int
	token   Token
	err     error
}

// Token gives a token of the credential: the cached one while it is good, else
// a new one, fetched once however many ask. It is renewed 30 s before its end,
// or a tenth of its life when that is shorter; one whose end is unknown is kept
// until Renew. Answers 502, 503 and 504 are asked again once, 429 as Fetch does.
// A failure is shared by those who wait for it and not cached. The error is an
// *Error.
func (s *Source) Token(ctx context.Context, c Credential) (Token, error) {
	return s.token(ctx, c, "")
}

// Renew gives another token than old, which a server refused though it should
// be good. It is fetched once, however many ask with the same old.
func (s *Source) Renew(ctx context.Context, c Credential, old Token) (Token, error) {
	return s.token(ctx, c, old.Value.Reveal())
}

func (s *Source) token(ctx context.Context, c Credential, refused string) (Token, error) {
	if ctx.Err() != nil {
		return Token{}, c.ended(ctx, "")
	}
	s.mu.Lock()
	k := c.key()
	e := s.entries[k]
	if e == nil {
		e = &entry{}
		s.entries[k] = e
	}
	if refused != "" && e.held && e.token.Value.Reveal() == refused && e.replaced != refused {
		e.held = false
		e.replaced = refused
	}
	if e.fresh() {
		defer s.mu.Unlock()
		return e.token, nil
	}
	f := e.flight
	if f == nil {
		f = s.start(ctx, c, e)
	}
	f.waiters++
	s.mu.Unlock()

	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		s.leave(e, f, context.Cause(ctx))
		return Token{}, c.ended(ctx, "")
	}
}

// start sends a flight off; the lock is held. It outlives the caller's
// context, for the others who may join.
func (s *Source) start(ctx context.Context, c Credential, e *entry) *flight {
	detached, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	f := &flight{done: make(chan struct{}), cancel: cancel}
	e.flight = f
	go func() {
		limited, stop := context.WithTimeoutCause(detached, flightLimit, errFlightLimit)
		defer stop()
		defer cancel(nil)
		exchange, err := s.ask(limited, c, patient)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			f.err = err
		} else {
			f.token = exchange.Token
			e.hold(f.token)
		}
		if e.flight == f {
			e.flight = nil
		}
		close(f.done)
	}()
	return f
}

// leave gives up waiting; the last one out ends the flight.
func (s *Source) leave(e *entry, f *flight, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.waiters--
	if f.waiters > 0 {
		return
	}
	f.cancel(cause)
	if e.flight == f {
		e.flight = nil
	}
}

// Fetch asks the token server now, exactly once, except that an answer 429 is
// asked again at most twice after the time its Retry-After names (30 s each at
// most, and within ctx). With cache, a token takes the place of the cached one.
// The exchange is non-nil whenever an answer arrived, also a refusal or a part
// of an answer; then the error is an *Error as well.
func (s *Source) Fetch(ctx context.Context, c Credential, cache bool) (*Exchange, error) {
	exchange, err := s.ask(ctx, c, once)
	if err != nil {
		return exchange, err
	}
	if cache {
		s.mu.Lock()
		defer s.mu.Unlock()
		k := c.key()
		e := s.entries[k]
		if e == nil {
			e = &entry{}
			s.entries[k] = e
		}
		e.hold(exchange.Token)
	}
	return exchange, nil
}

// patience says which answers are worth asking again.
type patience int

const (
	once    patience = iota // only 429
	patient                 // also 502, 503, 504
)

const (
	maxBusyRepeats = 2
	maxBusyWait    = 30 * time.Second
	defaultBusy    = time.Second
	gatewayBackoff = 500 * time.Millisecond
	maxGatewayWait = 5 * time.Second
)

// ask sends token requests until one is final.
func (s *Source) ask(ctx context.Context, c Credential, p patience) (*Exchange, error) {
	busy, gateway := 0, 0
	for {
		exchange, err := s.exchange(ctx, c)
		if err == nil {
			return exchange, nil
		}
		var wait time.Duration
		switch {
		case err.Kind == KindBusy && busy < maxBusyRepeats:
			busy++
			wait = max(err.RetryAfter, defaultBusy)
			if wait > maxBusyWait {
				return exchange, err
			}
		case p == patient && gateway == 0 && isGateway(err.Status):
			gateway++
			wait = min(max(err.RetryAfter, gatewayBackoff), maxGatewayWait)
		default:
			return exchange, err
		}
		if end, limited := ctx.Deadline(); limited && time.Until(end) <= wait {
			return exchange, err
		}
		if httpx.Sleep(ctx, wait) != nil {
			return exchange, c.ended(ctx, " while waiting "+wait.String()+" to ask again after "+strconv.Itoa(err.Status))
		}
	}
}

func isGateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
