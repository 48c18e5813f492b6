package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// environment writes an environment file: target by the plan of the key, and
// the key as a credential. Without secrets it names the variable of the
// process environment that holds them.
func (c *conversion) environment() (Document, error) {
	var b bytes.Buffer
	c.target(&b)
	fmt.Fprintf(&b, "credentials:\n  %s:\n", yamlText(c.options.Name))
	var err error
	switch {
	case c.options.Secrets:
		err = c.whole(&b)
	case c.usesCertificate():
		name := c.variable("SERVICE_KEY")
		fmt.Fprintf(&b, "    service-key: ${env.%s}\n", name)
		c.note("the service key is not in it: put its JSON, or the path of its file, into the variable %s", name)
	default:
		c.spelledOut(&b)
	}
	if err != nil {
		return Document{}, &Error{err.Error()}
	}
	if c.usesCertificate() && c.key.PrivateKey.IsZero() {
		file := "./" + c.options.Name + "-key.pem"
		fmt.Fprintf(&b, "    key: %s\n", yamlText(file))
		c.note("the certificate is external: its private key is not part of the service key; %s is wanted beside the environment file", file)
	}
	return c.done(b.Bytes(), c.options.Secrets)
}

// target writes where the key leads, as far as its plan tells.
func (c *conversion) target(b *bytes.Buffer) {
	url := yamlText(c.key.URL)
	switch {
	case c.key.URL == "":
	case c.key.Plan == "integration-flow":
		fmt.Fprintf(b, "target:\n  runtime: %s\n", url)
	case c.key.Plan == "api":
		const root = "/api/v1"
		fmt.Fprintf(b, "target:\n  api: %s\n", yamlText(strings.TrimSuffix(c.key.URL, root)+root))
	}
}

func (c *conversion) spelledOut(b *bytes.Buffer) {
	name := c.variable("CLIENT_SECRET")
	fmt.Fprintf(b, "    token-url: %s\n    client-id: %s\n    client-secret: ${env.%s}\n", yamlText(c.key.TokenURL), yamlText(c.key.ClientID), name)
	if c.key.URL != "" {
		fmt.Fprintf(b, "    url: %s\n", yamlText(c.key.URL))
	}
	c.note("the client secret is not in it: put it into the variable %s", name)
}

// wholeKey is a service key with what is needed of it (wire/sap.md 1.2, 1.3).
type wholeKey struct {
	ClientID     string        `json:"clientid"`
	ClientSecret string        `json:"clientsecret,omitempty"`
	Certificate  string        `json:"certificate,omitempty"`
	Key          string        `json:"key,omitempty"`
	Details      *wholeDetails `json:"certificatedetails,omitempty"`
	TokenURL     string        `json:"tokenurl"`
	URL          string        `json:"url,omitempty"`
}

type wholeDetails struct {
	ValidUntil string `json:"validuntil"`
}

// whole writes the service key as text: one form for secrets and certificates.
func (c *conversion) whole(b *bytes.Buffer) error {
	k := wholeKey{
		ClientID: c.key.ClientID, ClientSecret: c.key.ClientSecret.Reveal(), Certificate: c.key.Certificate, Key: c.key.PrivateKey.Reveal(),
		TokenURL: c.key.TokenURL, URL: c.key.URL,
	}
	if c.key.Certificate != "" && c.key.ValidUntil != "" {
		k.Details = &wholeDetails{c.key.ValidUntil}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]wholeKey{"oauth": k}); err != nil {
		return err
	}
	fmt.Fprintf(b, "    service-key: %s\n", yamlText(strings.TrimSuffix(text.String(), "\n")))
	return nil
}

var notInVariables = regexp.MustCompile(`[^A-Z0-9_]+`)

// variable names a variable of the process environment for a secret.
func (c *conversion) variable(what string) string {
	name := notInVariables.ReplaceAllString(strings.ToUpper(c.options.Name), "_") + "_" + what
	if name[0] >= '0' && name[0] <= '9' {
		return "KEY_" + name
	}
	return name
}

// plainYAML is a text that needs no quotes, wherever it stands: a URL, a name.
var plainYAML = regexp.MustCompile(`^(https?://[A-Za-z0-9._~/:-]*[A-Za-z0-9/]|[A-Za-z][A-Za-z0-9_-]*|\./[A-Za-z0-9._-]+)$`)

// yamlText gives a text as a scalar of YAML that the language reads as that
// text.
func yamlText(text string) string {
	if plainYAML.MatchString(text) && !isWord(text) {
		return text
	}
	text = strings.ReplaceAll(text, "${", "$${")
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// isWord reports whether YAML takes a word for something else than text.
func isWord(text string) bool {
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return true
	}
	return false
}
