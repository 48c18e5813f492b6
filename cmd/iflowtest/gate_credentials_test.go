package main

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"iflowtest/internal/secret"
)

// certifiedFiles makes a key with a certificate on a sandbox, and puts it into
// files and variables in every form that an environment may name.
func certifiedFiles(t *testing.T) (environ []string, own string, secrets map[string]string) {
	t.Helper()
	tenant := served(t)
	environmentOf(t, tenant)
	control(t, tenant, http.MethodPost, "/_sandbox/keys", `{"instance":"sandbox-rt","name":"certified","parameters":{"key-type":"certificate","validity":20}}`, nil)
	keys := tenant.Keys()
	whole := keys[len(keys)-1].JSON
	var document struct {
		OAuth map[string]any `json:"oauth"`
	}
	decode(t, whole, &document)
	text := func(field string) string { return fmt.Sprint(document.OAuth[field]) }
	certificate, key := text("certificate"), text("key")
	block, _ := pem.Decode([]byte(key))
	//lint:ignore SA1019 it is what openssl rsa -aes256 writes
	locked, err := x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte("opens-4711"), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	delete(document.OAuth, "key")
	external, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := tenant.CA()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"ca.pem": string(ca), "cert.pem": certificate, "key.pem": key, "locked.pem": string(pem.EncodeToMemory(locked)),
		"flat.pem": strings.ReplaceAll(key, "\n", `\n`), "whole.json": string(whole), "external.json": string(external),
		"secret.json": string(keys[0].JSON), "none.pem": "none\n", "empty.pem": "",
	} {
		write(t, "files/"+name, data)
	}
	environ = []string{
		"OPENS=opens-4711", "WRONG=wrong-4711", "EMPTY=", "WHOLE=" + string(whole), "WHOLE64=" + base64.StdEncoding.EncodeToString(whole), "EXTERNAL=" + string(external),
		"KEYFILE=key.pem", "CERTIFICATE=" + certificate, "KEY=" + key, "FLAT=" + strings.ReplaceAll(key, "\n", `\n`), "LOCKED=" + string(pem.EncodeToMemory(locked)),
	}
	secrets = map[string]string{"password": "opens-4711", "wrong password": "wrong-4711", "private key": base64.StdEncoding.EncodeToString(block.Bytes)[:64]}
	return environ, fmt.Sprintf("token-url: %q, client-id: %q", text("tokenurl"), text("clientid")), secrets
}

// TestGateReadsCredentialsAsRun: each form of a credential with a certificate is
// to gate what it is to run: a key that yields a token, or none at all.
func TestGateReadsCredentialsAsRun(t *testing.T) {
	environ, own, secrets := certifiedFiles(t)
	write(t, "suite.yaml", "name: It yields a token\nsteps:\n  - token: {credential: it}\n    expect: {signature: valid}\n")
	for name, c := range map[string]struct {
		credential string
		want       int
	}{
		"service key with everything":                     {"service-key: whole.json", 0},
		"service key as text":                             {`service-key: "${env.WHOLE}"`, 0},
		"service key in base64":                           {`service-key: "${env.WHOLE64}"`, 0},
		"external certificate":                            {"service-key: external.json, key: key.pem", 0},
		"external certificate, text":                      {`service-key: "${env.EXTERNAL}", key: key.pem`, 0},
		"external certificate, encrypted key":             {`service-key: external.json, key: locked.pem, key-password: "${env.OPENS}"`, 0},
		"external certificate, path in a variable":        {`service-key: external.json, key: "${env.KEYFILE}"`, 0},
		"external certificate, wrong password":            {`service-key: external.json, key: locked.pem, key-password: "${env.WRONG}"`, 3},
		"external certificate, no password":               {"service-key: external.json, key: locked.pem", 3},
		"external certificate, no key":                    {"service-key: external.json", 3},
		"external certificate, key without an end":        {"service-key: external.json, key: none.pem", 3},
		"external certificate, empty key":                 {"service-key: external.json, key: empty.pem", 3},
		"its own key instead of the service key's":        {"service-key: whole.json, key: key.pem", 0},
		"service key with a password of nothing":          {`service-key: whole.json, key-password: "${env.WRONG}"`, 0},
		"service key with a secret, and a key":            {"service-key: secret.json, key: key.pem", 3},
		"certificate and key":                             {own + ", certificate: cert.pem, key: key.pem", 0},
		"certificate and key on one line":                 {own + ", certificate: cert.pem, key: flat.pem", 0},
		"certificate and encrypted key":                   {own + `, certificate: cert.pem, key: locked.pem, key-password: "${env.OPENS}"`, 0},
		"certificate and encrypted key, no word":          {own + ", certificate: cert.pem, key: locked.pem", 3},
		"certificate and encrypted key, wrong word":       {own + `, certificate: cert.pem, key: locked.pem, key-password: "${env.WRONG}"`, 3},
		"certificate and key from variables":              {own + `, certificate: "${env.CERTIFICATE}", key: "${env.KEY}"`, 0},
		"certificate and key from variables, on one line": {own + `, certificate: "${env.CERTIFICATE}", key: "${env.FLAT}"`, 0},
		"certificate and encrypted key from variables":    {own + `, certificate: "${env.CERTIFICATE}", key: "${env.LOCKED}", key-password: "${env.OPENS}"`, 0},
		"external certificate, key from a variable":       {`service-key: external.json, key: "${env.KEY}"`, 0},
		"certificate without key":                         {own + ", certificate: cert.pem", 3},
		"key without certificate":                         {own + ", key: key.pem", 3},
		"certificate that is none":                        {own + ", certificate: none.pem, key: key.pem", 3},
		"key that is none":                                {own + ", certificate: cert.pem, key: none.pem", 3},
		"key that is nowhere":                             {own + ", certificate: cert.pem, key: nowhere.pem", 3},
		"key from an empty variable":                      {own + `, certificate: cert.pem, key: "${env.EMPTY}"`, 3},
		"the two swapped":                                 {own + ", certificate: key.pem, key: cert.pem", 3},
	} {
		write(t, "files/env.yaml", "target: {tls: {ca: ca.pem}}\ncredentials:\n  it: {"+c.credential+"}\n")
		for _, args := range [][]string{{"gate"}, {"run", "suite.yaml"}} {
			var out, log bytes.Buffer
			p := &program{in: strings.NewReader(""), out: &out, err: &log, redactor: secret.NewRedactor(), environ: environ}
			if status := p.run(t.Context(), append(args, "-e", "files/env.yaml", "-v")); status != c.want {
				t.Errorf("%s: exit status of %s %d, want %d\n%s%s", name, args[0], status, c.want, out.String(), log.String())
			}
			for what, value := range secrets {
				for _, e := range secret.Encodings(value) {
					if strings.Contains(out.String()+log.String(), e.Text) {
						t.Errorf("%s: %s shows the %s (%s)", name, args[0], what, e.Name)
					}
				}
			}
		}
	}
}
