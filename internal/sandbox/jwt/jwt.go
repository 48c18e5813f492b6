// Package jwt signs, verifies and publishes what the two authorization
// servers of the sandbox issue: JSON Web Tokens with RS256 (RFC 7515,
// RFC 7517, RFC 7518 3.3).
package jwt

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
	"strings"
)

// maxToken bounds what is looked at, in bytes.
const maxToken = 16 << 10

// Key signs tokens. It never changes once it is made.
type Key struct {
	// ID is the kid of its tokens.
	ID      string
	private *rsa.PrivateKey
}

// NewKey generates a key.
func NewKey(id string) (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generate the signing key: %w", err)
	}
	return &Key{id, private}, nil
}

// Header is the header of a token (wire/sap.md 2.4).
type Header struct {
	Algorithm string `json:"alg"`
	KeySet    string `json:"jku"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
}

// Sign gives a token with the claims. The header names the key set at keySet
// and the key id.
func (k *Key) Sign(keySet, id string, claims any) (string, error) {
	head, errHead := json.Marshal(Header{Algorithm: "RS256", KeySet: keySet, KeyID: id, Type: "JWT"})
	payload, errPayload := json.Marshal(claims)
	if err := errors.Join(errHead, errPayload); err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString(head) + "." + enc.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text + "." + enc.EncodeToString(signature), nil
}

// Verify reads the claims of a token, and reports whether it is one that a key
// of keys signed. It does not look at the time.
func Verify(raw string, keys []*Key, claims any) bool {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > maxToken {
		return false
	}
	var h Header
	if !decode(parts[0], &h) || !decode(parts[1], claims) || h.Algorithm != "RS256" {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	for _, k := range keys {
		if k.ID == h.KeyID {
			return rsa.VerifyPKCS1v15(&k.private.PublicKey, crypto.SHA256, sum[:], signature) == nil
		}
	}
	return false
}

func decode(part string, v any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, v) == nil
}

// Published is a key as /token_keys shows it (wire/sap.md 2.5).
type Published struct {
	Type      string `json:"kty"`
	Exponent  string `json:"e"`
	Use       string `json:"use"`
	ID        string `json:"kid"`
	Algorithm string `json:"alg"`
	PEM       string `json:"value"`
	Modulus   string `json:"n"`
}

// Public gives the public half of the key.
func (k *Key) Public() (Published, error) {
	public := &k.private.PublicKey
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Published{}, fmt.Errorf("publish the signing key: %w", err)
	}
	enc := base64.RawURLEncoding
	return Published{
		Type: "RSA", Use: "sig", ID: k.ID, Algorithm: "RS256",
		Exponent: enc.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
		Modulus:  enc.EncodeToString(public.N.Bytes()),
		PEM:      string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}, nil
}
