package sandbox_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"iflowtest/internal/sandbox"
)

// as gives the same tenant to a client that trusts the authority of the sandbox
// and presents the certificates.
func (tn *tenant) as(certificates ...tls.Certificate) *tenant {
	tn.t.Helper()
	ca, err := tn.CA()
	if err != nil {
		tn.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		tn.t.Fatalf("no certificate in %q", ca)
	}
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
	tn.t.Cleanup(transport.CloseIdleConnections)
	return &tenant{tn.Tenant, tn.t, &http.Client{Transport: transport}}
}

// newKey creates a key and gives it.
func (tn *tenant) newKey(instance, name string, parameters any) certificateKey {
	tn.t.Helper()
	body, err := json.Marshal(map[string]any{"instance": instance, "name": name, "parameters": parameters})
	if err != nil {
		tn.t.Fatal(err)
	}
	a := tn.send("POST", tn.URL("control")+"/_sandbox/keys", string(body))
	if a.StatusCode != http.StatusCreated {
		tn.t.Fatalf("key %s: %d %s", name, a.StatusCode, a.body)
	}
	return decode[certificateKey](tn.t, a.body)
}

// generated creates a key with a generated certificate.
func (tn *tenant) generated(instance, name string) certificateKey {
	tn.t.Helper()
	return tn.newKey(instance, name, map[string]any{"key-type": "certificate", "validity": 30})
}

func (k certificateKey) pair(t testing.TB) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(k.OAuth.Certificate), []byte(k.OAuth.Key))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// own makes a certificate of the test's own, signed by itself.
func own(t testing.TB, subject string, from, until time.Time) tls.Certificate {
	t.Helper()
	return signed(t, subject, "", from, until)
}

// signed makes a certificate of an issuer; empty: the subject itself.
func signed(t testing.TB, subject, issuer string, from, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: subject}, NotBefore: from, NotAfter: until}
	parent, signer := template, key
	if issuer != "" {
		if signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
		parent = &x509.Certificate{Subject: pkix.Name{CommonName: issuer}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func pemOf(c tls.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
}

// formD asks for a token as wire/sap.md 2.1 d.
func (tn *tenant) formD(clientID string) answer {
	tn.t.Helper()
	f := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}}
	return tn.send("POST", tn.URL("token-mtls")+"/oauth/token", f.Encode(), form)
}

// bound is what a token says of the certificate it is bound to.
func bound(t testing.TB, a answer) (thumbprint string, p payload, raw string) {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("no token: %d %s", a.StatusCode, a.body)
	}
	raw = decode[map[string]any](t, a.body)["access_token"].(string)
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return decode[struct {
		Cnf map[string]string
	}](t, string(text)).Cnf["x5t#S256"], payloadOf(t, raw), raw
}

func thumbprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TestMutualTLS is wire/sap.md 2.1 d and e, and 2.4 for cnf.
func TestMutualTLS(t *testing.T) {
	for name, o := range map[string]sandbox.Options{"alone": {}, "everywhere": {TLS: true}} {
		t.Run(name, func(t *testing.T) {
			tn := listen(t, o).as()
			k := tn.generated("sandbox-rt", "mtls")
			if k.OAuth.TokenURL != tn.URL("token-mtls")+"/oauth/token" || !strings.HasPrefix(k.OAuth.TokenURL, "https://127.0.0.1:") {
				t.Errorf("tokenurl %s", k.OAuth.TokenURL)
			}
			pair := k.pair(t)
			holder := tn.as(pair)
			query := k.OAuth.TokenURL + "?grant_type=client_credentials"
			for form, a := range map[string]answer{
				"d":                     holder.formD(k.OAuth.ClientID),
				"e":                     holder.send("POST", query, ""),
				"e with a client ID":    holder.send("POST", query+"&client_id="+url.QueryEscape(k.OAuth.ClientID), ""),
				"e, the ID in the body": holder.send("POST", query, "client_id="+url.QueryEscape(k.OAuth.ClientID), form),
			} {
				got, p, raw := bound(t, a)
				if got != thumbprint(pair) {
					t.Errorf("form %s: bound to %q, want %q", form, got, thumbprint(pair))
				}
				if p.CID != k.OAuth.ClientID || len(p.Scope) != 2 || p.Exp-p.Iat != 3600 {
					t.Errorf("form %s: claims %+v", form, p)
				}
				// A client takes the keys from the host of the token URL, or from
				// the issuer, which must not be less protected.
				if !strings.HasPrefix(p.Iss, "https://127.0.0.1:") {
					t.Errorf("form %s: issuer %s", form, p.Iss)
				}
				for _, at := range []string{tn.URL("token-mtls"), strings.TrimSuffix(p.Iss, "/oauth/token")} {
					if err := check(raw, holder.publishedKeys(at+"/token_keys")); err != nil {
						t.Errorf("form %s: keys of %s: %v", form, at, err)
					}
				}
				if a := holder.send("GET", tn.URL("runtime")+"/http/echo", "", "Authorization: Bearer "+raw); a.StatusCode != 200 {
					t.Errorf("form %s: the runtime says %d", form, a.StatusCode)
				}
			}
			if a := tn.form(tn.key("sender")); strings.Contains(a.body, "cnf") {
				t.Errorf("a token for a secret is bound: %s", a.body)
			}
		})
	}
}

