package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// property is one of a destination.
type property struct{ name, value string }

// destination writes a destination (wire/sap.md 7).
func (c *conversion) destination(format func([]property) ([]byte, error)) (Document, error) {
	if c.key.URL == "" {
		return Document{}, &Error{"the key leads nowhere: it has no url besides that of its token server, and a destination wants one; use a key of it-rt, or of another service with a URL"}
	}
	all := []property{
		{"Name", c.options.Name},
		{"Type", "HTTP"},
		{"URL", c.key.URL},
		{"ProxyType", "Internet"},
		{"Authentication", "OAuth2ClientCredentials"},
		{"clientId", c.key.ClientID},
	}
	if c.usesCertificate() {
		store := c.options.Name + ".pem"
		all = append(all, property{"tokenService.KeyStoreLocation", store})
		c.keyStore(store)
	} else {
		all = append(all, property{"clientSecret", c.clientSecret()})
		if !c.options.Secrets {
			c.note("the client secret is not in it: put it in the place of %s, or have it written with --with-secrets --out FILE", c.clientSecret())
		}
	}
	all = append(all, property{"tokenServiceURL", c.key.TokenURL}, property{"tokenServiceURLType", "Dedicated"})
	text, err := format(all)
	if err != nil {
		return Document{}, &Error{err.Error()}
	}
	return c.done(text, c.options.Secrets && !c.usesCertificate())
}

// keyStore says what a destination cannot hold: certificates are uploaded on
// their own, and named in it.
func (c *conversion) keyStore(store string) {
	c.note("a destination holds no certificate: before it is used, upload one as %s (Destinations > Certificates in the cockpit), with the certificate chain and the private key of this key in PEM", store)
	if c.key.PrivateKey.IsZero() {
		c.note("the certificate is external: its private key is not part of the service key, its owner has it")
	}
}

// properties writes a file of properties as java.util.Properties reads it: in
// ASCII, whatever else as \uXXXX. In a value a backslash is doubled, and blanks
// at its start are escaped; in a name "=", ":" and blanks are as well, and "#"
// and "!", which would begin a comment.
func properties(all []property) ([]byte, error) {
	var b bytes.Buffer
	for _, p := range all {
		b.WriteString(escape(p.name, true))
		b.WriteByte('=')
		b.WriteString(escape(p.value, false))
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}

func escape(text string, name bool) string {
	var b strings.Builder
	leading := true
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == ' ' && (name || leading), name && strings.ContainsRune("=:#!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r > '~':
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04X`, unit)
			}
		default:
			b.WriteRune(r)
		}
		leading = leading && r == ' '
	}
	return b.String()
}

// inJSON writes an object of texts, in the order of the properties.
func inJSON(all []property) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, p := range all {
		name, err := quoted(p.name)
		if err != nil {
			return nil, err
		}
		value, err := quoted(p.value)
		if err != nil {
			return nil, err
		}
		comma := ","
		if i == len(all)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "  %s: %s%s\n", name, value, comma)
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

// quoted gives a text in JSON; "<", ">" and "&" stay as they are.
func quoted(text string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(text)
	return strings.TrimSuffix(b.String(), "\n"), err
}
