package gate

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
	"iflowtest/internal/secret"
	"iflowtest/internal/servicekey"
	"iflowtest/runner"
)

// TestEveryShape: each shape of a key that the cockpit, cf and their users
// produce is read, and the token server is asked.
func TestEveryShape(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "keys", "*"))
	if err != nil || len(files) < 10 {
		t.Fatal(err, files)
	}
	shapes := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shapes[filepath.Base(file)] = data
	}
	good := serviceKey(nil)
	shapes["byte order mark"] = append([]byte("\xef\xbb\xbf"), good...)
	shapes["CRLF"] = bytes.ReplaceAll(good, []byte(","), []byte(",\r\n"))
	shapes["base64"] = []byte(base64.StdEncoding.EncodeToString(good))
	shapes["a string in JSON"] = []byte(strconv.Quote(string(good)))
	shapes["wrapped"] = []byte(`{"credentials":` + string(good) + `}`)
	for name, data := range shapes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.loose = true
				out := play(t, Options{HTTP: httpx.Options{Transport: f}}, Input{Name: "key", File: name, Whole: true, Key: data})
				if name == "certificate-external.json" {
					if out.status != runner.ExitInvalid {
						t.Errorf("exit status %d, want 3: there is no private key", out.status)
					}
					return
				}
				if out.told[checkKey] != "" {
					t.Errorf("the key is refused: %s", out.told[checkKey])
				}
			})
		})
	}
}

// TestNothingQuoted: what is wrong with a key is told without its values.
func TestNothingQuoted(t *testing.T) {
	const value = "do-not-show-4711"
	for name, text := range map[string]string{
		"no JSON":        value,
		"cut off":        `{"oauth":{"clientid":"` + value,
		"no URL":         `{"oauth":{"clientid":"x","clientsecret":"` + value + `","tokenurl":"` + value + `"}}`,
		"a user in it":   `{"oauth":{"clientid":"x","clientsecret":"y","tokenurl":"https://u:` + value + `@host/"}}`,
		"a number":       `{"oauth":{"clientid":4711,"clientsecret":"` + value + `","tokenurl":1}}`,
		"no private key": `{"oauth":{"clientid":"x","certificate":"` + value + `","key":"` + value + `","tokenurl":"https://host/"}}`,
	} {
		out := play(t, Options{}, Input{Name: "key", File: "key.json", Whole: true, Key: []byte(text)})
		if out.status != runner.ExitInvalid || out.told[checkKey] == "" {
			t.Errorf("%s: exit status %d, want 3", name, out.status)
		}
		if strings.Contains(out.told[checkKey], value) {
			t.Errorf("%s: quoted: %s", name, out.told[checkKey])
		}
	}
}

// TestCureOfTheProblem: what is proposed fits what is wrong, and where the key
// comes from; nobody is told to copy a key anew that is whole.
func TestCureOfTheProblem(t *testing.T) {
	const anew, complete = "copy all of it anew", "complete the credential in the environment"
	private := secret.New("key.key", "-----BEGIN PRIVATE KEY-----")
	for name, c := range map[string]struct {
		in          Input
		probe       string
		cure, never string
	}{
		"cut off":              {Input{Key: []byte(`{"oauth":{`)}, "", anew, complete},
		"lacks its secret":     {Input{Key: serviceKey(func(o map[string]any) { delete(o, "clientsecret") })}, "", anew, complete},
		"no url for a probe":   {Input{Key: serviceKey(func(o map[string]any) { delete(o, "url") })}, "/http/x", "give --probe an absolute URL", anew},
		"external certificate": {Input{Key: testKey("certificate-external.json")}, "", "declare the credential in an environment (-e)", anew},
		"a secret and a key":   {Input{Key: serviceKey(nil), Written: servicekey.Key{PrivateKey: private}}, "", "leave it out", anew},
		"an empty variable":    {Input{Written: servicekey.Key{TokenURL: "https://" + tokenHost, ClientID: flowClient}}, "", complete, anew},
		"all of them empty":    {Input{}, "", complete, anew},
	} {
		c.in.Name, c.in.File = "key", "key.json"
		out := play(t, Options{Probe: c.probe}, c.in)
		told := out.told[checkKey]
		if out.status != runner.ExitInvalid || !strings.Contains(told, c.cure) || strings.Contains(told, c.never) {
			t.Errorf("%s: exit status %d, and it says %q; want 3, and %q without %q", name, out.status, told, c.cure, c.never)
		}
		if n := strings.Count(told, c.cure); n != 1 {
			t.Errorf("%s: the cure is told %d times: %q", name, n, told)
		}
	}
}