func TestMutualTLSRefuses(t *testing.T) {
	tn := listen(t, sandbox.Options{}).as()
	now := time.Now()
	k, deleted, other := tn.generated("sandbox-rt", "mtls"), tn.generated("sandbox-rt", "gone"), tn.generated("sandbox-api", "other")
	if a := tn.send("DELETE", tn.URL("control")+"/_sandbox/keys/gone", ""); a.StatusCode != 204 {
		t.Fatalf("delete: %d", a.StatusCode)
	}
	tn.fault("certificate-expired:key=late,count=1")
	late := tn.generated("sandbox-rt", "late")
	until, err := time.Parse(time.RFC3339, late.OAuth.Details.ValidUntil)
	if leaf := late.pair(t).Leaf; err != nil || !leaf.NotAfter.Equal(until) || now.Before(until) {
		t.Errorf("the certificate is valid until %v and the key says %s: %v", leaf.NotAfter, late.OAuth.Details.ValidUntil, err)
	}
	id, address := k.OAuth.ClientID, k.OAuth.TokenURL
	sender := tn.key("sender")
	grant := "grant_type=client_credentials"
	for name, test := range map[string]struct {
		client     *tenant
		url, body  string
		error      string
		authorized string
	}{
		"no certificate":                    {tn, address, grant + "&client_id=" + url.QueryEscape(id), "unauthorized", ""},
		"a secret instead of a certificate": {tn, address, grant + "&client_id=" + url.QueryEscape(id) + "&client_secret=" + url.QueryEscape(sender.ClientSecret), "unauthorized", ""},
		"a secret by Basic":                 {tn, address, grant, "unauthorized", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+sender.ClientSecret))},
		"nobody's certificate":              {tn.as(own(t, "nobody", now.Add(-time.Hour), now.Add(time.Hour))), address, grant + "&client_id=" + url.QueryEscape(id), "invalid_client", ""},
		"the certificate of a deleted key":  {tn.as(deleted.pair(t)), address, grant + "&client_id=" + url.QueryEscape(id), "invalid_client", ""},
		"that of another instance":          {tn.as(other.pair(t)), address, grant + "&client_id=" + url.QueryEscape(id), "invalid_client", ""},
		"an unknown client ID":              {tn.as(k.pair(t)), address, grant + "&client_id=sb-nobody", "invalid_client", ""},
		"an expired one":                    {tn.as(late.pair(t)), address, grant + "&client_id=" + url.QueryEscape(id), "invalid_client", ""},
		"form d without a client ID":        {tn.as(k.pair(t)), address, grant, "unauthorized", ""},
	} {
		header := []string{form}
		if test.authorized != "" {
			header = append(header, test.authorized)
		}
		a := test.client.send("POST", test.url, test.body, header...)
		got := decode[struct{ Error string }](t, a.body).Error
		if a.StatusCode != 401 || got != test.error || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), `Basic realm="UAA/client"`) {
			t.Errorf("%s: %d %s, want 401 %s", name, a.StatusCode, a.body, test.error)
		}
	}
	// The other server knows no certificates.
	if a := tn.as(k.pair(t)).send("POST", tn.URL("token")+"/oauth/token", grant+"&client_id="+url.QueryEscape(id), form); a.StatusCode != 401 {
		t.Errorf("token: %d %s", a.StatusCode, a.body)
	}
	if a := tn.as(k.pair(t)).formD(id); a.StatusCode != 200 {
		t.Errorf("and the good one: %d %s", a.StatusCode, a.body)
	}
}

