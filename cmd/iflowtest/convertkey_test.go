package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iflowtest/internal/secret"
	"iflowtest/internal/servicekey"
)

// TestConvertedSecrets: no output of convert-key holds a secret, in any
// encoding, with or without --with-secrets; the file of --out does with it.
func TestConvertedSecrets(t *testing.T) {
	keys := filepath.Join("..", "..", "testdata", "keys")
	for _, name := range []string{"api.json", "certificate.json", "cf-service-key.txt", "powershell-utf16.txt", "pasted-string.json"} {
		data, err := os.ReadFile(filepath.Join(keys, name))
		if err != nil {
			t.Fatal(err)
		}
		key, err := servicekey.Parse("key", data)
		if err != nil {
			t.Fatal(err)
		}
		var values []string
		for _, s := range key.Secrets {
			values = append(values, s.Reveal())
		}
		if len(values) == 0 {
			t.Fatalf("%s holds no secret", name)
		}
		for _, form := range []string{"destination", "destination-json", "postman", "environment"} {
			file := filepath.Join(t.TempDir(), "out")
			path := filepath.Join(keys, name)
			if all := leaked(t, nil, []string{"convert-key", path, "--to", form, "-v"}, values...); !strings.Contains(all, key.ClientID) && form != "environment" {
				t.Errorf("%s of %s: nothing was written:\n%s", form, name, all)
			}
			leaked(t, nil, []string{"convert-key", path, "--to", form, "-v", "--with-secrets"}, values...)
			leaked(t, nil, []string{"convert-key", path, "--to", form, "-v", "--with-secrets", "--out", file}, values...)
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s of %s has mode %04o", form, name, info.Mode().Perm())
			}
			written, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if s := key.ClientSecret.Reveal(); s != "" && !bytes.Contains(written, []byte(s)) {
				t.Errorf("%s of %s --with-secrets has no secret", form, name)
			}
		}
	}
}

// TestConvertedElsewhere: a secret that stands where nobody expects it is
// masked as well.
func TestConvertedElsewhere(t *testing.T) {
	const hidden = "LEAKINTHEURL99"
	file := filepath.Join(t.TempDir(), "key.json")
	write(t, file, `{"oauth":{"clientid":"sb-1","clientsecret":"`+hidden+`","tokenurl":"https://a.example/oauth/token","url":"https://b.example/`+hidden+`"}}`)
	if all := leaked(t, nil, []string{"convert-key", file}, hidden); !strings.Contains(all, "URL=https://b.example/***(key.client-secret)") {
		t.Errorf("the URL is not masked:\n%s", all)
	}
}

// TestConvertNothingLeftBehind: when the file cannot be put in its place, no
// part of it stays.
func TestConvertNothingLeftBehind(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replacePrivate(filepath.Join(folder, "taken"), []byte("secret")); err == nil {
		t.Fatal("a folder was replaced")
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("%v is left (%v)", left, err)
	}
	var out bytes.Buffer
	p := &program{in: strings.NewReader(""), out: failing{}, err: &out, redactor: secret.NewRedactor()}
	key := filepath.Join("..", "..", "testdata", "keys", "api.json")
	if got := p.run(t.Context(), []string{"convert-key", key}); got != 9 {
		t.Errorf("a full disk behind standard output: exit status %d\n%s", got, out.String())
	}
}

// failing is a writer that nothing can be written to.
type failing struct{}

// Write fails.
func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }
