package runner

import (
	"context"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/diag"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/scenarios"
)

// Platform is the Cloud Foundry of an environment, for the commands that look
// after what is there: cleanup and keys. It is safe for concurrent use.
type Platform struct {
	o       Options
	client  *cf.Client
	http    *httpx.Client
	tokens  *oauth.Source
	foundry *foundry
	plan    *Plan
	// compiler knows the rest of the environment.
	compiler *compiler
}

// OpenPlatform compiles the part of an environment that says where Cloud
// Foundry is. Nothing is sent. It reports everything that is wrong; with an
// error in the list there is no platform. The error is a *[UsageError].
func OpenPlatform(suite *scenarios.Suite, environment *scenarios.Environment, o Options) (*Platform, diag.List, error) {
	return openPlatform(suite, environment, o, true)
}

// OpenCleanup is [OpenPlatform] for [Platform.Cleanup] only: an environment
// without Cloud Foundry is no mistake, as the journals may name nothing but
// artifacts of Cloud Integration.
func OpenCleanup(suite *scenarios.Suite, environment *scenarios.Environment, o Options) (*Platform, diag.List, error) {
	return openPlatform(suite, environment, o, false)
}

func openPlatform(suite *scenarios.Suite, environment *scenarios.Environment, o Options, insist bool) (*Platform, diag.List, error) {
	c, err := newCompiler(suite, o)
	if err != nil {
		return nil, nil, err
	}
	c.environment(environment)
	at := diag.Position{}
	if c.chosen != nil {
		at = c.chosen.Pos
	}
	if insist || c.chosen != nil && c.chosen.Target.Get("cloud-foundry") != nil {
		c.foundryTarget(at)
	}
	if c.diags.HasErrors() {
		_ = c.plan.Close()
		return nil, c.diags, nil
	}
	client, err := httpx.New(c.plan.clientOptions())
	if err != nil {
		_ = c.plan.Close()
		return nil, c.diags, &UsageError{err.Error()}
	}
	p := &Platform{o: c.o, http: client, foundry: c.plan.foundry, plan: c.plan, compiler: c}
	p.tokens = oauth.NewSource(client, c.o.Redactor.AddToken)
	if p.foundry != nil {
		p.client = newFoundryClient(p.foundry, client, c.o)
	}
	return p, c.diags, nil
}

// Close lets go of connections and files.
func (p *Platform) Close() {
	p.http.Close()
	_ = p.plan.Close()
}

// API is the URL of the Cloud Foundry API; empty where only the session of the
// cf command line knows it.
func (p *Platform) API() string { return plainAPI(p.foundry.config.API) }

// Space gives the GUID of the space that the environment names. The error is
// a *[PlatformError].
func (p *Platform) Space(ctx context.Context) (string, error) {
	found, err := p.place(ctx)
	return found.guid, err
}

func (p *Platform) place(ctx context.Context) (location, error) {
	if p.foundry == nil {
		return location{}, &PlatformError{Problem: Problem{
			Type: TypeInvalid, Message: "the environment has no target.cloud-foundry, and the command needs to know where to look",
			Cure: "give it api, org and space, and a user, or cf-home: true for the session of the cf command line; or use --sandbox",
		}, Status: ExitInvalid}
	}
	found, err := p.foundry.find(ctx, p.client)
	return found, platformError(ctx, err)
}

// PlatformError is why something could not be done on the platform.
type PlatformError struct {
	Problem
	// Status is the exit status that it means.
	Status int
}

// Error gives the message.
func (e *PlatformError) Error() string { return e.Message }

// platformError turns an error of Cloud Foundry into one for a command, which
// provisions nothing.
func platformError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	t := notProvisioning(fromPlatform(ctx, err))
	status, _ := t.class.exit()
	return &PlatformError{Problem: t.problem, Status: status}
}

// lookAgain is how long an intent is looked for that is not there: the request
// of a run that was killed may still be on its way.
const lookAgain = 3 * time.Second
