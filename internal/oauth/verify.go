package oauth

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"golang.org/x/time/rate"

	"iflowtest/internal/httpx"
)

// maxKeyDocument bounds a document of keys; maxKeys how many of it are tried.
const (
	maxKeyDocument = 1 << 20
	maxKeys        = 64
)

// Invalid is why a token does not hold, as opposed to an *Error: that it could
// not be found out.
type Invalid struct{ Reason string }

// Error gives the reason.
func (e *Invalid) Error() string { return e.Reason }

// Verifier checks signatures against the keys that the issuer publishes. It
// keeps keys for a run, is safe for concurrent use, and is made by NewVerifier.
type Verifier struct {
	identities *identities
	mu         sync.Mutex
	places     map[string]*place
}

// NewVerifier makes a verifier that knows no keys yet.
func NewVerifier(c *httpx.Client) *Verifier {
	return &Verifier{identities: newIdentities(c), places: make(map[string]*place)}
}

// Evidence is a token and how it was obtained.
type Evidence struct {
	// Credential obtained the token: its token URL says whose keys count, its
	// certificate what the token may be bound to.
	Credential Credential
	// Token is what was obtained.
	Token string
	// Answer is the answer that held the token; its header Date tells the clock
	// of the server. Nil: only the clock of this machine is known.
	Answer *httpx.Response
	// Now is when the token is judged, by the clock of this machine.
	Now time.Time
}

// Judge tells whether a token holds: its algorithm is one of RS256 to RS512,
// PS256 to PS512, ES256 to ES512, its signature matches a key that the issuer
// publishes, the time lies between nbf, iat (a minute of difference allowed) and
// exp, and a token that is bound to a certificate (cnf, RFC 8705 3) is bound to
// that of the credential. nil: it holds; then the remark, mostly empty, is what
// is worth knowing all the same. The error is an *Invalid that says why it does
// not hold, or an *Error when that could not be found out.
//
// The times of a token are those of the server's clock. Where it is known and
// the clock of this machine is off, the server's counts: up to five minutes with
// a remark. If beyond that the token holds by one clock and not by the other,
// the error is of KindClock: nothing is known of the token.
//
// Keys are looked for at jku of the token (if its host is that of the token
// URL, with or without ".cert", or its parent authentication.<landscape>), at
// jwks_uri of /.well-known/openid-configuration on the same host, and at
// /token_keys. Those hosts see the certificate of the credential when they ask
// for one, as the token endpoint does, and no other host does. What they publish
// is kept, whoever asked for it; a document without the key is asked for once more,
// and not more than some times a minute, however many tokens name keys that do
// not exist.
func (v *Verifier) Judge(ctx context.Context, e Evidence) (remark string, err error) {
	c := clocks{now: e.Now}
	c.skew, c.known = clockSkew(e.Answer)
	tokenURL, token := e.Credential.TokenURL, e.Token
	j, err := Decode(token)
	if err != nil {
		return "", &Invalid{err.Error()}
	}
	if invalid := judgeAlgorithm(j.Algorithm); invalid != nil {
		return "", invalid
	}
	_, signed, err := decode(token, algorithms())
	if err != nil {
		return "", &Invalid{err.Error()}
	}
	remark, certain, unsure := c.judge(j, tokenURL)
	if certain == nil {
		certain = judgeBinding(j, e.Credential)
	}
	err = v.verifySignature(ctx, e.Credential, j, signed)
	if _, unknown := errors.AsType[*Error](err); unknown && certain != nil && ctx.Err() == nil {
		return "", certain
	}
	switch {
	case err != nil:
		return "", err
	case certain != nil:
		return "", certain
	case unsure != nil:
		return "", unsure
	}
	return remark, nil
}

// judgeBinding compares cnf of a token with the certificate that it was
// obtained with.
func judgeBinding(j *JWT, c Credential) *Invalid {
	if j.Confirmation == "" {
		return nil
	}
	if !c.UsesCertificate() {
		return &Invalid{"the token is bound to a certificate (cnf), and the credential has none"}
	}
	if own := c.thumbprint(); strings.TrimRight(j.Confirmation, "=") != own {
		return &Invalid{fmt.Sprintf("the token is bound to another certificate (cnf x5t#S256 %q) than that of the credential (%q)", bounded(j.Confirmation), own)}
	}
	return nil
}

func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
	}
}

