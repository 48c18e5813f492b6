package cpi

import (
	"context"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"iflowtest/internal/httpx"
)

// Pace keeps the requests of one user of a tenant within the limits that the
// platform has for each kind of them (wire/sap.md 6.9). It is safe for
// concurrent use and may be shared by clients; make it with [NewPace].
type Pace struct{ groups []group }

// group is a number of entity sets that share a limit.
type group struct {
	sets    []string
	limiter *rate.Limiter
}

// NewPace makes a pace with the limits that hold for one user (wire/sap.md
// 6.9). Sets without a limit of their own are not held up.
func NewPace() *Pace {
	of := func(perSecond int, sets ...string) group {
		return group{sets, rate.NewLimiter(rate.Limit(perSecond), perSecond)}
	}
	return &Pace{[]group{
		of(10, "IntegrationDesigntimeArtifacts", "IntegrationPackages", "DeployIntegrationDesigntimeArtifact", "BuildAndDeployStatus"),
		of(50, "IntegrationRuntimeArtifacts"),
		of(100, "MessageProcessingLogs"),
	}}
}

// wait waits until it is the turn of a request to a resource below the root.
// The error is the cause of the context's end.
func (p *Pace) wait(ctx context.Context, resource string) error {
	if p == nil {
		return nil
	}
	for _, g := range p.groups {
		for _, set := range g.sets {
			rest, ok := strings.CutPrefix(resource, set)
			if !ok || rest != "" && !strings.ContainsAny(rest[:1], "(?/") {
				continue
			}
			turn := g.limiter.Reserve()
			if err := httpx.Sleep(ctx, turn.DelayFrom(time.Now())); err != nil {
				turn.Cancel()
				return err
			}
			return nil
		}
	}
	return nil
}
