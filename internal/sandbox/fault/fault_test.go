package fault

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		text string
		want string // as String gives it
	}{
		{"token-500", "token-500"},
		{" runtime-503:count=2,path=/http/orders ", "runtime-503:path=/http/orders,count=2"},
		{"token-short:seconds=2", "token-short:seconds=2"},
		{"token-slow:seconds=0.25", "token-slow:seconds=0.25"},
		{"token-429:retry-after=10", "token-429:retry-after=10"},
		{"secret-revoked:key=sender-2", "secret-revoked:key=sender-2"},
		{"secret-revoked:client=sb-1!b2|it-rt-x!b3,part=token", "secret-revoked:part=token,client=sb-1!b2|it-rt-x!b3"},
		{"connection-reset:part=api", "connection-reset:part=api"},
		{"clock-skew:seconds=-90", "clock-skew:seconds=-90"},
		{"provision-slow:name=smoke-*,seconds=3,count=1", "provision-slow:count=1,seconds=3,name=smoke-*"},
		{"connection-reset:lost=answer,method=POST,part=cloud-foundry", "connection-reset:part=cloud-foundry,method=POST,lost=answer"},
		{"token-503:part=token-mtls", "token-503:part=token-mtls"},
		{"certificate-expired:key=mtls,part=runtime", "certificate-expired:part=runtime,key=mtls"},
		{"log-late:path=/http/*", "log-late:path=/http/*"},
		{"deploy-fails:name=Order*,count=2", "deploy-fails:count=2,name=Order*"},
		{"deploy-slow:name=F,seconds=1.5", "deploy-slow:seconds=1.5,name=F"},
		{"endpoint-late:path=/api/v1/Deploy*", "endpoint-late:path=/api/v1/Deploy*"},
	} {
		f, err := Parse(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got := f.String(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.text, got, test.want)
		}
		again, err := Parse(f.String())
		if err != nil || again.String() != f.String() {
			t.Errorf("%s: %q is read as %q: %v", test.text, f, again, err)
		}
	}
}

func TestParseSaysEverythingThatIsWrong(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		{"", []string{`unknown fault ""`}},
		{"token-50", []string{`unknown fault "token-50"`, `did you mean "token-500"?`}},
		{"fire", []string{`unknown fault "fire"; there are token-500, `}},
		{"runtime-503:", []string{`argument "": want NAME=VALUE`}},
		{"runtime-503:count", []string{`argument "count": want NAME=VALUE`}},
		{"runtime-503:count=0,pth=/x,path=x", []string{`count "0": want a whole number`, `did you mean "path"?`, `path "x": want a pattern that begins with /`}},
		{"runtime-503:count=1,count=2", []string{`argument "count" stands twice`}},
		{"runtime-503:seconds=2", []string{`unknown argument "seconds"; it takes path, count, part, retry-after`}},
		{"runtime-503:path=/[", []string{`path "/[": want a pattern`}},
		{"runtime-503:part=control", []string{`part "control": want one of`}},
		{"token-500:path=/http/*", []string{`path "/http/*": it shows at /oauth/token only`}},
		{"token-500:part=runtime", []string{`it shows at token and token-mtls only`}},
		{"token-short:seconds=0.5", []string{`want a whole number of seconds from 1`}},
		{"token-short:seconds=0", []string{`want a whole number of seconds from 1`}},
		{"token-slow:seconds=-1", []string{`want a number of seconds from 0`}},
		{"token-slow:seconds=NaN", []string{`want a number of seconds`}},
		{"token-slow:seconds=1e300", []string{`want a number of seconds`}},
		{"provision-fails:name=[,seconds=1", []string{`name "[": want a pattern`, `unknown argument "seconds"`}},
		{"connection-reset:lost=all,method=post", []string{`lost "all": want request or answer`, `method "post": want it in capitals`}},
		{"clock-skew:count=1", []string{`unknown argument "count"; it takes seconds`}},
	} {
		_, err := Parse(test.text)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", test.text, err, want)
			}
		}
	}
}

