package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"

	"iflowtest/internal/sandbox/fault"
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
}

type attributes struct {
	Enhancer   string `json:"enhancer"`
	Subaccount string `json:"subaccountid"`
	Subdomain  string `json:"zdn"`
	Instance   string `json:"serviceinstanceid"`
}

type header struct {
	Algorithm string `json:"alg"`
	KeySet    string `json:"jku"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
}

func (s *Server) claims(key *subaccount.Key, scopes []string) *claims {
	i := key.Instance
	return &claims{
		ID:         strings.ReplaceAll(subaccount.NewGUID(), "-", ""),
		Attributes: attributes{"XSUAA", s.o.Subaccount.GUID, subaccount.Name, i.GUID},
		Subject:    i.ClientID, Authorities: scopes, Scope: scopes,
		ClientID: i.ClientID, CID: i.ClientID, AZP: i.ClientID,
		GrantType: "client_credentials", Signature: key.Signature,
		Issuer: s.o.Origin() + "/oauth/token", Zone: s.o.Subaccount.GUID,
		Audience: []string{"uaa", i.XSAppName, i.ClientID},
	}
}

type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func newSigningKey() (*signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generate the signing key: %w", err)
	}
	return &signingKey{"default-jwt-key-" + strings.ReplaceAll(subaccount.NewGUID(), "-", "")[:10], private}, nil
}

// current gives the key that signs, and makes it the first time.
func (s *Server) current() (*signingKey, error) {
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
func (s *Server) rotate() (*signingKey, error) {
	key, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	s.keys = append([]*signingKey{key}, s.keys...)
	s.keys = s.keys[:min(len(s.keys), maxKeys)]
	return key, nil
}

// sign gives the token, or the one a fault wants instead.
func (s *Server) sign(c *claims, at fault.Request) (string, error) {
	if _, ok := s.o.Faults.Take(at, fault.JWKSRotated); ok {
		s.mu.Lock()
		_, err := s.rotate()
		s.mu.Unlock()
		if err != nil {
			return "", err
		}
	}
	key, err := s.current()
	if err != nil {
		return "", err
	}
	h := header{Algorithm: "RS256", KeySet: s.o.Origin() + "/token_keys", KeyID: key.id, Type: "JWT"}
	if _, ok := s.o.Faults.Take(at, fault.TokenForged); ok {
		if key, err = s.forger(); err != nil {
			return "", err
		}
	}
	if _, ok := s.o.Faults.Take(at, fault.TokenForeignIssuer); ok {
		const elsewhere = "https://other.authentication.example.com"
		c.Issuer, h.KeySet = elsewhere+"/oauth/token", elsewhere+"/token_keys"
	}
	return encode(h, c, key.private)
}

func (s *Server) forger() (*signingKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign != nil {
		return s.foreign, nil
	}
	key, err := newSigningKey()
	s.foreign = key
	return key, err
}

// encode signs header and claims with RS256 (RFC 7515, RFC 7518 3.3).
func encode(h header, c *claims, key *rsa.PrivateKey) (string, error) {
	head, errHead := json.Marshal(h)
	payload, errPayload := json.Marshal(c)
	if err := errors.Join(errHead, errPayload); err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString(head) + "." + enc.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text + "." + enc.EncodeToString(signature), nil
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
	c, ok := decode(raw, keys)
	if !ok {
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

func decode(raw string, keys []*signingKey) (*claims, bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > maxHeader {
		return nil, false
	}
	var h header
	var c claims
	if !decodePart(parts[0], &h) || !decodePart(parts[1], &c) || h.Algorithm != "RS256" {
		return nil, false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	for _, key := range keys {
		if key.id == h.KeyID {
			return &c, rsa.VerifyPKCS1v15(&key.private.PublicKey, crypto.SHA256, sum[:], signature) == nil
		}
	}
	return nil, false
}

func decodePart(part string, v any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, v) == nil
}

// jwk is a published key (wire/sap.md 2.5).
type jwk struct {
	Type      string `json:"kty"`
	Exponent  string `json:"e"`
	Use       string `json:"use"`
	ID        string `json:"kid"`
	Algorithm string `json:"alg"`
	PEM       string `json:"value"`
	Modulus   string `json:"n"`
}

func (s *Server) published() (jwk, error) {
	key, err := s.current()
	if err != nil {
		return jwk{}, err
	}
	public := &key.private.PublicKey
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return jwk{}, fmt.Errorf("publish the signing key: %w", err)
	}
	enc := base64.RawURLEncoding
	return jwk{
		Type: "RSA", Use: "sig", ID: key.id, Algorithm: "RS256",
		Exponent: enc.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
		Modulus:  enc.EncodeToString(public.N.Bytes()),
		PEM:      string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}, nil
}

func (s *Server) tokenKeys(w http.ResponseWriter, r *http.Request) {
	s.publish(w, r, func(key jwk) any {
		return struct {
			Keys []jwk `json:"keys"`
		}{[]jwk{key}}
	})
}

func (s *Server) tokenKey(w http.ResponseWriter, r *http.Request) {
	s.publish(w, r, func(key jwk) any { return key })
}

func (s *Server) publish(w http.ResponseWriter, r *http.Request, document func(jwk) any) {
	key, err := s.published()
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

// configuration is the discovery document (OpenID Connect Discovery 1.0). The
// aliases for mutual TLS are absent as long as that part is not there.
func (s *Server) configuration(w http.ResponseWriter, _ *http.Request) {
	origin := s.o.Origin()
	writeJSON(w, http.StatusOK, struct {
		Issuer        string   `json:"issuer"`
		Authorization string   `json:"authorization_endpoint"`
		Token         string   `json:"token_endpoint"`
		AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
		Keys          string   `json:"jwks_uri"`
		GrantTypes    []string `json:"grant_types_supported"`
		ResponseTypes []string `json:"response_types_supported"`
		SubjectTypes  []string `json:"subject_types_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
		Claims        []string `json:"claims_supported"`
	}{
		origin + "/oauth/token", origin + "/oauth/authorize", origin + "/oauth/token",
		[]string{"client_secret_basic", "client_secret_post"}, origin + "/token_keys",
		[]string{"client_credentials"}, []string{"token"}, []string{"public"}, []string{"RS256"},
		[]string{"sub", "iss", "aud", "exp", "iat", "jti", "cid", "azp", "scope", "zid", "ext_attr"},
	})
}
