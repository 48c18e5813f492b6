// Package token is the authorization server of the sandbox's subaccount, as
// XSUAA speaks (wire/sap.md 2): it grants signed tokens for the secrets of
// service keys, publishes the key they are signed with, and judges, for the
// other parts of the tenant, what a request is allowed to do.
package token

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/jwt"
	"iflowtest/internal/sandbox/page"
	"iflowtest/internal/sandbox/subaccount"
)

// The names of the parts of the tenant.
const (
	// Part is where client secrets are accepted.
	Part = "token"
	// MutualPart is where client certificates are.
	MutualPart = "token-mtls"
)

// Limits of a request (wire/sap.md 2.7).
const (
	maxHeader = 16 << 10
	maxBody   = 1 << 20
)

// Options is what the server needs.
type Options struct {
	Subaccount *subaccount.Subaccount
	Faults     *fault.Set
	// Origin gives the origin of the server, such as http://127.0.0.1:8789,
	// and MutualOrigin that of the one for mutual TLS, such as
	// https://127.0.0.1:8790.
	Origin, MutualOrigin func() string
	// DecodeBasic makes the server percent-decode every Basic header, as plain
	// UAA does; otherwise, as XSUAA, only one that comes with
	// "X-CF-ENCODED-CREDENTIALS: true" (wire/sap.md 2.3).
	DecodeBasic bool
}

// Server is the authorization server. It is safe for concurrent use.
type Server struct {
	o        Options
	handler  http.Handler
	mu       sync.Mutex
	keys     []*jwt.Key // newest first
	foreign  *jwt.Key   // what forged tokens are signed with
	verified map[string]*claims
}

// New makes the server. No key is generated before the first token.
func New(o Options) *Server {
	s := &Server{o: o, verified: map[string]*claims{}}
	s.handler = s.at(Part)
	return s
}

// endpoint is the server as one part of the tenant shows it.
type endpoint struct {
	*Server
	part string
}

// at gives the server as a part shows it.
func (s *Server) at(part string) http.Handler {
	e := &endpoint{s, part}
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth/token", e.token)
	mux.HandleFunc("GET /token_keys", s.tokenKeys)
	mux.HandleFunc("GET /token_key", s.tokenKey)
	mux.HandleFunc("GET /.well-known/openid-configuration", e.configuration)
	mux.HandleFunc("GET /oauth/token/.well-known/openid-configuration", e.configuration)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { page.Write(w, http.StatusNotFound, "") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Vcap-Request-Id", subaccount.NewGUID())
		if headerSize(r.Header) > maxHeader {
			http.Error(w, "Request Header Or Cookie Too Large", http.StatusBadRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// mutual reports whether the part is the one for mutual TLS.
func (e *endpoint) mutual() bool { return e.part == MutualPart }

// issuer gives the origin that tokens and documents of the part name. As on the
// platform it is the one without mutual TLS; but where that one speaks plain
// HTTP, a client that asked over TLS would have to trust it for its keys.
func (e *endpoint) issuer() string {
	origin := e.o.Origin()
	if e.mutual() && !strings.HasPrefix(origin, "https:") {
		return e.o.MutualOrigin()
	}
	return origin
}

// MutualTLS gives the server as the part for mutual TLS shows it: clients
// authenticate with the certificate of the connection (wire/sap.md 2.1 d, e).
func (s *Server) MutualTLS() http.Handler { return s.at(MutualPart) }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func headerSize(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

// answer is the body of a success (wire/sap.md 2.2).
type answer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
	JTI         string `json:"jti"`
}

// refusal is an answer that is no token (wire/sap.md 2.6).
type refusal struct {
	status      int
	code        string
	description string
}

func (e *endpoint) token(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Server", "nginx")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		h.Set("Allow", "GET, POST")
		refuse(w, &refusal{http.StatusMethodNotAllowed, "method_not_allowed", "Request method '" + r.Method + "' is not supported"})
		return
	}
	at := fault.Request{Part: e.part, Path: r.URL.Path}
	if e.misbehave(r.Context(), w, at) {
		return
	}
	params, ok := parameters(w, r)
	if !ok {
		return
	}
	key, bound, no := e.authenticate(r, params, at)
	if no == nil {
		no = grant(key, params)
	}
	var scopes []string
	if no == nil {
		scopes, no = granted(key.Instance, params.Get("scope"))
	}
	if no != nil {
		refuse(w, no)
		return
	}
	at.Key, at.Client = key.Name, key.Instance.ClientID
	e.issue(w, key, scopes, bound, at)
}

// misbehave applies the faults that come before a request is even read.
func (s *Server) misbehave(ctx context.Context, w http.ResponseWriter, at fault.Request) bool {
	if f, ok := s.o.Faults.Take(at, fault.TokenSlow); ok {
		select {
		case <-ctx.Done():
			return true
		case <-time.After(f.Duration):
		}
	}
	f, ok := s.o.Faults.Take(at, fault.Token500, fault.Token503, fault.Token429, fault.TokenGarbage)
	if !ok {
		return false
	}
	if f.Duration > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.Duration/time.Second)))
	}
	switch f.Name {
	case fault.Token500:
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error", "error_description": "An internal error occurred"})
	case fault.Token503:
		page.Write(w, http.StatusServiceUnavailable, "")
	case fault.Token429:
		writeJSON(w, http.StatusTooManyRequests, map[string]string{"error": "rate_limited", "error_description": "Too many requests"})
	default:
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
		io.WriteString(w, "<!doctype html><html><head><title>Welcome</title></head><body>Please sign in</body></html>")
	}
	return true
}

