package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"iflowtest/internal/secret"
)

// leaked runs a command line with everything reported, and fails for each of
// the values that stands in any output.
func leaked(t *testing.T, environ, args []string, values ...string) string {
	t.Helper()
	var out, log bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &log, environ: environ, redactor: secret.NewRedactor()}
	p.run(t.Context(), args)
	all := out.String() + log.String()
	for _, name := range []string{"TEST.xml", "run.jsonl"} {
		if data, err := os.ReadFile(name); err == nil {
			all += string(data)
		}
	}
	for _, v := range values {
		for _, e := range secret.Encodings(v) {
			if i := strings.Index(all, e.Text); i >= 0 {
				t.Errorf("%q stands in an output (%s): …%s…", v, e.Name, all[max(0, i-80):min(len(all), i+len(e.Text)+20)])
			}
		}
	}
	return all
}

func reported(file string, more ...string) []string {
	return append([]string{"run", file, "-v", "--junit", "TEST.xml", "--json", "run.jsonl"}, more...)
}

// TestRedirectCookie: the cookie that a redirect on the way sets is a secret.
func TestRedirectCookie(t *testing.T) {
	const value = "HOPCOOKIEVALUE99"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hop" {
			http.SetCookie(w, &http.Cookie{Name: "hop", Value: value, Path: "/"})
			http.Redirect(w, r, "/echo", http.StatusFound)
			return
		}
		fmt.Fprintf(w, "cookie: %s", r.Header.Get("Cookie"))
	}))
	defer server.Close()
	t.Chdir(t.TempDir())
	write(t, "hop.yaml", "name: Hop\nsteps:\n  - call: {GET: \""+server.URL+"/hop\", follow-redirects: true}\n    expect: {body: nope}\n")
	if all := leaked(t, nil, reported("hop.yaml"), value); !strings.Contains(all, "***(cookie hop)") {
		t.Errorf("nowhere is ***(cookie hop):\n%s", all)
	}
}

// TestSecretVariable: a secret in the name of a scenario is known before the
// first event of it.
func TestSecretVariable(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "pin.yaml", "name: leak ${pin}\nsecrets: [pin]\nvars: {pin: none}\nsteps:\n  - wait: 1ms\n")
	leaked(t, nil, reported("pin.yaml", "--var", "pin=PINVALUE4711"), "PINVALUE4711")
}

// TestKeyThatIsNone: a service key from the environment that cannot be read is
// not quoted, and one in base64 is read.
func TestKeyThatIsNone(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "key.yaml", "name: Key\ncredentials:\n  own: {service-key: \"${env.SENDER}\"}\nsteps:\n  - token: {credential: own}\n")
	leaked(t, []string{"SENDER=LEAKNOTAKEYATALL"}, reported("key.yaml"), "LEAKNOTAKEYATALL")
	key := `{"oauth":{"clientid":"sb-1","clientsecret":"LEAKCLIENTSECRET1","tokenurl":"http://127.0.0.1:1/oauth/token","url":"http://127.0.0.1:1"}}`
	all := leaked(t, []string{"SENDER=" + base64.StdEncoding.EncodeToString([]byte(key))}, reported("key.yaml"), "LEAKCLIENTSECRET1")
	if !strings.Contains(all, "connection refused") {
		t.Errorf("the key in base64 was not used:\n%s", all)
	}
}

// TestSecretLines: the line of a mistake does not show the secret beside it.
func TestSecretLines(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "auth.yaml", "name: A\nsteps:\n  - call: {GET: \"http://127.0.0.1:1/\", hedaers: {a: b}, auth: {username: u, password: LEAKfour444}}\n")
	leaked(t, nil, reported("auth.yaml"), "LEAKfour444")
	write(t, "misspelt.yaml", "name: A\nsteps:\n  - call: {GET: \"http://127.0.0.1:1/\", auth: {username: u, pasword: LEAKthree33}}\n")
	leaked(t, nil, reported("misspelt.yaml"), "LEAKthree33")
	write(t, "client.yaml", "name: A\ncredentials:\n  c: {token-url: \"http://127.0.0.1:1/\", client-id: x, client-secrt: LEAKtwo2222}\nsteps:\n  - token: {credential: c}\n")
	leaked(t, nil, reported("client.yaml"), "LEAKtwo2222")
}

// TestUsageErrors: what is said of wrong usage passes the gate as well.
func TestUsageErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.yaml", "name: A\nsteps:\n  - call: {GET: \"http://127.0.0.1:1/ProxyPassw0rd\"}\n")
	leaked(t, nil, []string{"run", "a.yaml", "--var", "=LEAKten1010"}, "LEAKten1010")
	leaked(t, []string{"MY_TOKEN=LEAKtwelve12"}, []string{"LEAKtwelve12"}, "LEAKtwelve12")
	leaked(t, []string{"MY_TOKEN=LEAKtwelve12"}, []string{"run", "a.yaml", "--parallel", "LEAKtwelve12"}, "LEAKtwelve12")
	leaked(t, []string{"MY_TOKEN=jtokenvalue99"}, []string{"run", "a.yaml", "--junit", "jtokenvalue99.xml"}, "jtokenvalue99")
	leaked(t, []string{"HTTP_PROXY=http://user:ProxyPassw0rd@127.0.0.1:1"}, reported("a.yaml"), "ProxyPassw0rd")
}
