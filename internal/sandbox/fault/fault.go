// Package fault is the day when the platform misbehaves: the names of the
// sandbox's faults, the text they are written in, and the set of those that
// are active while a tenant runs.
package fault

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/diag"
)

// The names of the faults.
const (
	Token500           = "token-500"
	Token503           = "token-503"
	Token429           = "token-429"
	TokenSlow          = "token-slow"
	TokenShort         = "token-short"
	TokenGarbage       = "token-garbage"
	TokenForged        = "token-forged"
	TokenForeignIssuer = "token-foreign-issuer"
	JWKSRotated        = "jwks-rotated"
	SecretRevoked      = "secret-revoked"
	CertificateExpired = "certificate-expired"
	ProvisionFails     = "provision-fails"
	ProvisionSlow      = "provision-slow"
	ProvisionStuck     = "provision-stuck"
	DeleteFails        = "delete-fails"
	CF429              = "cf-429"
	Runtime503         = "runtime-503"
	ConnectionReset    = "connection-reset"
	TruncatedBody      = "truncated-body"
	LogLate            = "log-late"
	DeployFails        = "deploy-fails"
	DeploySlow         = "deploy-slow"
	EndpointLate       = "endpoint-late"
	ClockSkew          = "clock-skew"
)

// LostAnswer is the value of the argument lost for a request that is handled
// and gets no answer.
const LostAnswer = "answer"

// Doc describes a fault: the reference and the parser are made from it.
type Doc struct {
	Name string
	// Part is where the fault shows without a part or a path of its own.
	Part string
	// Path is the path pattern without one of its own; empty: every path.
	Path string
	// Args are the arguments it takes besides path, part and count.
	Args []string
	// Default is that of the argument seconds or retry-after.
	Default time.Duration
	// Doc says what happens.
	Doc string
}

// parts gives the parts where the fault shows without a part of its own: the
// authorization server has a second one, for mutual TLS.
func (d Doc) parts() []string {
	if d.Part == "token" {
		return []string{d.Part, "token-mtls"}
	}
	return []string{d.Part}
}

// at reports whether part is one of parts.
func (d Doc) at(part string) bool { return slices.Contains(d.parts(), part) }

// Docs gives all faults, in the order of the reference.
func Docs() []Doc {
	const token, flows, everywhere = "token", "runtime", "runtime"
	return []Doc{
		{Token500, token, "/oauth/token", nil, 0, "the token endpoint answers 500"},
		{Token503, token, "/oauth/token", []string{"retry-after"}, 0, "the token endpoint answers 503; with retry-after it says when to come back"},
		{Token429, token, "/oauth/token", []string{"retry-after"}, time.Second, "the token endpoint answers 429 with Retry-After (seconds, default 1)"},
		{TokenSlow, token, "/oauth/token", []string{"seconds"}, 5 * time.Second, "the token endpoint takes seconds (default 5) to answer"},
		{TokenShort, token, "/oauth/token", []string{"seconds"}, 2 * time.Second, "tokens live for seconds (whole, default 2)"},
		{TokenGarbage, token, "/oauth/token", nil, 0, "the token endpoint answers 200 with something that is no token"},
		{TokenForged, token, "/oauth/token", nil, 0, "tokens are signed with another key than the published one"},
		{TokenForeignIssuer, token, "/oauth/token", nil, 0, "tokens name an issuer and a key set on another host"},
		{JWKSRotated, token, "/oauth/token", nil, 0, "each token is signed with a new key, and only the newest key is published"},
		{SecretRevoked, "", "", []string{"key", "client"}, 0, "the secret of a key (key=NAME), of all keys of an instance (client=ID), or of all keys is refused, and so are tokens got with it"},
		{CertificateExpired, "", "", []string{"key", "client"}, 0, "the certificate of a key (key=NAME), of all keys of an instance (client=ID), or of all keys is refused as expired, and keys that are created with a certificate get one that expired an hour ago"},
		{ProvisionFails, "cloud-foundry", "", []string{"name"}, 0, "creating an instance or a key, or updating an instance, fails in its job; name is a pattern for names, path tells instances (/v3/service_instances) from keys (/v3/service_credential_bindings)"},
		{ProvisionSlow, "cloud-foundry", "", []string{"seconds", "name"}, 30 * time.Second, "creating or updating takes seconds (default 30)"},
		{ProvisionStuck, "cloud-foundry", "", []string{"name"}, 0, "creating or updating never ends"},
		{DeleteFails, "cloud-foundry", "", []string{"name"}, 0, "deleting an instance or a key fails in its job"},
		{CF429, "cloud-foundry", "", []string{"retry-after", "method"}, time.Second, "Cloud Foundry answers 429 with Retry-After (seconds, default 1)"},
		{Runtime503, flows, "", []string{"retry-after"}, 0, "the runtime answers 503; with retry-after it says when to come back"},
		{ConnectionReset, everywhere, "", []string{"method", "lost"}, 0, "the connection is reset instead of an answer, before the request is handled or, with lost=answer, after; with path or part elsewhere than at the runtime"},
		{TruncatedBody, everywhere, "", []string{"method"}, 0, "the answer ends in the middle of its body; with path or part elsewhere than at the runtime"},
		{LogLate, flows, "", []string{"seconds"}, 5 * time.Second, "message logs appear seconds (default 5) after the flow's end"},
		{DeployFails, "api", "", []string{"name"}, 0, "deploying an artifact ends in FAIL, and the artifact in ERROR with error information; name is a pattern for IDs"},
		{DeploySlow, "api", "", []string{"seconds", "name"}, 10 * time.Second, "building an artifact takes seconds (default 10) longer"},
		{EndpointLate, "api", "", []string{"seconds", "name"}, 30 * time.Second, "the endpoints of an artifact that is deployed are listed seconds (default 30) later"},
		{ClockSkew, "", "", []string{"seconds"}, 5 * time.Minute, "the clock of the tenant is seconds (default 300, may be negative) ahead"},
	}
}