// TestForgedPossession: a certificate that is known to everybody is of no use
// without its private key.
func TestForgedPossession(t *testing.T) {
	tn := listen(t, sandbox.Options{}).as()
	k := tn.generated("sandbox-rt", "mtls")
	stolen := k.pair(t)
	stolen.PrivateKey, stolen.Leaf = own(t, "thief", time.Now(), time.Now().Add(time.Hour)).PrivateKey, nil
	a, err := tn.as(stolen).try("POST", k.OAuth.TokenURL+"?grant_type=client_credentials", "")
	if err == nil {
		t.Errorf("the certificate of another was accepted: %d %s", a.StatusCode, a.body)
	}
}

// TestExternalCertificates is wire/sap.md 1.4 and "Pin Certificate" of 1.5.
func TestExternalCertificates(t *testing.T) {
	for _, pinned := range []bool{true, false} {
		tn := listen(t, sandbox.Options{}).as()
		now := time.Now().Truncate(time.Second)
		first := own(t, "mine", now.Add(-2*time.Hour), now.Add(24*time.Hour))
		renewed := own(t, "mine", now.Add(-time.Hour), now.Add(48*time.Hour))
		taken := own(t, "mine", now.Add(-30*time.Minute), now.Add(48*time.Hour))
		foreign := own(t, "yours", now.Add(-time.Minute), now.Add(48*time.Hour))
		later := own(t, "mine", now.Add(time.Hour), now.Add(48*time.Hour))
		parameters := map[string]any{"key-type": "certificate_external", "X.509": pemOf(first)}
		if !pinned {
			parameters["certificate-pinning"] = false
		}
		k := tn.newKey("sandbox-rt", "mine", parameters)
		if k.OAuth.Certificate != pemOf(first) || k.OAuth.Key != "" || k.OAuth.Details != nil || !strings.HasPrefix(k.OAuth.TokenURL, "https://") {
			t.Errorf("key %+v", k)
		}
		if a := tn.send("POST", tn.URL("control")+"/_sandbox/keys", `{"instance":"sandbox-rt","name":"twice","parameters":`+jsonText(parameters)+`}`); a.StatusCode != 400 || !strings.Contains(a.body, "used by another service key") {
			t.Errorf("a certificate for two keys: %d %s", a.StatusCode, a.body)
		}
		// Neither the subject alone counts nor the issuer, and least of all the
		// certificate of somebody else's key.
		others := tn.newKey("sandbox-api", "others", map[string]any{"key-type": "certificate_external", "X.509": pemOf(taken)})
		status := func(c tls.Certificate) int { return tn.as(c).formD(k.OAuth.ClientID).StatusCode }
		for name, c := range map[string]tls.Certificate{
			"another issuer":  signed(t, "mine", "authority", now.Add(-time.Minute), now.Add(time.Hour)),
			"another subject": signed(t, "yours", "mine", now.Add(-time.Minute), now.Add(time.Hour)),
			"another's":       taken,
		} {
			if got := status(c); got != 401 {
				t.Errorf("pinned %t: %s: %d", pinned, name, got)
			}
		}
		if a := tn.as(taken).formD(others.OAuth.ClientID); a.StatusCode != 200 {
			t.Errorf("the other key: %d %s", a.StatusCode, a.body)
		}
		got := []int{status(first), status(foreign), status(later), status(renewed), status(first), status(renewed)}
		want := []int{200, 401, 401, 401, 200, 401}
		if !pinned {
			want = []int{200, 401, 401, 200, 401, 200}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pinned %t: first, foreign, not yet valid, renewed, first, renewed: %v, want %v", pinned, got, want)
		}
	}
}

