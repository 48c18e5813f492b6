package servicekey

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	certificates "iflowtest/internal/certificate"
	"iflowtest/internal/secret"
)

// Parse reads a service key. The name is that of the credential; it begins
// the names of the key's secrets.
//
// What wraps the key is taken away: a byte order mark, the line that cf
// service-key prints first, {"credentials": …}, {"oauth": …}, {"uaa": …}, and
// quotes where JSON was pasted as a string. Blanks around values are trimmed.
// The names of keys are compared without regard to case, "-" and "_".
//
// The error is an [*Error] that lists everything that is wrong.
func Parse(name string, data []byte) (*Key, error) {
	document, err := decode(name, data)
	if err != nil {
		return nil, err
	}
	s := unwrap(document)
	p := &parser{section: s}
	k := p.key(name)
	if len(p.problems) > 0 {
		return nil, &Error{Name: name, Problems: p.problems}
	}
	k.Endpoints = endpoints(document)
	k.Secrets = secrets(name, k, document)
	return k, nil
}

// section is the object that holds the client ID.
type section struct {
	fields map[string]any // by canonical name
	names  []string       // as written, sorted
	oauth  bool           // it stood under "oauth": url is the runtime, never the token server
	outer  map[string]any // what it was unwrapped from; may be itself
}

// canonical is how the names of keys are compared: clientId, client_id and
// client-id are clientid.
func canonical(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(strings.TrimSpace(name)))
}

// unwrap finds the object that holds the client ID.
func unwrap(object map[string]any) section {
	s := section{outer: object}
	for range 8 { // each of them may be wrapped in another
		s.read(object)
		if s.fields["clientid"] != nil {
			return s
		}
		inner, wrapper := wrapped(s.fields)
		if inner == nil {
			return s
		}
		s.outer, object = object, inner
		s.oauth = s.oauth || wrapper == "oauth"
	}
	return s
}

// wrapped gives what the first wrapper among the fields holds.
func wrapped(fields map[string]any) (inner map[string]any, wrapper string) {
	for _, wrapper := range [...]string{"credentials", "oauth", "uaa"} {
		switch v := fields[wrapper].(type) {
		case map[string]any:
			return v, wrapper
		case string: // JSON in a string
			if value, _, message := decodeJSON(strings.Trim(v, blanks)); message == "" {
				if object, ok := value.(map[string]any); ok {
					return object, wrapper
				}
			}
		}
	}
	return nil, ""
}

func (s *section) read(object map[string]any) {
	s.names = slices.Sorted(maps.Keys(object))
	s.fields = make(map[string]any, len(object))
	for _, name := range s.names {
		c := canonical(name)
		// Of two spellings the one SAP uses counts.
		if _, twice := s.fields[c]; !twice || name == c {
			s.fields[c] = object[name]
		}
	}
}

type parser struct {
	section
	lacking, problems []string
}

func (p *parser) problem(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// text gives a field that is text, without blanks around it, and whether it
// is there at all. Null is not there.
func (p *parser) text(field string) (value string, there bool) {
	switch v := p.fields[field].(type) {
	case nil:
		return "", false
	case string:
		return strings.Trim(v, blanks), true
	default:
		p.problem("%s is %s; want text", field, kind(v))
		return "", true
	}
}

// required is text that must be there and must not be empty.
func (p *parser) required(field string) string {
	v, there := p.fields[field]
	if !there {
		p.lacking = append(p.lacking, field)
		return ""
	}
	if v == nil {
		p.problem("%s is null; want text", field)
		return ""
	}
	value, _ := p.text(field)
	if _, ok := v.(string); ok && value == "" {
		p.problem("%s is empty", field)
	}
	return value
}

func (p *parser) key(name string) *Key {
	k := &Key{Name: name}
	k.ClientID = p.required("clientid")
	k.Plan = plan(k.ClientID)
	p.credential(k)
	p.urls(k)
	k.CreateDate, _ = p.text("createdate")
	p.lacks()
	return k
}

// credential takes the client secret, or certificate and private key.
func (p *parser) credential(k *Key) {
	_, hasSecret := p.fields["clientsecret"]
	certificate, hasCertificate := p.text("certificate")
	if !hasCertificate {
		if _, hasKey := p.fields["key"]; hasKey && !hasSecret {
			p.lacking = append(p.lacking, "certificate")
			return
		}
		k.ClientSecret = secret.New(k.Name+".client-secret", p.required("clientsecret"))
		return
	}
	if hasSecret {
		p.problem("has both clientsecret and certificate; want one of them")
		return
	}
	k.Certificate = certificates.Lines(certificate)
	k.DeclaredUntil = p.declaredUntil()
	k.ValidUntil = p.validUntil(k.Certificate, k.DeclaredUntil)
	if privateKey, there := p.text("key"); there {
		privateKey = certificates.Lines(privateKey)
		if block, _ := pem.Decode([]byte(privateKey)); block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			p.problem("key is not a private key in PEM; want -----BEGIN … PRIVATE KEY-----")
		}
		k.PrivateKey = secret.New(k.Name+".key", privateKey)
	}
}

