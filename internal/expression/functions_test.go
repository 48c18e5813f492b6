package expression_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/expression"
)

// evaluate compiles and evaluates a text that must be right.
func evaluate(t *testing.T, text string, v *expression.Values) (any, error) {
	t.Helper()
	tpl, problems := expression.CompileText(text, at, scope())
	if tpl == nil {
		t.Fatalf("%s: %v", text, problems)
	}
	return tpl.Eval(v)
}

// zeros is a source of bytes that are all zero.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// ones is a source of bytes that are all 0xff, which no bounded number can use.
type ones struct{}

func (ones) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0xff
	}
	return len(p), nil
}

func TestRandomFunctions(t *testing.T) {
	t.Parallel()
	v := values()
	v.Rand = zeros{}
	for text, want := range map[string]any{
		"${uuid()}":           "00000000-0000-4000-8000-000000000000",
		"${randomInt(-3, 7)}": json.Number("-3"),
		"${randomString(3)}":  "AAA",
		"${randomString(0)}":  "",
		"${randomInt(-9223372036854775807 - 1, 9223372036854775807)}": json.Number("-9223372036854775808"),
	} {
		got, err := evaluate(t, text, v)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", text, err, d)
		}
	}
	v.Rand = ones{}
	if got, err := evaluate(t, "${randomInt(1, 3)}", v); err == nil {
		t.Errorf("got %v", got)
	}
	v.Rand = strings.NewReader("short")
	if got, err := evaluate(t, "${uuid()}", v); err == nil {
		t.Errorf("got %v", got)
	}
}

func TestRandomFunctionsByDefault(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for range 50 {
		got, err := evaluate(t, "${uuid()}", values())
		s, ok := got.(string)
		if err != nil || !ok || !uuid.MatchString(s) || seen[s] {
			t.Fatalf("got %v, %v", got, err)
		}
		seen[s] = true
	}
	both := map[json.Number]bool{}
	for range 200 {
		got, err := evaluate(t, "${randomInt(1, 2)}", values())
		n, ok := got.(json.Number)
		if err != nil || !ok || n != "1" && n != "2" {
			t.Fatalf("got %v, %v", got, err)
		}
		both[n] = true
	}
	if len(both) != 2 {
		t.Errorf("only %v in 200 tries", both)
	}
}

func TestTimeFunctions(t *testing.T) {
	t.Parallel()
	// Time in the bubble begins at 2000-01-01 00:00:00 UTC.
	synctest.Test(t, func(t *testing.T) {
		for text, want := range map[string]any{
			"${timestamp()}":                 "2000-01-01T00:00:00Z",
			`${timestamp("rfc3339")}`:        "2000-01-01T00:00:00Z",
			`${timestamp("rfc1123")}`:        "Sat, 01 Jan 2000 00:00:00 GMT",
			`${timestamp("date")}`:           "2000-01-01",
			`${timestamp("time")}`:           "00:00:00",
			`${timestamp("unix")}`:           json.Number("946684800"),
			`${timestamp("unixMilli")}`:      json.Number("946684800000"),
			`${timestamp("02.01.06 15:04")}`: "01.01.00 00:00",
			`${plus("1h")}`:                  "2000-01-01T01:00:00Z",
			`${plus("-90m")}`:                "1999-12-31T22:30:00Z",
			`${plus("1h", "unix")}`:          json.Number("946688400"),
			`${plus("31d", "date")}`:         "2000-02-01",
			`${plus("-1d12h", "rfc3339")}`:   "1999-12-30T12:00:00Z",
			`${plus(duration("1s"))}`:        "2000-01-01T00:00:01Z",
			`${now() + duration("1.5s")}`:    "2000-01-01T00:00:01.5Z",
			`${plus("1ms", "rfc3339Nano")}`:  "2000-01-01T00:00:00.001Z",
			`${plus("1h") > timestamp()}`:    true,
		} {
			got, err := evaluate(t, text, values())
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("%s: %v %s", text, err, d)
			}
		}
	})
}

func TestBadDurations(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "1", "x", "1x", "d", "1d-1h", "123456d", "1 h"} {
		tpl, problems := expression.CompileText(`${plus("`+s+`")}`, at, scope())
		if tpl != nil || len(problems) != 1 {
			t.Errorf("%q: %v", s, problems)
		}
	}
}

func TestDigests(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		// FIPS 180-4 and RFC 4231, case 2.
		`${sha256("abc")}`: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		`${sha256("")}`:    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		`${hmacSHA256("Jefe", "what do ya want for nothing?")}`: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
	} {
		got, err := evaluate(t, text, values())
		if got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestURLEncode(t *testing.T) {
	t.Parallel()
	got, err := evaluate(t, "${urlEncode('a+b c/ä?&=~-_.') + urlEncode(qty)}", values())
	if want := "a%2Bb%20c%2F%C3%A4%3F%26%3D~-_.2"; got != want || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	v := values()
	v.ReadFile = func(path string) ([]byte, error) {
		if path == "a.json" {
			return []byte(`{"a": 1.50}` + "\n"), nil
		}
		return nil, fs.ErrNotExist
	}
	got, err := evaluate(t, `${file("a.json")}`, v)
	if got != `{"a": 1.50}`+"\n" || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = evaluate(t, `${fromJSON(file("a" + ".json")).a}`, v)
	if got != json.Number("1.5") || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = evaluate(t, `x ${file("b.json")}`, v)
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != `${file("b.json")}: file("b.json"): file does not exist` {
		t.Errorf("got %v", err)
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want any
		told []string
	}{
		{"${secret(env.SET)}", "set", []string{"env.SET=set"}},
		{"Bearer ${secret('a' + sku)}", "Bearer aA-100", []string{"secret=aA-100"}},
		{"${env.SET | secret()}", "set", []string{"env.SET=set"}},
		{"${secret(order.lines[1])}", map[string]any{"sku": "B", "qty": json.Number("3")}, []string{"order.lines[1]=3", "order.lines[1]=B"}},
		{"${secret(order.note)}", nil, nil},
		{"${secret(yes)}", true, nil},
	}
	for _, tt := range tests {
		v := values()
		var told []string
		v.Secret = func(name, value string) { told = append(told, name+"="+value) }
		got, err := evaluate(t, tt.text, v)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", tt.text, err, d)
		}
		if d := cmp.Diff(tt.told, told); d != "" {
			t.Errorf("%s: %s", tt.text, d)
		}
	}
}

// The order of a map's members is the same each time.
func TestMapFunctionsAreDeterministic(t *testing.T) {
	t.Parallel()
	text := "${keys(m)} ${values(m)} ${toPairs(m)} ${m} ${groupBy(values(m), # % 2)} ${toJSON(m)}"
	m := map[string]any{}
	for i := range 20 {
		m[string(rune('a'+i))] = json.Number("1" + strings.Repeat("0", i%5))
	}
	s := &expression.Scope{Variables: func(name string) (bool, string) { return name == "m", "" }}
	v := &expression.Values{Lookup: func(string) (any, bool) { return m, true }}
	tpl, problems := expression.CompileText(text, nil, s)
	if tpl == nil {
		t.Fatal(problems)
	}
	first, err := tpl.Text(v)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, err := tpl.Text(v); again != first || err != nil {
			t.Fatalf("%v\n%s\n%s", err, first, again)
		}
	}
}

func TestTimeValuesAreUTC(t *testing.T) {
	t.Parallel()
	v := values()
	v.RunStarted = time.Time{}
	got, err := evaluate(t, "${run.started}", v)
	if got != "0001-01-01T00:00:00Z" || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
