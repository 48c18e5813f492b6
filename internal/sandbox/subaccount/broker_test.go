package subaccount

import (
	"strings"
	"testing"
	"time"
)

func broker(t testing.TB) *Subaccount {
	t.Helper()
	s, err := New(Options{Now: time.Now, Entitled: Plans()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func FuzzParameters(f *testing.F) {
	for _, text := range []string{
		"", "null", "{}", "[]", `{"roles":null}`, `{"roles":["a",1]}`, `{"token-validity":1e9}`, `{"token-validity":3600.5}`, `{"redirect-uris":["https://a/b"]}`,
		`{"key-type":"certificate","validity":30,"key-length":2048}`, `{"key-type":"certificate_external","X.509":"-----BEGIN CERTIFICATE-----"}`, `{"key-type":1,"a":{}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, plan := range Plans() {
			p, err := ParseParameters(plan, []byte(text))
			checkBroker(t, err)
			if err == nil && p.Validity != 0 && (p.Validity < time.Hour || p.Validity > 24*time.Hour) {
				t.Errorf("validity %s of %q", p.Validity, text)
			}
		}
		k, err := ParseKeyParameters([]byte(text))
		checkBroker(t, err)
		if err == nil && k.Certificate && (k.Days < 1 || k.Days > 365 || k.Bits < 2048 || k.Bits > 4096) {
			t.Errorf("%+v of %q", k, text)
		}
	})
}

func checkBroker(t *testing.T, err error) {
	t.Helper()
	if err != nil && (!strings.HasPrefix(err.Error(), "invalid input parameters: ") || strings.Contains(err.Error(), "\n")) {
		t.Errorf("error %q", err)
	}
}

func FuzzExternalCertificate(f *testing.F) {
	s := broker(f)
	ca, err := s.CA()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(ca))
	f.Add(strings.ReplaceAll(string(ca), "\n", ""))
	f.Add("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----")
	f.Add("-----BEGIN CERTIFICATE-----MAA=-----END CERTIFICATE----- x")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := s.external(text)
		if err != nil {
			return
		}
		if c.PEM != text || !c.External || len(c.Fingerprint) != 64 || c.ValidUntil.Before(time.Now()) {
			t.Errorf("%q gives %+v", text, c)
		}
	})
}
