package runner

import (
	"slices"

	"iflowtest/internal/diag"
)

// deploying is a step that deploys an artifact whose ID is known before the run.
type deploying struct {
	sc   *scenario
	st   *step
	root string // of the API; empty: not known yet
}

// sameArtifacts warns of scenarios, and rows of one, that may deploy the same
// artifact side by side: one would undeploy or configure what another one works
// with.
func (c *compiler) sameArtifacts() {
	if c.o.Parallel == 1 && !c.o.Check {
		return // nothing runs side by side
	}
	by := map[string][]deploying{}
	for _, sc := range c.plan.scenarios {
		told := map[string]bool{}
		for _, st := range sc.steps {
			a, ok := st.action.(*artifactAction)
			if !ok || !a.deploy {
				continue
			}
			fixed, constant := a.id.Constant()
			id := textOf(fixed)
			if !constant || told[id] {
				continue
			}
			told[id] = true
			d := deploying{sc, st, ""}
			if a.credential != nil {
				d.root = apiRoot(&c.plan.target, a.credential)
			}
			c.warnArtifact(id, d, by[id])
			by[id] = append(by[id], d)
		}
	}
}

// warnArtifact warns of one that deploys an artifact which others before it
// deploy.
func (c *compiler) warnArtifact(id string, d deploying, others []deploying) {
	const hint = "one may undeploy, or configure, what the other one works with; lock: [%s] in the scenario lets them run one after the other"
	if d.sc.rows != nil && len(d.sc.locks) == 0 && d.sc.rows.Parallel() > 1 {
		c.diags = append(c.diags, diag.Warningf(d.st.pos, diag.InvalidValue, "the rows run side by side, and each deploys the artifact %q", id).WithHint(hint, id))
	}
	for _, o := range others {
		if d.root != "" && o.root != "" && d.root != o.root {
			continue
		}
		if !slices.ContainsFunc(d.sc.locks, func(l string) bool { return slices.Contains(o.sc.locks, l) }) {
			c.diags = append(c.diags, diag.Warningf(d.st.pos, diag.InvalidValue, "the scenario %q deploys the artifact %q as %q does at %s, and they share no lock",
				d.sc.name, id, o.sc.name, o.st.pos).WithHint(hint, id))
			return
		}
	}
}
