package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/httpx"
)

// CleanupOptions say what to clean up. The zero value removes what dead runs
// left behind.
type CleanupOptions struct {
	// Journal is the folder of the journals.
	Journal string
	// Run removes what this run made, also what it kept; empty: every run that
	// is dead.
	Run string
	// OlderThan removes what carries a label of a run and is older, whatever
	// its expiry; 0: only what is past its expiry.
	OlderThan time.Duration
	// DryRun shows what would be done.
	DryRun bool
}

// What Cleanup does with a resource.
const (
	Removed     = "removed"
	WouldRemove = "would remove"
	WasGone     = "was gone"
	Left        = "left"
	NotRemoved  = "not removed"
)

// Leftover is a resource that a run made, and what was done with it.
type Leftover struct {
	Run  string `json:"run"`
	Kind string `json:"kind"`
	Name string `json:"name"`
	GUID string `json:"guid,omitempty"`
	// Age is since its creation, or the intent; 0: not known.
	Age time.Duration `json:"age"`
	// Action is one of the constants; Reason says why, where it was not
	// removed.
	Action string `json:"action"`
	Reason string `json:"reason,omitempty"`
}

// CleanupReport is what a cleanup found and did.
type CleanupReport struct {
	Leftovers []Leftover
	// Problems are lines of journals that could not be used.
	Problems []string
	// Alive are runs that still work: nothing of them was touched.
	Alive []string
}

// Failed reports whether something is there that should have been removed and
// was not.
func (r CleanupReport) Failed() bool {
	return slices.ContainsFunc(r.Leftovers, func(l Leftover) bool { return l.Action == NotRemoved })
}

// cleaner is one cleanup.
type cleaner struct {
	*Platform
	o      CleanupOptions
	space  string
	report CleanupReport
	alive  map[string]bool
	// seen are the GUIDs that were dealt with.
	seen map[string]bool
}

// Cleanup removes what killed runs left behind: what the journals of dead runs
// name, and what carries the label of a run and is past its expiry. Each
// resource is read again first: name and run must match, and an instance that
// holds keys or bindings that the run did not make is left. Every resource is
// tried. The error, a *[PlatformError], says why nothing could be looked for.
func (p *Platform) Cleanup(ctx context.Context, o CleanupOptions) (CleanupReport, error) {
	c := &cleaner{Platform: p, o: o, alive: map[string]bool{}, seen: map[string]bool{}}
	journals, err := readJournals(o.Journal)
	if err != nil {
		return c.report, &PlatformError{Problem: Problem{Type: TypeFile, Message: err.Error(), Cure: "name another folder with --journal"}, Status: ExitUsage}
	}
	defer func() {
		for _, j := range journals {
			j.release()
		}
	}()
	if c.space, err = p.Space(ctx); err != nil {
		return c.report, err
	}
	for _, j := range journals {
		c.report.Problems = append(c.report.Problems, j.problems...)
		if j.alive {
			c.alive[j.run] = true
			c.report.Alive = append(c.report.Alive, j.run)
		}
	}
	for _, j := range journals {
		if !j.alive && (o.Run == "" || o.Run == j.run) {
			c.journal(ctx, j)
		}
	}
	if err := c.labelled(ctx); err != nil {
		return c.report, err
	}
	return c.report, nil
}

// journal removes what a dead run names in its journal: keys before instances,
// the last first.
func (c *cleaner) journal(ctx context.Context, j *recordedJournal) {
	open := slices.Clone(j.open)
	slices.Reverse(open)
	slices.SortStableFunc(open, func(a, b entry) int { return cmp.Compare(rankOf(a), rankOf(b)) })
	for _, e := range open {
		l := Leftover{Run: j.run, Kind: e.Kind, Name: e.Name, GUID: e.GUID, Age: time.Since(e.Time)}
		switch {
		case e.API != c.API():
			l.Action, l.Reason = Left, "it is at "+e.API+"; choose the environment of that platform with -e"
		case e.Op == opKept && c.o.Run == "" && (c.o.OlderThan == 0 || l.Age < c.o.OlderThan):
			l.Action, l.Reason = Left, "the run kept it; remove it with --run "+j.run
		default:
			c.remove(ctx, e, &l)
		}
		if l.Action == Removed || l.Action == WasGone {
			if err := j.removed(e); err != nil {
				l.Reason = "the journal could not be written: " + plainPathError(err).Error()
			}
		}
		c.report.Leftovers = append(c.report.Leftovers, l)
	}
}

func rankOf(e entry) int {
	if e.Kind == "service-instance" {
		return 1
	}
	return 0
}

// remove removes one resource, after it was read again.
func (c *cleaner) remove(ctx context.Context, e entry, l *Leftover) {
	found, err := c.find(ctx, e)
	if err != nil {
		c.fail(ctx, l, err)
		return
	}
	if found == nil {
		l.Action = WasGone
		return
	}
	e.GUID, l.GUID = found.guid, found.guid
	c.seen[found.guid] = true
	if found.name != e.Name || found.run != l.Run {
		l.Action, l.Reason = Left, foreign(wordsOf(e.Kind), e, found.name, found.run, l.Run).Error()
		return
	}
	if e.Kind == "service-instance" {
		others, err := c.others(ctx, e, l.Run)
		if err != nil {
			c.fail(ctx, l, err)
			return
		}
		if others != "" {
			l.Action, l.Reason = Left, "it holds what the run did not make: "+others
			return
		}
	}
	if c.o.DryRun {
		l.Action = WouldRemove
		return
	}
	limited, cancel := context.WithTimeoutCause(ctx, deletionTimeout, &limit{"deletion timeout", deletionTimeout})
	defer cancel()
	if err := removeResource(limited, c.client, e, l.Run); err != nil {
		c.fail(limited, l, err)
		return
	}
	l.Action = Removed
}

