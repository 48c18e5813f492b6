// Package uaa is the sign-in of the sandbox's platform, as UAA speaks
// (wire/sap.md 3.2): it grants tokens for people and clients, renews and
// revokes them, and tells Cloud Foundry who sent a request.
package uaa

import (
	"encoding/base64"
	"encoding/json"
	"errors"
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

// Part is the name of the part of the tenant.
const Part = "uaa"

// The life of tokens. A short one makes clients renew theirs.
const (
	accessLife  = 10 * time.Minute
	refreshLife = 24 * time.Hour
)

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// defaultOrigin is the identity provider of a sign-in that names none.
const defaultOrigin = "sap.ids"

// origins gives the identity providers that know the users.
func origins() []string { return []string{defaultOrigin, "uaa", "sandbox-platform"} }

// Options is what the server needs.
type Options struct {
	Subaccount *subaccount.Subaccount
	Faults     *fault.Set
	// Origin gives the origin of the server, such as http://127.0.0.1:8788.
	Origin func() string
}

// Server is the sign-in. It is safe for concurrent use.
type Server struct {
	o   Options
	mux *http.ServeMux

	mu       sync.Mutex
	key      *jwt.Key
	revoked  map[string]int64   // jti of a token, and when it would expire
	verified map[string]*claims // tokens whose signature holds
}

// maxVerified bounds the tokens whose signature need not be checked again.
const maxVerified = 512

// New makes the server. No key is generated before the first token.
func New(o Options) *Server {
	s := &Server{o: o, mux: http.NewServeMux(), revoked: map[string]int64{}, verified: map[string]*claims{}}
	s.mux.HandleFunc("GET /login", s.login)
	s.mux.HandleFunc("GET /info", s.login)
	s.mux.HandleFunc("/oauth/token", s.token)
	s.mux.HandleFunc("DELETE /oauth/token/revoke/{jti}", s.revoke)
	s.mux.HandleFunc("GET /token_keys", s.tokenKeys)
	s.mux.HandleFunc("GET /token_key", s.tokenKeys)
	s.mux.HandleFunc("GET /userinfo", s.userinfo)
	s.mux.HandleFunc("GET /.well-known/openid-configuration", s.configuration)
	s.mux.HandleFunc("GET /oauth/token/.well-known/openid-configuration", s.configuration)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { page.Write(w, http.StatusNotFound, "") })
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Vcap-Request-Id", subaccount.NewGUID())
	s.mux.ServeHTTP(w, r)
}

// login tells a client what to ask the user for (wire/sap.md 3.2).
func (s *Server) login(w http.ResponseWriter, _ *http.Request) {
	origin := s.o.Origin()
	writeJSON(w, http.StatusOK, struct {
		App            map[string]string   `json:"app"`
		Links          map[string]string   `json:"links"`
		ZoneName       string              `json:"zone_name"`
		EntityID       string              `json:"entityID"`
		CommitID       string              `json:"commit_id"`
		IDPDefinitions map[string]string   `json:"idpDefinitions"`
		Prompts        map[string][]string `json:"prompts"`
		Timestamp      string              `json:"timestamp"`
	}{
		map[string]string{"version": "77.0.0"},
		map[string]string{"uaa": origin, "login": origin, "register": "/create_account", "passwd": "/forgot_password"},
		"uaa", "sandbox", "0000000", map[string]string{},
		map[string][]string{"username": {"text", "Email"}, "password": {"password", "Password"}},
		"2026-01-01T00:00:00Z",
	})
}

// claims is the payload of a token (wire/sap.md 3.2, 3.10).
type claims struct {
	ID          string   `json:"jti"`
	Refresh     bool     `json:"refresh,omitzero"`
	Subject     string   `json:"sub"`
	Authorities []string `json:"authorities,omitempty"`
	Scope       []string `json:"scope"`
	ClientID    string   `json:"client_id"`
	CID         string   `json:"cid"`
	AZP         string   `json:"azp"`
	Revocable   bool     `json:"revocable"`
	GrantType   string   `json:"grant_type"`
	UserID      string   `json:"user_id,omitempty"`
	Origin      string   `json:"origin,omitempty"`
	UserName    string   `json:"user_name,omitempty"`
	Email       string   `json:"email,omitempty"`
	IssuedAt    int64    `json:"iat"`
	Expiry      int64    `json:"exp"`
	Issuer      string   `json:"iss"`
	Zone        string   `json:"zid"`
	Audience    []string `json:"aud"`
}