func TestPinningIsChecked(t *testing.T) {
	tn := start(t, sandbox.Options{})
	mine := pemOf(own(t, "mine", time.Now(), time.Now().Add(time.Hour)))
	for body, want := range map[string]string{
		`{"key-type":"certificate","certificate-pinning":true}`:                                         "certificate-pinning: only with the key-type certificate_external",
		`{"key-type":"certificate_external","X.509":` + jsonText(mine) + `,"certificate-pinning":1}`:    "certificate-pinning: want true or false",
		`{"key-type":"certificate_external","X.509":` + jsonText(mine) + `,"certificate-pinning":"no"}`: "certificate-pinning: want true or false",
	} {
		a := tn.send("POST", tn.URL("control")+"/_sandbox/keys", `{"instance":"sandbox-rt","name":"x","parameters":`+body+`}`)
		if a.StatusCode != 400 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
	a := tn.send("POST", tn.URL("control")+"/_sandbox/keys", `{"instance":"sandbox-api","name":"x","parameters":{"key-type":"certificate_external","X.509":`+jsonText(mine)+`,"certificate-pinning":false}}`)
	if a.StatusCode != 400 || !strings.Contains(a.body, "only in the plan integration-flow") {
		t.Errorf("plan api: %d %s", a.StatusCode, a.body)
	}
}

func jsonText(v any) string {
	b, _ := json.Marshal(v) // texts can always be encoded
	return string(b)
}

// TestRuntimeTakesCertificates is "client certificate directly" of wire/sap.md
// 5.2.
func TestRuntimeTakesCertificates(t *testing.T) {
	tn := listen(t, sandbox.Options{TLS: true}).as()
	k, wrongPlan := tn.generated("sandbox-rt", "mtls"), tn.generated("sandbox-api", "other")
	now := time.Now()
	call := func(tn *tenant, path string, header ...string) int {
		return tn.send("GET", tn.URL("runtime")+path, "", header...).StatusCode
	}
	holder := tn.as(k.pair(t))
	for name, test := range map[string]struct{ got, want int }{
		"its certificate":                   {call(holder, "/http/echo"), 200},
		"a role it lacks":                   {call(holder, "/http/restricted"), 403},
		"a bad token beside it":             {call(holder, "/http/echo", "Authorization: Bearer x"), 401},
		"no certificate":                    {call(tn, "/http/echo"), 401},
		"the certificate of the other plan": {call(tn.as(wrongPlan.pair(t)), "/http/echo"), 401},
		"nobody's":                          {call(tn.as(own(t, "nobody", now.Add(-time.Hour), now.Add(time.Hour))), "/http/echo"), 401},
		"the OData API takes none":          {tn.as(wrongPlan.pair(t)).send("GET", tn.URL("api")+"/api/v1/", "").StatusCode, 401},
	} {
		if test.got != test.want {
			t.Errorf("%s: %d, want %d", name, test.got, test.want)
		}
	}
	tn.fault("certificate-expired:key=mtls,part=runtime,count=1")
	if first, second := call(holder, "/http/echo"), call(holder, "/http/echo"); first != 401 || second != 200 {
		t.Errorf("with the fault %d, then %d; want 401 and 200", first, second)
	}
}

func TestEverythingSpeaksTLS(t *testing.T) {
	config, list := sandbox.ParseConfig("tls.yaml", []byte("tls: true\n"))
	if list.HasErrors() {
		t.Fatal(list)
	}
	for name, o := range map[string]sandbox.Options{"option": {TLS: true}, "configuration": {Config: config}} {
		tn := listen(t, o)
		trusting := tn.as()
		for _, part := range sandbox.Parts() {
			at := tn.URL(part)
			if !strings.HasPrefix(at, "https://127.0.0.1:") {
				t.Errorf("%s: %s is at %s", name, part, at)
			}
			a := trusting.send("GET", at+"/", "")
			if a.TLS == nil || a.TLS.Version < tls.VersionTLS12 || a.Proto != "HTTP/1.1" {
				t.Errorf("%s: %s answers %s with %+v", name, part, a.Proto, a.TLS)
			}
			if _, err := tn.try("GET", at+"/", ""); !errors.As(err, new(x509.UnknownAuthorityError)) {
				t.Errorf("%s: %s was trusted without the authority: %v", name, part, err)
			}
			if a := trusting.send("GET", strings.Replace(at, "https:", "http:", 1)+"/", ""); a.StatusCode != 400 {
				t.Errorf("%s: %s answers plain HTTP with %d", name, part, a.StatusCode)
			}
		}
		// Other names of the machine are good as well.
		port := tn.URL("runtime")[strings.LastIndexByte(tn.URL("runtime"), ':'):]
		if a := trusting.send("GET", "https://localhost"+port+"/http/echo", "", trusting.bearer("sender")); a.StatusCode != 200 {
			t.Errorf("%s: localhost: %d %s", name, a.StatusCode, a.body)
		}
		if env := string(tn.EnvironmentYAML()); strings.Contains(env, "http://") || !strings.Contains(env, "https://127.0.0.1:") {
			t.Errorf("%s: the environment has an origin without TLS:\n%s", name, env)
		}
	}
}

func TestPlainButForMutualTLS(t *testing.T) {
	for name, tn := range map[string]*tenant{"memory": start(t, sandbox.Options{}), "sockets": listen(t, sandbox.Options{})} {
		for _, part := range sandbox.Parts() {
			if got := strings.HasPrefix(tn.URL(part), "https://"); got != (part == "token-mtls") {
				t.Errorf("%s: %s is at %s", name, part, tn.URL(part))
			}
		}
	}
}

func TestFaultsOfTheConnectionOverTLS(t *testing.T) {
	tn := listen(t, sandbox.Options{TLS: true}).as()
	bearer := tn.bearer("sender")
	tn.fault("connection-reset:path=/http/echo,count=1")
	if _, err := tn.try("GET", tn.URL("runtime")+"/http/echo", "", bearer); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a connection that was reset", err)
	}
	tn.fault("truncated-body:path=/http/echo,count=1")
	if _, err := tn.try("GET", tn.URL("runtime")+"/http/echo", "", bearer); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("got %v, want an answer that ends in the middle", err)
	}
	if a := tn.send("GET", tn.URL("runtime")+"/http/echo", "", bearer); a.StatusCode != 200 {
		t.Errorf("after the faults: %d", a.StatusCode)
	}
}

