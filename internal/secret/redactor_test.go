package secret

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// nasty are secrets that encodings change, or that are hard to find.
func nasty() []string {
	return []string{
		canary,
		`q"uo't` + "`es",
		`back\slash\\n\u0041\"`,
		"Größe und Maß",
		"with some blanks",
		"+/=+/=",
		"<a&b>&amp;</a>",
		"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee$Base64urlish43chars_-AAAAAAAAAAAAAAAAAAAAAAAA=",
		"first line of it\nsecond line\r\nthird line of it",
		"tab\tand\x01control\x7f",
		"😀 smile 日本",
		"100%41%zz%",
		"ab cd",
		"''''\"\"\"\"",
		`\\\\\\\\`,
		"invalid\xff\xfeutf8",
		"user",
		"1234",
		strings.Repeat("a", 300),
	}
}

func xmlEscape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return s
	}
	return b.String()
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// encoders are the standard library's, and what other programs write.
func encoders() map[string]func(string) string {
	std, safe := base64.StdEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString
	return map[string]func(string) string{
		"basic":             func(s string) string { return std([]byte("sb-1!b2|it-rt-acme!b3:" + s)) },
		"basic, 1 more":     func(s string) string { return std([]byte("sb-1!b2|it-rt-acme!b3x:" + s)) },
		"basic, 2 more":     func(s string) string { return std([]byte("sb-1!b2|it-rt-acme!b3xy:" + s)) },
		"basic, followed":   func(s string) string { return std([]byte(":" + s + "@x")) },
		"basic, url":        func(s string) string { return safe([]byte("id:" + s)) },
		"basic, RFC 6749":   func(s string) string { return std([]byte("id:" + url.QueryEscape(s))) },
		"basic, in a query": func(s string) string { return url.QueryEscape(std([]byte("id:" + s + "?>?>"))) },
		"base64 lines": func(s string) string {
			digits, lines := std([]byte(strings.Repeat("x", 31)+s)), ""
			for len(digits) > 44 {
				lines, digits = lines+digits[:44]+"\n", digits[44:]
			}
			return lines + digits
		},
		"form":            func(s string) string { return url.Values{"client_secret": {s}}.Encode() },
		"path":            func(s string) string { return "/a/" + url.PathEscape(s) },
		"url path":        func(s string) string { return (&url.URL{Path: "/" + s}).String() },
		"userinfo":        func(s string) string { return url.UserPassword("u", s).String() },
		"query twice":     func(s string) string { return url.QueryEscape("x=" + url.QueryEscape(s)) },
		"json":            func(s string) string { return mustJSON(map[string]string{"s": s}) },
		"json in json":    func(s string) string { return mustJSON(mustJSON(map[string]string{"s": s})) },
		"json thrice":     func(s string) string { return mustJSON(mustJSON(mustJSON(s))) },
		"xml":             func(s string) string { return "<s>" + xmlEscape(s) + "</s>" },
		"html":            func(s string) string { return "<s>" + html.EscapeString(s) + "</s>" },
		"xml in json":     func(s string) string { return mustJSON("<s>" + xmlEscape(s) + "</s>") },
		"json in xml":     func(s string) string { return xmlEscape(mustJSON([]string{s})) },
		"json in a query": func(s string) string { return url.QueryEscape(mustJSON([]string{s})) },
		"query in json":   func(s string) string { return mustJSON("?s=" + url.QueryEscape(s)) },
		"xml twice":       func(s string) string { return xmlEscape(xmlEscape(s)) },
		"go":              strconv.Quote,
		"go, ascii":       strconv.QuoteToASCII,
		"go of json":      func(s string) string { return strconv.Quote(mustJSON(s)) },
		"curl":            func(s string) string { return "curl -d '" + strings.ReplaceAll(s, "'", `'\''`) + "'" },
		"odata":           func(s string) string { return "Users('" + url.PathEscape(strings.ReplaceAll(s, "'", "''")) + "')" },
		"csv":             func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` },
		"json in base64":  func(s string) string { return std([]byte(mustJSON(map[string]string{"s": s}))) },
		"basic in json":   func(s string) string { return mustJSON("Basic " + std([]byte("id:"+s))) },
		"Harmless":        Harmless,
		"plain":           func(s string) string { return s },
		"trimmed":         strings.TrimSpace,
	}
}

func TestStringMasksEveryEncoding(t *testing.T) {
	var off *Redactor
	for _, value := range nasty() {
		r := NewRedactor()
		r.Add("n", value)
		for _, e := range Encodings(value) {
			text := "before " + e.Text + " after"
			if got, want := r.String(text), "before ***(n) after"; got != want {
				t.Errorf("%q as %s: got %q, want %q", value, e.Name, got, want)
			}
			if off.String(text) != text || off.Contains(text) {
				t.Errorf("%q as %s: a redactor that is off changes the text", value, e.Name)
			}
		}
	}
}

// leaks gives the first encoding of value that text holds outside of masks. No
// value may hold an asterisk.
func leaks(text, value string) string {
	text = strings.ReplaceAll(text, Mask("n"), "*")
	for _, e := range Encodings(value) {
		if strings.Contains(text, e.Text) {
			return e.Name
		}
	}
	return ""
}

func TestStringMasksWhatEncodersWrite(t *testing.T) {
	for _, value := range nasty() {
		r := NewRedactor()
		r.Add("n", value)
		for name, encode := range encoders() {
			text := encode(value)
			got := r.String(text)
			if !strings.Contains(got, "***(n)") {
				t.Errorf("%q in %s is not found: %q", value, name, text)
			}
			if how := leaks(got, value); how != "" {
				t.Errorf("%q in %s leaks (%s): %q", value, name, how, got)
			}
			if r.Contains(got) {
				t.Errorf("%q in %s: redacting twice differs: %q, then %q", value, name, got, r.String(got))
			}
		}
	}
}

func TestStringMasksMixedEscapes(t *testing.T) {
	r := NewRedactor()
	r.Add("n", `a"b<c>=/ü 1`)
	for _, text := range []string{
		`a%22b%3Cc%3e%3D%2fü 1`,
		`a%22b%3Cc%3e%3D%2f%C3%bc+1`,
		`a\"b<c>=\/ü 1`,
		`a\u0022b\u003cc\u003E=/\u00FC 1`,
		`a&quot;b&lt;c&#62;&#x3D;&#X2f;&#252; 1`,
		`a&#00034;b&#x3c;c>=/ü&#32;1`,
		`a\\\"b\\u003cc\\u003e=\\/ü 1`,
		`a\\\\\\\"b<c>=/ü 1`,
		`%61%22%62%3c%63%3e%3d%2f%c3%bc%20%31`,
		`a%2522b%253Cc%253E%253D%252F%25C3%25BC%25201`,
		`a\x22b\x3cc\x3e=\057\xc3\xbc 1`,
		`a\x22b\x3cc\x3e=/\xfc 1`,
		`a\"b\<c\>\=/ü\040\061`,
	} {
		if got := r.String("<" + text + ">"); got != "<***(n)>" {
			t.Errorf("%s: got %q", text, got)
		}
	}
}

// What stands before a secret must not hide it by looking like an escape that
// goes on in the secret.
func TestStringNearEscapes(t *testing.T) {
	for _, c := range []struct{ secret, text, want string }{
		{"abcd ef", "100%abcd%20ef", "100%***(n)"},
		{"nabc\"d", `C:\nabc\"d`, `C:\***(n)`},
		{"41bcd", `%41bcd`, `%***(n)`},
		{"amp;xx", `&amp;xx`, `&***(n)`},
		{"u0041xyz", `\u0041xyz`, `\***(n)`},
		{"xyz%", `xyz%25`, `***(n)`},
		{"xyz%", `xyz%41`, `***(n)41`},
		{`xyz\`, `xyz\\`, `***(n)`},
		{"abcd", "%2561bcd", "***(n)"},
		{"a\tbc", `a\tbc a%09bc a&#9;bc`, `***(n) ***(n) ***(n)`},
		{"abcd", "abcdabcd", "***(n)"},
		{"aXbXa", "aXbXaXbXa", "***(n)"},
		{"ab c ", "ab+c+", "***(n)"},
		{"abc", "abc", "abc"},
		{"äöü", "äöü", "äöü"},
		{"äöüß", "äöüß", "***(n)"},
		{"", "text", "text"},
		{"    ", "a    b", "a    b"},
		{"  abcd\n", "x  abcd\ny abcd", "x***(n)y ***(n)"},
	} {
		r := NewRedactor()
		r.Add("n", c.secret)
		if got := r.String(c.text); got != c.want {
			t.Errorf("%q in %q: got %q, want %q", c.secret, c.text, got, c.want)
		}
	}
}

func TestStringOfSeveralSecrets(t *testing.T) {
	for _, c := range []struct {
		name    string
		secrets []string // name=value
		text    string
		want    string
	}{
		{"longest first", []string{"short=abcdef", "long=xxabcdefyy"}, "-xxabcdefyy-abcdef-", "-***(long)-***(short)-"},
		{"registered the other way", []string{"long=xxabcdefyy", "short=abcdef"}, "-xxabcdefyy-abcdef-", "-***(long)-***(short)-"},
		{"overlap", []string{"a=12345678", "b=5678abcd"}, "-12345678abcd-", "-***(a)***(b)-"},
		{"overlap of three", []string{"a=12345678", "b=5678abcd", "c=abcdefgh"}, "12345678abcdefgh", "***(a)***(b)***(c)"},
		{"overlap in different encodings", []string{`a=xyz"1234`, `b=1234<abc`}, `xyz\"1234&lt;abc.`, `***(a)***(b).`},
		{"same beginning", []string{"a=abcdef", "b=abcdefgh"}, "abcdefgh abcdef", "***(b) ***(a)"},
		{"name is a secret of another", []string{"sender.client-secret=S3cret!!", "user=sender", "k=client"}, "sender S3cret!! client", "***(user) ***(sender.client-secret) ***(k)"},
		{"first name stays", []string{"a=abcdef", "b=abcdef"}, "abcdef", "***(a)"},
		{"next to each other", []string{"a=abcdef", "b=ghijkl"}, "abcdefghijklabcdef", "***(a)***(b)***(a)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewRedactor()
			for _, s := range c.secrets {
				name, value, _ := strings.Cut(s, "=")
				r.Add(name, value)
			}
			got := r.String(c.text)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if again := r.String(got); again != got {
				t.Errorf("a second pass gives %q", again)
			}
		})
	}
}

func TestAddOfSeveralLines(t *testing.T) {
	key := "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0123456789abcdefghijklmnopqrstuvwxyz\nABCDEFGHIJKLMNOPQRSTUVWXYZ\nAw==\n-----END RSA PRIVATE KEY-----\n"
	r := NewRedactor()
	r.Add("n", key)
	for text, want := range map[string]string{
		"key: " + key + "end":                     "key: ***(n)end",
		"key: " + strings.TrimSpace(key) + " end": "key: ***(n) end",
		mustJSON(key):                             `"***(n)"`,
		"    MIIEowIBAAKCAQEA0123456789abcdefghijklmnopqrstuvwxyz\r\n":          "    ***(n)\r\n",
		"-----BEGIN RSA PRIVATE KEY-----":                                       "-----BEGIN RSA PRIVATE KEY-----",
		base64.StdEncoding.EncodeToString([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ")): "***(n)",
	} {
		if got := r.String(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestAddToken(t *testing.T) {
	r := NewRedactor()
	r.AddToken("t", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl")
	r.AddToken("u", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ5b3UifQ.YW5vdGhlciBvbmU")
	r.AddToken("opaque", "0a1b2c3d.x")
	for text, want := range map[string]string{
		"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl.": "Bearer ***(t).",
		"eyJzdWIiOiJtZSJ9 c2lnbmF0dXJl":                             "***(t) ***(t)",
		"eyJhbGciOiJub25lIn0.eyJzdWIiOiJ5b3UifQ.YW5vdGhlciBvbmU":    "***(u)",
		"eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.YW5vdGhlciBvbmU":       "***(t).eyJzdWIiOiJ4In0.***(u)",
		"0a1b2c3d.x 0a1b2c3d":                                       "***(opaque) ***(opaque)",
		url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"))): "QmVhcmVyI***(t)",
	} {
		if got := r.String(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// A long run fetches many tokens; each is found, and none of them is slow to
// add or large to keep.
func TestManyTokens(t *testing.T) {
	r := NewRedactor()
	var tokens []string
	for i := range 3000 {
		tokens = append(tokens, sampleToken(t, i))
		r.AddToken(fmt.Sprintf("t%d", i), tokens[i])
	}
	for i, token := range tokens {
		want := fmt.Sprintf("Bearer ***(t%d)", i)
		if got := r.String("Bearer " + token); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if got := r.String(base64.StdEncoding.EncodeToString([]byte("x" + token))); strings.Count(got, "***(") != 1 || len(got) > 30 {
			t.Fatalf("token %d in base64: got %q", i, got)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	r := NewRedactor()
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 200 {
				value := fmt.Sprintf("secret-%d-%d-end", g, i)
				r.Add(fmt.Sprint(g), value)
				if got, want := r.String("<"+value+">"), fmt.Sprintf("<***(%d)>", g); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
	group.Wait()
}

func TestZeroRedactor(t *testing.T) {
	var r Redactor
	if got := r.String("text"); got != "text" {
		t.Errorf("got %q", got)
	}
	r.Add("n", "text")
	if got := r.Text("text\x1b"); got != `***(n)\x1b` {
		t.Errorf("got %q", got)
	}
	var off *Redactor
	off.Add("n", "text")
	off.AddToken("n", "text")
	if got := off.Text("text\x1b"); got != `text\x1b` {
		t.Errorf("got %q", got)
	}
}