// declaredUntil is certificatedetails.validuntil (wire/sap.md 1.3).
func (p *parser) declaredUntil() string {
	details, ok := p.fields["certificatedetails"].(map[string]any)
	if !ok {
		return ""
	}
	var d section
	d.read(details)
	until, _ := d.fields["validuntil"].(string)
	return strings.Trim(until, blanks)
}

// validUntil gives when the certificate expires, and checks that it is one.
func (p *parser) validUntil(certificate, declared string) string {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil || block.Type != "CERTIFICATE" {
		p.problem("certificate is not in PEM; want -----BEGIN CERTIFICATE-----")
		return ""
	}
	if declared != "" {
		return declared
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil { // connecting will say why
		return ""
	}
	return parsed.NotAfter.UTC().Format(time.RFC3339)
}

// urls takes the token URL and the base URL. In keys of XSUAA (wire/sap.md
// 1.6) url is the token server, certurl the one that takes certificates, and
// uri the service.
func (p *parser) urls(k *Key) {
	token, base := "tokenurl", "url"
	if _, there := p.fields[token]; !there && !p.oauth {
		runtime, _ := p.fields["url"].(string)
		if _, there := p.fields["certurl"]; there && k.Certificate != "" {
			token, base = "certurl", "uri"
		} else if _, there := p.fields["url"]; there && !isRuntime(runtime) {
			token, base = "url", "uri"
		}
	}
	if address := p.required(token); address != "" {
		k.TokenURL = p.tokenURL(token, address)
	}
	if address, _ := p.text(base); address != "" && p.absolute(base, address) != nil {
		k.URL = strings.TrimRight(address, "/")
	}
}

// isRuntime reports whether a URL is that of a Cloud Integration tenant: in a
// key that has no tokenurl it cannot stand for it.
func isRuntime(address string) bool {
	u, err := url.Parse(address)
	return err == nil && strings.Contains(u.Hostname(), ".it-cpi")
}

func (p *parser) tokenURL(field, address string) string {
	u := p.absolute(field, address)
	if u == nil {
		return ""
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/oauth/token"
	}
	return u.String()
}

// absolute checks a URL. What it finds wrong it says without quoting it: a
// URL may hold a password.
func (p *parser) absolute(field, address string) *url.URL {
	u, err := url.Parse(address)
	switch {
	case err != nil || strings.ContainsAny(address, " \t\r\n"):
		p.problem("%s is not a URL; want https://host/…", field)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Hostname() == "":
		p.problem("%s is not an absolute URL; want https://host/…", field)
	case u.User != nil:
		p.problem("%s holds a user; want https://host/…", field)
	default:
		return u
	}
	return nil
}

// lacks says in one line what is not there, and what is.
func (p *parser) lacks() {
	if len(p.lacking) == 0 {
		return
	}
	lacking := strings.Join(p.lacking, ", ")
	if i := strings.LastIndex(lacking, ", "); i >= 0 {
		lacking = lacking[:i] + " and " + lacking[i+2:]
	}
	text := "lacks " + lacking
	switch shown := shownNames(p.names); {
	case len(p.names) == 0:
		text += "; it is empty"
	default:
		text += "; it has the keys " + strings.Join(shown, ", ")
	}
	p.problems = append([]string{text}, p.problems...)
}

// plainName is the name of a key that is surely no secret itself.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,31}$`)

// shownNames quotes at most twelve names.
func shownNames(names []string) []string {
	const most = 12
	var shown []string
	for _, n := range names {
		if len(shown) == most {
			return append(shown, fmt.Sprintf("and %d more", len(names)-most))
		}
		if !plainName.MatchString(n) {
			n = "…"
		}
		shown = append(shown, fmt.Sprintf("%q", n))
	}
	return shown
}
