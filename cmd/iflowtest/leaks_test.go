package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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

// disguised are payloads that hold a secret which their bytes do not show.
func disguised(value string) map[string]struct{ contentType, body string } {
	half := len(value) / 2
	a, b := value[:half], value[half:]
	latin := func(s string) string {
		var out []byte
		for _, c := range s {
			out = append(out, byte(c))
		}
		return string(out)
	}
	return map[string]struct{ contentType, body string }{
		"utf-16le.xml":   {"text/xml", inUTF16("<?xml version='1.0' encoding='UTF-16'?><r><pin>"+value+"</pin></r>", binary.LittleEndian)},
		"utf-16be.xml":   {"text/xml", inUTF16("<?xml version='1.0' encoding='UTF-16'?><r><pin>"+value+"</pin></r>", binary.BigEndian)},
		"unmarked.xml":   {"text/xml; charset=utf-16le", inUTF16("<r><pin>"+value+"</pin></r>", binary.LittleEndian)[2:]},
		"utf-16.txt":     {"text/plain", inUTF16("PIN: "+value, binary.LittleEndian)},
		"latin.xml":      {"text/xml", latin("<?xml version='1.0' encoding='ISO-8859-1'?><r><pin>" + value + "</pin></r>")},
		"latin.txt":      {"text/plain; charset=iso-8859-1", latin("PIN: " + value)},
		"comment.xml":    {"text/xml", "<r><pin>" + a + "<!-- -->" + b + "</pin></r>"},
		"cdata.xml":      {"text/xml", "<r><pin><![CDATA[" + a + "]]>" + b + "</pin></r>"},
		"child.xml":      {"text/xml", "<r><pin>" + a + "<x/>" + b + "</pin></r>"},
		"attribute.xml":  {"text/xml", "<r pin='" + strings.ReplaceAll(value, "p", "&#112;") + "'/>"},
		"escaped.json":   {"application/json", `{"pin": "` + strings.ReplaceAll(value, "p", `\u0070`) + `"}`},
		"xml-in.json":    {"application/json", `{"xml": "<p>` + a + `<!-- -->` + b + `<\/p>"}`},
		"unreadable.txt": {"text/plain", "\x00\xff " + inUTF16(value, binary.BigEndian)},
	}
}

const disguisedPin = "topsecretpingrün1"

// updateDisguised has the payloads written into expected files, and asserts on
// them wrongly; it gives what was written anywhere.
func updateDisguised(t *testing.T, redactor *secret.Redactor) (files, outputs map[string]string) {
	t.Helper()
	payloads := disguised(disguisedPin)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := payloads[strings.TrimPrefix(r.URL.Path, "/")]
		w.Header().Set("Content-Type", p.contentType)
		_, _ = io.WriteString(w, p.body)
	}))
	defer server.Close()
	t.Chdir(t.TempDir())
	var b strings.Builder
	b.WriteString("name: Disguised\nsecrets: [pw]\nvars: {pw: \"" + disguisedPin + "\"}\nsteps:\n")
	for _, name := range slices.Sorted(maps.Keys(payloads)) {
		fmt.Fprintf(&b, "  - call: {GET: \"%s/%s\"}\n    on-failure: continue\n    expect:\n      matches-file: \"expected/%s\"\n", server.URL, name, name)
		fmt.Fprintf(&b, "  - call: {GET: \"%s/%s\"}\n    on-failure: continue\n    expect: {body: nope, status: 500, matches-file: seed.txt%s}\n", server.URL, name, map[bool]string{true: ", xml: {//pin: nope, \"string(/)\": nope}"}[strings.HasSuffix(name, ".xml")])
	}
	write(t, "disguised.yaml", b.String())
	write(t, "seed.txt", "another text\n")
	var out, log bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &log, redactor: redactor, unredacted: redactor == nil}
	p.run(t.Context(), []string{"run", "disguised.yaml", "--update-expected", "-v", "--junit", "TEST.xml", "--json", "run.jsonl", "--html", "run.html"})
	outputs = map[string]string{"stdout": out.String(), "stderr": log.String()}
	for _, name := range []string{"TEST.xml", "run.jsonl", "run.html"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		outputs[name] = string(data)
	}
	files = map[string]string{}
	list, _ := os.ReadDir("expected")
	for _, f := range list {
		data, err := os.ReadFile(filepath.Join("expected", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name()] = string(data)
	}
	return files, outputs
}

// TestDisguisedSecrets: whatever a payload is encoded in, a secret of it is
// written into no expected file, and stands in no report.
func TestDisguisedSecrets(t *testing.T) {
	files, outputs := updateDisguised(t, secret.NewRedactor())
	for name, text := range files {
		t.Errorf("%s was written: %q", name, text)
	}
	if n := strings.Count(outputs["stdout"], "the payload holds a secret, which belongs in no file"); n != len(disguised(disguisedPin)) {
		t.Errorf("%d payloads are told to hold a secret, want %d:\n%s", n, len(disguised(disguisedPin)), outputs["stdout"])
	}
	for name, text := range outputs {
		for _, trace := range traces() {
			if i := strings.Index(text, trace); i >= 0 {
				t.Errorf("%s holds %q: …%s…", name, trace, text[max(0, i-100):min(len(text), i+len(trace)+60)])
			}
		}
	}
}

// TestDisguisedSecretsUnredacted: without the redactor all of it is there to be
// found.
func TestDisguisedSecretsUnredacted(t *testing.T) {
	files, outputs := updateDisguised(t, nil)
	if len(files) != len(disguised(disguisedPin)) {
		t.Errorf("%d files were written: %v", len(files), slices.Sorted(maps.Keys(files)))
	}
	for _, trace := range traces() {
		if !slices.ContainsFunc(slices.Collect(maps.Values(outputs)), func(text string) bool { return strings.Contains(text, trace) }) {
			t.Errorf("no output holds %q", trace)
		}
	}
}

// traces are what the secret leaves in an output in its disguises.
func traces() []string {
	return []string{
		"topsecretpingr", `t\x00o\x00p\x00s\x00`, `\x00t\x00o\x00p\x00s`, "topsecret<!-- -->pingr", "topsecret&lt;!-- --&gt;pingr",
		"topsecret]]>pingr", `tpingr\xfcn1`,
	}
}