func wordsOf(kind string) string {
	if kind == "service-key" {
		return "service key"
	}
	return "service instance"
}

func (c *cleaner) fail(ctx context.Context, l *Leftover, err error) {
	if f, ok := errors.AsType[*foreignError](err); ok {
		l.Action, l.Reason = Left, f.message
		return
	}
	t := fromPlatform(ctx, err)
	l.Action, l.Reason = NotRemoved, joinSentences(t.problem.Message, t.problem.Cure)
}

// present is a resource as it is now.
type present struct{ guid, name, run string }

// find reads a resource again; nil: it is gone. One whose creation was under
// way when the run was killed may appear late.
func (c *cleaner) find(ctx context.Context, e entry) (*present, error) {
	for waited := time.Duration(0); ; waited += lookAgain / 4 {
		found, err := c.findNow(ctx, e)
		if err != nil || found != nil || e.GUID != "" || time.Since(e.Time) > time.Minute || waited >= lookAgain {
			return found, err
		}
		if err := httpx.Sleep(ctx, lookAgain/4); err != nil {
			return nil, err
		}
	}
}

func (c *cleaner) findNow(ctx context.Context, e entry) (*present, error) {
	if e.Kind == "service-key" {
		key, err := findKey(ctx, c.client, e)
		if err != nil || key.GUID == "" {
			return nil, err
		}
		return &present{key.GUID, key.Name, key.Labels[labelRun]}, nil
	}
	instance, err := findInstance(ctx, c.client, e)
	if err != nil || instance.GUID == "" {
		return nil, err
	}
	return &present{instance.GUID, instance.Name, instance.Labels[labelRun]}, nil
}

// others names keys and bindings of an instance that the run did not make.
func (c *cleaner) others(ctx context.Context, e entry, run string) (string, error) {
	keys, err := c.client.Keys(ctx, cf.KeyQuery{InstanceGUIDs: []string{e.GUID}})
	if err != nil {
		return "", err
	}
	var names string
	for _, k := range keys {
		if k.Labels[labelRun] == run {
			continue
		}
		what := "the service key"
		if k.Type == cf.TypeApp {
			what = "the binding"
		}
		if names != "" {
			names += ", "
		}
		names += fmt.Sprintf("%s %q", what, cmp.Or(k.Name, k.GUID))
	}
	return names, nil
}

// labelled removes what carries the label of a run and no journal speaks of.
func (c *cleaner) labelled(ctx context.Context) error {
	selector, err := cf.Select(cf.Exists(labelRun))
	if c.o.Run != "" {
		selector, err = cf.Select(cf.Equal(labelRun, c.o.Run))
	}
	if err != nil {
		return &PlatformError{Problem: Problem{Type: TypeInvalid, Message: "--run: " + err.Error()}, Status: ExitUsage}
	}
	instances, err := c.client.Instances(ctx, cf.Query{SpaceGUIDs: []string{c.space}, Labels: selector})
	if err != nil {
		return platformError(ctx, err)
	}
	keys, err := c.client.Keys(ctx, cf.KeyQuery{Type: cf.TypeKey, Labels: selector})
	if err != nil {
		return platformError(ctx, err)
	}
	here, err := c.here(ctx, keys)
	if err != nil {
		return platformError(ctx, err)
	}
	for _, k := range keys {
		if here[k.InstanceGUID] {
			c.byLabel(ctx, entry{Kind: "service-key", Name: k.Name, GUID: k.GUID, Space: c.space, Instance: k.InstanceGUID}, k.Labels, k.CreatedAt)
		}
	}
	for _, i := range instances {
		c.byLabel(ctx, entry{Kind: "service-instance", Name: i.Name, GUID: i.GUID, Space: c.space}, i.Labels, i.CreatedAt)
	}
	return nil
}

// here says which instances of the keys are in the space.
func (c *cleaner) here(ctx context.Context, keys []cf.Key) (map[string]bool, error) {
	here := map[string]bool{}
	if len(keys) == 0 {
		return here, nil
	}
	instances, err := c.client.Instances(ctx, cf.Query{SpaceGUIDs: []string{c.space}})
	for _, i := range instances {
		here[i.GUID] = true
	}
	return here, err
}

// byLabel removes a resource for its labels alone, when they allow that.
func (c *cleaner) byLabel(ctx context.Context, e entry, labels map[string]string, created time.Time) {
	run := labels[labelRun]
	if c.seen[e.GUID] || c.alive[run] {
		return
	}
	l := Leftover{Run: run, Kind: e.Kind, Name: e.Name, GUID: e.GUID, Age: time.Since(created)}
	expires, err := strconv.ParseInt(labels[labelExpires], 10, 64)
	switch {
	case c.o.Run != "":
	case c.o.OlderThan > 0 && l.Age >= c.o.OlderThan:
	case err == nil && time.Now().After(time.Unix(expires, 0)):
	default:
		l.Action = Left
		l.Reason = fmt.Sprintf("it may belong to a run elsewhere; it goes by itself after %s, or with --run %s", time.Unix(expires, 0).UTC().Format(time.RFC3339), run)
		if err != nil {
			l.Reason = "it may belong to a run elsewhere, and its label does not say until when; remove it with --run " + run
		}
		c.report.Leftovers = append(c.report.Leftovers, l)
		return
	}
	c.remove(ctx, e, &l)
	c.report.Leftovers = append(c.report.Leftovers, l)
}