func TestEveryNameIsKnown(t *testing.T) {
	want := []string{
		"token-500", "token-503", "token-429", "token-slow", "token-short", "token-garbage", "token-forged",
		"token-foreign-issuer", "jwks-rotated", "secret-revoked", "certificate-expired", "provision-fails",
		"provision-slow", "provision-stuck", "delete-fails", "cf-429", "runtime-503", "connection-reset",
		"truncated-body", "log-late", "deploy-fails", "deploy-slow", "endpoint-late", "clock-skew",
	}
	if got := Names(); !slices.Equal(got, want) {
		t.Errorf("names %v", got)
	}
	for _, d := range Docs() {
		_, err := Parse(d.Name)
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
		if d.Doc == "" {
			t.Errorf("%s has no text", d.Name)
		}
	}
}

func TestMatchPath(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"/http/orders", "/http/orders", true},
		{"/http/orders", "/HTTP/Orders", true},
		{"/http/orders", "/http/orders-xml", false},
		{"/http/orders", "/http/orders/1", false},
		{"/http/*", "/http/orders", true},
		{"/http/*", "/http/a/b/c", true},
		{"/http/*", "/http", true},
		{"/http/*", "/httpx", false},
		{"/http/o*s", "/http/orders", true},
		{"/http/?rders", "/http/orders", true},
		{"/*/orders", "/http/orders", true},
		{"/*/orders/*", "/http/orders/1/2", true},
		{"/*/orders/*", "/http/other/1/2", false},
		{"/*", "/", true},
		{"/*", "/a/b", true},
		{"/", "/a", false},
	} {
		if got := matchPath(test.pattern, test.path); got != test.want {
			t.Errorf("%s on %s: %t", test.pattern, test.path, got)
		}
	}
}

func TestSetCounts(t *testing.T) {
	var s Set
	add := func(text string) {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Add(f)
	}
	at := Request{Part: "runtime", Path: "/http/orders"}
	if _, ok := s.Take(at, Runtime503); ok {
		t.Errorf("a set without faults has one")
	}
	add("runtime-503:count=1,retry-after=1")
	add("runtime-503:count=1,retry-after=2")
	add("clock-skew:seconds=60")
	if _, ok := s.Take(Request{Part: "api", Path: "/http/orders"}, Runtime503); ok {
		t.Errorf("it shows at another part")
	}
	for i := range 3 {
		f, ok := s.Take(at, ConnectionReset, Runtime503)
		if ok != (i < 2) || ok && f.Duration != time.Duration(i+1)*time.Second {
			t.Errorf("request %d: %v %t", i, f, ok)
		}
	}
	if got := s.List(); len(got) != 1 || got[0].Fault != "clock-skew:seconds=60" {
		t.Errorf("left are %v", got)
	}
	if s.Skew() != time.Minute {
		t.Errorf("skew %v", s.Skew())
	}
	s.Clear()
	if s.Skew() != 0 || len(s.List()) != 0 {
		t.Errorf("after the end: %v %v", s.Skew(), s.List())
	}
}

func FuzzParse(f *testing.F) {
	for _, d := range Docs() {
		f.Add(d.Name)
	}
	f.Add("runtime-503:path=/http/[a-z]*,count=2,retry-after=1")
	f.Add("secret-revoked:key=a,client=b,part=token")
	f.Add("token-slow:seconds=1e-9")
	f.Add("token-slow:seconds=270.256")
	f.Add("token-slow:seconds=nan")
	f.Add("delete-fails:name=a-[0-9]*,path=/v3/*")
	f.Add("connection-reset:method=POST,lost=answer,part=uaa")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		again, err := Parse(parsed.String())
		if err != nil || !reflect.DeepEqual(again, parsed) {
			t.Errorf("%q gives %q, which is read as %q: %v", text, parsed, again, err)
		}
		var s Set
		s.Add(parsed)
		s.Take(Request{Part: "token", Path: "/oauth/token"}, Names()...)
	})
}