// Names gives the names of all faults, in the order of Docs.
func Names() []string {
	var names []string
	for _, d := range Docs() {
		names = append(names, d.Name)
	}
	return names
}

// Fault is one fault as it was asked for. The zero Fault is none.
type Fault struct {
	Name string
	// Part, when not empty, is the only part where it shows.
	Part string
	// Path, when not empty, is a pattern the path of a request must match, in
	// any case: as path.Match, and a trailing "/*" matches everything below.
	Path string
	// Count is how often it shows; 0: until it is ended.
	Count int
	// Duration is the argument seconds or retry-after, or its default.
	Duration time.Duration
	// Key and Client narrow secret-revoked and certificate-expired.
	Key, Client string
	// Method, when not empty, is the only method it shows on.
	Method string
	// Lost is what connection-reset takes away: "request", as does an empty
	// one, or "answer", when the request has been handled.
	Lost string
	// Names narrows a fault of provisioning or deployment: a pattern, as
	// path.Match has it, that the name of the instance or key, or the ID of the
	// artifact, must match.
	Names string

	written bool // Duration was written
	doc     Doc
}

// Parse reads "NAME" or "NAME:ARG=VALUE,…", such as
// "runtime-503:path=/http/orders,count=2". The error names every mistake.
func Parse(s string) (Fault, error) {
	name, rest, hasArgs := strings.Cut(strings.TrimSpace(s), ":")
	docs := Docs()
	at := slices.IndexFunc(docs, func(d Doc) bool { return d.Name == name })
	if at < 0 {
		if near := diag.Suggest(name, Names()); near != "" {
			return Fault{}, fmt.Errorf("unknown fault %q; did you mean %q?", name, near)
		}
		return Fault{}, fmt.Errorf("unknown fault %q; there are %s", name, strings.Join(Names(), ", "))
	}
	f := Fault{Name: name, Duration: docs[at].Default, doc: docs[at]}
	if !hasArgs {
		return f, nil
	}
	var problems []string
	seen := map[string]bool{}
	for arg := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(arg, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case !ok || value == "":
			problems = append(problems, fmt.Sprintf("argument %q: want NAME=VALUE", arg))
			continue
		case seen[key]:
			problems = append(problems, fmt.Sprintf("argument %q stands twice", key))
			continue
		}
		seen[key] = true
		if p := f.set(key, value); p != "" {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return Fault{}, fmt.Errorf("fault %s: %s", name, strings.Join(problems, "; "))
	}
	return f, nil
}

// set takes one argument and gives what is wrong with it.
func (f *Fault) set(key, value string) string {
	known := append([]string{"path", "count", "part"}, f.doc.Args...)
	if f.Name == ClockSkew {
		known = f.doc.Args // a clock is wrong for everybody
	}
	if !slices.Contains(known, key) {
		if near := diag.Suggest(key, known); near != "" {
			return fmt.Sprintf("unknown argument %q; did you mean %q?", key, near)
		}
		return fmt.Sprintf("unknown argument %q; it takes %s", key, strings.Join(known, ", "))
	}
	switch key {
	case "path":
		return f.setPath(value)
	case "part":
		if !slices.Contains(faultyParts(), value) {
			return fmt.Sprintf("part %q: want one of %s", value, strings.Join(faultyParts(), ", "))
		}
		if f.doc.Path != "" && !f.doc.at(value) {
			return fmt.Sprintf("part %q: it shows at %s only", value, strings.Join(f.doc.parts(), " and "))
		}
		f.Part = value
	case "count":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Sprintf("count %q: want a whole number of at least 1", value)
		}
		f.Count = n
	case "key":
		f.Key = value
	case "client":
		f.Client = value
	case "method":
		if value != strings.ToUpper(value) {
			return fmt.Sprintf("method %q: want it in capitals", value)
		}
		f.Method = value
	case "lost":
		if value != "request" && value != LostAnswer {
			return fmt.Sprintf("lost %q: want request or answer", value)
		}
		f.Lost = value
	case "name":
		if _, err := path.Match(value, ""); err != nil {
			return fmt.Sprintf("name %q: want a pattern with *, ? and [a-z] that is closed", value)
		}
		f.Names = value
	default:
		return f.setSeconds(key, value)
	}
	return ""
}

