package runner

import (
	"fmt"
	"time"

	"iflowtest/internal/expression"
	"iflowtest/scenarios"
)

// provisioningTimeout is the limit of a provisioning step: what it waits for
// takes minutes on the platform.
const provisioningTimeout = 10 * time.Minute

// provisioningSubjects are the subjects of a step that answers with a
// resource of the platform.
func provisioningSubjects() []string { return []string{"json", "duration"} }

// provisioning is an action that changes what is on the platform, or wants
// something to be there.
type provisioning interface {
	// provisions describes that, as far as it is known before the run.
	provisions(d *StepDescription, known *expression.Values)
}

// describeResource adds a resource, and what becomes of it.
func (d *StepDescription) describeResource(what, details, mode, keep string) {
	switch mode {
	case modeRequire:
		d.Requires = append(d.Requires, what+details)
		return
	case modeAdopt:
		d.Adopts = append(d.Adopts, what+details+", or creates it")
		what += ", if the step created it"
	default:
		d.Creates = append(d.Creates, what+details)
	}
	switch keep {
	case keepNever:
		d.Removes = append(d.Removes, what)
	case keepOnFailure:
		d.Removes = append(d.Removes, what+", unless the scenario fails")
	}
}

func (a *instanceAction) provisions(d *StepDescription, known *expression.Values) {
	details := fmt.Sprintf(" (plan %s of %s)", a.plan.Partial(known), a.offering.Partial(known))
	d.describeResource("service instance "+a.name.Partial(known), details, a.mode, a.keep)
}

func (a *keyAction) provisions(d *StepDescription, known *expression.Values) {
	d.describeResource(fmt.Sprintf("service key %s of %s", a.name.Partial(known), a.instance.Partial(known)), "", a.mode, a.keep)
}

func (a *entitlementAction) provisions(d *StepDescription, known *expression.Values) {
	for _, plan := range a.plans {
		what := fmt.Sprintf("entitlement of plan %s of %s", plan.Partial(known), a.service.Partial(known))
		if a.assign {
			d.Adopts = append(d.Adopts, what+", or assigns it; it stays")
		} else {
			d.Requires = append(d.Requires, what)
		}
	}
}

func keep() scenarios.Key {
	return scenarios.Key{Name: "keep", Shape: enum("never", "on-failure", "always"), Default: "never", Doc: "when it is kept at the end of the scenario"}
}
