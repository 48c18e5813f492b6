package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/oauth"
	"iflowtest/runner"
)

// claims are what a token says of itself (wire/sap.md 2.4); nothing of it is
// verified here.
type claims struct {
	jwt *oauth.JWT
	err error
	// zone is zid, subdomain zdn, subaccount that of ext_attr.
	zone, subdomain, subaccount string
	// life is how long the token lives from its issue, in whole seconds; known:
	// somebody says.
	life  time.Duration
	known bool
	// broken is set once the signature is known not to hold.
	broken bool
}

// read decodes the token.
func (x *inspection) read() {
	token := x.token.exchange.Token
	c := &x.claims
	c.jwt, c.err = oauth.Decode(token.Value.Reveal())
	c.life, c.known = lifeOf(token, c.jwt)
	if c.err != nil {
		return
	}
	var payload struct {
		ZID      json.RawMessage            `json:"zid"`
		ZDN      json.RawMessage            `json:"zdn"`
		External map[string]json.RawMessage `json:"ext_attr"`
	}
	_ = json.Unmarshal([]byte(c.jwt.Payload), &payload) // a claim of another type is absent
	c.zone = text(payload.ZID)
	c.subdomain = text(payload.External["zdn"])
	if c.subdomain == "" {
		c.subdomain = text(payload.ZDN)
	}
	c.subaccount = text(payload.External["subaccountid"])
}

