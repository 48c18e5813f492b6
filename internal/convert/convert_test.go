package convert

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"iflowtest/internal/secret"
	"iflowtest/internal/servicekey"
)

func key(t *testing.T, file string) *servicekey.Key {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "keys", file))
	if err != nil {
		t.Fatal(err)
	}
	k, err := servicekey.Parse("smoke", data)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func converted(t *testing.T, to Target, k *servicekey.Key, o Options) Document {
	t.Helper()
	d, err := Key(to, k, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// load reads a file of properties by the rules of java.util.Properties.load.
func load(t *testing.T, text string) [][2]string {
	t.Helper()
	var all [][2]string
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\n"), " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		end := 0
		for end < len(line) && !strings.ContainsRune("=: \t\f", rune(line[end])) {
			if line[end] == '\\' {
				end++
			}
			end++
		}
		rest := strings.TrimLeft(line[end:], " \t\f")
		if rest != "" && (rest[0] == '=' || rest[0] == ':') {
			rest = strings.TrimLeft(rest[1:], " \t\f")
		}
		all = append(all, [2]string{unescape(t, line[:end]), unescape(t, rest)})
	}
	return all
}

func unescape(t *testing.T, text string) string {
	t.Helper()
	var units []uint16
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c > '~' {
			t.Errorf("%q is not ASCII", text)
		}
		if c != '\\' {
			units = append(units, uint16(c))
			continue
		}
		i++
		switch text[i] {
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'f':
			c = '\f'
		case 'u':
			n, err := strconv.ParseUint(text[i+1:i+5], 16, 16)
			if err != nil {
				t.Fatal(err)
			}
			units = append(units, uint16(n))
			i += 4
			continue
		default:
			c = text[i]
		}
		units = append(units, uint16(c))
	}
	return string(utf16.Decode(units))
}

const apiSecret = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9$Zx8_-yyBBvvNNmmQQwwEErrTTyyUUiiOOppAAssDDff="

func TestDestination(t *testing.T) {
	want := func(secret string) [][2]string {
		return [][2]string{
			{"Name", "CPI_RT"}, {"Type", "HTTP"}, {"URL", "https://acme.it-cpi018.cfapps.eu10-003.hana.ondemand.com"},
			{"ProxyType", "Internet"}, {"Authentication", "OAuth2ClientCredentials"},
			{"clientId", "sb-66666666-7777-8888-9999-000000000000!b15187|it!b11463"}, {"clientSecret", secret},
			{"tokenServiceURL", "https://acme.authentication.eu10.hana.ondemand.com/oauth/token"}, {"tokenServiceURLType", "Dedicated"},
		}
	}
	k := key(t, "api.json")
	for _, c := range []struct {
		secrets bool
		want    [][2]string
	}{{true, want(apiSecret)}, {false, want("***(CPI_RT.client-secret)")}} {
		d := converted(t, Destination, k, Options{Name: "CPI_RT", Secrets: c.secrets})
		if diff := cmp.Diff(c.want, load(t, string(d.Text))); diff != "" {
			t.Errorf("properties, secrets %v (-want +got):\n%s", c.secrets, diff)
		}
		if d.Secret != c.secrets || len(d.Notes) == 0 != c.secrets {
			t.Errorf("secrets %v: the document says %v, with the notes %q", c.secrets, d.Secret, d.Notes)
		}
		d = converted(t, DestinationJSON, k, Options{Name: "CPI_RT", Secrets: c.secrets})
		got, fields := map[string]string{}, map[string]string{}
		if err := json.Unmarshal(d.Text, &got); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.want {
			fields[p[0]] = p[1]
		}
		if diff := cmp.Diff(fields, got); diff != "" {
			t.Errorf("JSON, secrets %v (-want +got):\n%s", c.secrets, diff)
		}
	}
}

