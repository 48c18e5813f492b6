package token

import (
	"net/http"
	"strings"

	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/jwt"
	"iflowtest/internal/sandbox/subaccount"
)

// claims is the payload of a token (wire/sap.md 2.4).
type claims struct {
	ID         string     `json:"jti"`
	Attributes attributes `json:"ext_attr"`
	Subject    string     `json:"sub"`
	// Authorities and Scope are equal in tokens of client credentials.
	Authorities []string `json:"authorities"`
	Scope       []string `json:"scope"`
	ClientID    string   `json:"client_id"`
	CID         string   `json:"cid"`
	AZP         string   `json:"azp"`
	GrantType   string   `json:"grant_type"`
	Signature   string   `json:"rev_sig"`
	IssuedAt    int64    `json:"iat"`
	Expiry      int64    `json:"exp"`
	Issuer      string   `json:"iss"`
	Zone        string   `json:"zid"`
	Audience    []string `json:"aud"`
	// Confirmation is there when the token is bound to a certificate.
	Confirmation *confirmation `json:"cnf,omitempty"`
}

// confirmation holds the SHA-256 of a certificate (RFC 8705 3.1).
type confirmation struct {
	Thumbprint string `json:"x5t#S256"`
}

type attributes struct {
	Enhancer   string `json:"enhancer"`
	Subaccount string `json:"subaccountid"`
	Subdomain  string `json:"zdn"`
	Instance   string `json:"serviceinstanceid"`
}

func (e *endpoint) claims(key *subaccount.Key, scopes []string) *claims {
	i := key.Instance
	return &claims{
		ID:         strings.ReplaceAll(subaccount.NewGUID(), "-", ""),
		Attributes: attributes{"XSUAA", e.o.Subaccount.GUID, subaccount.Name, i.GUID},
		Subject:    i.ClientID, Authorities: scopes, Scope: scopes,
		ClientID: i.ClientID, CID: i.ClientID, AZP: i.ClientID,
		GrantType: "client_credentials", Signature: key.Signature,
		Issuer: e.issuer() + "/oauth/token", Zone: e.o.Subaccount.GUID,
		Audience: []string{"uaa", i.XSAppName, i.ClientID},
	}
}

func newSigningKey() (*jwt.Key, error) {
	return jwt.NewKey("default-jwt-key-" + strings.ReplaceAll(subaccount.NewGUID(), "-", "")[:10])
}

// current gives the key that signs, and makes it the first time.
func (s *Server) current() (*jwt.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) > 0 {
		return s.keys[0], nil
	}
	return s.rotate()
}

// maxKeys bounds the retired keys whose tokens are still accepted.
const maxKeys = 8

// rotate makes a new key; the tokens of older ones stay good. The caller
// holds the lock.
func (s *Server) rotate() (*jwt.Key, error) {
	key, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	s.keys = append([]*jwt.Key{key}, s.keys...)
	s.keys = s.keys[:min(len(s.keys), maxKeys)]
	return key, nil
}

// sign gives the token, or the one a fault wants instead.
func (e *endpoint) sign(c *claims, at fault.Request) (string, error) {
	if _, ok := e.o.Faults.Take(at, fault.JWKSRotated); ok {
		e.mu.Lock()
		_, err := e.rotate()
		e.mu.Unlock()
		if err != nil {
			return "", err
		}
	}
	key, err := e.current()
	if err != nil {
		return "", err
	}
	keySet, id := e.issuer()+"/token_keys", key.ID
	if _, ok := e.o.Faults.Take(at, fault.TokenForged); ok {
		if key, err = e.forger(); err != nil {
			return "", err
		}
	}
	if _, ok := e.o.Faults.Take(at, fault.TokenForeignIssuer); ok {
		const elsewhere = "https://other.authentication.example.com"
		c.Issuer, keySet = elsewhere+"/oauth/token", elsewhere+"/token_keys"
	}
	return key.Sign(keySet, id, c)
}

func (s *Server) forger() (*jwt.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign != nil {
		return s.foreign, nil
	}
	key, err := newSigningKey()
	s.foreign = key
	return key, err
}

// maxVerified bounds the tokens whose signature need not be checked again.
const maxVerified = 512

// verify gives the claims of a token whose signature holds. It does not look
// at the time or at the key it was got with: these change.
func (s *Server) verify(raw string) (*claims, bool) {
	s.mu.Lock()
	c, known := s.verified[raw]
	keys := s.keys
	s.mu.Unlock()
	if known {
		return c, true
	}
	c = &claims{}
	if !jwt.Verify(raw, keys, c) {
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

func (s *Server) tokenKeys(w http.ResponseWriter, r *http.Request) {
	s.publish(w, r, func(key jwt.Published) any {
		return struct {
			Keys []jwt.Published `json:"keys"`
		}{[]jwt.Published{key}}
	})
}

func (s *Server) tokenKey(w http.ResponseWriter, r *http.Request) {
	s.publish(w, r, func(key jwt.Published) any { return key })
}

func (s *Server) publish(w http.ResponseWriter, r *http.Request, document func(jwt.Published) any) {
	signing, err := s.current()
	var key jwt.Published
	if err == nil {
		key, err = signing.Public()
	}
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	tag := `"` + key.ID + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeJSON(w, http.StatusOK, document(key))
}

// aliases are the endpoints for mutual TLS (RFC 8705 5).
type aliases struct {
	Token         string `json:"token_endpoint"`
	Authorization string `json:"authorization_endpoint"`
}

// configuration is the discovery document (OpenID Connect Discovery 1.0).
func (e *endpoint) configuration(w http.ResponseWriter, _ *http.Request) {
	origin, mutual := e.issuer(), e.o.MutualOrigin()
	writeJSON(w, http.StatusOK, struct {
		Issuer        string   `json:"issuer"`
		Authorization string   `json:"authorization_endpoint"`
		Token         string   `json:"token_endpoint"`
		Aliases       aliases  `json:"mtls_endpoint_aliases"`
		Bound         bool     `json:"tls_client_certificate_bound_access_tokens"`
		AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
		Keys          string   `json:"jwks_uri"`
		GrantTypes    []string `json:"grant_types_supported"`
		ResponseTypes []string `json:"response_types_supported"`
		SubjectTypes  []string `json:"subject_types_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
		Claims        []string `json:"claims_supported"`
	}{
		origin + "/oauth/token", origin + "/oauth/authorize", origin + "/oauth/token",
		aliases{mutual + "/oauth/token", mutual + "/oauth/authorize"}, true,
		[]string{"client_secret_basic", "client_secret_post", "tls_client_auth"}, origin + "/token_keys",
		[]string{"client_credentials"}, []string{"token"}, []string{"public"}, []string{"RS256"},
		[]string{"sub", "iss", "aud", "exp", "iat", "jti", "cid", "azp", "scope", "zid", "ext_attr", "cnf"},
	})
}