// TestDiscoveryNamesMutualTLS is the end of wire/sap.md 2.1.
func TestDiscoveryNamesMutualTLS(t *testing.T) {
	tn := listen(t, sandbox.Options{}).as()
	type document struct {
		Issuer  string
		JWKS    string            `json:"jwks_uri"`
		Aliases map[string]string `json:"mtls_endpoint_aliases"`
	}
	for part, issuer := range map[string]string{"token": tn.URL("token"), "token-mtls": tn.URL("token-mtls")} {
		d := decode[document](t, tn.send("GET", tn.URL(part)+"/.well-known/openid-configuration", "").body)
		if d.Aliases["token_endpoint"] != tn.URL("token-mtls")+"/oauth/token" || d.Aliases["authorization_endpoint"] == "" {
			t.Errorf("%s: aliases %v", part, d.Aliases)
		}
		if d.Issuer != issuer+"/oauth/token" || d.JWKS != issuer+"/token_keys" {
			t.Errorf("%s: %+v", part, d)
		}
	}
}

// TestOAuthLibraryWithCertificate: a client by others gets its token.
func TestOAuthLibraryWithCertificate(t *testing.T) {
	tn := listen(t, sandbox.Options{}).as()
	k := tn.generated("sandbox-rt", "mtls")
	c := clientcredentials.Config{ClientID: k.OAuth.ClientID, TokenURL: k.OAuth.TokenURL, AuthStyle: oauth2.AuthStyleInParams}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, tn.as(k.pair(t)).client)
	token, err := c.Token(ctx)
	if err != nil || token.AccessToken == "" || token.TokenType != "bearer" {
		t.Errorf("%+v: %v", token, err)
	}
}