// lifeOf is how long a token lives from its issue. iat and exp say it to the
// second; expires_in counts where it says less, but for the second that has
// passed when the platform works it out (wire/sap.md 2.2).
func lifeOf(t oauth.Token, j *oauth.JWT) (life time.Duration, known bool) {
	if t.Expiry.IsZero() {
		return 0, false
	}
	life = t.Lifetime
	if life%time.Second > 0 { // from exp and the clock of this machine
		life = life.Truncate(time.Second) + time.Second
	}
	if j != nil && !j.IssuedAt.IsZero() && !j.Expiry.IsZero() {
		life = min(j.Expiry.Sub(j.IssuedAt).Truncate(time.Second), life+time.Second)
	}
	return max(life, 0), true
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// bound cuts foreign text to what fits a message.
func bound(s string) string {
	const most = 160
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// list writes values of a token for a message.
func list(values []string) string {
	const most = 12
	if len(values) == 0 {
		return "none"
	}
	var shown []string
	for _, v := range values[:min(len(values), most)] {
		shown = append(shown, strconv.Quote(bound(v)))
	}
	s := strings.Join(shown, ", ")
	if len(values) > most {
		s += fmt.Sprintf(" and %d more", len(values)-most)
	}
	return s
}

// readable gives a verdict when there is no token to look at.
func (x *inspection) readable(ctx context.Context) (verdict, bool) {
	switch {
	case !x.acquire(ctx).granted():
		return skipped("there is no token"), false
	case x.claims.err != nil:
		return skipped("the token cannot be read"), false
	}
	return verdict{}, true
}

// judgeSignature verifies the token.
func (x *inspection) judgeSignature(ctx context.Context) verdict {
	if !x.acquire(ctx).granted() {
		return skipped("there is no token")
	}
	ctx, cancel := limited(ctx, "the keys of the issuer")
	defer cancel()
	remark, err := x.g.verifier.Judge(ctx, oauth.Evidence{
		Credential: x.credential, Token: x.token.exchange.Token.Value.Reveal(), Answer: x.token.exchange.Response, Now: time.Now(),
	})
	if err == nil {
		return remarked(remark)
	}
	if _, ok := errors.AsType[*oauth.Invalid](err); !ok {
		return noAnswer(err)
	}
	x.claims.broken = true
	return invalid("the token does not hold: "+err.Error(), "do not use what this token server grants; check that "+x.host()+" is the authorization server, and that no proxy answers for it")
}

// judgeIssuer compares iss with the token host.
func (x *inspection) judgeIssuer(ctx context.Context) verdict {
	if v, ok := x.readable(ctx); !ok {
		return v
	}
	if err := oauth.CheckIssuer(x.credential.TokenURL, x.claims.jwt.Issuer); err != nil {
		return invalid(err.Error(), "take tokenurl of the service key as it stands; the runtime refuses tokens of another issuer")
	}
	return fine()
}

// flowScope is what every flow wants by default; plan api never grants it.
const flowScope = "ESBMessaging.send"

// judgeScopes says which of the scopes are missing.
func (x *inspection) judgeScopes(ctx context.Context) verdict {
	if v, ok := x.readable(ctx); !ok {
		return v
	}
	granted := x.claims.jwt.Scopes
	var missing []string
	for _, want := range x.g.o.Scopes {
		if !oauth.HasScope(granted, want) {
			missing = append(missing, want)
		}
	}
	if len(missing) == 0 {
		return fine()
	}
	word := "scope"
	if len(missing) > 1 {
		word = "scopes"
	}
	message := fmt.Sprintf("the token lacks the %s %s", word, list(missing))
	has := "granted are " + list(granted)
	if x.key.Plan == "api" && slices.Contains(missing, flowScope) {
		return invalid(message+": the key is of plan api, and only plan integration-flow grants it", "take the service key of an instance of plan integration-flow", has)
	}
	if x.key.Plan == "integration-flow" && !slices.Contains(missing, flowScope) {
		has += "; roles of the OData API are granted by plan api only"
	}
	return invalid(message,
		"add the role to the roles of the service instance; that takes up to an hour until it holds, and may need a new service key", has)
}

// judgeLifetime says whether the token lives long enough.
func (x *inspection) judgeLifetime(ctx context.Context) verdict {
	c, want := &x.claims, max(x.g.o.MinLifetime, time.Second)
	switch {
	case !x.acquire(ctx).granted():
		return skipped("there is no token")
	case !c.known:
		return unknown(runner.TypeCredential, "nothing says how long the token lives: neither expires_in nor exp is there", "check that the token URL is that of the service key")
	case c.life < want:
		return invalid(fmt.Sprintf("the token lives %s; at least %s is wanted", lifetime(c.life), lifetime(want)),
			`set the parameter "token-validity" of the service instance (seconds, 3600 to 86400), or ask for less with --min-lifetime`)
	}
	return fine()
}

// judgeTenant compares the tenant of the token.
func (x *inspection) judgeTenant(ctx context.Context) verdict {
	if v, ok := x.readable(ctx); !ok {
		return v
	}
	c, want := &x.claims, x.g.o.Tenant
	for _, is := range []string{c.zone, c.subdomain, c.subaccount} {
		if is != "" && strings.EqualFold(is, want) {
			return fine()
		}
	}
	return invalid(fmt.Sprintf("the token is for the tenant with %s; want %q", c.tenant(), bound(want)), "take the service key of the right subaccount")
}

// tenant writes what the token says of its tenant.
func (c *claims) tenant() string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"zid", c.zone}, {"zdn", c.subdomain}, {"subaccountid", c.subaccount}} {
		if p.value != "" {
			parts = append(parts, p.name+" "+strconv.Quote(bound(p.value)))
		}
	}
	if len(parts) == 0 {
		return "no zid and no zdn"
	}
	return strings.Join(parts, ", ")
}

// judgeAudience compares the audience of the token.
func (x *inspection) judgeAudience(ctx context.Context) verdict {
	if v, ok := x.readable(ctx); !ok {
		return v
	}
	if slices.Contains(x.claims.jwt.Audience, x.g.o.Audience) {
		return fine()
	}
	return invalid(fmt.Sprintf("the audience of the token is %s; want %q", list(x.claims.jwt.Audience), bound(x.g.o.Audience)), "take the service key of the right instance and plan")
}