// parameters merges query and form, as UAA does (wire/sap.md 2.1).
func parameters(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	params := r.URL.Query()
	if r.Method != http.MethodPost {
		return params, true
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body is larger than 1 MB, or did not arrive whole", http.StatusRequestEntityTooLarge)
		return nil, false
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return params, true
	}
	// As in UAA's parser, what can be read of a malformed form counts.
	form, _ := url.ParseQuery(strings.ReplaceAll(string(body), ";", "%3B"))
	for name, values := range form {
		params[name] = append(params[name], values...)
	}
	return params, true
}

// client finds the key a request for a token is made with.
func (s *Server) client(r *http.Request, params url.Values, at fault.Request) (*subaccount.Key, *refusal) {
	header := r.Header.Get("Authorization")
	if header == "" && params.Get("client_id") == "" {
		return nil, &refusal{http.StatusUnauthorized, "unauthorized", "Full authentication is required to access this resource"}
	}
	bad := &refusal{http.StatusUnauthorized, "invalid_client", "Bad credentials"}
	pairs := [][2]string{{params.Get("client_id"), params.Get("client_secret")}}
	if header != "" {
		id, secret, ok := basic(header)
		if !ok {
			return nil, bad
		}
		pairs = [][2]string{{id, secret}}
		if s.o.DecodeBasic || strings.EqualFold(r.Header.Get("X-CF-ENCODED-CREDENTIALS"), "true") {
			id, errID := url.QueryUnescape(id)
			secret, errSecret := url.QueryUnescape(secret)
			if errID == nil && errSecret == nil {
				pairs = append(pairs, [2]string{id, secret})
			}
		}
	}
	for _, p := range pairs {
		key, ok := s.o.Subaccount.Authenticate(p[0], p[1])
		if !ok || s.revoked(key, at) {
			continue
		}
		if id := params.Get("client_id"); id != "" && id != key.Instance.ClientID {
			return nil, &refusal{http.StatusUnauthorized, "invalid_client", "Given client ID does not match authenticated client"}
		}
		return key, nil
	}
	return nil, bad
}

// authenticate finds the key a request for a token is made with, and gives the
// thumbprint of the certificate that the token is bound to, if it is.
func (e *endpoint) authenticate(r *http.Request, params url.Values, at fault.Request) (*subaccount.Key, string, *refusal) {
	if e.mutual() {
		return e.holder(r, params, at)
	}
	key, no := e.client(r, params, at)
	return key, "", no
}

