package entitlements

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
)

// certified gives a key of cis that signs in with a certificate, at a server.
func certified(t *testing.T, server string, without ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "keys", "xsuaa-x509.json"))
	if err != nil {
		t.Fatal(err)
	}
	uaa := map[string]any{}
	if err := json.Unmarshal(data, &uaa); err != nil {
		t.Fatal(err)
	}
	uaa["url"], uaa["certurl"] = server, server
	for _, name := range without {
		delete(uaa, name)
	}
	key, err := json.Marshal(map[string]any{
		"endpoints": map[string]string{"entitlements_service_url": server}, "grant_type": "client_credentials", "uaa": uaa,
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestCertificate: a key with a certificate gets its token by mutual TLS.
func TestCertificate(t *testing.T) {
	presented, form := "", url.Values{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/oauth/token" {
			if r.Header.Get("Authorization") != "Bearer token-of-the-certificate" {
				w.WriteHeader(http.StatusUnauthorized)
			}
			io.WriteString(w, assignments)
			return
		}
		if len(r.TLS.PeerCertificates) > 0 {
			presented = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_ = r.ParseForm()
		form = r.PostForm
		fmt.Fprint(w, `{"access_token":"token-of-the-certificate","token_type":"bearer","expires_in":43199}`)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	h, err := httpx.New(httpx.Options{CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	key, err := ParseKey("cis", certified(t, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	got, err := New(h, oauth.NewSource(h, nil), key).Assignments(t.Context(), subaccount, "it-rt")
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	if presented == "" || form.Get("client_id") != "sb-orders!t1234" || form.Has("client_secret") {
		t.Errorf("the certificate %q was presented, with %v", presented, form)
	}
}

// TestCertificateWithoutKey: the private key of an external certificate is not
// in the service key.
func TestCertificateWithoutKey(t *testing.T) {
	for name, c := range map[string]struct {
		without []string
		want    string
	}{
		"external": {[]string{"key"}, "a certificate and no key"},
		"nothing":  {[]string{"key", "certificate"}, "clientsecret"},
	} {
		if _, err := ParseKey("cis", certified(t, "https://uaa.test", c.without...)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
