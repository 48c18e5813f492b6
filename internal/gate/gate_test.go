package gate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"iflowtest/internal/httpx"
	"iflowtest/internal/sandbox"
	"iflowtest/internal/secret"
	"iflowtest/runner"
)

// scene is how a situation is brought about.
type scene struct {
	key       []byte
	o         Options
	transport http.RoundTripper
	fake      *fake
}

// outcome is what a gate said.
type outcome struct {
	status int
	// told is everything that was said, by check.
	told   map[string]string
	events []*runner.Event
	result Result
}

// play runs the gate over keys.
func play(t *testing.T, o Options, inputs ...Input) outcome {
	t.Helper()
	if o.Redactor == nil {
		o.Redactor = secret.NewRedactor()
	}
	g, err := New(o, inputs)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	out := outcome{told: map[string]string{}}
	out.result = g.Run(t.Context(), func(batch []*runner.Event) { out.events = append(out.events, batch...) })
	out.status = out.result.Summary.ExitStatus
	for _, e := range out.events {
		if e.Event != runner.StepEnd {
			continue
		}
		if e.Err != nil {
			out.told[e.Kind] += e.Err.Message + "\n" + e.Err.Cure + "\n"
		}
		for _, f := range e.Failures {
			out.told[e.Kind] += f.Message + "\n" + strings.Join(f.Notes, "\n") + "\n"
		}
		if e.Outcome == runner.Pass {
			out.told[""] += e.Reason + "\n"
		}
	}
	return out
}

// run brings the situation about, without one of the checks.
func (s scene) run(t *testing.T, without string) outcome {
	t.Helper()
	o := s.o
	o.without = without
	o.HTTP = httpx.Options{Transport: s.transport}
	return play(t, o, Input{Name: "key", File: "keys/key.json", Whole: true, Key: s.key})
}

// TestSituations brings every row of the reference about, and compares status,
// message and cure.
func TestSituations(t *testing.T) {
	all := scenes()
	for _, s := range Situations() {
		t.Run(s.Name, func(t *testing.T) {
			set, ok := all[s.Name]
			if !ok {
				t.Fatal("nothing brings this about")
			}
			synctest.Test(t, func(t *testing.T) {
				sc := set(t)
				out := sc.run(t, "")
				if out.status != s.Status {
					t.Errorf("exit status %d, want %d", out.status, s.Status)
				}
				for _, want := range []string{s.Says, s.Cure} {
					if !strings.Contains(out.told[s.Check], want) {
						t.Errorf("%q is not said by the check %q", want, s.Check)
					}
				}
				for check := range out.told {
					if check != "" && check != s.Check {
						t.Errorf("the check %q failed as well", check)
					}
				}
				if s.Status == runner.ExitCredential && s.Cure == "" {
					t.Error("the row names no cure")
				}
				if t.Failed() {
					t.Log(out.told)
				}
				if f := sc.fake; f != nil && f.granted > 1 && !sc.o.Negative {
					t.Errorf("%d tokens were asked for, want one", f.granted)
				}
			})
		})
	}
	for name := range all {
		if !slices.ContainsFunc(Situations(), func(s Situation) bool { return s.Name == name }) {
			t.Errorf("no row is called %q", name)
		}
	}
}

// TestEveryCheckCounts switches each check off: a row that it tells must come
// out otherwise then.
func TestEveryCheckCounts(t *testing.T) {
	all := scenes()
	for _, c := range Checks() {
		t.Run(c.ID, func(t *testing.T) {
			red := 0
			for _, s := range Situations() {
				if s.Check != c.ID {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					if out := all[s.Name](t).run(t, c.ID); out.status != s.Status {
						red++
					}
				})
			}
			if red == 0 {
				t.Errorf("without the check %q every row is as it was", c.ID)
			}
		})
	}
}

// scenes brings every situation about, by its name.
func scenes() map[string]func(t *testing.T) scene {
	all := map[string]func(t *testing.T) scene{}
	for _, part := range []map[string]func(t *testing.T) scene{sandboxScenes(), keyScenes(), tokenScenes(), claimScenes(), certificateScenes(), probeScenes()} {
		for name, s := range part {
			all[name] = s
		}
	}
	return all
}