// TestRanking: of several keys the worst decides, each has its own verdict, and
// the events of each stand together in the order of the checks.
func TestRanking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		down := serviceKey(func(o map[string]any) { o["tokenurl"] = "https://nowhere.example/oauth/token" })
		wrong := serviceKey(func(o map[string]any) { o["clientsecret"] = "wrong-4711" })
		inputs := []Input{
			{Name: "good", Key: serviceKey(nil)}, {Name: "down", Key: down}, {Name: "wrong", Key: wrong},
			{Name: "unread", Unread: &runner.PlatformError{Problem: runner.Problem{Type: runner.TypeNetwork, Message: "busy"}, Status: runner.ExitUnknown}},
		}
		verdicts := func(n int) ([]Verdict, int) {
			out := play(t, Options{HTTP: httpx.Options{Transport: f}}, inputs[:n]...)
			var all []Verdict
			for _, k := range out.result.Keys {
				all = append(all, k.Verdict)
			}
			order := map[int]int{}
			for _, e := range out.events {
				if e.Event == runner.StepEnd {
					if order[e.ScenarioID]++; e.Index != order[e.ScenarioID] {
						t.Errorf("step %d of %s comes as number %d", e.Index, e.Scenario, order[e.ScenarioID])
					}
				}
			}
			return all, out.status
		}
		for n, want := range []int{1: runner.ExitOK, 2: runner.ExitUnknown, 3: runner.ExitCredential, 4: runner.ExitCredential} {
			if n == 0 {
				continue
			}
			all, status := verdicts(n)
			if status != want {
				t.Errorf("%d keys: exit status %d, want %d", n, status, want)
			}
			if diff := cmp.Diff([]Verdict{Fine, Unknown, Invalid, Unknown}[:n], all); diff != "" {
				t.Errorf("%d keys: verdicts (-want +got):\n%s", n, diff)
			}
		}
	})
}

// TestProbeFlags: a probe that would show the token to anybody is wrong usage.
func TestProbeFlags(t *testing.T) {
	for probe, ok := range map[string]bool{
		"/http/x": true, "http/x?a=b": true, "https://host.example/x": true, "http://127.0.0.1:1/x": true, "http://localhost/x": true,
		"http://host.example/x": false, "ftp://host/x": false, "https://u:p@host/x": false, "//host/x": false, "/a b": false, "https:///x": false, "%zz": false,
	} {
		if _, err := parseProbe(probe); (err == nil) != ok {
			t.Errorf("--probe %q: %v, want an error: %v", probe, err, !ok)
		}
	}
}

// TestRegion reads the region of token hosts.
func TestRegion(t *testing.T) {
	for address, want := range map[string]string{
		"https://acme.authentication.eu10.hana.ondemand.com/oauth/token":      "eu10",
		"https://acme.authentication.cert.us10.hana.ondemand.com/oauth/token": "us10",
		"https://ACME.AUTHENTICATION.EU20.hana.ondemand.com/":                 "eu20",
		"http://127.0.0.1:8788/oauth/token":                                   "",
		"::":                                                                  "",
	} {
		if got := region(address); got != want {
			t.Errorf("region of %s: %q, want %q", address, got, want)
		}
	}
}

// TestSummaryIsInert: names and claims of a token cannot write Markdown.
func TestSummaryIsInert(t *testing.T) {
	var b strings.Builder
	k := Key{Name: "a|b\n<script>@team", Tenant: "[x](https://evil.example)", Verdict: Fine}
	if err := WriteSummary(&b, &Result{Keys: []Key{k}}); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(b.String()), "\n")
	last := rows[len(rows)-1]
	if strings.Count(last, "|") != len(header())+1 || strings.ContainsAny(last, "<>[@") {
		t.Errorf("the row is %s", last)
	}
}