func TestCertificateInMemory(t *testing.T) {
	tn := start(t, sandbox.Options{})
	k := tn.generated("sandbox-rt", "mtls")
	pair := k.pair(t)
	holder := &tenant{tn.Tenant, t, &http.Client{Transport: tn.CertificateRoundTripper(pair.Leaf)}}
	got, _, _ := bound(t, holder.formD(k.OAuth.ClientID))
	if got != thumbprint(pair) {
		t.Errorf("bound to %q", got)
	}
	if a := tn.formD(k.OAuth.ClientID); a.StatusCode != 401 {
		t.Errorf("without a certificate: %d", a.StatusCode)
	}
	if a := holder.send("GET", tn.URL("runtime")+"/http/echo", ""); a.StatusCode != 200 {
		t.Errorf("runtime: %d", a.StatusCode)
	}
	other := tn.generated("sandbox-api", "other")
	holder.client.Transport = tn.CertificateRoundTripper(other.pair(t).Leaf)
	if a := holder.send("GET", tn.URL("api")+"/api/v1/", ""); a.StatusCode != 401 {
		t.Errorf("the OData API: %d", a.StatusCode)
	}
}

// TestCertificateRunsOut: by the clock of the tenant, which a fault moves.
func TestCertificateRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		k := tn.generated("sandbox-rt", "mtls")
		pair := k.pair(t)
		holder := &tenant{tn.Tenant, t, &http.Client{Transport: tn.CertificateRoundTripper(pair.Leaf)}}
		<-time.After(29 * 24 * time.Hour)
		if a := holder.formD(k.OAuth.ClientID); a.StatusCode != 200 {
			t.Errorf("a day before the end: %d", a.StatusCode)
		}
		tn.fault("clock-skew:seconds=90000")
		if a := holder.formD(k.OAuth.ClientID); a.StatusCode != 401 {
			t.Errorf("with a clock that is 25 hours ahead: %d", a.StatusCode)
		}
		tn.send("DELETE", tn.URL("control")+"/_sandbox/faults", "")
		<-time.After(25 * time.Hour)
		if a := holder.formD(k.OAuth.ClientID); a.StatusCode != 401 {
			t.Errorf("after the end: %d", a.StatusCode)
		}
	})
}

func TestFaultCertificateExpired(t *testing.T) {
	tn := listen(t, sandbox.Options{}).as()
	one, two, other := tn.generated("sandbox-rt", "one"), tn.generated("sandbox-rt", "two"), tn.generated("sandbox-api", "other")
	status := func() []int {
		var got []int
		for _, k := range []certificateKey{one, two, other} {
			got = append(got, tn.as(k.pair(t)).formD(k.OAuth.ClientID).StatusCode)
		}
		return got
	}
	for fault, want := range map[string][]int{
		"certificate-expired":                              {401, 401, 401},
		"certificate-expired:key=two":                      {200, 401, 200},
		"certificate-expired:client=" + one.OAuth.ClientID: {401, 401, 200},
		"certificate-expired:part=runtime":                 {200, 200, 200},
		"certificate-expired:path=/oauth/token,count=1":    {401, 200, 200},
		"token-503:part=token-mtls":                        {503, 503, 503},
		"token-429:count=2":                                {429, 429, 200},
		"token-500:part=token":                             {200, 200, 200},
	} {
		tn.fault(fault)
		if got := status(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", fault, got, want)
		}
		tn.send("DELETE", tn.URL("control")+"/_sandbox/faults", "")
	}
	if a := tn.form(tn.key("sender")); a.StatusCode != 200 {
		t.Errorf("a key with a secret: %d", a.StatusCode)
	}
}