// TestCertificates: a destination names the store of the certificate, and the
// notes say what is to be put there.
func TestCertificates(t *testing.T) {
	for _, c := range []struct {
		file  string
		to    Target
		notes []string
	}{
		{"certificate.json", Destination, []string{"upload one as smoke.pem"}},
		{"certificate-external.json", DestinationJSON, []string{"upload one as smoke.pem", "its owner has it"}},
		{"certificate.json", Postman, []string{"Settings > Certificates"}},
		{"certificate-external.json", Postman, []string{"Settings > Certificates", "its owner has it"}},
		{"certificate-external.json", Environment, []string{"SMOKE_SERVICE_KEY", "./smoke-key.pem is wanted"}},
	} {
		d := converted(t, c.to, key(t, c.file), Options{})
		if len(d.Notes) != len(c.notes) {
			t.Errorf("%s of %s: notes %q, want %d", c.to, c.file, d.Notes, len(c.notes))
			continue
		}
		for i, want := range c.notes {
			if !strings.Contains(d.Notes[i], want) {
				t.Errorf("%s of %s: note %q, want %q in it", c.to, c.file, d.Notes[i], want)
			}
		}
		if strings.Contains(string(d.Text), "clientSecret") {
			t.Errorf("%s of %s speaks of a client secret:\n%s", c.to, c.file, d.Text)
		}
	}
	d := converted(t, Destination, key(t, "certificate.json"), Options{Secrets: true})
	if got := load(t, string(d.Text)); !slices.Contains(got, [2]string{"tokenService.KeyStoreLocation", "smoke.pem"}) || d.Secret {
		t.Errorf("secret %v, properties %q", d.Secret, got)
	}
}

func TestPostman(t *testing.T) {
	var got struct {
		Name   string
		Values []struct {
			Key, Value, Type string
			Enabled          bool
		}
		Scope string `json:"_postman_variable_scope"`
	}
	d := converted(t, Postman, key(t, "api.json"), Options{Secrets: true})
	if err := json.Unmarshal(d.Text, &got); err != nil {
		t.Fatal(err)
	}
	var variables []string
	for _, v := range got.Values {
		variables = append(variables, fmt.Sprintf("%s=%s %s %v", v.Key, v.Value, v.Type, v.Enabled))
	}
	want := []string{
		"url=https://acme.it-cpi018.cfapps.eu10-003.hana.ondemand.com default true",
		"tokenUrl=https://acme.authentication.eu10.hana.ondemand.com/oauth/token default true",
		"clientId=sb-66666666-7777-8888-9999-000000000000!b15187|it!b11463 default true",
		"clientSecret=" + apiSecret + " secret true",
	}
	if diff := cmp.Diff(want, variables); diff != "" || got.Name != "smoke" || got.Scope != "environment" {
		t.Errorf("%q in %q (-want +got):\n%s", got.Name, got.Scope, diff)
	}
}

// environmentFile is what is read of an environment file.
type environmentFile struct {
	Target      map[string]string
	Credentials map[string]map[string]string
}

func environmentOf(t *testing.T, d Document) environmentFile {
	t.Helper()
	var e environmentFile
	if err := yaml.Unmarshal(d.Text, &e); err != nil {
		t.Fatalf("%v in\n%s", err, d.Text)
	}
	return e
}

