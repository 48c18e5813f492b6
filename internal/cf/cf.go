// Package cf is a client of the Cloud Foundry API v3: organisations, spaces,
// plans, service instances and service keys, with the sign-in of the platform
// and its asynchronous jobs.
//
// It speaks as the cf command line does (wire/sap.md 3). It prints nothing,
// waits only within the context it is given, and repeats only what can be
// repeated without harm: a create whose answer was lost is an error for which
// [platform.MaybeCreated] is true.
package cf

import (
	"net/url"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

// Config says which Cloud Foundry to speak to and how to sign in there. Of the
// ways to sign in the first that is set counts: Username, ClientID, Home.
type Config struct {
	// API is the URL of the API, such as https://api.cf.eu10.hana.ondemand.com;
	// https:// is put before a bare host. It may be empty with Home: then it is
	// the API that the session is for.
	API string
	// Username and Password sign a person or a technical user in. The client
	// is then ClientID with ClientSecret, or, when empty, the one of the cf
	// command line.
	Username string
	Password secret.Secret
	// Origin is the identity provider that knows the user, such as "sap.ids";
	// empty: the platform finds it.
	Origin string
	// ClientID and ClientSecret sign in with client credentials.
	ClientID     string
	ClientSecret secret.Secret
	// Home is the folder that holds .cf/config.json (CF_HOME): the session of
	// the cf command line is used, and never written back.
	Home string
	// Learned is told every token before it is used and before anybody else
	// sees it, under a name like "cloud-foundry.access-token"; nil: nobody is.
	// It may be called by several goroutines at once.
	Learned func(name, value string)
	// Warned is told each warning of the platform (X-Cf-Warnings, and those of
	// jobs) once; nil: nobody is. It may be called by several goroutines.
	Warned func(text string)
	// Waiting is told before the client waits to ask again, and why; nil:
	// nobody is. It may be called by several goroutines.
	Waiting func(reason string, d time.Duration)
}

// Client speaks to one Cloud Foundry as one user. It is safe for concurrent
// use; make it with [New].
type Client struct {
	sender platform.Sender
	config Config
	flight flight

	mu      sync.Mutex
	address string // URL of the API; empty: not known yet
	signIns string // URL of the sign-in server; empty: not known yet
	token   token
	refusal *platform.Error // of the sign-in: it is not tried again
	warned  map[string]bool
}

// New makes a client. Nothing is sent before the first call, which finds the
// sign-in server (wire/sap.md 3.1) and signs in (3.2), once for all goroutines.
// A sign-in that was refused is not tried again: platforms lock accounts after
// a few wrong passwords.
func New(h *httpx.Client, c Config) *Client {
	if c.Learned == nil {
		c.Learned = func(string, string) {}
	}
	if c.Warned == nil {
		c.Warned = func(string) {}
	}
	if c.Waiting == nil {
		c.Waiting = func(string, time.Duration) {}
	}
	client := &Client{config: c, address: baseURL(c.API), warned: make(map[string]bool)}
	client.sender = platform.Sender{
		HTTP: h, Patience: patience(), Waiting: c.Waiting,
		Answered: func(r *httpx.Response) { client.warn(warnings(r)) },
	}
	return client
}

// baseURL gives a URL a scheme and takes the slash from its end.
func baseURL(address string) string {
	address = strings.TrimRight(strings.TrimSpace(address), "/")
	if address != "" && !strings.Contains(address, ":/") && !strings.HasSuffix(address, ":") {
		address = "https://" + address
	}
	return address
}

// origin gives the origin of a URL, or "" when it has none.
func origin(address string) string {
	o, err := httpx.Origin(address)
	if err != nil {
		return ""
	}
	return o
}

// resolve gives the absolute URL of a reference found in the answer from base,
// and whether it stays on base's origin: a token goes nowhere else.
func resolve(base, reference string) (string, bool) {
	from, err := url.Parse(base)
	if err != nil {
		return "", false
	}
	to, err := from.Parse(reference)
	if err != nil {
		return "", false
	}
	to.User = nil
	address := to.String()
	return address, origin(address) != "" && origin(address) == origin(base)
}

// warn tells warnings that were not told before.
func (c *Client) warn(texts []string) {
	const most = 1000
	for _, text := range texts {
		c.mu.Lock()
		known := text == "" || c.warned[text] || len(c.warned) >= most
		c.warned[text] = true
		c.mu.Unlock()
		if !known {
			c.config.Warned(text)
		}
	}
}

// warnings reads X-Cf-Warnings: percent-encoded texts, joined by commas, in
// one header or several (wire/sap.md 3.7).
func warnings(r *httpx.Response) []string {
	var texts []string
	for _, value := range r.Header.Values("X-Cf-Warnings") {
		for part := range strings.SplitSeq(value, ",") {
			text, err := url.QueryUnescape(strings.TrimSpace(part))
			if err != nil {
				text = strings.TrimSpace(part)
			}
			if text = strings.TrimSpace(text); text != "" {
				texts = append(texts, platform.Cut(text, platform.MaxText))
			}
		}
	}
	return texts
}

// name of the credential in the names of secrets.
const credential = "cloud-foundry"

// learn tells the redactor a token before anybody sees it.
func (c *Client) learn(name, value string) {
	if value != "" {
		c.config.Learned(credential+"."+name, value)
	}
}
