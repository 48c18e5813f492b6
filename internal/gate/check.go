package gate

import (
	"context"
	"errors"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/runner"
)

// The ids of the checks.
const (
	checkKey         = "key"
	checkEndpoint    = "endpoint"
	checkToken       = "token"
	checkNegative    = "negative"
	checkSignature   = "signature"
	checkIssuer      = "issuer"
	checkScopes      = "scopes"
	checkLifetime    = "lifetime"
	checkTenant      = "tenant"
	checkAudience    = "audience"
	checkCertificate = "certificate"
	checkProbe       = "probe"
)

// check is one question that is asked of a key.
type check struct {
	id, name, doc string
	applies       func(*inspection) bool
	judge         func(*inspection, context.Context) verdict
}

// checks are all of them, in the order in which they are reported.
func checks() []check {
	always := func(*inspection) bool { return true }
	return []check{
		{checkKey, "the key has what its kind needs", "the document is a service key, and holds client ID, token URL, and a client secret or a certificate with its private key", always, (*inspection).judgeKey},
		{checkEndpoint, "the token endpoint answers over valid TLS", "plain http is refused before anything is sent, except on loopback; tls.insecure of the environment is ignored", always, (*inspection).judgeEndpoint},
		{checkToken, "a token is granted", "the token server grants one for the client ID with the client secret or the certificate", always, (*inspection).judgeToken},
		{checkNegative, "a wrong secret is refused", "with --negative, for keys with a client secret: with one that is wrong on purpose no token is granted, so the server really checks", func(x *inspection) bool { return x.g.o.Negative && x.key.Certificate == "" }, (*inspection).judgeWrongSecret},
		{checkNegative, "a wrong certificate is refused", "with --negative, for keys with a certificate: with one that was just made, signed by itself and with the same subject, no token is granted; a refusal in the TLS handshake counts", func(x *inspection) bool { return x.g.o.Negative && x.key.Certificate != "" }, (*inspection).judgeWrongCertificate},
		{checkSignature, "the signature of the token holds", "its algorithm is one of RS, PS or ES, a key that the issuer publishes has signed it, and exp, iat and nbf allow it now; bound to a certificate (cnf), it is bound to that of the key", always, (*inspection).judgeSignature},
		{checkIssuer, "the token was issued by the token host", "the host of iss is that of the token URL, with or without .cert., or the landscape's authentication host", always, (*inspection).judgeIssuer},
		{checkScopes, "the scopes are granted", "with --scope: each is among those of the token, whole or behind the name of its application (it-rt-….ESBMessaging.send)", func(x *inspection) bool { return len(x.g.o.Scopes) > 0 }, (*inspection).judgeScopes},
		{checkLifetime, "the token lives long enough", "at least --min-lifetime from its issue, as iat and exp say, or expires_in if that is less by more than a second", always, (*inspection).judgeLifetime},
		{checkTenant, "the token is for the expected tenant", "with --expect-tenant: zid, zdn (subdomain) or the ID of the subaccount is that", func(x *inspection) bool { return x.g.o.Tenant != "" }, (*inspection).judgeTenant},
		{checkAudience, "the token is for the expected audience", "with --expect-audience: aud names that", func(x *inspection) bool { return x.g.o.Audience != "" }, (*inspection).judgeAudience},
		{checkCertificate, "the certificate holds", "for keys with a certificate: it is valid now and for --min-days more, its chain is in order, and it belongs to the private key", func(x *inspection) bool { return x.key.Certificate != "" }, (*inspection).judgeCertificate},
		{checkProbe, "the runtime accepts the token", "with --probe: it answers GET with the token as in the table below, compared with the answer without it", func(x *inspection) bool { return x.g.probe != nil }, (*inspection).judgeProbe},
	}
}

// Check describes a check; the reference is printed from it.
type Check struct{ ID, Name, Doc string }

// Checks describes every check, in the order in which they are reported.
func Checks() []Check {
	var out []Check
	for _, c := range checks() {
		out = append(out, Check{c.id, c.name, c.doc})
	}
	return out
}

// verdict is what a check found.
type verdict struct {
	outcome runner.Outcome
	status  int
	// kind is the type of a [runner.Problem], for what could not be found out.
	kind          string
	message, cure string
	notes         []string
	// place is where in the key something is wrong; 0: nowhere in particular.
	line, column int
	// remark is worth saying of a check that passed; reason why one was
	// skipped.
	remark, reason string
	exchange       *runner.Exchange
	attempts       int
}

func fine() verdict { return verdict{outcome: runner.Pass} }

func remarked(text string) verdict { return verdict{outcome: runner.Pass, remark: text} }

func skipped(reason string) verdict { return verdict{outcome: runner.Skip, reason: reason} }

func invalid(message, cure string, notes ...string) verdict {
	return verdict{outcome: runner.Fail, status: runner.ExitCredential, message: message, cure: cure, notes: notes}
}

func unknown(kind, message, cure string, notes ...string) verdict {
	v := verdict{outcome: runner.Error, status: runner.ExitUnknown, kind: kind, message: message, cure: cure, notes: notes}
	if kind == runner.TypeInterrupted {
		v.status = runner.ExitInterrupted
	}
	return v
}