// answer is the body of a success.
type answer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresIn    int64  `json:"expires_in"`
	Scope        string `json:"scope"`
	JTI          string `json:"jti"`
}

// refusal is an answer that is no token (wire/sap.md 2.6, 3.2).
type refusal struct {
	status            int
	code, description string
}

func unauthorized(description string) *refusal {
	return &refusal{http.StatusUnauthorized, "unauthorized", description}
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, POST")
		refuse(w, &refusal{http.StatusMethodNotAllowed, "method_not_allowed", "Request method '" + r.Method + "' is not supported"})
		return
	}
	params, ok := parameters(w, r)
	if !ok {
		return
	}
	client, no := s.client(r, params)
	if no != nil {
		refuse(w, no)
		return
	}
	a, no := s.grant(client, params)
	if no != nil {
		refuse(w, no)
		return
	}
	writeJSON(w, http.StatusOK, a)
}

// parameters merges query and form, as UAA does (wire/sap.md 2.1).
func parameters(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	params := r.URL.Query()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body is larger than 1 MB, or did not arrive whole", http.StatusRequestEntityTooLarge)
		return nil, false
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return params, true
	}
	form, _ := url.ParseQuery(strings.ReplaceAll(string(body), ";", "%3B")) // what can be read of a malformed form counts
	for name, values := range form {
		params[name] = append(params[name], values...)
	}
	return params, true
}

// publicClient is the client of the command line and of people's tools. Its
// secret is empty.
const publicClient = "cf"

// client finds the client of a request; nil is the public one.
func (s *Server) client(r *http.Request, params url.Values) (*subaccount.User, *refusal) {
	id, secret := params.Get("client_id"), params.Get("client_secret")
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, encoded, _ := strings.Cut(header, " ")
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil || !strings.EqualFold(scheme, "Basic") {
			return nil, unauthorized("Bad credentials")
		}
		id, secret, _ = strings.Cut(string(text), ":")
		if plain, err := url.QueryUnescape(id); err == nil {
			id = plain
		}
		if plain, err := url.QueryUnescape(secret); err == nil {
			secret = plain
		}
	}
	switch {
	case id == "":
		return nil, unauthorized("Full authentication is required to access this resource")
	case id == publicClient && secret == "":
		return nil, nil
	}
	if client, ok := s.o.Subaccount.SignInClient(id, secret); ok {
		return client, nil
	}
	return nil, &refusal{http.StatusUnauthorized, "invalid_client", "Bad credentials"}
}