func (f *Fault) setPath(value string) string {
	if !strings.HasPrefix(value, "/") {
		return fmt.Sprintf("path %q: want a pattern that begins with /", value)
	}
	if _, err := path.Match(value, "/"); err != nil {
		return fmt.Sprintf("path %q: want a pattern with *, ? and [a-z] that is closed", value)
	}
	if fixed := f.doc.Path; fixed != "" && !matchPath(value, fixed) {
		return fmt.Sprintf("path %q: it shows at %s only", value, fixed)
	}
	f.Path = value
	return ""
}

// maxSeconds bounds seconds and retry-after, so that no time overflows.
const maxSeconds = 31_536_000

func (f *Fault) setSeconds(key, value string) string {
	n, err := strconv.ParseFloat(value, 64)
	whole := f.Name == TokenShort || key == "retry-after"
	low := 0.0
	switch {
	case f.Name == ClockSkew:
		low = -maxSeconds
	case f.Name == TokenShort:
		low = 1
	}
	if err != nil || !(n >= low && n <= maxSeconds) || whole && n != float64(int64(n)) {
		kind := "a number"
		if whole {
			kind = "a whole number"
		}
		return fmt.Sprintf("%s %q: want %s of seconds from %g to %d", key, value, kind, low, maxSeconds)
	}
	f.Duration, f.written = time.Duration(math.Round(n*1e6))*time.Microsecond, true
	return ""
}

// faultyParts are the parts a fault may name: all but control, which must
// stay reachable.
func faultyParts() []string {
	return []string{"cloud-foundry", "uaa", "token", "token-mtls", "runtime", "api", "entitlements", "destination"}
}

// String gives the fault as Parse reads it, with its arguments in one order.
func (f Fault) String() string {
	var args []string
	add := func(name, value string) {
		if value != "" {
			args = append(args, name+"="+value)
		}
	}
	add("path", f.Path)
	add("part", f.Part)
	if f.Count > 0 {
		add("count", strconv.Itoa(f.Count))
	}
	if f.written {
		add(cmp.Or(f.doc.Args...), strconv.FormatFloat(float64(f.Duration.Microseconds())/1e6, 'f', -1, 64))
	}
	add("key", f.Key)
	add("client", f.Client)
	add("method", f.Method)
	add("lost", f.Lost)
	add("name", f.Names)
	if len(args) == 0 {
		return f.Name
	}
	return f.Name + ":" + strings.Join(args, ",")
}

// matches reports whether the fault shows on the request.
func (f Fault) matches(r Request) bool {
	if f.Key != "" && f.Key != r.Key || f.Client != "" && f.Client != r.Client {
		return false
	}
	if f.Part != "" && f.Part != r.Part {
		return false
	}
	if f.Method != "" && f.Method != r.Method {
		return false
	}
	if f.Names != "" {
		if ok, err := path.Match(f.Names, r.Name); !ok || err != nil {
			return false
		}
	}
	// A path of its own takes a transport fault beyond its usual part.
	elsewhere := f.Path != "" && (f.Name == ConnectionReset || f.Name == TruncatedBody)
	if f.Part == "" && f.doc.Part != "" && !f.doc.at(r.Part) && !elsewhere {
		return false
	}
	pattern := cmp.Or(f.Path, f.doc.Path)
	return pattern == "" || matchPath(pattern, r.Path)
}

// matchPath compares in any case, as the addresses of the runtime are
// (wire/sap.md 5.1).
func matchPath(pattern, p string) bool {
	pattern, p = strings.ToLower(pattern), strings.ToLower(p)
	if ok, err := path.Match(pattern, p); ok && err == nil {
		return true
	}
	below, ok := strings.CutSuffix(pattern, "/*")
	if !ok {
		return false
	}
	if below == "" {
		return true
	}
	// The part before /* may hold patterns itself, one for each of its segments.
	depth := strings.Count(below, "/")
	segments := strings.Split(p, "/")
	if len(segments) <= depth {
		return false
	}
	ok, err := path.Match(below, strings.Join(segments[:depth+1], "/"))
	return ok && err == nil
}
