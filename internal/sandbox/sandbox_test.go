package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"iflowtest/internal/sandbox"
)

// tenant is a sandbox and somebody who calls it in memory.
type tenant struct {
	*sandbox.Tenant
	t      testing.TB
	client *http.Client
}

func start(t testing.TB, o sandbox.Options) *tenant {
	t.Helper()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &tenant{s, t, &http.Client{Transport: s.RoundTripper()}}
}

// listen starts a sandbox on sockets and stops it with the test.
func listen(t testing.TB, o sandbox.Options) *tenant {
	t.Helper()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &tenant{s, t, &http.Client{Transport: transport}}
}

// oauth is what wire/sap.md 1.2 says a key holds.
type oauth struct {
	ClientID, ClientSecret, URL, CreateDate, TokenURL string
}

func (tn *tenant) key(name string) oauth {
	tn.t.Helper()
	for _, k := range tn.Keys() {
		if k.Name == name {
			return parseKey(tn.t, k.JSON)
		}
	}
	tn.t.Fatalf("there is no key %q", name)
	return oauth{}
}

func parseKey(t testing.TB, document []byte) oauth {
	t.Helper()
	var d struct{ OAuth oauth }
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatalf("key: %v\n%s", err, document)
	}
	return d.OAuth
}

// answer is a response that was read to its end.
type answer struct {
	*http.Response
	body string
}

// send does a request; header is "Name: value" lines.
func (tn *tenant) send(method, target, body string, header ...string) answer {
	tn.t.Helper()
	a, err := tn.try(method, target, body, header...)
	if err != nil {
		tn.t.Fatal(err)
	}
	return a
}

func (tn *tenant) try(method, target, body string, header ...string) (answer, error) {
	tn.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(tn.t.Context(), method, target, reader)
	if err != nil {
		tn.t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	res, err := tn.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res, string(text)}, err
}

// form asks for a token with everything in the body.
func (tn *tenant) form(k oauth) answer {
	tn.t.Helper()
	f := url.Values{"grant_type": {"client_credentials"}, "client_id": {k.ClientID}, "client_secret": {k.ClientSecret}}
	return tn.send("POST", k.TokenURL, f.Encode(), "Content-Type: application/x-www-form-urlencoded")
}

// bearer gets a token with the key and gives the header.
func (tn *tenant) bearer(key string) string {
	tn.t.Helper()
	a := tn.form(tn.key(key))
	if a.StatusCode != http.StatusOK {
		tn.t.Fatalf("token of %s: %d %s", key, a.StatusCode, a.body)
	}
	return "Authorization: Bearer " + decode[struct {
		Token string `json:"access_token"`
	}](tn.t, a.body).Token
}

func decode[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

func (tn *tenant) fault(spec string) {
	tn.t.Helper()
	a := tn.send("POST", tn.URL(sandbox.Control)+"/_sandbox/faults", fmt.Sprintf(`{"fault": %q}`, spec), "Content-Type: application/json")
	if a.StatusCode != http.StatusCreated {
		tn.t.Fatalf("fault %s: %d %s", spec, a.StatusCode, a.body)
	}
}

func TestFirstCall(t *testing.T) {
	for name, open := range map[string]func(testing.TB, sandbox.Options) *tenant{"memory": start, "sockets": listen} {
		t.Run(name, func(t *testing.T) {
			tn := open(t, sandbox.Options{})
			a := tn.send("POST", tn.key("sender").URL+"/http/orders", `{"sku":"A-100","qty":2}`, tn.bearer("sender"))
			if a.StatusCode != 200 {
				t.Fatalf("status %d: %s", a.StatusCode, a.body)
			}
			const order = `"id":"4711","currency":"EUR","lines":[{"sku":"A-100","qty":2,"price":9.50,"amount":19.00}],"total":19.00`
			const want = `{` + order + `,"order":{` + order + `}}`
			if a.body != want {
				t.Errorf("got  %s\nwant %s", a.body, want)
			}
			if id := a.Header.Get("SAP_MessageProcessingLogID"); len(id) != 28 || id[0] != 'A' {
				t.Errorf("message ID %q: want 28 characters that begin with A", id)
			}
		})
	}
}