// tenant is a sandbox in memory.
func tenant(t *testing.T, faults ...string) *sandbox.Tenant {
	t.Helper()
	var o sandbox.Options
	for _, text := range faults {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, f)
	}
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onSandbox asks for a key of the sandbox.
func onSandbox(key int, o Options, faults ...string) func(t *testing.T) scene {
	return func(t *testing.T) scene {
		s := tenant(t, faults...)
		return scene{key: s.Keys()[key].JSON, o: o, transport: s.RoundTripper()}
	}
}

// The keys that every sandbox has.
const (
	senderKey = 0
	apiKey    = 1
)

func sandboxScenes() map[string]func(t *testing.T) scene {
	flows := Options{Scopes: []string{flowScope}, Negative: true, Probe: "/http/echo", MinLifetime: time.Hour}
	return map[string]func(t *testing.T) scene{
		"a good key of plan integration-flow": onSandbox(senderKey, flows),
		"a good key of plan api":              onSandbox(apiKey, Options{Scopes: []string{"WorkspacePackagesEdit"}, Negative: true, Probe: "/api/v1/"}),
		"the key was deleted":                 onSandbox(senderKey, Options{}, "secret-revoked:key=sender"),
		"429 with a Retry-After that passes":  onSandbox(senderKey, Options{}, "token-429:retry-after=20,count=1"),
		"503 that passes":                     onSandbox(senderKey, Options{}, "token-503:count=1"),
		"503 to the end":                      onSandbox(senderKey, Options{}, "token-503"),
		"500":                                 onSandbox(senderKey, Options{}, "token-500"),
		"the signature is forged":             onSandbox(senderKey, Options{}, "token-forged"),
		"a scope is missing":                  onSandbox(senderKey, Options{Scopes: []string{flowScope, "Orders.approve"}}),
		"the key of plan api is asked for the scope of flows":     onSandbox(apiKey, Options{Scopes: []string{flowScope}}),
		"the token lives too short":                               onSandbox(senderKey, Options{MinLifetime: 10 * time.Minute}, "token-short:seconds=2"),
		"probe: 401 to a key of plan api":                         onSandbox(apiKey, Options{Probe: "http://runtime.sandbox.localhost/http/echo"}),
		"probe: 403":                                              onSandbox(senderKey, Options{Probe: "/http/restricted"}),
		"probe: 500 with a message ID, and 401 without the token": onSandbox(senderKey, Options{Probe: "/http/broken"}),
		"probe: 503 that passes":                                  onSandbox(senderKey, Options{Probe: "/http/echo"}, "runtime-503:retry-after=3,count=2"),
		"a good key of plan integration-flow, with a certificate": withKey("sandbox-rt", Options{Scopes: []string{flowScope}, Negative: true, Probe: "/http/echo", MinDays: 300}),
		"a good key of plan api, with a certificate":              withKey("sandbox-api", Options{Probe: "/api/v1/", MinDays: 300}),
		"the client secret is wrong": func(t *testing.T) scene {
			s := onSandbox(senderKey, Options{})(t)
			s.key = []byte(strings.Replace(string(s.key), `"clientsecret": "`, `"clientsecret": "not-`, 1))
			return s
		},
	}
}

// withFake changes the fake and the options.
func withFake(change func(f *fake, s *scene)) func(t *testing.T) scene {
	return func(t *testing.T) scene {
		f := newFake(t)
		s := scene{key: serviceKey(nil), transport: f, fake: f}
		change(f, &s)
		return s
	}
}

// document is a scene of a key that nothing is sent for.
func document(text []byte, o Options) func(t *testing.T) scene {
	return withFake(func(f *fake, s *scene) {
		s.key, s.o = text, o
		f.answer = func(int, http.ResponseWriter, *http.Request) bool {
			f.t.Error("a token was asked for")
			return false
		}
	})
}

func testKey(name string) []byte {
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "keys", name))
	if err != nil {
		return []byte(err.Error())
	}
	return data
}

