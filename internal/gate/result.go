package gate

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"iflowtest/runner"
)

// Verdict is what is to be said of a key in one word.
type Verdict string

// The verdicts.
const (
	Fine    Verdict = "fine"
	Invalid Verdict = "invalid"
	Unknown Verdict = "could not find out"
	// Unusable is a document that is no service key, NotAsked a key for which
	// nothing was sent, as another one is unusable.
	Unusable    Verdict = "no service key"
	NotAsked    Verdict = "not asked"
	Interrupted Verdict = "interrupted"
)

// Key is what was found out about one key. What is not known is empty.
type Key struct {
	Name string
	// Kind is "client secret" or "certificate"; Plan "integration-flow",
	// "api", or "" for a key of another service.
	Kind, Plan string
	// Tenant is the subdomain, or the zone of the token; Region that of the
	// token host, such as eu10.
	Tenant, Region string
	// Scopes are those that were granted, and Audience, Zone and Subdomain
	// aud, zid and zdn of the token.
	Scopes, Audience []string
	Zone, Subdomain  string
	// Life is how long the token lives from its issue, and LifeKnown that
	// somebody says so.
	Life      time.Duration
	LifeKnown bool
	// CertificateUntil is the end of the certificate; zero: there is none.
	CertificateUntil time.Time
	Verdict          Verdict
	// Failed names the checks that did not pass, Remarks what else is worth
	// knowing.
	Failed, Remarks []string
}

// result gathers what is known of the key; every text passes the redactor.
func (x *inspection) result() Key {
	t := x.g.o.Redactor.Text
	k := Key{
		Name: t(x.in.Name), Kind: x.kind(), Plan: x.key.Plan, CertificateUntil: x.certificate.until, Verdict: x.verdict(),
		Region: t(region(x.credential.TokenURL)), Life: x.claims.life, LifeKnown: x.claims.known,
	}
	subdomain, _, isXSUAA := strings.Cut(x.hostname(), ".authentication.")
	if !isXSUAA {
		subdomain = ""
	}
	if j := x.claims.jwt; j != nil {
		k.Scopes, k.Audience = cleaned(j.Scopes, t), cleaned(j.Audience, t)
		k.Zone, k.Subdomain = t(bound(x.claims.zone)), t(bound(x.claims.subdomain))
	}
	k.Tenant = cmp.Or(k.Subdomain, t(subdomain), k.Zone)
	for _, v := range x.verdicts {
		if v.status != runner.ExitOK {
			k.Failed = append(k.Failed, v.name)
		}
		if v.remark != "" {
			k.Remarks = append(k.Remarks, t(v.remark))
		}
	}
	return k
}

func cleaned(values []string, t func(string) string) []string {
	var out []string
	for _, v := range values {
		out = append(out, t(bound(v)))
	}
	return out
}

func (x *inspection) hostname() string {
	u, err := url.Parse(x.credential.TokenURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// verdict is the worst of the checks.
func (x *inspection) verdict() Verdict {
	status, _ := runner.WorstExit(x.statuses)
	switch {
	case status == runner.ExitInterrupted:
		return Interrupted
	case status == runner.ExitInvalid:
		return Unusable
	case status == runner.ExitCredential:
		return Invalid
	case status != runner.ExitOK:
		return Unknown
	case slices.ContainsFunc(x.verdicts, func(c checked) bool { return c.reason == interrupted }):
		return Interrupted
	case x.g.Invalid():
		return NotAsked
	}
	return Fine
}

// region is that of a token host (wire/sap.md 8): eu10 of
// acme.authentication.eu10.hana.ondemand.com.
func region(tokenURL string) string {
	u, err := url.Parse(tokenURL)
	if err != nil {
		return ""
	}
	_, rest, ok := strings.Cut(strings.ToLower(u.Hostname()), "authentication.")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(rest, "cert."), ".")
	return name
}
