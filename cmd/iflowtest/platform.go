package main

import (
	"context"
	"errors"

	"iflowtest/internal/diag"
	"iflowtest/runner"
	"iflowtest/scenarios"
)

// openPlatform opens the Cloud Foundry of the chosen environment, or of a
// sandbox tenant. Call close in the end. Everything that is wrong with the
// environment is printed.
func (p *program) openPlatform(ctx context.Context, g *global, s *settings) (platform *runner.Platform, close func(), err error) {
	return p.openWith(ctx, g, s, runner.OpenPlatform)
}

// openPlatformWith is one of the runner's functions that open a platform.
type openPlatformWith = func(*scenarios.Suite, *scenarios.Environment, runner.Options) (*runner.Platform, diag.List, error)

func (p *program) openWith(ctx context.Context, g *global, s *settings, open openPlatformWith) (platform *runner.Platform, close func(), err error) {
	if g.env == "" && !g.sandbox {
		return nil, nil, usage("no environment is chosen; choose one with -e, or use --sandbox")
	}
	suite, environment, diags, err := scenarios.Load(nil, scenarios.LoadOptions{Root: g.root, Environment: g.env})
	if err != nil {
		return nil, nil, err
	}
	close = func() {}
	o := runner.Options{
		Version: version(), Env: s.getenv, Vars: s.vars, Redactor: p.redactor, Unredacted: p.unredacted, Log: s.log,
	}
	if g.sandbox {
		tenant, err := p.startSandbox(ctx, g)
		if err != nil {
			return nil, nil, err
		}
		close, o.Sandbox = tenant.close, tenant.environment
	}
	platform, more, err := open(suite, environment, o)
	if diags = append(diags, more...); len(diags) > 0 {
		p.diagnostics(diags, suite.Sources, p.color(g, p.err))
	}
	if err != nil || diags.HasErrors() {
		if platform != nil {
			platform.Close()
		}
		close()
		return nil, nil, errors.Join(err, invalidEnvironment(diags))
	}
	stop := close
	return platform, func() { platform.Close(); stop() }, nil
}

func invalidEnvironment(diags diag.List) error {
	if !diags.HasErrors() {
		return nil
	}
	return &exitError{status: runner.ExitInvalid, message: invalid(diags)}
}

// platformProblem turns an error of a platform into one of the command.
func (p *program) platformProblem(err error) error {
	e, ok := errors.AsType[*runner.PlatformError](err)
	if err == nil || !ok {
		return err
	}
	out := &exitError{status: e.Status, message: p.redactor.Text(e.Message)}
	if e.Cure != "" {
		out.hints = []string{p.redactor.Text(e.Cure)}
	}
	return out
}