func TestFaultsOfTheSignatureWithCertificate(t *testing.T) {
	tn := listen(t, sandbox.Options{}).as()
	k := tn.generated("sandbox-rt", "mtls")
	holder := tn.as(k.pair(t))
	keys := func() []jwk { return holder.publishedKeys(tn.URL("token-mtls") + "/token_keys") }
	for fault, good := range map[string]bool{"token-forged:count=1": false, "jwks-rotated:count=1": true, "token-foreign-issuer:count=1": true} {
		tn.fault(fault)
		_, p, raw := bound(t, holder.formD(k.OAuth.ClientID))
		if err := check(raw, keys()); (err == nil) != good {
			t.Errorf("%s: %v", fault, err)
		}
		if foreign := !strings.HasPrefix(p.Iss, tn.URL("token-mtls")); foreign != strings.HasPrefix(fault, "token-foreign") {
			t.Errorf("%s: issuer %s", fault, p.Iss)
		}
	}
	tn.fault("secret-revoked:key=mtls,count=1")
	if a := holder.formD(k.OAuth.ClientID); a.StatusCode != 401 {
		t.Errorf("a key that was revoked: %d", a.StatusCode)
	}
}

// TestKeysAreAllListed: what a gate is to look at, whoever made it.
func TestKeysAreAllListed(t *testing.T) {
	config, list := sandbox.ParseConfig("keys.yaml", []byte(`
keys: [{name: configured, instance: sandbox-rt, key-type: certificate, validity: 5}]
instances: [{name: more, plan: api, keys: [more-key]}]
`))
	if list.HasErrors() {
		t.Fatal(list)
	}
	c := signedIn(t, sandbox.Options{Config: config})
	c.done(c.createService("mine", "integration-flow", ""))
	c.done(c.createKey("mine", "provisioned", ""))
	c.done(c.createKey("mine", "certified", `{"key-type":"certificate","validity":1}`))
	c.done(c.createKey("sandbox-api", "provisioned", "")) // a name that another instance has
	c.newKey("sandbox-rt", "controlled", nil)
	c.accepted(c.createKey("mine", "broken", `{"key-type":"none"}`))
	want := []string{
		"api sandbox-api api", "certified mine integration-flow", "configured sandbox-rt integration-flow", "controlled sandbox-rt integration-flow",
		"more-key more api", "provisioned mine integration-flow", "provisioned sandbox-api api", "sender sandbox-rt integration-flow",
	}
	type listed struct {
		Name, Instance, Plan string
		Key                  certificateKey
	}
	var got, own []string
	for _, k := range decode[[]listed](t, c.send("GET", c.URL("control")+"/_sandbox/keys", "").body) {
		got = append(got, k.Name+" "+k.Instance+" "+k.Plan)
		secret := k.Key.OAuth.ClientSecret != ""
		certified := k.Key.OAuth.Certificate != "" && k.Key.OAuth.Key != "" && k.Key.OAuth.Details != nil
		if k.Key.OAuth.ClientID == "" || secret == certified {
			t.Errorf("%s is no key: %+v", k.Name, k.Key)
		}
		if k.Name == "configured" {
			if days := time.Until(k.Key.pair(t).Leaf.NotAfter).Hours() / 24; days < 4.9 || days > 5.1 {
				t.Errorf("configured is valid for %g days", days)
			}
		}
	}
	for _, k := range c.Keys() {
		own = append(own, k.Name+" "+k.Instance+" "+k.Plan)
		if !json.Valid(k.JSON) || bytes.Count(k.JSON, []byte("\n")) < 3 {
			t.Errorf("%s: %s", k.Name, k.JSON)
		}
	}
	slices.Sort(got)
	slices.Sort(own)
	if !slices.Equal(got, want) || !slices.Equal(own, want) {
		t.Errorf("listed %q\nKeys   %q\nwant   %q", got, own, want)
	}
	// Every key with a secret yields a token.
	for _, k := range c.Keys() {
		if parsed := parseKey(t, k.JSON); parsed.ClientSecret != "" && c.form(parsed).StatusCode != 200 {
			t.Errorf("%s of %s yields no token", k.Name, k.Instance)
		}
	}
}