func keyScenes() map[string]func(t *testing.T) scene {
	good := serviceKey(nil)
	without := func(field string) []byte { return serviceKey(func(o map[string]any) { delete(o, field) }) }
	return map[string]func(t *testing.T) scene{
		"a good key of XSUAA": withFake(func(_ *fake, s *scene) {
			s.key = []byte(fmt.Sprintf(`{"clientid":"sb-orders!t1234","clientsecret":%q,"url":"https://%s","xsappname":"orders!t1234"}`, clientKey, tokenHost))
		}),
		"the key is cut off":                                     document(good[:len(good)-9], Options{}),
		"the key is no JSON":                                     document([]byte("secret-that-is-no-key\n"), Options{}),
		"the key lacks its client secret":                        document(without("clientsecret"), Options{}),
		"the key is the JSON of something else":                  document([]byte(`{"name":"x"}`), Options{}),
		"the key has an external certificate and no private key": document(testKey("certificate-external.json"), Options{}),
		"the key has no url, and --probe is a path":              document(without("url"), Options{Probe: "/http/echo"}),
		"the token URL is plain http, and not loopback": document(serviceKey(func(o map[string]any) {
			o["tokenurl"] = "http://" + tokenHost + "/oauth/token"
		}), Options{}),
		"the token host does not resolve": withFake(func(_ *fake, s *scene) {
			s.key = serviceKey(func(o map[string]any) {
				o["tokenurl"] = "https://acne.authentication.eu10.hana.ondemand.com/oauth/token"
			})
		}),
		"the token server is down": withFake(func(f *fake, _ *scene) { f.lost[tokenHost] = refusedConnection() }),
		"the certificate of the token server is not trusted": withFake(func(f *fake, _ *scene) {
			f.lost[tokenHost] = &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
		}),
		"the token server does not answer in time": withFake(func(f *fake, _ *scene) {
			f.answer = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
				<-r.Context().Done()
				return true
			}
		}),
	}
}

// issued changes when a token was issued; it lives an hour.
func issued(ahead time.Duration) func(claims map[string]any) {
	return func(claims map[string]any) {
		at := time.Now().Add(ahead)
		claims["iat"], claims["exp"] = at.Unix(), at.Add(time.Hour).Unix()
	}
}

// clocksApart is a token server whose clock is ahead.
func clocksApart(ahead time.Duration) func(t *testing.T) scene {
	return withFake(func(f *fake, _ *scene) {
		f.change = issued(ahead)
		f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			return false
		}
	})
}

// says is an answer of the token server.
func says(status int, header, body string) func(int, http.ResponseWriter, *http.Request) bool {
	return func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return true
	}
}

func tokenScenes() map[string]func(t *testing.T) scene {
	answers := func(status int, header, body string) func(t *testing.T) scene {
		return withFake(func(f *fake, _ *scene) { f.answer = says(status, header, body) })
	}
	return map[string]func(t *testing.T) scene{
		"the instance was made without client_credentials": answers(401, "", `{"error":"invalid_client","error_description":"Unauthorized grant type"}`),
		"429 to the end":            answers(429, "Retry-After: 1", ""),
		"a page instead of a token": answers(200, "Content-Type: text/html", "<html><title>Sign in</title></html>"),
		"url stands where tokenurl belongs": withFake(func(_ *fake, s *scene) {
			s.key = serviceKey(func(o map[string]any) { o["tokenurl"] = o["url"] })
		}),
		"the token URL has another path": withFake(func(_ *fake, s *scene) {
			s.key = serviceKey(func(o map[string]any) { o["tokenurl"] = "https://" + tokenHost + "/oauth/tokens" })
		}),
		"any secret yields a token (--negative)": withFake(func(f *fake, s *scene) { f.loose, s.o.Negative = true, true }),
		"503 to the wrong secret (--negative)": withFake(func(f *fake, s *scene) {
			s.o.Negative = true
			f.answer = func(n int, w http.ResponseWriter, r *http.Request) bool { return n > 1 && says(503, "", "")(n, w, r) }
		}),
	}
}

