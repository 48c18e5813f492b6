package sandbox_test

import (
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"iflowtest/internal/sandbox"
)

// An exchange of testdata/wire is a request and the answer the platform gives
// to it, as wire/sap.md has it:
//
//	# what it is
//	> POST {{token}}/oauth/token
//	> Name: value
//	body of the request
//	< 200
//	< Name: value
//	< !Name-that-must-not-be-there
//	body of the answer; <*> stands for any text, an empty one for any body
//
// {{part}} is the origin of a part; {{sender.id}}, {{sender.secret}},
// {{sender.basic}} (raw), {{sender.encoded}} (percent-encoded first) and
// {{sender.bearer}} belong to the key sender, in the same way those of api.
type exchange struct {
	name, method, url    string
	header               []string
	body                 string
	status               int
	wantHeader, unwanted []string
	wantBody             string
}

func readExchanges(t *testing.T, text string) []exchange {
	t.Helper()
	var all []exchange
	var e *exchange
	answering := false
	for n, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "# "):
			all = append(all, exchange{name: line[2:]})
			e, answering = &all[len(all)-1], false
		case e == nil:
			if line != "" {
				t.Fatalf("line %d: %q before the first exchange", n+1, line)
			}
		case strings.HasPrefix(line, "> ") && e.method == "":
			e.method, e.url, _ = strings.Cut(line[2:], " ")
		case strings.HasPrefix(line, "> "):
			e.header = append(e.header, line[2:])
		case strings.HasPrefix(line, "< !"):
			e.unwanted = append(e.unwanted, line[3:])
		case strings.HasPrefix(line, "< ") && e.status == 0:
			answering = true
			e.status, _ = strconv.Atoi(line[2:])
		case strings.HasPrefix(line, "< "):
			e.wantHeader = append(e.wantHeader, line[2:])
		case answering:
			e.wantBody += line + "\n"
		default:
			e.body += line + "\n"
		}
	}
	for i := range all {
		e := &all[i]
		e.body, e.wantBody = strings.TrimSpace(e.body), strings.TrimSpace(e.wantBody)
		if e.method == "" || e.status == 0 {
			t.Fatalf("exchange %q has no request or no answer", e.name)
		}
	}
	return all
}

// fill replaces {{…}}.
func (tn *tenant) fill(text string) string {
	return regexp.MustCompile(`\{\{[a-z0-9.-]+\}\}`).ReplaceAllStringFunc(text, func(m string) string {
		name := m[2 : len(m)-2]
		key, what, ok := strings.Cut(name, ".")
		if !ok {
			return tn.URL(name)
		}
		k := tn.key(key)
		switch what {
		case "id":
			return k.ClientID
		case "secret":
			return k.ClientSecret
		case "form":
			return "client_id=" + url.QueryEscape(k.ClientID) + "&client_secret=" + url.QueryEscape(k.ClientSecret)
		case "basic":
			return base64.StdEncoding.EncodeToString([]byte(k.ClientID + ":" + k.ClientSecret))
		case "encoded":
			return base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(k.ClientID) + ":" + url.QueryEscape(k.ClientSecret)))
		case "bearer":
			return strings.TrimPrefix(tn.bearer(key), "Authorization: Bearer ")
		}
		tn.t.Fatalf("unknown %s", m)
		return ""
	})
}

// like reports whether got is the pattern, in which <*> is any text.
func like(pattern, got string) bool {
	parts := strings.Split(pattern, "<*>")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$").MatchString(got)
}

func TestWire(t *testing.T) {
	paths, err := filepath.Glob("testdata/wire/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no exchanges: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range readExchanges(t, string(text)) {
			t.Run(filepath.Base(path)+"/"+e.name, func(t *testing.T) {
				tn := start(t, sandbox.Options{})
				var header []string
				for _, h := range e.header {
					header = append(header, tn.fill(h))
				}
				a := tn.send(e.method, tn.fill(e.url), tn.fill(e.body), header...)
				if a.StatusCode != e.status {
					t.Errorf("status %d, want %d\n%s", a.StatusCode, e.status, a.body)
				}
				for _, h := range e.wantHeader {
					name, want, _ := strings.Cut(tn.fill(h), ": ")
					if got := strings.Join(a.Header.Values(name), "; "); !like(want, got) || a.Header.Values(name) == nil {
						t.Errorf("header %s: got %q, want %q", name, got, want)
					}
				}
				for _, name := range e.unwanted {
					if got := a.Header.Values(name); got != nil {
						t.Errorf("header %s: got %q, want none", name, got)
					}
				}
				if e.wantBody != "" && !like(tn.fill(e.wantBody), strings.TrimSpace(a.body)) {
					t.Errorf("body\n%s\nwant\n%s", a.body, tn.fill(e.wantBody))
				}
			})
		}
	}
}
