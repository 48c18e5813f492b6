package secret

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// wide gives s in UTF-16 with a byte order mark.
func wide(s string, order binary.AppendByteOrder) string {
	return inUTF16("\ufeff"+s, order)
}

// narrowed gives what a reader of UTF-16 sees of s; s has an even number of
// bytes but for the masks in it.
func narrowed(s string) string { return strings.ReplaceAll(s, "\x00", "") }

func TestStringInUTF16(t *testing.T) {
	r := NewRedactor()
	r.Add("n", `S3cr=t&"x" <ü>日`)
	r.Add("pin", "4711-pin")
	for name, order := range map[string]binary.AppendByteOrder{"le": binary.LittleEndian, "be": binary.BigEndian} {
		for _, text := range []string{
			`S3cr=t&"x" <ü>日`, `<a b="S3cr=t&amp;&quot;x&quot; &lt;ü&gt;日"/>`, `{"a":"S3cr=t\u0026\"x\" \u003cü\u003e日"}`,
			`S3cr=t&amp;"x" &lt;&#252;><!-- ? -->日`, base64.StdEncoding.EncodeToString([]byte(`id:S3cr=t&"x" <ü>日`)),
		} {
			for _, before := range []string{"", "x", "xy", "{\"a\":\"\x00"} {
				got := r.String(before + wide("<a>"+text+"</a>", order) + "\x00")
				if !strings.Contains(got, "***(n)") || strings.Contains(narrowed(got), "cr=t") || strings.Contains(narrowed(got), "czY3I9") {
					t.Errorf("%s: %q behind %q: %q", name, text, before, got)
				}
				if again := r.String(got); again != got {
					t.Errorf("%s: %q: a second pass gives %q, after %q", name, text, again, got)
				}
			}
		}
		whole := wide("<r><pin>4711-pin</pin></r>", order)
		for how, text := range map[string]string{
			"raw": whole, "harmless": Harmless(whole), "go": strconv.Quote(whole), "json": mustText(t, whole), "shell": "'" + whole + "'",
		} {
			if got := r.String(text); !strings.Contains(got, "***(pin)") || strings.Contains(got, "1") && strings.Contains(got, "4") {
				t.Errorf("%s, %s: %q", name, how, got)
			}
		}
	}
}

func mustText(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStringInOneByte(t *testing.T) {
	r := NewRedactor()
	r.Add("n", "Größe-4711")
	r.Add("price", "99 € – fix")
	for text, want := range map[string]string{
		"a Gr\xf6\xdfe-4711 b":     "a ***(n) b",
		`a Gr\xf6\xdfe-4711 b`:     "a ***(n) b",
		"a Gr%F6%DFe-4711 b":       "a ***(n) b",
		"a Gr\ufffd\ufffde-4711 b": "a ***(n) b",
		base64.StdEncoding.EncodeToString([]byte("id:Gr\xf6\xdfe-4711")): "aWQ6***(n)",
		"a 99 \x80 \x96 fix b": "a ***(price) b",
		"Gr\xf6\xdfe-4712":     "Gr\xf6\xdfe-4712",
	} {
		if got := r.String(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestStringSplitByMarkup(t *testing.T) {
	r := NewRedactor()
	r.Add("n", `top<secret>pin1`)
	r.Add("plain", "topsecretpin1")
	for text, want := range map[string]string{
		"<a>topsecret<!-- -->pin1</a>":                                                          "<a>***(plain)</a>",
		"<a><![CDATA[topsecretpin1]]></a>":                                                      "<a><![CDATA[***(plain)]]></a>",
		"<a>topsecret<![CDATA[pin1]]></a>":                                                      "<a>***(plain)]]></a>",
		"<a><![CDATA[top]]><![CDATA[secret]]>pin1</a>":                                          "<a><![CDATA[***(plain)</a>",
		"<?xml version='1.0'?><a>top<?x y?>secret<!---->pin1</a>":                               "<?xml version='1.0'?><a>***(plain)</a>",
		"<a>top&lt;secret<!-- a > b < c -->&gt;pin1</a>":                                        "<a>***(n)</a>",
		"<a><![CDATA[top<secret]]>&gt;pin1</a>":                                                 "<a><![CDATA[***(n)</a>",
		"<a><![CDATA[<!--]]>top<!-- <![CDATA[ -->secretpin1<!-- ]]> --></a>":                    "<a><![CDATA[<!--]]>***(plain)<!-- ]]> --></a>",
		`{"x":"<a>topsecret<!-- \"\u003e -->pin1</a>"}`:                                         `{"x":"<a>***(plain)</a>"}`,
		`{"x":"\u003ca\u003etopsecret\u003c!-- --\u003epin1\u003c/a\u003e"}`:                    `{"x":"\u003ca\u003e***(plain)\u003c/a\u003e"}`,
		"&lt;a&gt;topsecret&lt;!-- --&gt;pin1&lt;/a&gt;":                                        "&lt;a&gt;***(plain)&lt;/a&gt;",
		"q=%3Ca%3Etopsecret%3C%21--+--%3Epin1%3C%2Fa%3E":                                        "q=%3Ca%3E***(plain)%3C%2Fa%3E",
		"q=" + "%3C%21%5BCDATA%5Btop%5D%5D%3Esecretpin1":                                        "q=%3C%21%5BCDATA%5B***(plain)",
		"<a>topsecret<!-- never ended pin1</a>":                                                 "<a>topsecret<!-- never ended pin1</a>",
		"<a>topsecret</a><!-- --><b>pin1</b>":                                                   "<a>topsecret</a><!-- --><b>pin1</b>",
		"<a>topsecret<!-- -->pin1</a> topsecretpin1 <a>topsec<!-- topsecretpin1 -->retpin1</a>": "<a>***(plain)</a> ***(plain) <a>***(plain)</a>",
	} {
		got := r.String(text)
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if again := r.String(got); again != got {
			t.Errorf("%s: a second pass gives %s", got, again)
		}
		if r.Contains(text) != (got != text) {
			t.Errorf("%s: Contains gives %t", text, r.Contains(text))
		}
	}
}

// A value of other scripts has no zero byte in UTF-16 that would give it away.
func TestStringInUTF16WithoutZeroBytes(t *testing.T) {
	r := NewRedactor()
	r.Add("n", "日本語秘密")
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		if got, want := r.String("x"+inUTF16("日本語秘密", order)+"y"), "x***(n)y"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := r.String("x\x00y"), "x\x00y"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSplitsText(t *testing.T) {
	for text, want := range map[string]bool{
		"<?xml version='1.0'?><a>b</a>":           false,
		"<?xml version='1.0'?><a><?b?></a>":       true,
		"<?xml-stylesheet href='x'?><a/>":         true,
		"<a><!-- --></a>":                         true,
		"<a><![CDATA[x]]></a>":                    true,
		`{"a": "5 < 6 ! -- 7", "b": "x ? y : z"}`: false,
	} {
		if got := splitsText(text); got != want {
			t.Errorf("%s: got %t", text, got)
		}
	}
}
