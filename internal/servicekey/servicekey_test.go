package servicekey

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/secret"
)

const keys = "../../testdata/keys"

const (
	flowID     = "sb-11111111-2222-3333-4444-555555555555!b455374|it-rt-acme!b26655"
	flowSecret = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee$kSr9_-AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQrrS="
	flowURL    = "https://acme.it-cpi018-rt.cfapps.eu10-003.hana.ondemand.com"
	apiID      = "sb-66666666-7777-8888-9999-000000000000!b15187|it!b11463"
	apiSecret  = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9$Zx8_-yyBBvvNNmmQQwwEErrTTyyUUiiOOppAAssDDff="
	apiURL     = "https://acme.it-cpi018.cfapps.eu10-003.hana.ondemand.com"
	tokenURL   = "https://acme.authentication.eu10.hana.ondemand.com/oauth/token"
	mtlsURL    = "https://acme.authentication.cert.eu10.hana.ondemand.com/oauth/token"
	xsuaaID    = "sb-orders!t1234"
)

// summary is a key with its secrets named, not held: a failed comparison must
// be readable.
type summary struct {
	ClientID, ClientSecret, TokenURL, URL, Plan, CreateDate, ValidUntil string
	Certificate, PrivateKey                                             bool
	Complete                                                            bool
	Endpoints                                                           map[string]string
	Secrets                                                             []string
}

func summarise(k *Key) summary {
	s := summary{
		ClientID: k.ClientID, ClientSecret: k.ClientSecret.Reveal(), TokenURL: k.TokenURL, URL: k.URL, Plan: k.Plan,
		CreateDate: k.CreateDate, ValidUntil: k.ValidUntil, Endpoints: k.Endpoints, Complete: k.Complete() == nil,
	}
	certificate, _ := pem.Decode([]byte(k.Certificate))
	key, _ := pem.Decode([]byte(k.PrivateKey.Reveal()))
	s.Certificate, s.PrivateKey = certificate != nil, key != nil
	for _, secret := range k.Secrets {
		s.Secrets = append(s.Secrets, secret.Name())
	}
	return s
}

func TestParseOfSamples(t *testing.T) {
	flow := summary{
		ClientID: flowID, ClientSecret: flowSecret, TokenURL: tokenURL, URL: flowURL, Plan: "integration-flow",
		CreateDate: "2025-07-02T00:17:31.919Z", Complete: true, Secrets: []string{"sender.client-secret"},
	}
	api := summary{
		ClientID: apiID, ClientSecret: apiSecret, TokenURL: tokenURL, URL: apiURL, Plan: "api",
		CreateDate: "2025-07-02T00:18:02.204Z", Complete: true, Secrets: []string{"sender.client-secret"},
	}
	apiWithoutDate := api
	apiWithoutDate.CreateDate = ""
	flowWithoutDate := flow
	flowWithoutDate.CreateDate = ""
	certificate := summary{
		ClientID: flowID, TokenURL: mtlsURL, URL: flowURL, Plan: "integration-flow", CreateDate: flow.CreateDate,
		ValidUntil: "2046-01-02T03:04:05.000Z", Certificate: true, PrivateKey: true, Complete: true, Secrets: []string{"sender.key"},
	}
	xsuaa := summary{
		ClientID: xsuaaID, ClientSecret: "Zm9yZ2VkIHNlY3JldCBvZiB4c3VhYQ=", TokenURL: tokenURL, Complete: true, Secrets: []string{"sender.client-secret"},
	}
	cis := xsuaa
	cis.Endpoints = map[string]string{
		"accounts_service_url":     "https://accounts-service.cfapps.eu10.hana.ondemand.com",
		"entitlements_service_url": "https://entitlements-service.cfapps.eu10.hana.ondemand.com",
	}
	destination := xsuaa
	destination.URL = "https://destination-configuration.cfapps.eu10.hana.ondemand.com"
	want := map[string]summary{
		"integration-flow.json": flow,
		"bom.json":              flow,
		"cf-service-key.txt":    flow,
		"pasted-string.json":    flow,
		"powershell-utf16.txt":  flow,
		"flat.json":             flowWithoutDate,
		"api.json":              api,
		"cf-service-key-v6.txt": api,
		"credentials-flat.json": apiWithoutDate,
		"camel-case.json": {
			ClientID: "sb-apiaccess-1!b9|api-portal-xsuaa!b65", ClientSecret: "q1w2e3r4$camel-Case_0123456789=", TokenURL: tokenURL,
			URL: "https://acme.apimgmt.example.com/apiportal/api/1.0", Complete: true, Secrets: []string{"sender.client-secret"},
		},
		"certificate.json": certificate,
		"certificate-external.json": {
			ClientID: flowID, TokenURL: mtlsURL, URL: flowURL, Plan: "integration-flow", ValidUntil: "2046-01-02T03:04:05Z", Certificate: true,
		},
		"xsuaa.json": xsuaa,
		"xsuaa-x509.json": {
			ClientID: xsuaaID, TokenURL: mtlsURL, ValidUntil: "2046-01-02T03:04:05Z", Certificate: true, PrivateKey: true, Complete: true, Secrets: []string{"sender.key"},
		},
		"cis.json":         cis,
		"destination.json": destination,
	}
	files, err := filepath.Glob(keys + "/*")
	if err != nil || len(files) != len(want) {
		t.Fatalf("got %d files, %v, want %d", len(files), err, len(want))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			k, err := Parse("sender", data)
			if err != nil {
				t.Fatal(err)
			}
			if k.Name != "sender" {
				t.Errorf("got the name %q", k.Name)
			}
			if diff := cmp.Diff(want[filepath.Base(file)], summarise(k)); diff != "" {
				t.Errorf("the key differs (-want +got):\n%s", diff)
			}
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				if text := fmt.Sprintf(verb, k); k.ClientSecret.Reveal() != "" && strings.Contains(text, k.ClientSecret.Reveal()) {
					t.Errorf("%s shows the client secret: %s", verb, text)
				}
			}
		})
	}
}

