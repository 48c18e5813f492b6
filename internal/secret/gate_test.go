package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHeader(t *testing.T) {
	r := NewRedactor()
	r.Add("sender.client-secret", canary)
	r.AddToken("sender.token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl")
	for _, c := range []struct{ name, value, want string }{
		{"Authorization", "Bearer unknown", "Bearer ***(authorization)"},
		{"authorization", "bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl", "bearer ***(sender.token)"},
		{"AUTHORIZATION", "Basic c2ItaWQ6UzNjcj10JiR4", "Basic ***(sender.client-secret)"},
		{"Authorization", "Bearer ***(sender.token)", "Bearer ***(sender.token)"},
		{"Authorization", "Bearer ***(other)", "Bearer ***(authorization)"},
		{"Authorization", "my password", "***(authorization)"},
		{"Authorization", "Basic", "***(authorization)"},
		{"Authorization", "", ""},
		{"Proxy-Authorization", "Basic dTpw", "Basic ***(proxy-authorization)"},
		{"Cookie", "JSESSIONID=1; __VCAP_ID__=2", "***(cookie)"},
		{"Set-Cookie", "JSESSIONID=1; Path=/", "***(set-cookie)"},
		{"X-CSRF-Token", "Fetch", "Fetch"},
		{"x-csrf-token", "required", "required"},
		{"X-CSRF-Token", "0123", "***(x-csrf-token)"},
		{"X-Api-Key", "k", "***(x-api-key)"},
		{"ApiKey", "k", "***(apikey)"},
		{"X-Auth-Token", "k", "***(x-auth-token)"},
		{"X-My-Secret-Thing", "k", "***(x-my-secret-thing)"},
		{"X-Secret", "k " + canary, "***(sender.client-secret)"},
		{"Content-Type", "text/plain\x1b", `text/plain\x1b`},
		{"Location", "/x?s=S3cr%3dt%26%24x", "/x?s=***(sender.client-secret)"},
	} {
		if got := r.Header(c.name, c.value); got != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.name, c.value, got, c.want)
		}
	}
	var off *Redactor
	if got := off.Header("Authorization", "Bearer x"); got != "Bearer x" {
		t.Errorf("a redactor that is off gives %q", got)
	}
	if got := new(Redactor).Header("Authorization", "Bearer ***(x)"); got != "Bearer ***(authorization)" {
		t.Errorf("an empty redactor gives %q", got)
	}
}

func TestHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 "",
		"plain ASCII: a::b #c ## d\n\ttab": "plain ASCII: a::b #c ## d\n\ttab",
		"Größe 日本 😀 👩\u200d🚀":              "Größe 日本 😀 👩\u200d🚀",
		"\x1b[31mred\x1b[0m":               `\x1b[31mred\x1b[0m`,
		"a\r\nb\x00\x7f\u0085":             `a\r` + "\n" + `b\x00\x7f\u0085`,
		"a\xffb\xc3":                       `a\xffb\xc3`,
		"user\u202egnp.exe \u2066x\u2069":  `user\u202egnp.exe \u2066x\u2069`,
		"\ufeffbom \u2028 \u200b \ufffe":   `\ufeffbom \u2028 \u200b \ufffe`,
		"\U000e0041\U0001fffe":             `\U000e0041\U0001fffe`,
		"::error file=a::b":                `\::error file=a::b`,
		"a\n \t ::set-output::x\n: :\n:::": "a\n \t \\::set-output::x\n: :\n\\:::",
		"\u00a0::warning::":                "\u00a0\\::warning::",
		"x ##vso[task.complete]":           `x #\#vso[task.complete]`,
		"##[error]x ##VSO[a ##TeamCity[b":  `#\#[error]x #\#VSO[a #\#TeamCity[b`,
		"###[a ##vso ##x[":                 `##\#[a ##vso ##x[`,
	} {
		if got := Harmless(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestWriter(t *testing.T) {
	r := NewRedactor()
	r.Add("n", canary)
	r.Add("k", "first line\nsecond line")
	var out bytes.Buffer
	w := r.Writer(&out)
	write := func(s, want string) {
		t.Helper()
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		if got := out.String(); got != want {
			t.Errorf("after %q: got %q, want %q", s, got, want)
		}
		out.Reset()
	}
	write("a S3c", "")
	write("r=t", "")
	write("&$x b\nnext ", "a ***(n) b\n")
	write("first line\nsecond line\n", "next ***(k)\n")
	write("x\nsecond", "x\n")
	write(" line\n", "***(k)\n")
	write("\x1b[31mred S3cr%3Dt&$x\x1b[0m \x1b[2Jcleared\n", "\x1b[31mred ***(n)\x1b[0m \\x1b[2Jcleared\n")
	write("::error::x\n", "\\::error::x\n")
	write("tail S3cr=t&$x", "")
	if err := w.Close(); err != nil || out.String() != "tail ***(n)" {
		t.Errorf("after Close: got %q, %v", out.String(), err)
	}
	out.Reset()
	if err := w.Flush(); err != nil || out.Len() > 0 {
		t.Errorf("a second flush writes %q, %v", out.String(), err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriterGivesErrors(t *testing.T) {
	want := errors.New("no space")
	w := NewRedactor().Writer(failing{want})
	if _, err := w.Write([]byte("a\n")); !errors.Is(err, want) {
		t.Errorf("Write: got %v", err)
	}
	if _, err := w.Write([]byte("a")); err != nil {
		t.Errorf("Write of a part: got %v", err)
	}
	if err := w.Close(); !errors.Is(err, want) {
		t.Errorf("Close: got %v", err)
	}
}

type hiding struct{ inner struct{ text string } }

func TestHandler(t *testing.T) {
	r := NewRedactor()
	r.Add("n", canary)
	r.Add("pin", "471123")
	var out bytes.Buffer
	log := slog.New(r.Handler(slog.NewJSONHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return a
		},
	})))
	early := log.With("early", "later secret").WithGroup("g").With("inner", canary)
	r.Add("late", "later secret")
	h := hiding{}
	h.inner.text = canary
	early.Info("call "+canary, "s", canary, "n", 471123, "m", 5, "ok", true, "d", time.Second,
		"err", fmt.Errorf("refused: %s", canary), "bytes", []byte(canary), "struct", h, "pointer", &h, canary, "key",
		slog.Group("deep", "x", "S3cr%3Dt%26%24x"), "list", []string{canary})
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"msg":   "call ***(n)",
		"early": "***(late)",
		"g": map[string]any{
			"inner": "***(n)", "s": "***(n)", "n": "***(pin)", "m": 5.0, "ok": true, "d": 1e9,
			"err": "refused: ***(n)", "bytes": "***(n)", "struct": "{inner:{text:***(n)}}", "pointer": "&{inner:{text:***(n)}}",
			"***(n)": "key", "deep": map[string]any{"x": "***(n)"}, "list": "[***(n)]",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log differs (-want +got):\n%s", diff)
	}
	if log.Enabled(context.Background(), slog.LevelDebug) {
		t.Error("debug is enabled though the handler behind does not want it")
	}
	if same := log.With().WithGroup("").Handler(); same != log.Handler() {
		t.Error("nothing to add makes another handler")
	}
}

// Loggers derived from one must not share what they add.
func TestHandlerBranches(t *testing.T) {
	r := NewRedactor()
	var out strings.Builder
	log := slog.New(r.Handler(slog.NewTextHandler(&out, nil))).With("a", 1)
	b, c := log.With("b", 2), log.With("c", 3)
	b.Info("one")
	c.Info("two")
	if got := out.String(); !strings.Contains(got, "msg=one a=1 b=2\n") || !strings.Contains(got, "msg=two a=1 c=3\n") {
		t.Errorf("got %s", got)
	}
}
