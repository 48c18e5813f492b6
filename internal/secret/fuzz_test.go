package secret

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRedact: whatever the secrets are, whatever stands around them, and in
// whatever encodings they come, nothing of them is left.
func FuzzRedact(f *testing.F) {
	for i, s := range nasty() {
		f.Add(s, "other secret", "before ", " after", uint8(i), uint8(i*7))
		f.Add(s, s[len(s)/2:]+"tail", "", "", uint8(i*3), uint8(0))
		f.Add(s, s, `\`, `%`, uint8(i*5), uint8(i))
		f.Add(s[:len(s)-1], s[1:], "%4", "&#3", uint8(255), uint8(i))
	}
	encode := encoders()
	names := slices.Sorted(maps.Keys(encode))
	f.Fuzz(func(t *testing.T, a, b, before, after string, outer, inner uint8) {
		if utf8.RuneCountInString(a) < MinLength || utf8.RuneCountInString(b) < MinLength {
			return
		}
		if strings.TrimSpace(a) == "" || strings.TrimSpace(b) == "" {
			return // no secret
		}
		if strings.ContainsAny(a+b, "*()") || strings.Contains(Mask("n"), a) || strings.Contains(Mask("n"), b) || len(a+b+before+after) > 400 {
			return // what is put in would itself look like a secret
		}
		r := NewRedactor()
		r.Add("n", a)
		r.Add("n", b)
		check := func(text, how string) {
			t.Helper()
			got := r.String(text)
			for _, secret := range []string{a, b} {
				if name := leaks(got, secret); name != "" {
					t.Errorf("%q leaks as %s from %s %q: %q", secret, name, how, text, got)
				}
			}
			if again := r.String(got); again != got {
				t.Errorf("a second pass over %q gives %q, then %q", text, got, again)
			}
		}
		overlapping := a + b
		for k := min(len(a), len(b)); k > 0; k-- {
			if strings.HasSuffix(a, b[:k]) {
				overlapping = a + b[k:]
				break
			}
		}
		for _, e := range Encodings(a) {
			check(before+e.Text+after, e.Name)
			if !r.Contains(before + e.Text + after) {
				t.Errorf("%q as %s is not found in %q", a, e.Name, before+e.Text+after)
			}
		}
		check(before+overlapping+after, "overlap")
		in, out := names[int(inner)%len(names)], names[int(outer)%len(names)]
		check(encode[out](before+overlapping+after), out)
		if strings.HasPrefix(in, "basic") || strings.Contains(in, "base64") || lossy(a) {
			return // base64 twice is beyond what is promised
		}
		check(before+encode[out](a)+after, out)
		if !r.Contains(before + encode[out](a) + after) {
			t.Errorf("%q in %s is not found: %q", a, out, before+encode[out](a)+after)
		}
	})
}

// lossy reports whether encoders replace something in s by U+FFFD, or trim
// it.
func lossy(s string) bool {
	return strings.Map(inXML, s) != s || strings.TrimSpace(s) != s
}

// FuzzHarmless: what Harmless gives is valid UTF-8 without control
// characters and CI commands, and it leaves its own result alone.
func FuzzHarmless(f *testing.F) {
	for _, s := range append(nasty(), "::error::x", " \t::set-output name=a::b", "a\n::x", "x##vso[task]", "###[", "##TeamCity[", "\x1b[31m", "a\rb", "\u202eabc", "\u2028::x", "\xff::", "\ufeff::x", "::\n::") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Harmless(s)
		if !utf8.ValidString(got) {
			t.Errorf("%q: %q is not UTF-8", s, got)
		}
		for _, c := range got {
			if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
				t.Errorf("%q: %q holds %U", s, got, c)
			}
		}
		for line := range strings.SplitSeq(got, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "::") {
				t.Errorf("%q: the line %q is a command", s, line)
			}
		}
		for _, command := range []string{"##[", "##vso[", "##teamcity["} {
			if strings.Contains(strings.ToLower(got), command) {
				t.Errorf("%q: %q holds %s", s, got, command)
			}
		}
		if again := Harmless(got); again != got {
			t.Errorf("%q: %q becomes %q", s, got, again)
		}
	})
}