func judgeAlgorithm(name string) *Invalid {
	switch {
	case slices.Contains(algorithms(), jose.SignatureAlgorithm(name)):
		return nil
	case name == "":
		return &Invalid{"the token names no algorithm; want RS256 or one like it"}
	case strings.EqualFold(name, "none"):
		return &Invalid{`the token is not signed: its algorithm is "none"`}
	case strings.HasPrefix(strings.ToUpper(name), "HS"):
		return &Invalid{fmt.Sprintf("the algorithm %q is refused: it signs with a shared secret, so anybody who knows the published key could forge the token", bounded(name))}
	}
	return &Invalid{fmt.Sprintf("the algorithm %q is refused; want RS256 or one like it", bounded(name))}
}

// verifySignature goes through the places where the key may be.
func (v *Verifier) verifySignature(ctx context.Context, c Credential, j *JWT, signed *jose.JSONWebSignature) error {
	tokenURL := c.TokenURL
	origin, err := httpx.Origin(tokenURL)
	if err != nil {
		return &Error{Kind: KindRequest, Message: "the token URL is none: " + err.Error(), Cure: "take tokenurl of the service key as it stands", Err: err}
	}
	var asked []string
	var trouble *Error
	tried := make(map[string]bool)
	for _, find := range []func() (string, *Error){
		func() (string, *Error) { return trustedJKU(tokenURL, j.JKU), nil },
		func() (string, *Error) { return v.discover(ctx, c, origin) },
		func() (string, *Error) { return origin + "/token_keys", nil },
	} {
		at, failed := find()
		if failed == nil && at != "" && !tried[at] {
			tried[at] = true
			var result verdict
			result, failed = v.try(ctx, c, at, j, signed)
			if result.found {
				return result.err
			}
			asked = append(asked, at)
		}
		if ctx.Err() != nil && failed != nil {
			return failed
		}
		trouble = cmp.Or(trouble, failed)
	}
	if trouble != nil {
		return trouble
	}
	return notFound(tokenURL, j, asked)
}

// notFound says that the key of the token is published nowhere, and what the
// token gives away about its origin.
func notFound(tokenURL string, j *JWT, asked []string) *Invalid {
	reason := fmt.Sprintf("the key %q is not among those at %s", bounded(j.KeyID), strings.Join(asked, ", "))
	if j.KeyID == "" {
		reason = "the signature does not match any key at " + strings.Join(asked, ", ")
	}
	if j.JKU != "" && trustedJKU(tokenURL, j.JKU) == "" {
		reason += fmt.Sprintf("; its jku %q is not on the host of the token URL and was not asked", bounded(j.JKU))
	}
	if err := CheckIssuer(tokenURL, j.Issuer); err != nil {
		reason += "; " + err.Error()
	}
	return &Invalid{reason}
}

// verdict is what the keys of one place say of a token.
type verdict struct {
	found bool  // the place has the key
	err   error // *Invalid; nil: the signature matches
}

// try verifies against the keys of one place.
func (v *Verifier) try(ctx context.Context, c Credential, at string, j *JWT, signed *jose.JSONWebSignature) (verdict, *Error) {
	keys, kept, failed := v.keys(ctx, c, at, 0)
	if failed != nil {
		return verdict{}, failed
	}
	result := matchKeys(keys.list, at, j, signed)
	if kept && (!result.found || result.err != nil) {
		// Keys rotate: what was kept may be out of date.
		keys, _, failed = v.keys(ctx, c, at, keys.generation)
		if failed != nil {
			return verdict{}, failed
		}
		result = matchKeys(keys.list, at, j, signed)
	}
	return result, nil
}

// matchKeys verifies with the keys that the token's kid names, or with all
// when it names none; then a match alone is a verdict, since another place may
// hold the key.
func matchKeys(keys []publicKey, at string, j *JWT, signed *jose.JSONWebSignature) verdict {
	var result verdict
	for _, k := range keys {
		named := j.KeyID != ""
		switch {
		case named && k.id != j.KeyID:
		case k.algorithm != "" && k.algorithm != j.Algorithm:
			if named && !result.found {
				result = verdict{true, &Invalid{fmt.Sprintf("the token is signed with %s, its key %q at %s is for %s", bounded(j.Algorithm), bounded(k.id), at, bounded(k.algorithm))}}
			}
		default:
			if _, err := signed.Verify(k.key); err == nil {
				return verdict{found: true}
			}
			if named {
				result = verdict{true, &Invalid{fmt.Sprintf("the signature does not match the key %q at %s: the token is forged or was changed", bounded(k.id), at)}}
			}
		}
	}
	return result
}