func claimScenes() map[string]func(t *testing.T) scene {
	changes := func(change func(claims map[string]any), o Options) func(t *testing.T) scene {
		return withFake(func(f *fake, s *scene) { f.change, s.o = change, o })
	}
	none := func(map[string]any) {}
	return map[string]func(t *testing.T) scene{
		"the token is not signed": withFake(func(f *fake, _ *scene) { f.forge = unsigned }),
		"the token is signed with the published key as a secret (HS256)": withFake(func(f *fake, _ *scene) { f.forge = f.hmacSigned }),
		"the token names keys on another host (jku)": withFake(func(f *fake, _ *scene) {
			f.header = map[jose.HeaderKey]any{"jku": "https://evil.example/token_keys"}
			f.forge = func(claims map[string]any) string { return f.sign(f.key, "evil", claims) }
		}),
		"the token names a key that is not published (kid)": withFake(func(f *fake, _ *scene) {
			other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				f.t.Fatal(err)
			}
			f.forge = func(claims map[string]any) string { return f.sign(other, "key-2", claims) }
		}),
		"the token is over when it comes": withFake(func(f *fake, _ *scene) { f.change = issued(-2 * time.Hour) }),
		"the clocks differ by hours":      clocksApart(-2 * time.Hour),
		"the clocks differ by minutes":    clocksApart(3 * time.Minute),
		"the token is bound to another certificate": withCertificate(nil, func(f *fake, _ *scene) {
			f.change = func(c map[string]any) { c["cnf"] = map[string]any{"x5t#S256": "b3RoZXI"} }
		}),
		"the keys of the issuer cannot be had": withFake(func(f *fake, _ *scene) {
			f.keys = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
		}),
		"the token is of a foreign issuer":  changes(func(c map[string]any) { c["iss"] = "https://evil.authentication.eu10.hana.ondemand.com/oauth/token" }, Options{}),
		"the token is for another tenant":   changes(none, Options{Tenant: "other"}),
		"the token is for another audience": changes(none, Options{Audience: "orders!t1234"}),
	}
}

func probeScenes() map[string]func(t *testing.T) scene {
	out := map[string]func(t *testing.T) scene{}
	// add is a runtime that answers one status without and one with a token.
	add := func(name string, without, with int, lenient bool, body string) {
		out["probe: "+name] = withFake(func(f *fake, s *scene) {
			s.o = Options{Probe: "/http/health?deep=1", ProbeLenient: lenient}
			f.runtime = func(_ int, authorized bool, w http.ResponseWriter, r *http.Request) {
				if r.URL.RequestURI() != "/http/health?deep=1" {
					f.t.Errorf("the probe asks for %s", r.URL.RequestURI())
				}
				status := without
				if authorized {
					status = with
				}
				if status == 302 {
					w.Header().Set("Location", "https://accounts.example/login")
				}
				w.WriteHeader(status)
				fmt.Fprint(w, body)
			}
		})
	}
	for _, status := range []int{200, 204, 400, 405, 415, 422, 401, 410} {
		add(fmt.Sprint(status), 401, status, false, "")
	}
	for _, status := range []int{429, 502, 503, 504} {
		add(fmt.Sprintf("%d to the end", status), 401, status, false, "")
	}
	add("200 without a token as well", 200, 200, false, "")
	add("404, and 401 without the token", 401, 404, false, "")
	add("404, with and without the token", 404, 404, false, "")
	add("404, with and without the token, --probe-lenient", 404, 404, true, "")
	add("500 with a message ID, with and without the token", 500, 500, false, messageText)
	add("500 with a message ID, with and without the token, --probe-lenient", 500, 500, true, messageText)
	add("500 without a message ID", 401, 500, false, "oops")
	add("302 to a login page", 401, 302, false, "")
	out["probe: 401 of the API to a key of plan integration-flow"] = withFake(func(f *fake, s *scene) {
		s.o = Options{Probe: "/api/v1/"}
		f.runtime = func(_ int, _ bool, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }
	})
	out["probe: 403 with X-CSRF-Token: required"] = withFake(func(f *fake, s *scene) {
		s.o = Options{Probe: "/http/x"}
		f.runtime = func(_ int, _ bool, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-CSRF-Token", "Required")
			w.WriteHeader(403)
		}
	})
	out["probe: no answer"] = withFake(func(f *fake, s *scene) {
		s.o = Options{Probe: "/http/x"}
		f.lost[runtimeHost] = refusedConnection()
	})
	out["probe: the url of the key is plain http, and not loopback"] = withFake(func(f *fake, s *scene) {
		s.o = Options{Probe: "/http/x"}
		s.key = serviceKey(func(o map[string]any) { o["url"] = "http://" + runtimeHost })
		f.runtime = func(int, bool, http.ResponseWriter, *http.Request) { f.t.Error("the runtime was asked") }
	})
	return out
}
