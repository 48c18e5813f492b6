package secret

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// sampleRedactor knows what a usual run has: two service keys and their
// tokens.
func sampleRedactor(tb testing.TB, tokens int) *Redactor {
	tb.Helper()
	r := NewRedactor()
	r.Add("sender.client-secret", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee$kSr9_-AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ=")
	r.Add("api.client-secret", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9$Zx8_-yyBBvvNNmmQQwwEErrTTyyUUiiOOppAAss=")
	r.Add("env.CF_PASSWORD", `S3cr=t&$x "quoted"`)
	for i := range tokens {
		r.AddToken("sender.token", sampleToken(tb, i))
	}
	return r
}

func sampleToken(tb testing.TB, i int) string {
	tb.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	claims, err := json.Marshal(map[string]any{
		"aud": []string{"sb-1!b1|it-rt-acme!b2"}, "azp": "sb-1!b1", "jti": fmt.Sprint(i), "zid": strings.Repeat("z", 600),
	})
	if err != nil {
		tb.Fatal(err)
	}
	signature := make([]byte, 256)
	if _, err := rand.Read(signature); err != nil {
		tb.Fatal(err)
	}
	return encode([]byte(`{"alg":"RS256","jku":"https://acme.authentication.eu10.hana.ondemand.com/token_keys","kid":"default","typ":"JWT"}`)) +
		"." + encode(claims) + "." + encode(signature)
}

func sampleJSON(size int) string {
	var b strings.Builder
	b.WriteByte('[')
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"id":%d,"sku":"A-%d","name":"Schraube M%d","price":%d.50,"tags":["steel","zinc"]},`, i, i*7, i%20, i%100)
	}
	return b.String()[:size]
}

func sampleXML(between string) string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<orders>")
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "<order id=\"%d\"><sku>A-%d</sku>%s<name>Schraube M%d &amp; Mutter</name></order>\n", i, i*7, between, i%20)
	}
	b.WriteString("</orders>")
	return b.String()
}

func BenchmarkString(b *testing.B) {
	usual := sampleJSON(1 << 20)
	quoted, err := json.Marshal(usual)
	if err != nil {
		b.Fatal(err)
	}
	for _, tokens := range []int{2, 5000} {
		r := sampleRedactor(b, tokens)
		for _, c := range []struct{ name, text string }{
			{"100 B", usual[:100]},
			{"1 MiB", usual},
			{"1 MiB lines", strings.ReplaceAll(usual, ",", ",\n  ")[:1<<20]},
			{"1 MiB JSON in JSON", string(quoted[:1<<20])},
			{"1 MiB percent-encoded", url.QueryEscape(usual)[:1<<20]},
			{"1 MiB base64", base64.StdEncoding.EncodeToString([]byte(usual))[:1<<20]},
			{"1 MiB backslashes", strings.Repeat(`\`, 1<<20)},
			{"1 MiB XML", sampleXML("")},
			{"1 MiB XML with comments", sampleXML("<!-- as delivered -->")},
			{"1 MiB UTF-16", inUTF16(usual[:1<<19], binary.LittleEndian)},
		} {
			b.Run(fmt.Sprintf("%d tokens/%s", tokens, c.name), func(b *testing.B) {
				b.SetBytes(int64(len(c.text)))
				b.ReportAllocs()
				for b.Loop() {
					if got := r.String(c.text); len(got) != len(c.text) {
						b.Fatal("changed")
					}
				}
			})
		}
	}
}

func BenchmarkHarmless(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"ASCII", sampleJSON(1 << 20)},
		{"umlauts", strings.Repeat("Schräubchen größer: 3 € ", 1<<20/28)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				Harmless(c.text)
			}
		})
	}
}

func BenchmarkAddToken(b *testing.B) {
	tokens := make([]string, 5000)
	for i := range tokens {
		tokens[i] = sampleToken(b, i)
	}
	b.ReportAllocs()
	for b.Loop() {
		r := NewRedactor()
		for _, t := range tokens {
			r.AddToken("sender.token", t)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(tokens)), "ns/token")
}
