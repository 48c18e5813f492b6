package convert

import (
	"bytes"
	"encoding/json"
)

// postmanEnvironment is an environment as Postman exports it. Without an id it
// gets one when it is imported.
type postmanEnvironment struct {
	Name   string            `json:"name"`
	Values []postmanVariable `json:"values"`
	Scope  string            `json:"_postman_variable_scope"`
}

type postmanVariable struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Type    string `json:"type"` // "default", or "secret": masked on the screen
	Enabled bool   `json:"enabled"`
}

func (c *conversion) postman() (Document, error) {
	e := postmanEnvironment{Name: c.options.Name, Scope: "environment", Values: []postmanVariable{
		{"url", c.key.URL, "default", true},
		{"tokenUrl", c.key.TokenURL, "default", true},
		{"clientId", c.key.ClientID, "default", true},
	}}
	if c.usesCertificate() {
		c.note("an environment of Postman holds no certificate: add it for the host of tokenUrl under Settings > Certificates, with the private key of this key")
		if c.key.PrivateKey.IsZero() {
			c.note("the certificate is external: its private key is not part of the service key, its owner has it")
		}
	} else {
		e.Values = append(e.Values, postmanVariable{"clientSecret", c.clientSecret(), "secret", true})
		if !c.options.Secrets {
			c.note("the client secret is not in it: put it in the place of %s, as the current value of clientSecret", c.clientSecret())
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(e); err != nil {
		return Document{}, &Error{err.Error()}
	}
	return c.done(b.Bytes(), c.options.Secrets && !c.usesCertificate())
}
