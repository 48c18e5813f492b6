package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"iflowtest/internal/cpi"
)

// integrations takes back what the journals name of Cloud Integration, the
// newest first. It reports whether they name nothing else.
func (c *cleaner) integrations(ctx context.Context, journals []*recordedJournal) (all bool) {
	some, others := false, false
	for _, j := range journals {
		var list []*found
		for _, e := range slices.Backward(j.open) {
			if !e.ofIntegration() {
				others = true
				continue
			}
			list = append(list, foundIn(j, e))
		}
		some = some || len(list) > 0
		c.each(len(list), func(i int) { c.takeBack(ctx, list[i]) })
		c.strike(j, list)
		for _, f := range list {
			c.report.Leftovers = append(c.report.Leftovers, f.Leftover)
		}
	}
	return some && !others
}

// takeBack undeploys an artifact, or tells of a configuration that was changed.
func (c *cleaner) takeBack(ctx context.Context, f *found) {
	if f.entry.Kind == kindConfiguration {
		c.tellConfiguration(f)
		return
	}
	api, why := c.integration(f)
	if api == nil {
		f.Action, f.Reason = Left, why
		return
	}
	limited, cancel := context.WithTimeoutCause(ctx, deletionTimeout, &limit{"deletion timeout", deletionTimeout})
	defer cancel()
	u := undeployment{api: api, e: f.entry}
	there, done := false, Removed
	var err error
	if c.o.DryRun {
		done = WouldRemove
		var a cpi.RuntimeArtifact
		if a, there, err = u.find(limited); there && err == nil {
			err = u.foreign(a)
		}
	} else {
		there, err = u.run(limited)
	}
	_, foreign := errors.AsType[*foreignError](err)
	switch {
	case foreign:
		f.Action, f.Reason = Left, err.Error()
	case err != nil:
		t := fromUndo(limited, err)
		f.Action, f.Reason = NotRemoved, joinSentences(t.problem.Message, t.problem.Cure)
	case !there:
		f.Action = WasGone
	default:
		f.Action = done
	}
}

// tellConfiguration says which parameters have other values than before. With
// --run it is told for the last time: nobody else can tell when they were set
// again.
func (c *cleaner) tellConfiguration(f *found) {
	keys := "parameters"
	if len(f.entry.Keys) > 0 {
		keys = strings.Join(f.entry.Keys, ", ")
	}
	f.Action = Left
	f.Reason = fmt.Sprintf("the run changed %s, and no journal holds the former values: set them again with Configure in the design workspace of %s", keys, f.entry.API)
	if f.told = c.o.Run == f.Run; !f.told {
		f.Reason += ", then forget this with --run " + f.Run
	}
	f.Owed = !f.told && c.ofTenant(f.entry)
}

// ofTenant reports whether an entry is of the tenant of the environment, as far
// as that says which it is.
func (c *cleaner) ofTenant(e entry) bool {
	return c.plan.target.api == "" || c.plan.target.api == e.API
}

// integration gives the API that an entry was made at; nil: it cannot be
// reached with this environment, and why.
func (c *cleaner) integration(f *found) (api *cpi.Client, why string) {
	e := f.entry
	cr, declared := c.compiler.envCredentials[e.Credential]
	if c.kept(f) {
		return nil, "the run kept it; remove it with --run " + f.Run
	}
	if !declared || cr.TokenURL == "" {
		f.Owed = c.ofTenant(e)
		return nil, fmt.Sprintf("it is at %s, and the environment declares no credential %q, which the run deployed it with; declare it, or undeploy the artifact under Monitor > Manage Integration Content", e.API, e.Credential)
	}
	root := apiRoot(&c.plan.target, cr)
	if root != e.API {
		return nil, "it is at " + e.API + "; choose the environment of that tenant with -e"
	}
	config := integrationConfig(c.Platform.o, c.tokens, cr, root)
	config.Pace = c.paces.of(root, cr.ClientID)
	return cpi.New(c.http, config), ""
}