// with adds the exchange that a verdict stands on.
func (v verdict) with(x *runner.Exchange) verdict {
	v.exchange = x
	return v
}

// noAnswer is the verdict of an error without a judgement.
func noAnswer(err error) verdict {
	v := unanswered(err)
	if v.kind == runner.TypeTimeout {
		v.cure = "try again later, and check whether the server is slow; the key was not judged"
	}
	return v
}

func unanswered(err error) verdict {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return unknown(problemType(e.Kind), e.Message, e.Cure)
	}
	if e, ok := errors.AsType[*httpx.Error](err); ok {
		return unknown(problemType(string(e.Kind)), e.Message, e.Cure)
	}
	return unknown(runner.TypeNetwork, err.Error(), "")
}

// problemType names the kind of an error as reports do.
func problemType(kind string) string {
	switch kind {
	case oauth.KindTLS:
		return runner.TypeTLS
	case oauth.KindTimeout:
		return runner.TypeTimeout
	case oauth.KindClock:
		return runner.TypeCredential
	case oauth.KindInterrupted:
		return runner.TypeInterrupted
	}
	return runner.TypeNetwork
}

// interrupted is why a check is skipped after a signal.
const interrupted = "interrupted"

// inspect asks every question of a key and sends the events.
func (x *inspection) inspect(ctx context.Context, send func(runner.Event)) {
	started := time.Now()
	base := runner.Event{Scenario: x.in.Name, ScenarioID: x.id, Document: x.in.Document, File: x.in.File, Line: x.in.Line, Column: x.in.Column}
	start := base
	start.Event, start.Tags = runner.ScenarioStart, []string{"gate"}
	send(start)
	x.outcome = runner.Skip
	index := 0
	for _, c := range x.g.checks {
		if !c.applies(x) {
			continue
		}
		index++
		step := base
		step.Event, step.Step, step.Kind, step.Index = runner.StepStart, c.name, c.id, index
		send(step)
		began := time.Now()
		v := x.ask(ctx, c)
		end := step
		end.Event, end.DurationMs = runner.StepEnd, milliseconds(time.Since(began))
		v.report(x, c, &end)
		x.found(c, v)
		send(end)
	}
	end := base
	if v := x.verdict(); x.outcome == runner.Pass && (v == NotAsked || v == Interrupted) {
		x.outcome, end.Reason = runner.Skip, string(v)
	}
	end.Event, end.Outcome, end.DurationMs = runner.ScenarioEnd, x.outcome, milliseconds(time.Since(started))
	send(end)
}

// ask gives the verdict of a check; nothing is asked any more once the run was
// interrupted, or when some key of the run cannot be used.
func (x *inspection) ask(ctx context.Context, c check) verdict {
	switch {
	case ctx.Err() != nil:
		return skipped(interrupted)
	case c.id == checkKey:
	case x.in.Unread != nil:
		return skipped("the key could not be read")
	case len(x.problems) > 0:
		return skipped("the key cannot be used")
	case x.g.Invalid():
		return skipped("nothing was sent, as another key cannot be used")
	}
	v := c.judge(x, ctx)
	x.g.log.Debug("checked", "key", x.in.Name, "check", c.id, "outcome", string(v.outcome))
	return v
}

// found keeps a verdict.
func (x *inspection) found(c check, v verdict) {
	x.verdicts = append(x.verdicts, checked{c, v})
	x.g.note(v)
	if v.status != runner.ExitOK {
		x.statuses = append(x.statuses, v.status)
	}
	x.outcome = worse(x.outcome, v.outcome)
}

// worse gives the worse of two outcomes: error, fail, pass, skip.
func worse(a, b runner.Outcome) runner.Outcome {
	for _, o := range []runner.Outcome{runner.Error, runner.Fail, runner.Pass} {
		if a == o || b == o {
			return o
		}
	}
	return runner.Skip
}

// report puts a verdict into the event of its step.
func (v verdict) report(x *inspection, c check, e *runner.Event) {
	e.Outcome, e.Reason, e.Exchange, e.Attempts = v.outcome, v.reason+v.remark, v.exchange, v.attempts
	switch v.outcome {
	case runner.Fail:
		f := runner.Failure{File: x.in.File, Line: x.in.Line, Column: x.in.Column, Code: runner.TypeCredential, Subject: c.id, Message: v.message, Notes: v.hints()}
		if x.in.Whole {
			f.Line, f.Column = v.line, v.column
		}
		e.Failures = []runner.Failure{f}
	case runner.Error:
		e.Err = &runner.Problem{Type: v.kind, Message: v.message, Cure: v.cure}
		if len(v.notes) > 0 {
			e.Failures = nil
			e.Err.Cure = joinLines(v.hints())
		}
	}
}

// hints are the cure and what else is to be said.
func (v verdict) hints() []string {
	if v.cure == "" {
		return v.notes
	}
	return append([]string{v.cure}, v.notes...)
}

// checked is a check with its verdict.
type checked struct {
	check
	verdict
}