// minimal is a key with the fields changed: a value of nil removes one.
func minimal(t *testing.T, changes map[string]any) string {
	t.Helper()
	fields := map[string]any{"clientid": "sb-1!b2|it!b3", "clientsecret": "s3cr3t", "tokenurl": tokenURL, "url": apiURL}
	for name, v := range changes {
		if fields[name] = v; v == nil {
			delete(fields, name)
		}
	}
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseOfTokenURL(t *testing.T) {
	for given, want := range map[string]string{
		"https://h":                      "https://h/oauth/token",
		"https://h/":                     "https://h/oauth/token",
		"https://h:8443":                 "https://h:8443/oauth/token",
		"https://h/oauth/token":          "https://h/oauth/token",
		"https://h/oauth/token/":         "https://h/oauth/token/",
		"https://h/other":                "https://h/other",
		"http://127.0.0.1:8443/a?b=c":    "http://127.0.0.1:8443/a?b=c",
		"\t https://h/oauth/token \r\n ": "https://h/oauth/token",
		"https://h?x=1":                  "https://h/oauth/token?x=1",
	} {
		k, err := Parse("k", []byte(minimal(t, map[string]any{"tokenurl": given})))
		if err != nil {
			t.Errorf("%q: %v", given, err)
			continue
		}
		if k.TokenURL != want {
			t.Errorf("%q: got %q, want %q", given, k.TokenURL, want)
		}
	}
}

func TestParseOfWrappers(t *testing.T) {
	inner := minimal(t, nil)
	quoted, err := json.Marshal(inner)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		inner,
		"  \n" + inner + "\n\n",
		`{"oauth":` + inner + `}`,
		`{"credentials":{"oauth":` + inner + `}}`,
		`{"credentials":` + inner + `}`,
		`{"credentials":` + string(quoted) + `}`,
		`{"uaa":` + inner + `}`,
		`{"label":"it-rt","credentials":{"uaa":` + inner + `}}`,
		string(quoted),
		"'" + inner + "'",
		"\ufeff\n" + inner,
		"Getting key {odd} for service instance x as y...\nOK\n\n  " + inner,
		strings.ReplaceAll(inner, "client", "client_"),
		strings.ReplaceAll(inner, "client", "CLIENT-"),
		strings.Replace(inner, `"url"`, `"clientId":"","Url":1,"url"`, 1),
	} {
		k, err := Parse("k", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if k.ClientID != "sb-1!b2|it!b3" || k.ClientSecret.Reveal() != "s3cr3t" || k.TokenURL != tokenURL || k.URL != apiURL || k.Plan != "api" {
			t.Errorf("%s: got %+v", text, k)
		}
	}
}

func TestParseOfSecrets(t *testing.T) {
	k, err := Parse("k", []byte(minimal(t, map[string]any{
		"clientsecret": " s3cr3t ",
		"nested":       map[string]any{"api_key": "one-key", "keys": []any{"two-key", 3456, nil, true}, "Password": "pass-word"},
		"accessToken":  "a-token", "tokenEndpoint": "https://not.secret", "keystore_url": "https://not.secret", "credential-type": "not-secret",
		"again":   map[string]any{"client_secret": "s3cr3t"},
		"text":    `{"proxyPassword":"in-a-string"}`,
		"harmful": "not-secret", "verificationkey": "",
	})))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range k.Secrets {
		got = append(got, s.Name()+"="+s.Reveal())
	}
	want := []string{ // in the order of their paths, upper case first
		"k.client-secret=s3cr3t", "k.accessToken=a-token", "k.Password=pass-word", "k.api_key=one-key", "k.keys=two-key", "k.keys=3456", "k.proxyPassword=in-a-string",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the secrets differ (-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	certificate := func(t *testing.T, change map[string]any) string {
		data, err := os.ReadFile(keys + "/certificate.json")
		if err != nil {
			t.Fatal(err)
		}
		var document map[string]map[string]any
		if err := json.Unmarshal(data, &document); err != nil {
			t.Fatal(err)
		}
		for name, v := range change {
			if document["oauth"][name] = v; v == nil {
				delete(document["oauth"], name)
			}
		}
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const want = "; want a service key as the cockpit shows it or cf service-key prints it"
	for _, c := range []struct {
		name, text   string
		problems     []string
		line, column int
	}{
		{"empty", " \n", []string{"is empty" + want}, 0, 0},
		{"nothing", "", []string{"is empty" + want}, 0, 0},
		{"path", "./keys/sender.json", []string{"is not JSON from here on" + want}, 1, 1},
		{"intro alone", "Getting key a for service instance b as c...\n\n", []string{"is not JSON from here on" + want}, 1, 1},
		{"cf failed", "Getting key a for service instance b as c...\nFAILED\nService key a not found\n", []string{"is not JSON from here on" + want}, 1, 1},
		{"syntax", "{\n  \"clientid\": \"ä\", S3cr3t\n}", []string{"is not JSON from here on" + want}, 2, 20},
		{"syntax behind the intro", "Getting key…\n\n{\"clientid\" S3cr3t}", []string{"is not JSON from here on" + want}, 3, 13},
		{"cut off", "{\n \"clientsecret\": \"S3cr3t", []string{"ends in the middle of its JSON" + want}, 2, 25},
		{"control character", "{\"clientsecret\": \"S3cr\n3t\"}", []string{"is not JSON from here on" + want}, 1, 23},
		{"something behind", "{} S3cr3t", []string{"has something behind its JSON" + want}, 1, 4},
		{"two keys", minimal(t, nil) + "\n" + minimal(t, nil), []string{"has something behind its JSON" + want}, 2, 1},
		{"list", "[1]", []string{"is a list, not a JSON object" + want}, 0, 0},
		{"text", `"S3cr3t"`, []string{"is a JSON string that holds no JSON" + want}, 0, 0},
		{"not UTF-8", "{\n\"clientid\": \"\xff\"}", []string{"is neither UTF-8 nor UTF-16 with a byte order mark"}, 2, 14},
		{"too large", strings.Repeat(" ", maxSize+1), []string{"is larger than 1 MiB" + want}, 0, 0},
		{"base64", "eyJjbGllbnRpZCI6InMifQ==\n", []string{"is base64; want the JSON that was encoded"}, 0, 0},
		{"empty object", "{}", []string{"lacks clientid, clientsecret and tokenurl; it is empty"}, 0, 0},
		{"other object", `{"oauth":{"clientId":"x","user":"S3cr3t","S3cr3t$%":1}}`, []string{`lacks clientsecret and tokenurl; it has the keys "…", "clientId", "user"`}, 0, 0},
		{"no token URL though a runtime URL", minimal(t, map[string]any{"tokenurl": nil}), []string{`lacks tokenurl; it has the keys "clientid", "clientsecret", "url"`}, 0, 0},
		{"no token URL under oauth", `{"oauth":{"clientid":"x","clientsecret":"S3cr3t","url":"https://h"}}`, []string{`lacks tokenurl; it has the keys "clientid", "clientsecret", "url"`}, 0, 0},
		{"many keys", `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1}`,
			[]string{`lacks clientid, clientsecret and tokenurl; it has the keys "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", and 2 more`}, 0, 0},
		{"empty values", minimal(t, map[string]any{"clientid": " ", "clientsecret": "", "tokenurl": "\t"}), []string{"clientid is empty", "clientsecret is empty", "tokenurl is empty"}, 0, 0},
		{"wrong types", minimal(t, map[string]any{"clientid": 4711, "clientsecret": []any{"S3cr3t"}, "tokenurl": map[string]any{}, "url": true}), []string{
			"clientid is a number; want text", "clientsecret is a list; want text", "tokenurl is an object; want text", "url is a boolean; want text",
		}, 0, 0},
		{"null", minimal(t, map[string]any{"clientsecret": json.RawMessage("null")}), []string{"clientsecret is null; want text"}, 0, 0},
		{"token URL without a scheme", minimal(t, map[string]any{"tokenurl": "acme.authentication.eu10.hana.ondemand.com/oauth/token"}), []string{"tokenurl is not an absolute URL; want https://host/…"}, 0, 0},
		{"token URL of another scheme", minimal(t, map[string]any{"tokenurl": "ftp://h/oauth/token"}), []string{"tokenurl is not an absolute URL; want https://host/…"}, 0, 0},
		{"token URL without a host", minimal(t, map[string]any{"tokenurl": "https://:443/oauth/token"}), []string{"tokenurl is not an absolute URL; want https://host/…"}, 0, 0},
		{"token URL with blanks", minimal(t, map[string]any{"tokenurl": "https://h/oauth token"}), []string{"tokenurl is not a URL; want https://host/…"}, 0, 0},
		{"token URL that is none", minimal(t, map[string]any{"tokenurl": "https://h:S3cr3t@x:p/%zz"}), []string{"tokenurl is not a URL; want https://host/…"}, 0, 0},
		{"token URL with a user", minimal(t, map[string]any{"tokenurl": "https://u:S3cr3t@h/"}), []string{"tokenurl holds a user; want https://host/…"}, 0, 0},
		{"URL without a scheme", minimal(t, map[string]any{"url": "acme.example.com"}), []string{"url is not an absolute URL; want https://host/…"}, 0, 0},
		{"secret and certificate", certificate(t, map[string]any{"clientsecret": "S3cr3t"}), []string{"has both clientsecret and certificate; want one of them"}, 0, 0},
		{"key without certificate", certificate(t, map[string]any{"certificate": nil}), []string{`lacks certificate; it has the keys "certificatedetails", "clientid", "createdate", "key", "tokenurl", "url"`}, 0, 0},
		{"certificate that is none", certificate(t, map[string]any{"certificate": "S3cr3t", "key": "S3cr3t"}), []string{
			"certificate is not in PEM; want -----BEGIN CERTIFICATE-----", "key is not a private key in PEM; want -----BEGIN … PRIVATE KEY-----",
		}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := Parse("sender", []byte(c.text))
			problem, ok := errors.AsType[*Error](err)
			if !ok || k != nil {
				t.Fatalf("got %v, %v", k, err)
			}
			if diff := cmp.Diff(&Error{Name: "sender", Problems: c.problems, Line: c.line, Column: c.column}, problem); diff != "" {
				t.Errorf("the error differs (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "S3cr") || strings.Contains(err.Error(), "S3cr3t") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  Error
		want string
	}{
		{Error{Name: "a\nb", Problems: []string{"x", "y"}}, `service key "a\nb": x; y`},
		{Error{Name: "k", Problems: []string{"x"}, Line: 2, Column: 7}, `service key "k": line 2, column 7: x`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestComplete(t *testing.T) {
	data, err := os.ReadFile(keys + "/certificate-external.json")
	if err != nil {
		t.Fatal(err)
	}
	k, err := Parse("sender", data)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(k.Complete()); !strings.Contains(got, "its private key is not part of the service key") {
		t.Errorf("got %s", got)
	}
}

// A certificate whose line feeds were escaped twice is still PEM.
func TestParseOfEscapedPEM(t *testing.T) {
	data, err := os.ReadFile(keys + "/certificate.json")
	if err != nil {
		t.Fatal(err)
	}
	k, err := Parse("sender", []byte(strings.ReplaceAll(string(data), `\n`, `\\n`)))
	if err != nil {
		t.Fatal(err)
	}
	if s := summarise(k); !s.Certificate || !s.PrivateKey {
		t.Errorf("got %+v", s)
	}
}

// PEM on one line, as wire/sap.md 1.5 has it, is PEM.
func TestParseOfPEMOnOneLine(t *testing.T) {
	data, err := os.ReadFile(keys + "/certificate.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, instead := range []string{"", " "} {
		k, err := Parse("sender", []byte(strings.ReplaceAll(string(data), `\n`, instead)))
		if err != nil {
			t.Fatal(err)
		}
		if s := summarise(k); !s.Certificate || !s.PrivateKey {
			t.Errorf("got %+v", s)
		}
	}
}

// What the key says of the end is kept apart from what the certificate says.
func TestDeclaredUntil(t *testing.T) {
	for file, want := range map[string]string{"certificate.json": "2046-01-02T03:04:05.000Z", "certificate-external.json": ""} {
		data, err := os.ReadFile(keys + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		k, err := Parse("sender", data)
		if err != nil {
			t.Fatal(err)
		}
		if k.DeclaredUntil != want || k.ValidUntil == "" {
			t.Errorf("%s: declared %q, valid until %q; want %q", file, k.DeclaredUntil, k.ValidUntil, want)
		}
	}
}

// FuzzParse: no input makes Parse panic, what it gives is usable, and no
// error shows a value.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(keys + "/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range []string{"", "{", `{"clientid":1}`, `"{}"`, "'{}'", `{"oauth":{"uaa":{"credentials":{}}}}`, "\xff\xfe{\x00}\x00", `{"clientid":"a","clientsecret":"hidden-value","tokenurl":"hidden-value"}`} {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"clientid":"","clientsecret":"a","tokenurl":"https://a"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := Parse("n", data)
		if err == nil {
			if k.ClientID == "" || k.TokenURL == "" || k.ClientSecret.IsZero() == (k.Certificate == "") {
				t.Errorf("%q: an incomplete key and no error: %+v", data, k)
			}
			if !k.ClientSecret.IsZero() && (len(k.Secrets) == 0 || !k.Secrets[0].Equal(k.ClientSecret)) {
				t.Errorf("%q: the client secret is not among the secrets", data)
			}
			return
		}
		problem, ok := errors.AsType[*Error](err)
		if !ok || len(problem.Problems) == 0 || k != nil {
			t.Fatalf("%q: got %v, %v", data, k, err)
		}
		text := err.Error()
		if strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%q: %q holds a control character", data, text)
		}
		if lines := strings.Count(string(data), "\n") + 1; problem.Line > lines && !strings.HasPrefix(string(data), "\xff\xfe") && !strings.HasPrefix(string(data), "\xfe\xff") {
			t.Errorf("%q: line %d of %d", data, problem.Line, lines)
		}
		var document any
		if json.Unmarshal(data, &document) != nil {
			return
		}
		r := secret.NewRedactor()
		eachLeaf(document, "", func(_, value string) {
			if len(value) >= 8 && strings.Contains(value, "hidden") {
				r.Add("leaf", value)
			}
		})
		if r.Contains(text) && !strings.Contains(text, "it has the keys") {
			t.Errorf("%q: %q holds a value", data, text)
		}
	})
}