func (s *Server) grant(client *subaccount.User, params url.Values) (*answer, *refusal) {
	switch kind := params.Get("grant_type"); {
	case kind == "":
		return nil, &refusal{http.StatusBadRequest, "invalid_request", "Missing grant type"}
	case kind == "client_credentials" && client != nil:
		return s.issue(client, kind, "", nil)
	case kind == "password" && client == nil:
		return s.password(params)
	case kind == "refresh_token" && client == nil:
		return s.refresh(params.Get("refresh_token"))
	case slices.Contains([]string{"client_credentials", "password", "refresh_token", "authorization_code"}, kind):
		return nil, &refusal{http.StatusUnauthorized, "invalid_client", "Unauthorized grant type"}
	}
	return nil, &refusal{http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type"}
}

// password signs a person in, at the identity provider that login_hint names.
func (s *Server) password(params url.Values) (*answer, *refusal) {
	origin := defaultOrigin
	if hint := params.Get("login_hint"); hint != "" {
		var asked struct{ Origin string }
		if err := json.Unmarshal([]byte(hint), &asked); err != nil || !slices.Contains(origins(), asked.Origin) {
			return nil, unauthorized("The origin provided in login_hint does not match an active Identity Provider (IdP) that supports resource-owner password grant flow.")
		}
		origin = asked.Origin
	}
	user, ok := s.o.Subaccount.SignIn(params.Get("username"), params.Get("password"))
	switch {
	case !ok:
		return nil, unauthorized("Bad credentials")
	case user.Expired:
		return nil, &refusal{http.StatusForbidden, "access_denied", "Your current password has expired. Please reset your password."}
	}
	return s.issue(user, "password", origin, nil)
}

// refresh renews the token of a person.
func (s *Server) refresh(raw string) (*answer, *refusal) {
	c, ok := s.verify(raw)
	if !ok || !c.Refresh {
		return nil, &refusal{http.StatusUnauthorized, "invalid_token", "The token expired, was revoked, or the token ID is incorrect."}
	}
	user, ok := s.o.Subaccount.Person(c.UserID)
	if !ok {
		return nil, &refusal{http.StatusUnauthorized, "invalid_token", "The user of the token does not exist"}
	}
	return s.issue(user, "refresh_token", c.Origin, &raw)
}

// scopes gives what a token may be used for.
func scopes(person bool) []string {
	if person {
		return []string{"cloud_controller.read", "cloud_controller.write", "openid", "password.write", "uaa.user"}
	}
	return []string{"cloud_controller.read", "cloud_controller.write", "uaa.resource"}
}

// issue gives new tokens. A client gets no refresh token; a person one, unless
// the old one is still to be used.
func (s *Server) issue(user *subaccount.User, grant, origin string, refresh *string) (*answer, *refusal) {
	now := s.o.Faults.Now()
	c := claims{
		ID: newID(), Subject: user.GUID, Scope: scopes(origin != ""), ClientID: publicClient,
		Revocable: true, GrantType: grant, IssuedAt: now.Unix(), Expiry: now.Add(accessLife).Unix(),
		Issuer: s.o.Origin() + "/oauth/token", Zone: "uaa", Audience: []string{"cloud_controller", "password", "cf", "uaa", "openid"},
	}
	if origin == "" {
		c.Subject, c.ClientID, c.Authorities, c.Audience = user.Name, user.Name, c.Scope, []string{"cloud_controller", "uaa", user.Name}
	} else {
		c.UserID, c.UserName, c.Email, c.Origin = user.GUID, user.Name, user.Name, origin
	}
	c.CID, c.AZP = c.ClientID, c.ClientID
	a := &answer{TokenType: "bearer", ExpiresIn: int64(accessLife/time.Second) - 1, Scope: strings.Join(c.Scope, " "), JTI: c.ID}
	var err error
	if a.AccessToken, err = s.sign(&c); err != nil {
		return nil, &refusal{http.StatusInternalServerError, "server_error", "An internal error occurred"}
	}
	switch {
	case refresh != nil:
		a.RefreshToken = *refresh
	case origin != "":
		c.ID, c.Refresh, c.Expiry = newID()+"-r", true, now.Add(refreshLife).Unix()
		if a.RefreshToken, err = s.sign(&c); err != nil {
			return nil, &refusal{http.StatusInternalServerError, "server_error", "An internal error occurred"}
		}
	}
	return a, nil
}

func newID() string { return strings.ReplaceAll(subaccount.NewGUID(), "-", "") }

// signing gives the key that signs, and makes it the first time.
func (s *Server) signing() (*jwt.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	key, err := jwt.NewKey("key-1-" + newID()[:10])
	s.key = key
	return key, err
}

func (s *Server) sign(c *claims) (string, error) {
	key, err := s.signing()
	if err != nil {
		return "", err
	}
	return key.Sign(s.o.Origin()+"/token_keys", key.ID, c)
}

// verify gives the claims of a token that is good now.
func (s *Server) verify(raw string) (*claims, bool) {
	c, ok := s.signed(raw)
	if !ok || s.o.Faults.Now().Unix() >= c.Expiry {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, revoked := s.revoked[c.ID]
	return c, !revoked
}

// signed gives the claims of a token that the server signed.
func (s *Server) signed(raw string) (*claims, bool) {
	key, err := s.signing()
	if err != nil {
		return nil, false
	}
	s.mu.Lock()
	c, known := s.verified[raw]
	s.mu.Unlock()
	if known {
		return c, true
	}
	c = &claims{}
	if !jwt.Verify(raw, []*jwt.Key{key}, c) {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.verified) >= maxVerified {
		clear(s.verified)
	}
	s.verified[strings.Clone(raw)] = c
	return c, true
}

// Errors of Caller.
var (
	// ErrNoToken says that a request came without a token.
	ErrNoToken = errors.New("no token")
	// ErrBadToken says that the token of a request is expired, revoked, or of
	// somebody else.
	ErrBadToken = errors.New("invalid token")
)

// Caller finds out who sent a request: the user or client whose token it
// bears.
func (s *Server) Caller(r *http.Request) (*subaccount.User, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, ErrNoToken
	}
	scheme, raw, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, ErrBadToken
	}
	c, ok := s.verify(strings.TrimSpace(raw))
	if !ok || c.Refresh {
		return nil, ErrBadToken
	}
	user, ok := s.o.Subaccount.Person(c.UserID)
	if c.UserID == "" {
		user, ok = s.o.Subaccount.Client(c.ClientID)
	}
	if !ok {
		return nil, ErrBadToken
	}
	return user, nil
}