// holder finds the key whose certificate a request for a token is made with,
// and gives the thumbprint that the token is bound to (RFC 8705 3.1).
//
// In the form the client ID is required; who writes everything into the query
// may leave it out (wire/sap.md 2.1 d, e). A client secret is no way in.
func (s *Server) holder(r *http.Request, params url.Values, at fault.Request) (*subaccount.Key, string, *refusal) {
	presented := certificate(r)
	id := params.Get("client_id")
	queried := r.URL.Query().Has("grant_type")
	if presented == nil || id == "" && !queried {
		return nil, "", &refusal{http.StatusUnauthorized, "unauthorized", "Full authentication is required to access this resource"}
	}
	key, ok := s.o.Subaccount.Presented(id, presented)
	if !ok || s.expired(key, at) || s.revoked(key, at) {
		return nil, "", &refusal{http.StatusUnauthorized, "invalid_client", "Bad credentials"}
	}
	sum := sha256.Sum256(presented.Raw)
	return key, base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// certificate gives the one that the client presented on the connection, of
// which TLS has made sure that it holds the private key; nil: none.
func certificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// expired asks the fault certificate-expired.
func (s *Server) expired(key *subaccount.Key, at fault.Request) bool {
	at.Key, at.Client = key.Name, key.Instance.ClientID
	_, yes := s.o.Faults.Take(at, fault.CertificateExpired)
	return yes
}

// revoked asks the fault secret-revoked.
func (s *Server) revoked(key *subaccount.Key, at fault.Request) bool {
	at.Key, at.Client = key.Name, key.Instance.ClientID
	_, yes := s.o.Faults.Take(at, fault.SecretRevoked)
	return yes
}

// grantTypes is what UAA knows at all.
func grantTypes() []string {
	return []string{
		"authorization_code", "client_credentials", "password", "refresh_token", "user_token",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer",
		"urn:ietf:params:oauth:grant-type:token-exchange",
	}
}

func grant(key *subaccount.Key, params url.Values) *refusal {
	switch asked := params.Get("grant_type"); {
	case asked == "":
		return &refusal{http.StatusBadRequest, "invalid_request", "Missing grant type"}
	case !slices.Contains(grantTypes(), asked):
		return &refusal{http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type"}
	case asked != "client_credentials" || !slices.Contains(key.Instance.GrantTypes, asked):
		return &refusal{http.StatusUnauthorized, "invalid_client", "Unauthorized grant type"}
	}
	return nil
}

// granted gives the scopes of a token: all of the instance, or those of them
// that were asked for.
func granted(i *subaccount.Instance, asked string) ([]string, *refusal) {
	all := []string{"uaa.resource"}
	for _, role := range i.Roles {
		all = append(all, i.XSAppName+"."+role)
	}
	want := strings.Fields(asked)
	if len(want) == 0 {
		return all, nil
	}
	for _, scope := range want {
		if !slices.Contains(all, scope) {
			return nil, &refusal{http.StatusBadRequest, "invalid_scope", "Invalid scope: " + scope}
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return !slices.Contains(want, s) }), nil
}

// issue answers with a new token, which is bound to a certificate unless bound
// is empty.
func (e *endpoint) issue(w http.ResponseWriter, key *subaccount.Key, scopes []string, bound string, at fault.Request) {
	validity := key.Instance.Validity
	if f, ok := e.o.Faults.Take(at, fault.TokenShort); ok {
		validity = f.Duration
	}
	now := e.o.Faults.Now().Unix()
	c := e.claims(key, scopes)
	c.IssuedAt, c.Expiry = now, now+int64(validity/time.Second)
	if bound != "" {
		c.Confirmation = &confirmation{bound}
	}
	raw, err := e.sign(c, at)
	if err != nil {
		page.Write(w, http.StatusInternalServerError, "")
		return
	}
	writeJSON(w, http.StatusOK, answer{
		AccessToken: raw, TokenType: "bearer", ExpiresIn: c.Expiry - now - 1,
		Scope: strings.Join(scopes, " "), JTI: c.ID,
	})
}

// refuse writes an error of OAuth, with UAA's challenge when it is a 401.
func refuse(w http.ResponseWriter, no *refusal) {
	if no.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Basic realm="UAA/client", error="unauthorized", error_description=%q`, no.description))
	}
	writeJSON(w, no.status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{no.code, no.description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		page.Write(w, http.StatusInternalServerError, "")
		return
	}
	h := w.Header()
	h.Set("Content-Type", cmp.Or(h.Get("Content-Type"), "application/json;charset=UTF-8"))
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) // a caller that went away needs no answer
}

// basic splits the header of basic authentication into id and secret, as they
// stand (RFC 7617).
func basic(header string) (id, secret string, ok bool) {
	scheme, encoded, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(text), ":")
}
