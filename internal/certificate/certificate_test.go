package certificate_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/certificate"
	"iflowtest/internal/secret"
)

const password = "correct-horse"

func testNow() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func key(text string) secret.Secret { return secret.New("sender.key", text) }

// issued is a certificate of a test with its key.
type issued struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func (i issued) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Raw}))
}

func (i issued) keyPEM(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// issue makes a certificate; parent nil: it signs itself.
func issue(t testing.TB, name string, from, until time.Time, parent *issued) issued {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xabcd1234), Subject: pkix.Name{CommonName: name, Organization: []string{"SAP SE"}, Country: []string{"DE"}},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	signer, by := template, crypto.Signer(private)
	if parent != nil {
		signer, by = parent.certificate, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, private.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issued{parsed, private}
}

type family struct{ root, middle, leaf, stranger issued }

func newFamily(t testing.TB) family {
	t.Helper()
	from := testNow().AddDate(0, -1, 0)
	f := family{root: issue(t, "Root CA", from, testNow().AddDate(10, 0, 0), nil)}
	f.middle = issue(t, "Client CA", from, testNow().AddDate(5, 0, 0), &f.root)
	f.leaf = issue(t, "smoke-key", from, testNow().AddDate(0, 0, 30), &f.middle)
	f.stranger = issue(t, "Stranger", from, testNow().AddDate(5, 0, 0), nil)
	return f
}

// wanted is a finding: its check, its severity, words of its message.
type wanted struct {
	check    certificate.Check
	severity certificate.Severity
	words    string
}

func check(t *testing.T, r *certificate.Report, want []wanted) {
	t.Helper()
	for n, f := range r.Findings {
		if f.Message == "" || f.Cure == "" || strings.Contains(f.Message+f.Cure, "\n") || strings.HasSuffix(f.Message, ".") {
			t.Errorf("finding %d is not one line with a cure: %+v", n, f)
		}
		if n >= len(want) {
			t.Errorf("not wanted: %s %s: %s", f.Severity, f.Check, f.Message)
			continue
		}
		if f.Check != want[n].check || f.Severity != want[n].severity || !strings.Contains(f.Message, want[n].words) {
			t.Errorf("got  %s %s: %s\nwant %s %s: %s", f.Severity, f.Check, f.Message, want[n].severity, want[n].check, want[n].words)
		}
	}
	for _, w := range want[min(len(want), len(r.Findings)):] {
		t.Errorf("missing: %s %s: %s", w.severity, w.check, w.words)
	}
}

func TestInspect(t *testing.T) {
	f := newFamily(t)
	leaf, middle, root, stranger := f.leaf.PEM(), f.middle.PEM(), f.root.PEM(), f.stranger.PEM()
	private := f.leaf.keyPEM(t)
	escaped := func(s string) string { return strings.ReplaceAll(s, "\n", `\n`) }
	oneLine := func(s string) string { return strings.ReplaceAll(s, "\n", "") }
	blanks := func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", " ") }
	const (
		remark, fault, unusable = certificate.Remark, certificate.Fault, certificate.Unusable
	)
	end := f.leaf.certificate.NotAfter
	cases := []struct {
		name                   string
		certificate, key, pass string
		until                  string
		now                    time.Time
		want                   []wanted
	}{
		{"chain", leaf + middle + root, private, "", "", testNow(), nil},
		{"chain without the root", leaf + middle, private, "", "", testNow(), nil},
		{"leaf alone", leaf, private, "", "", testNow(), nil},
		{"no key", leaf + middle, "", "", "", testNow(), nil},
		{"text around it", "Bag Attributes\n    friendlyName: x\nsubject=CN = x\n" + leaf + "\nBag Attributes\n" + middle, "Bag Attributes\n" + private, "", "", testNow(), nil},
		{"literal \\n", escaped(leaf + middle), escaped(private), "", "", testNow(), nil},
		{"literal \\r\\n", strings.ReplaceAll(leaf, "\n", `\r\n`), strings.ReplaceAll(private, "\n", `\r\n`), "", "", testNow(), nil},
		{"literal \\n and one at the end", escaped(leaf) + "\n", escaped(private) + "\n", "", "", testNow(), nil},
		{"CRLF", strings.ReplaceAll(leaf+middle, "\n", "\r\n"), strings.ReplaceAll(private, "\n", "\r\n"), "", "", testNow(), nil},
		{"one line", oneLine(leaf + middle), oneLine(private), "", "", testNow(), nil},
		{"blanks for line feeds", blanks(leaf + middle), blanks(private), "", "", testNow(), nil},
		{"key beside the certificate", private + leaf, private + leaf, "", "", testNow(), nil},

		{"empty", " ", private, "", "", testNow(), []wanted{{certificate.CheckCertificate, unusable, "the certificate is empty"}}},
		{"no PEM", "S3cr3t", private, "", "", testNow(), []wanted{{certificate.CheckCertificate, unusable, "not in PEM"}}},
		{"cut off", leaf[:200], private, "", "", testNow(), []wanted{{certificate.CheckCertificate, unusable, "cut off or garbled"}}},
		{"garbled", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", private, "", "", testNow(), []wanted{{certificate.CheckCertificate, unusable, "certificate 1 of the chain cannot be read"}}},
		{"swapped", private, leaf, "", "", testNow(), []wanted{{certificate.CheckCertificate, unusable, "there is a private key"}, {certificate.CheckKey, unusable, "there is a certificate"}}},
		{"request", fixture(t, "request.pem"), private, "", "", testNow(), []wanted{{certificate.CheckCertificate, unusable, "certificate request"}}},
		{"PKCS7", fixture(t, "pkcs7.pem"), private, "", "", testNow(), []wanted{{certificate.CheckCertificate, unusable, "PKCS #7"}}},
		{"DER", fixture(t, "cert.der"), fixture(t, "cert.der"), "", "", testNow(), []wanted{{certificate.CheckCertificate, unusable, "binary"}, {certificate.CheckKey, unusable, "binary"}}},
		{"public key", leaf, fixture(t, "public.pem"), "", "", testNow(), []wanted{{certificate.CheckKey, unusable, "there is a public key"}}},
		{"key that is none", leaf, "S3cr3t", "", "", testNow(), []wanted{{certificate.CheckKey, unusable, "the private key is not in PEM"}}},
		{"key cut off", leaf, private[:100], "", "", testNow(), []wanted{{certificate.CheckKey, unusable, "cut off or garbled"}}},
		{"key damaged", leaf, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", "", testNow(), []wanted{{certificate.CheckKey, unusable, "neither PKCS #8"}}},
		{"password for nothing", leaf, private, "x", "", testNow(), []wanted{{certificate.CheckPassword, remark, "not encrypted"}}},

		{"another key", leaf + middle, f.stranger.keyPEM(t), "", "", testNow(), []wanted{{certificate.CheckMatch, unusable, `do not belong together: the certificate of "CN=smoke-key,O=SAP SE,C=DE" has another key (ECDSA P-256)`}}},
		{"another kind of key", leaf, fixture(t, "rsa.pem"), "", "", testNow(), []wanted{{certificate.CheckMatch, unusable, "do not belong together"}}},
		{"leaf last", middle + leaf, private, "", "", testNow(), []wanted{{certificate.CheckOrder, fault, `the certificate of the client, "CN=smoke-key,O=SAP SE,C=DE", is number 2`}}},
		{"leaf last, no key", root + middle + leaf, "", "", "", testNow(), []wanted{{certificate.CheckOrder, fault, "is number 3"}}},
		{"root before the middle", leaf + root + middle, private, "", "", testNow(), []wanted{{certificate.CheckOrder, fault, `number 2 is "CN=Root CA,O=SAP SE,C=DE"; want "CN=Client CA,O=SAP SE,C=DE", which signed number 1`}}},
		{"hole in the chain", leaf + root, private, "", "", testNow(), []wanted{{certificate.CheckOrder, fault, `"CN=Root CA,O=SAP SE,C=DE" did not sign "CN=smoke-key,O=SAP SE,C=DE"`}}},
		{"stranger in the chain", leaf + middle + stranger, private, "", "", testNow(), []wanted{{certificate.CheckOrder, fault, `"CN=Stranger,O=SAP SE,C=DE" did not sign "CN=Client CA`}}},
		{"twice", leaf + leaf, private, "", "", testNow(), []wanted{{certificate.CheckOrder, fault, `the chain has "CN=smoke-key,O=SAP SE,C=DE" twice`}}},
		{"root twice", leaf + middle + root + root, private, "", "", testNow(), []wanted{{certificate.CheckOrder, fault, `the chain has "CN=Root CA,O=SAP SE,C=DE" twice`}}},

		{"not yet", leaf, private, "", "", f.leaf.certificate.NotBefore.Add(-time.Hour), []wanted{{certificate.CheckNotBefore, unusable, "the certificate is valid only from 2026-10-21T12:00:00Z"}}},
		{"just issued", leaf, private, "", "", f.leaf.certificate.NotBefore.Add(-30 * time.Second), nil},
		{"last second", leaf, private, "", "", end, nil},
		{"expired", leaf, private, "", "", end.Add(time.Second), []wanted{{certificate.CheckExpiry, unusable, "the certificate expired on 2026-12-21T12:00:00Z"}}},

		{"validuntil agrees", leaf, private, "", "2026-12-21T12:00:00.000Z", testNow(), nil},
		{"validuntil agrees but for the fraction", leaf, private, "", "2026-12-21T12:00:00.999Z", testNow(), nil},
		{"validuntil earlier", leaf, private, "", "2026-12-01T12:00:00.000Z", testNow(), []wanted{{certificate.CheckValidUntil, remark, "says 2026-12-01T12:00:00Z, the certificate itself 2026-12-21T12:00:00Z; the earlier counts"}}},
		{"validuntil later", leaf, private, "", "2027-12-01T12:00:00.000Z", testNow(), []wanted{{certificate.CheckValidUntil, remark, "the earlier counts"}}},
		{"validuntil over", leaf, private, "", "2026-11-01T12:00:00.000Z", testNow(), []wanted{{certificate.CheckValidUntil, remark, "the earlier counts"}, {certificate.CheckExpiry, unusable, "the service key (certificatedetails.validuntil) expired on 2026-11-01T12:00:00Z"}}},
		{"validuntil that is none", leaf, private, "", "soon", testNow(), []wanted{{certificate.CheckValidUntil, remark, `not a time: "soon"`}}},

		{"weak", fixture(t, "weak-cert.pem"), fixture(t, "rsa1024.pem"), "", "", time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), []wanted{{certificate.CheckStrength, fault, "RSA of 1024 bits; want 2048"}, {certificate.CheckStrength, fault, "signed with SHA1-RSA"}}},
		{"SHA-1 of one that signed itself", fixture(t, "sha1-ca.pem"), "", "", "", time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), []wanted{{certificate.CheckStrength, fault, "signed with SHA1-RSA"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := certificate.Inspect(certificate.Input{Certificate: c.certificate, Key: key(c.key), Password: secret.New("p", c.pass), ValidUntil: c.until}, c.now)
			check(t, r, c.want)
			if u := r.Unusable(); (u != nil) != (len(c.want) > 0 && c.want[len(c.want)-1].severity == unusable) {
				t.Errorf("Unusable gives %v", u)
			}
		})
	}
}

func TestReport(t *testing.T) {
	f := newFamily(t)
	r := certificate.Inspect(certificate.Input{Certificate: f.leaf.PEM() + f.middle.PEM(), Key: key(f.leaf.keyPEM(t))}, testNow())
	want := &certificate.Report{
		Subject: "CN=smoke-key,O=SAP SE,C=DE", Issuer: "CN=Client CA,O=SAP SE,C=DE", Serial: "0xABCD1234", Version: 3,
		NotBefore: f.leaf.certificate.NotBefore, NotAfter: f.leaf.certificate.NotAfter, Until: f.leaf.certificate.NotAfter,
		DaysLeft: 30, Algorithm: "ECDSA P-256", Thumbprint: certificate.Thumbprint(f.leaf.certificate), Chain: 2,
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.Thumbprint) != 43 {
		t.Errorf("thumbprint %q", r.Thumbprint)
	}
}

func TestUntilIsTheEarliest(t *testing.T) {
	from := testNow().AddDate(0, -1, 0)
	root := issue(t, "Root CA", from, testNow().AddDate(0, 0, 1), nil)
	middle := issue(t, "Client CA", from, testNow().AddDate(0, 0, 10), &root)
	leaf := issue(t, "smoke-key", from, testNow().AddDate(0, 0, 20), &middle)
	in := certificate.Input{Certificate: leaf.PEM() + middle.PEM() + root.PEM(), Key: key(leaf.keyPEM(t))}
	if r := certificate.Inspect(in, testNow()); r.DaysLeft != 10 {
		t.Errorf("%d days left, want those of the certificate that signs it, and not of the root", r.DaysLeft)
	}
	check(t, certificate.Inspect(in, testNow().AddDate(0, 0, 11)), []wanted{
		{certificate.CheckExpiry, certificate.Unusable, `the certificate of "CN=Client CA,O=SAP SE,C=DE", which signs it, expired on`},
	})
	in.ValidUntil = testNow().AddDate(0, 0, 5).Format(time.RFC3339)
	if r := certificate.Inspect(in, testNow()); r.DaysLeft != 5 {
		t.Errorf("%d days left, want those of validuntil", r.DaysLeft)
	}
}

func TestDaysLeft(t *testing.T) {
	for _, c := range []struct {
		left time.Duration
		want int
	}{{0, 0}, {time.Hour, 0}, {24 * time.Hour, 1}, {47 * time.Hour, 1}, {-time.Second, -1}, {-24 * time.Hour, -1}, {-25 * time.Hour, -2}} {
		if got := certificate.DaysLeft(testNow().Add(c.left), testNow()); got != c.want {
			t.Errorf("%s: %d, want %d", c.left, got, c.want)
		}
	}
}

func TestEnding(t *testing.T) {
	f := newFamily(t)
	in := certificate.Input{Certificate: f.leaf.PEM()}
	for _, c := range []struct {
		now  time.Time
		want string
	}{
		{testNow(), ""},
		{testNow().Add(time.Hour), "ends in 29 days, on 2026-12-21T12:00:00Z; want at least 30"},
		{testNow().AddDate(0, 0, 29), "ends in 1 day,"},
		{testNow().AddDate(0, 0, 30), "ends in less than a day"},
		{testNow().AddDate(0, 0, 31), ""}, // it has: CheckExpiry tells
	} {
		f := certificate.Inspect(in, c.now).Ending(30)
		if (f == nil) != (c.want == "") || f != nil && !strings.Contains(f.Message, c.want) {
			t.Errorf("%s: %+v, want %q", c.now, f, c.want)
		}
	}
}

func TestKeyForms(t *testing.T) {
	chain := fixture(t, "rsa-cert.pem")
	bad := func(check certificate.Check, words string) []wanted {
		return []wanted{{check, certificate.Unusable, words}}
	}
	cases := []struct {
		file, pass string
		want       []wanted
	}{
		{"rsa.pem", "", nil},
		{"pkcs1.pem", "", nil},
		{"pbes2-aes256-sha256.pem", password, nil},
		{"pbes2-aes128-sha1.pem", password, nil},
		{"pbes2-aes192-sha512.pem", password, nil},
		{"pbes2-3des.pem", password, nil},
		{"pbes2-aes-256-cbc-once.pem", password, nil},
		{"pbes2-des3-once.pem", password, nil},
		{"openssl-aes256.pem", password, nil},
		{"pbes2-aes256-sha256.pem", "", bad(certificate.CheckPassword, "encrypted, and no password is given")},
		{"openssl-aes256.pem", "", bad(certificate.CheckPassword, "encrypted, and no password is given")},
		{"pbes2-aes256-sha256.pem", "wrong", bad(certificate.CheckPassword, "the password does not open")},
		{"pbes2-3des.pem", "wrong", bad(certificate.CheckPassword, "the password does not open")},
		{"openssl-aes256.pem", "wrong", bad(certificate.CheckPassword, "the password does not open")},
		{"scrypt.pem", password, bad(certificate.CheckKey, "encrypted with scrypt")},
		{"pbes1-3des.pem", password, bad(certificate.CheckKey, "encrypted with the scheme 1.2.840.113549.1.12.1.3")},
		{"sec1.pem", "", bad(certificate.CheckMatch, "do not belong together")},
	}
	for _, c := range cases {
		t.Run(c.file+" "+c.pass, func(t *testing.T) {
			i := certificate.Read(certificate.Input{Certificate: chain, Key: key(fixture(t, c.file)), Password: secret.New("p", c.pass)})
			check(t, i.Report(testNow().AddDate(1, 0, 0)), c.want)
			if usable := i.TLS() != nil; usable != (c.want == nil) {
				t.Errorf("usable: %v", usable)
			}
		})
	}
}

func TestEd25519(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: testNow(), NotAfter: testNow().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	own := issued{parsed, private}
	r := certificate.Inspect(certificate.Input{Certificate: own.PEM(), Key: key(own.keyPEM(t))}, testNow())
	check(t, r, nil)
	if r.Algorithm != "Ed25519" || r.Subject != "" {
		t.Errorf("%+v", r)
	}
}

// What is presented is the chain in its right order, whatever the file has.
func TestTLSIsInOrder(t *testing.T) {
	f := newFamily(t)
	i := certificate.Read(certificate.Input{Certificate: f.stranger.PEM() + f.root.PEM() + f.middle.PEM() + f.leaf.PEM(), Key: key(f.leaf.keyPEM(t))})
	presented := i.TLS()
	if presented == nil {
		t.Fatal("nothing is presented")
	}
	want := [][]byte{f.leaf.certificate.Raw, f.middle.certificate.Raw, f.root.certificate.Raw}
	if diff := cmp.Diff(want, presented.Certificate); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if i.Thumbprint() != certificate.Thumbprint(f.leaf.certificate) {
		t.Error("the thumbprint is not that of the leaf")
	}
}

func TestNothingIsPrinted(t *testing.T) {
	f := newFamily(t)
	i := certificate.Read(certificate.Input{Certificate: f.leaf.PEM(), Key: key(f.leaf.keyPEM(t))})
	d := f.leaf.key.(*ecdsa.PrivateKey)
	raw, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	number := new(big.Int).SetBytes(raw)
	holder := struct{ identity *certificate.Identity }{i}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		text := fmt.Sprintf(verb, i) + fmt.Sprintf(verb, *i) + fmt.Sprintf(verb, holder) //nolint:govet // what leaks is what is tested
		for _, form := range []string{number.String(), number.Text(16), fmt.Sprint(raw)} {
			if strings.Contains(text, form) {
				t.Errorf("%s prints the private key", verb)
			}
		}
	}
}

func TestLines(t *testing.T) {
	pemText := fixture(t, "rsa-cert.pem")
	for _, same := range []string{"", "no PEM", `C:\new\names`, pemText, strings.TrimSpace(pemText), "text\n" + pemText + pemText, fixture(t, "openssl-aes256.pem")} {
		if got := certificate.Lines(same); got != same {
			t.Errorf("changed %.40q to %.40q", same, got)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	in := certificate.Input{Certificate: fixture(b, "rsa-cert.pem"), Key: key(fixture(b, "rsa.pem"))}
	for b.Loop() {
		certificate.Read(in)
	}
}

func BenchmarkReport(b *testing.B) {
	i := certificate.Read(certificate.Input{Certificate: fixture(b, "rsa-cert.pem"), Key: key(fixture(b, "rsa.pem"))})
	for b.Loop() {
		i.Report(testNow())
	}
}

func FuzzInspect(f *testing.F) {
	names, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	chain := fixture(f, "rsa-cert.pem")
	for _, name := range names {
		text := fixture(f, filepath.Base(name))
		f.Add(chain, text, "", "")
		f.Add(text, text, "x", "2026-12-21T12:00:00.000Z")
	}
	f.Add(strings.ReplaceAll(chain, "\n", `\n`), strings.ReplaceAll(chain, "\n", ""), password, "never")
	f.Fuzz(func(t *testing.T, chain, private, pass, until string) {
		if strings.Contains(private, "ENCRYPTED") && pass != "" {
			pass = "" // the work of a foreign file is bounded, and too much for here
		}
		i := certificate.Read(certificate.Input{Certificate: chain, Key: key(private), Password: secret.New("p", pass), ValidUntil: until})
		r := i.Report(testNow())
		for _, finding := range r.Findings {
			if strings.ContainsAny(finding.Message+finding.Cure, "\n\r") {
				t.Errorf("not one line: %q", finding.Message)
			}
			if len(private) > 80 && strings.Contains(finding.Message+finding.Cure, private) {
				t.Errorf("the message holds the key: %q", finding.Message)
			}
		}
		if i.TLS() != nil && i.Thumbprint() == "" {
			t.Error("presented, and has no thumbprint")
		}
		if private != "" && i.TLS() == nil && r.Unusable() == nil {
			t.Error("cannot be used, and nothing says why")
		}
		if twice := certificate.Lines(certificate.Lines(chain)); twice != certificate.Lines(chain) {
			t.Errorf("Lines changes its own answer: %q → %q", certificate.Lines(chain), twice)
		}
	})
}

func FuzzEncryptedKey(f *testing.F) {
	for _, name := range []string{"pbes2-aes-256-cbc-once.pem", "pbes2-des3-once.pem", "scrypt.pem", "pbes1-3des.pem"} {
		block, _ := pem.Decode([]byte(fixture(f, name)))
		f.Add(block.Bytes)
	}
	chain := fixture(f, "rsa-cert.pem")
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, large := range []string{"\x02\x02", "\x02\x03", "\x02\x81", "\x02\x82"} {
			if strings.Contains(string(der[:min(len(der), 256)]), large) {
				t.Skip("more iterations than a fuzz test has time for")
			}
		}
		text := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}))
		r := certificate.Inspect(certificate.Input{Certificate: chain, Key: key(text), Password: secret.New("p", password)}, testNow())
		if len(der) > 0 && r.Unusable() == nil && r.Subject == "" {
			t.Error("nothing was read and nothing is said")
		}
	})
}