// trustedJKU gives the token's jku when it may be asked, else nothing.
func trustedJKU(tokenURL, jku string) string {
	if jku == "" || !sameIssuerHost(tokenURL, jku) {
		return ""
	}
	return jku
}

// sameIssuerHost tells whether a URL is on the host of the token URL, with or
// without ".cert", or on its parent authentication.<landscape>, and not less
// protected.
func sameIssuerHost(tokenURL, other string) bool {
	t, err := url.Parse(tokenURL)
	if err != nil {
		return false
	}
	u, err := url.Parse(other)
	if err != nil || u.User != nil || u.Hostname() == "" {
		return false
	}
	if u.Scheme != "https" && (u.Scheme != "http" || t.Scheme != "http") {
		return false
	}
	host := plainHost(t)
	if plainHost(u) == host {
		return true
	}
	_, landscape, ok := strings.Cut(host, ".authentication.")
	return ok && plainHost(u) == "authentication."+landscape
}

// plainHost is the host in lower case without ".cert" of mutual TLS.
func plainHost(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	host = strings.Replace(host, ".authentication.cert.", ".authentication.", 1)
	if rest, ok := strings.CutPrefix(host, "authentication.cert."); ok {
		host = "authentication." + rest
	}
	return host
}

// CheckIssuer tells whether iss of a token is on the host of the token URL, by
// the rule for jku; nil: it is.
func CheckIssuer(tokenURL, issuer string) error {
	switch {
	case issuer == "":
		return errors.New("the token names no issuer")
	case !sameIssuerHost(tokenURL, issuer):
		t, err := url.Parse(tokenURL)
		if err != nil {
			t = &url.URL{Host: tokenURL}
		}
		return fmt.Errorf("the token says it was issued by %q, but it came from %q", bounded(issuer), t.Host)
	}
	return nil
}

// discover reads jwks_uri of the OpenID configuration. Nothing: there is none
// on the same host.
func (v *Verifier) discover(ctx context.Context, c Credential, origin string) (string, *Error) {
	at := origin + "/.well-known/openid-configuration"
	p := v.place(at)
	if failed := p.lock(ctx, at); failed != nil {
		return "", failed
	}
	defer p.unlock()
	if p.generation == 0 {
		if p.refused[c.identityDigest()] {
			return "", nil
		}
		body, failed := v.get(ctx, c, at)
		if failed != nil {
			return "", p.absent(c, failed)
		}
		var document struct {
			JWKS string `json:"jwks_uri"`
		}
		_ = json.Unmarshal([]byte(body), &document) // not JSON: it names no keys
		p.text, p.generation = document.JWKS, 1
	}
	return trustedJKU(c.TokenURL, p.text), nil
}

// absent keeps that there is no document, for everybody when the server says so,
// for this certificate when it may be what the server does not like. The error
// is what does not tell whether there is one.
func (p *place) absent(c Credential, failed *Error) *Error {
	switch {
	case failed.Status < 400 || failed.Status >= 500 || failed.Kind == KindBusy:
		return failed
	case failed.Status == http.StatusNotFound || failed.Status == http.StatusGone:
		p.generation = 1
	default:
		if p.refused == nil {
			p.refused = make(map[digest]bool)
		}
		p.refused[c.identityDigest()] = true
	}
	return nil
}

// place is a URL with keys, or with the OpenID configuration.
type place struct {
	turn       chan struct{} // holds one element while somebody asks
	generation int           // how often it was read
	list       []publicKey
	text       string
	again      *rate.Limiter // bounds how often keys are asked for once more
	// refused are those whom the server denied the OpenID configuration.
	refused map[digest]bool
}

// How often a place is asked for keys once more because a token named one that
// it did not have: so many times at once, then one each refetchEvery.
const (
	refetchBurst = 3
	refetchEvery = 10 * time.Second
)

// keySet is what a place had when it was read.
type keySet struct {
	list       []publicKey
	generation int
}

func (v *Verifier) place(at string) *place {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.places[at]
	if p == nil {
		p = &place{turn: make(chan struct{}, 1), again: rate.NewLimiter(rate.Every(refetchEvery), refetchBurst)}
		v.places[at] = p
	}
	return p
}

// lock waits for the turn, at most as long as ctx.
func (p *place) lock(ctx context.Context, at string) *Error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		e := httpx.Explain(context.Cause(ctx), ctx, http.MethodGet, at)
		return &Error{Kind: string(e.Kind), Message: e.Message, Cure: e.Cure, Err: e}
	}
}

func (p *place) unlock() { <-p.turn }