func TestEnvironment(t *testing.T) {
	got := environmentOf(t, converted(t, Environment, key(t, "api.json"), Options{Name: "7.api"}))
	want := environmentFile{
		Target: map[string]string{"api": "https://acme.it-cpi018.cfapps.eu10-003.hana.ondemand.com/api/v1"},
		Credentials: map[string]map[string]string{"7.api": {
			"token-url": "https://acme.authentication.eu10.hana.ondemand.com/oauth/token",
			"client-id": "sb-66666666-7777-8888-9999-000000000000!b15187|it!b11463",
			// A variable begins with a letter.
			"client-secret": "${env.KEY_7_API_CLIENT_SECRET}",
			"url":           "https://acme.it-cpi018.cfapps.eu10-003.hana.ondemand.com",
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = environmentOf(t, converted(t, Environment, key(t, "certificate-external.json"), Options{Name: "no"}))
	if diff := cmp.Diff(map[string]map[string]string{"no": {"service-key": "${env.NO_SERVICE_KEY}", "key": "./no-key.pem"}}, got.Credentials); diff != "" {
		t.Errorf("external certificate (-want +got):\n%s", diff)
	}
}

// TestEnvironmentKeepsTheKey: what an environment file holds is the key again.
func TestEnvironmentKeepsTheKey(t *testing.T) {
	for _, file := range []string{"api.json", "integration-flow.json", "certificate.json", "certificate-external.json", "xsuaa-x509.json", "destination.json", "camel-case.json"} {
		k := key(t, file)
		d := converted(t, Environment, k, Options{Secrets: true})
		text := strings.ReplaceAll(environmentOf(t, d).Credentials["smoke"]["service-key"], "$${", "${")
		again, err := servicekey.Parse("smoke", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, c := range [][3]string{
			{"client ID", k.ClientID, again.ClientID}, {"client secret", k.ClientSecret.Reveal(), again.ClientSecret.Reveal()},
			{"certificate", k.Certificate, again.Certificate}, {"private key", k.PrivateKey.Reveal(), again.PrivateKey.Reveal()},
			{"token URL", k.TokenURL, again.TokenURL}, {"URL", k.URL, again.URL}, {"end", k.ValidUntil, again.ValidUntil},
		} {
			if c[1] != c[2] {
				t.Errorf("%s: the %s is not the one of the key", file, c[0])
			}
		}
	}
}

// TestNoSecrets: without Secrets no form and no note holds one, in any
// encoding, and with them only the text does.
func TestNoSecrets(t *testing.T) {
	for _, file := range []string{"api.json", "integration-flow.json", "certificate.json", "certificate-external.json", "camel-case.json"} {
		k := key(t, file)
		for _, form := range Forms() {
			plain := converted(t, form.Target, k, Options{})
			open := converted(t, form.Target, k, Options{Secrets: true})
			all := string(plain.Text) + strings.Join(append(plain.Notes, open.Notes...), "\n")
			for _, s := range k.Secrets {
				for _, e := range secret.Encodings(s.Reveal()) {
					if strings.Contains(all, e.Text) {
						t.Errorf("%s of %s shows %s (%s)", form.Target, file, s.Name(), e.Name)
					}
				}
			}
			if !k.ClientSecret.IsZero() && !strings.Contains(string(open.Text), k.ClientSecret.Reveal()) {
				t.Errorf("%s of %s with secrets has none", form.Target, file)
			}
		}
	}
}

func TestProperties(t *testing.T) {
	all := []property{
		{"a=b:c #!d", `back\slash`}, {"!comment", "#no comment!"}, {"#x", "a=b:c"}, {"two words", "  leading and trailing "},
		{"lines", "one\ntwo\r\n\tthree\f"}, {"grün", "schön € 😀 \u0000\u007f"}, {"empty", ""}, {`\`, `\u0041`},
	}
	text, err := properties(all)
	if err != nil {
		t.Fatal(err)
	}
	var want [][2]string
	for _, p := range all {
		want = append(want, [2]string{p.name, p.value})
	}
	if diff := cmp.Diff(want, load(t, string(text))); diff != "" {
		t.Errorf("(-want +got):\n%s\nin\n%s", diff, text)
	}
}

func FuzzProperties(f *testing.F) {
	f.Add("clientSecret", `a\b=c: d#!`)
	f.Add(" ", "\u2028\x85 x")
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == "" {
			return
		}
		text, err := properties([]property{{name, value}})
		if err != nil {
			t.Fatal(err)
		}
		want := [][2]string{{strings.ToValidUTF8(name, "�"), strings.ToValidUTF8(value, "�")}}
		got := load(t, string(text))
		// Each byte that is no UTF-8 becomes a mark of its own.
		for i := range got {
			for j := range got[i] {
				got[i][j] = collapsed(got[i][j])
				want[i][j] = collapsed(want[i][j])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s\nin %q", diff, text)
		}
	})
}

func collapsed(text string) string {
	for strings.Contains(text, "��") {
		text = strings.ReplaceAll(text, "��", "�")
	}
	return text
}

func TestYAMLText(t *testing.T) {
	for _, text := range []string{"", "a", "no", "NULL", "y", "1", "0x1", "a b", "a: b", "it's", "${env.X}", "$${", "#x", "- a", "https://a.example/b", "https://a.example:", "a.b", "'", "a-", "~"} {
		var got any
		if err := yaml.Unmarshal([]byte("x: "+yamlText(text)), &got); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if v, ok := got.(map[string]any)["x"].(string); !ok || v != strings.ReplaceAll(text, "${", "$${") {
			t.Errorf("%q is read as %#v", text, got)
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{"sender": "sender", "my key (2)": "my-key-2", "../x": "x", "": "key", "ü": "key", strings.Repeat("a", 300): strings.Repeat("a", 200)} {
		got := Name(text)
		if got != want || CheckName(got) != nil {
			t.Errorf("Name(%q) is %q (%v), want %q", text, got, CheckName(got), want)
		}
	}
	for name, want := range map[string]string{"": "empty", "a b": "no name", ".a": "no name", strings.Repeat("a", 201): "201 characters", "a\nb": "no name"} {
		if err := CheckName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckName(%q): %v, want %q in it", name, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	if _, err := Key(Destination, key(t, "xsuaa.json"), Options{}); err == nil || !strings.Contains(err.Error(), "leads nowhere") {
		t.Errorf("a key without a URL: %v", err)
	}
	if _, err := Key("yaml", key(t, "api.json"), Options{}); err == nil || !strings.Contains(err.Error(), `"yaml" is not a form`) {
		t.Errorf("no form: %v", err)
	}
	if _, err := Key(Postman, key(t, "api.json"), Options{Name: "a b"}); err == nil {
		t.Error("a name with a blank is taken")
	}
}
