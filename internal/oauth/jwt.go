package oauth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// maxJWT bounds what Decode looks at; servers refuse 16 KiB already (wire/sap.md 2.6).
const maxJWT = 64 << 10

// JWT is a token as it reads (RFC 7519). Nothing of it is verified.
type JWT struct {
	// Header and Payload are the JSON texts.
	Header, Payload string
	// Algorithm, KeyID and JKU are alg, kid and jku of the header.
	Algorithm, KeyID, JKU string
	// Issuer is iss; Scopes is scope, be it a list or words in one text;
	// Audience is aud, be it one text or a list.
	Issuer           string
	Scopes, Audience []string
	// Expiry, IssuedAt and NotBefore are exp, iat and nbf; zero: absent or
	// not a number.
	Expiry, IssuedAt, NotBefore time.Time
	// Confirmation is cnf["x5t#S256"], the thumbprint of the certificate that
	// the token is bound to (RFC 8705 3.1); empty: it is bound to none.
	Confirmation string
}

// Decode reads a signed JWT in its compact form, of any algorithm, without
// verifying it. Claims of an unexpected type read as absent.
func Decode(token string) (*JWT, error) {
	decoded, _, err := decode(token, nil)
	return decoded, err
}

// decode reads the token through the JOSE library, which accepts the given
// algorithms only; nil: the one that the token names.
func decode(token string, algorithms []jose.SignatureAlgorithm) (*JWT, *jose.JSONWebSignature, error) {
	if len(token) > maxJWT {
		return nil, nil, fmt.Errorf("the token is longer than %d KiB", maxJWT>>10)
	}
	if strings.Count(token, ".") != 2 {
		return nil, nil, errors.New("the token is not a JWT: it has not three parts")
	}
	// The decoder of base64 skips line breaks; a token has none.
	if strings.ContainsFunc(token, func(r rune) bool { return r != '.' && !isBase64URL(r) }) {
		return nil, nil, errors.New("the token is not a JWT: its parts are not base64url")
	}
	first, _, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return nil, nil, errors.New("the token is not a JWT: its parts are not base64url")
	}
	var head map[string]json.RawMessage
	if json.Unmarshal(header, &head) != nil || head == nil {
		return nil, nil, errors.New("the token is not a JWT: its header is not a JSON object")
	}
	j := &JWT{Header: string(header), Algorithm: claimText(head["alg"]), KeyID: claimText(head["kid"]), JKU: claimText(head["jku"])}
	if algorithms == nil {
		algorithms = []jose.SignatureAlgorithm{jose.SignatureAlgorithm(j.Algorithm)}
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, nil, fmt.Errorf("the token is not a JWT: %s", strings.TrimPrefix(err.Error(), "go-jose/go-jose: "))
	}
	payload := signed.UnsafePayloadWithoutVerification()
	var claims map[string]json.RawMessage
	if json.Unmarshal(payload, &claims) != nil || claims == nil {
		return nil, nil, errors.New("the token is not a JWT: its payload is not a JSON object")
	}
	j.Payload = string(payload)
	j.Issuer = claimText(claims["iss"])
	j.Audience = claimTexts(claims["aud"])
	j.Scopes = claimTexts(claims["scope"])
	if len(j.Scopes) == 1 {
		j.Scopes = strings.Fields(j.Scopes[0])
	}
	j.Expiry, j.IssuedAt, j.NotBefore = claimTime(claims["exp"]), claimTime(claims["iat"]), claimTime(claims["nbf"])
	var confirmation map[string]json.RawMessage
	if json.Unmarshal(claims["cnf"], &confirmation) == nil {
		j.Confirmation = claimText(confirmation["x5t#S256"])
	}
	return j, signed, nil
}

func isBase64URL(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

func claimText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func claimTexts(raw json.RawMessage) []string {
	if s := claimText(raw); s != "" {
		return []string{s}
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	var texts []string
	for _, item := range list {
		if s := claimText(item); s != "" {
			texts = append(texts, s)
		}
	}
	return texts
}

// claimTime reads a NumericDate (RFC 7519 2), up to the year 9999.
func claimTime(raw json.RawMessage) time.Time {
	const maxTime = 253402300799
	var n float64
	if len(raw) == 0 || raw[0] == '"' || raw[0] == 'n' || json.Unmarshal(raw, &n) != nil || n <= 0 {
		return time.Time{}
	}
	whole, fraction := math.Modf(min(n, maxTime))
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}

var applicationName = regexp.MustCompile(`^[^\s]*![A-Za-z][0-9]+$`)

// HasScope tells whether a scope is granted: written whole, or behind the name
// of the application that owns it, as in "it-rt-acme!b26655.ESBMessaging.send". The empty scope is never granted.
func HasScope(granted []string, want string) bool {
	if want == "" {
		return false
	}
	for _, scope := range granted {
		if scope == want {
			return true
		}
		if application, ok := strings.CutSuffix(scope, "."+want); ok && applicationName.MatchString(application) {
			return true
		}
	}
	return false
}