// revoke ends a token before its time, as the command line does when somebody
// logs out. Whoever bears a token that is good may: who knows the ID of a token
// has seen it.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	c, ok := s.verify(strings.TrimSpace(raw))
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		refuse(w, &refusal{http.StatusUnauthorized, "invalid_token", "The token expired, was revoked, or the token ID is incorrect."})
		return
	}
	now := s.o.Faults.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, expiry := range s.revoked {
		if expiry < now.Unix() {
			delete(s.revoked, id)
		}
	}
	jti := r.PathValue("jti")
	expiry := c.Expiry
	if jti != c.ID {
		expiry = now.Add(refreshLife).Unix()
	}
	s.revoked[jti] = expiry
	w.WriteHeader(http.StatusOK)
}

func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	user, err := s.Caller(r)
	if err != nil {
		refuse(w, &refusal{http.StatusUnauthorized, "invalid_token", "The token expired, was revoked, or the token ID is incorrect."})
		return
	}
	writeJSON(w, http.StatusOK, struct {
		UserID   string `json:"user_id"`
		Sub      string `json:"sub"`
		UserName string `json:"user_name"`
		Email    string `json:"email"`
	}{user.GUID, user.GUID, user.Name, user.Name})
}

func (s *Server) tokenKeys(w http.ResponseWriter, r *http.Request) {
	key, err := s.signing()
	var public jwt.Published
	if err == nil {
		public, err = key.Public()
	}
	switch {
	case err != nil:
		refuse(w, &refusal{http.StatusInternalServerError, "server_error", "An internal error occurred"})
	case r.URL.Path == "/token_key":
		writeJSON(w, http.StatusOK, public)
	default:
		writeJSON(w, http.StatusOK, struct {
			Keys []jwt.Published `json:"keys"`
		}{[]jwt.Published{public}})
	}
}

func (s *Server) configuration(w http.ResponseWriter, _ *http.Request) {
	origin := s.o.Origin()
	writeJSON(w, http.StatusOK, struct {
		Issuer        string   `json:"issuer"`
		Authorization string   `json:"authorization_endpoint"`
		Token         string   `json:"token_endpoint"`
		Keys          string   `json:"jwks_uri"`
		UserInfo      string   `json:"userinfo_endpoint"`
		GrantTypes    []string `json:"grant_types_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	}{
		origin + "/oauth/token", origin + "/oauth/authorize", origin + "/oauth/token", origin + "/token_keys", origin + "/userinfo",
		[]string{"client_credentials", "password", "refresh_token"}, []string{"RS256"},
	})
}

// refuse writes an error of OAuth, with a challenge when it is a 401.
func refuse(w http.ResponseWriter, no *refusal) {
	if no.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Basic realm="UAA/client", error=%q, error_description=%q`, no.code, no.description))
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
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) // a caller that went away needs no answer
}