// keys gives the keys of a place, newer than a generation that did not do unless
// it was asked too often; kept tells that they were read before.
func (v *Verifier) keys(ctx context.Context, c Credential, at string, outdated int) (set keySet, kept bool, failed *Error) {
	p := v.place(at)
	if failed := p.lock(ctx, at); failed != nil {
		return keySet{}, false, failed
	}
	defer p.unlock()
	if p.generation > outdated || outdated > 0 && !p.again.Allow() {
		return keySet{p.list, p.generation}, true, nil
	}
	body, failed := v.get(ctx, c, at)
	if failed != nil {
		return keySet{}, false, failed
	}
	list, err := readKeys(body)
	if err != nil {
		return keySet{}, false, &Error{Kind: KindAnswer, Status: http.StatusOK, Message: fmt.Sprintf("GET %s: %s", at, err), Cure: "check token-url, and whether a proxy or firewall answers instead", Err: err}
	}
	p.list = list
	p.generation++
	return keySet{p.list, p.generation}, false, nil
}

// ask sends a request on behalf of a credential. What is asked for is public:
// where the certificate cannot be used, or is refused in the handshake, there
// may be an answer without it.
func (v *Verifier) ask(ctx context.Context, c Credential, request *httpx.Request) (*httpx.Response, error) {
	certified, unusable := v.identities.clientFor(c, time.Now())
	if unusable != nil {
		return v.identities.client.Do(ctx, request)
	}
	response, err := certified.Do(ctx, request)
	if certified == v.identities.client || !httpx.CertificateRefused(err) {
		return response, err
	}
	if plain, refused := v.identities.client.Do(ctx, request); refused == nil {
		return plain, nil
	}
	return response, err
}

// get reads a document; anything but 200 is an error.
func (v *Verifier) get(ctx context.Context, c Credential, at string) (string, *Error) {
	response, err := v.ask(ctx, c, &httpx.Request{
		Method: http.MethodGet,
		URL:    at,
		Header: http.Header{"Accept": {"application/json"}},
	})
	if err != nil {
		if e, ok := errors.AsType[*httpx.Error](err); ok {
			return "", &Error{Kind: string(e.Kind), Message: e.Message, Cure: e.Cure, Err: e}
		}
		return "", &Error{Kind: KindNetwork, Message: "GET " + at + ": no answer", Err: err}
	}
	if response.Status == http.StatusOK {
		return response.Body, nil
	}
	kind := KindAnswer
	switch {
	case response.Status == http.StatusTooManyRequests:
		kind = KindBusy
	case response.Status >= 500:
		kind = KindServer
	}
	wait, _ := httpx.RetryAfter(response.Header, response.Started.Add(response.Duration))
	return "", &Error{
		Kind: kind, Status: response.Status, RetryAfter: wait,
		Message: fmt.Sprintf("GET %s: the keys of the issuer cannot be had: answered %d %s", at, response.Status, http.StatusText(response.Status)),
		Cure:    "check token-url; the signature was not judged",
	}
}

// publicKey is a key that verifies signatures.
type publicKey struct {
	id, algorithm string
	key           any // *rsa.PublicKey or *ecdsa.PublicKey
}

// readKeys reads a JSON Web Key Set (RFC 7517 5), or the single key of
// /token_key. Keys that are not public keys for signatures are left out; one
// without numbers is taken from its PEM in "value", as the platform adds it.
func readKeys(text string) ([]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(text) > maxKeyDocument {
		return nil, errors.New("the document of keys is larger than 1 MiB")
	}
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return nil, errors.New("the document of keys is not a JSON Web Key Set")
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{json.RawMessage(text)}
	}
	var keys []publicKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		if k, ok := readKey(raw); ok {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the document of keys holds no public key for signatures")
	}
	return keys, nil
}

func readKey(raw json.RawMessage) (publicKey, bool) {
	var named struct {
		ID        string `json:"kid"`
		Algorithm string `json:"alg"`
		Use       string `json:"use"`
		Value     string `json:"value"`
	}
	if json.Unmarshal(raw, &named) != nil || (named.Use != "" && named.Use != "sig") {
		return publicKey{}, false
	}
	k := publicKey{id: named.ID, algorithm: named.Algorithm}
	var jwk jose.JSONWebKey
	if json.Unmarshal(raw, &jwk) == nil {
		k.key = jwk.Key
	} else if block, _ := pem.Decode([]byte(named.Value)); block != nil {
		k.key, _ = x509.ParsePKIXPublicKey(block.Bytes)
	}
	switch k.key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
		return k, true
	}
	return publicKey{}, false
}
