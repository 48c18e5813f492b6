package runner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/destination"
)

// CleanupOptions say what to clean up. The zero value removes what dead runs
// left behind.
type CleanupOptions struct {
	// Journal is the folder of the journals.
	Journal string
	// Run removes what this run made, also what it kept; empty: every run that
	// is dead.
	Run string
	// OlderThan removes what carries a label of a run that has made nothing for
	// that long, whatever its expiry, and what runs kept; 0: only what is past
	// its expiry.
	OlderThan time.Duration
	// DryRun shows what would be done, and changes nothing, no journal either.
	DryRun bool
	// Others is another folder of journals, which is looked at for runs that
	// still work only; empty: there is none.
	Others string
	// Warn is told, before the first removal, what somebody may want to stop;
	// nil: nobody.
	Warn func(text string)
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
	// Owed says that what was left is of the run, should have gone, and is
	// there: somebody has to do something about it.
	Owed bool `json:"owed,omitempty"`
}

// CleanupReport is what a cleanup found and did.
type CleanupReport struct {
	Leftovers []Leftover
	// Problems are lines of journals that could not be used.
	Problems []string
	// Alive are runs that still work: nothing of them was touched.
	Alive []string
	// Space names the organisation and the space that were looked at; empty:
	// none was.
	Space string
	// Unknown says that nothing is known of the run that was asked for: no
	// journal is of it, and nothing in the space carries its label.
	Unknown bool
}

// Failed reports whether something of a run is there, or has other values than
// before it, that should have been taken back and was not. What a run kept, what
// is somebody else's by now, what may be of a run that still works, and what is
// in another place than the environment names is no failure.
func (r CleanupReport) Failed() bool {
	return slices.ContainsFunc(r.Leftovers, func(l Leftover) bool { return l.Action == NotRemoved || l.Owed })
}

// cleaner is one cleanup.
type cleaner struct {
	*Platform
	o     CleanupOptions
	place location
	// until is how long what may appear late is looked for.
	until  time.Time
	report CleanupReport
	// alive and dead are the runs that journals are here of; known has those,
	// and those whose journals name nothing.
	alive, dead, known map[string]bool
	// seen are the GUIDs that were dealt with.
	seen map[string]bool
	// paces are those of the OData APIs.
	paces paces
	// destination is the client of the destination service, noDestination why
	// there is none; both once service is done.
	service       sync.Once
	destination   *destination.Client
	noDestination error
}

// Cleanup removes what killed runs left behind: what the journals of dead runs
// name, and what carries the label of a run and is past its expiry. Each
// resource is read again first: name and run must match, an instance that
// holds keys or bindings that the run did not make is left, and so is an
// artifact that was deployed again since. Where Cloud Foundry is not needed, as
// the journals name artifacts only, an environment without it is fine. Every resource is
// tried. The error, a *[PlatformError], says why nothing more could be looked
// for; the report has what was done until then.
func (p *Platform) Cleanup(ctx context.Context, o CleanupOptions) (CleanupReport, error) {
	c := &cleaner{Platform: p, o: o, alive: map[string]bool{}, dead: map[string]bool{}, known: map[string]bool{}, seen: map[string]bool{}}
	journals, err := readJournals(o.Journal, !o.DryRun)
	if err != nil {
		return c.report, &PlatformError{Problem: Problem{Type: TypeFile, Message: err.Error(), Cure: "name another folder with --journal"}, Status: ExitUsage}
	}
	wanted := c.sort(journals)
	err = c.clean(ctx, wanted)
	for _, j := range journals.all {
		if told := j.end(!o.DryRun && err == nil && slices.Contains(wanted, j)); told != "" {
			c.report.Problems = append(c.report.Problems, told)
		}
	}
	c.report.Unknown = err == nil && o.Run != "" && !c.known[o.Run] && len(c.report.Leftovers) == 0
	return c.report, err
}

// sort notes which runs work and which are dead, and gives the journals of
// those that are to be cleaned up.
func (c *cleaner) sort(journals recordedJournals) (wanted []*recordedJournal) {
	for _, run := range journals.empty {
		c.known[run] = true
	}
	for _, run := range journals.aside {
		c.known[run], c.dead[run] = true, true
	}
	for _, j := range journals.all {
		c.report.Problems = append(c.report.Problems, j.problems...)
		switch {
		case j.alive:
			c.works(j.run)
			continue
		case c.o.Run == "" || c.o.Run == j.run:
			wanted = append(wanted, j)
		}
		c.known[j.run], c.dead[j.run] = true, true
	}
	if c.o.Others == "" || sameFolder(c.o.Others, c.o.Journal) {
		return wanted // what is locked there is locked by this cleanup
	}
	others, err := working(c.o.Others)
	if err != nil {
		c.report.Problems = append(c.report.Problems, err.Error()+"; whether a run there still works is not known")
	}
	for _, run := range others {
		c.works(run)
	}
	return wanted
}

// works notes that a run still works.
func (c *cleaner) works(run string) {
	if !c.alive[run] {
		c.alive[run], c.known[run] = true, true
		c.report.Alive = append(c.report.Alive, run)
	}
}

// clean removes what the journals name, and what carries a label.
func (c *cleaner) clean(ctx context.Context, journals []*recordedJournal) error {
	if done := c.integrations(ctx, journals); done && c.foundry == nil {
		return nil
	}
	if c.foundry == nil {
		_, err := c.Platform.place(ctx)
		return err
	}
	var err error
	if c.place, err = c.foundry.find(ctx, c.client); err != nil {
		return notFound(ctx, err)
	}
	c.report.Space = c.place.in
	c.until = time.Now().Add(lookAgain)
	c.journals(ctx, journals)
	return c.labelled(ctx)
}

// notFound is an error of Cloud Foundry for a command that provisions nothing:
// what was looked for could not be found out, also where organisation or space
// are not there.
func notFound(ctx context.Context, err error) *PlatformError {
	t := notProvisioning(fromPlatform(ctx, err))
	status, _ := t.class.exit()
	return &PlatformError{Problem: t.problem, Status: status}
}

// atOnce bounds the resources that are removed at the same time.
const atOnce = 8

// each does something for every one of a list, some at the same time.
func (c *cleaner) each(n int, do func(i int)) {
	var all sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for i := range n {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			do(i)
		})
	}
	all.Wait()
}

// found is a resource of a run, and what becomes of it.
type found struct {
	entry entry
	Leftover
	// stays says that it is not to be removed, for the Reason; told that it was
	// told for the last time.
	stays, told bool
}

// journals removes what dead runs name in their journals: the keys of all before
// the instances, as one may have made a key of the instance of another.
func (c *cleaner) journals(ctx context.Context, journals []*recordedJournal) {
	var list []*found
	of := map[*recordedJournal][]*found{}
	for _, j := range journals {
		for _, e := range slices.Backward(j.open) {
			if e.ofIntegration() {
				continue
			}
			f := foundIn(j, e)
			f.stays, f.Reason = c.stays(f)
			if f.stays {
				f.Action = Left
				c.seen[e.GUID] = true
			}
			list, of[j] = append(list, f), append(of[j], f)
		}
	}
	c.removeAll(ctx, list)
	for _, j := range journals {
		c.strike(j, of[j])
	}
}

// foundIn makes what is found of an entry of a journal.
func foundIn(j *recordedJournal, e entry) *found {
	return &found{entry: e, Leftover: Leftover{Run: j.run, Kind: e.Kind, Name: e.Name, GUID: e.GUID, Age: max(0, time.Since(e.Time))}}
}

// strike takes what is gone out of the journal.
func (c *cleaner) strike(j *recordedJournal, list []*found) {
	for _, f := range list {
		if !c.o.DryRun && (f.Action == Removed || f.Action == WasGone || f.told) {
			if err := j.removed(f.entry); err != nil {
				f.Reason = "the journal could not be written: " + plainPathError(err).Error()
			}
		}
	}
}

// stays says why what a journal names is not to be removed.
func (c *cleaner) stays(f *found) (stays bool, why string) {
	e := f.entry
	if e.Kind == kindDestination {
		if why := c.elsewhere(e); why != "" {
			return true, why
		}
		e.API, e.Space = c.place.api, c.place.guid
	}
	switch {
	case e.API != c.place.api:
		return true, "it is at " + e.API + "; choose the environment of that platform with -e"
	case e.Space != c.place.guid:
		return true, fmt.Sprintf("it is in the space %s; choose the environment of that space with -e", cmp.Or(e.In, e.Space))
	case c.kept(f):
		return true, "the run kept it; remove it with --run " + f.Run
	}
	return false, ""
}

// kept reports whether the run kept it, and nobody wants it removed.
func (c *cleaner) kept(f *found) bool {
	return f.entry.Op == opKept && c.o.Run == "" && (c.o.OlderThan == 0 || f.Age < c.o.OlderThan)
}

// removeAll removes resources, the keys first, and reports them in the order
// of the list.
func (c *cleaner) removeAll(ctx context.Context, list []*found) {
	for _, kind := range []string{kindDestination, kindKey, kindInstance} {
		var now []*found
		for _, f := range list {
			if f.Kind == kind && !f.stays {
				now = append(now, f)
			}
		}
		c.each(len(now), func(i int) { c.remove(ctx, now[i]) })
	}
	gone := map[string]bool{}
	for _, f := range list {
		if f.Kind == kindInstance && (f.Action == Removed || f.Action == WasGone) {
			gone[f.GUID] = f.GUID != ""
		}
	}
	for _, f := range list {
		if f.Kind == kindKey && f.Action == NotRemoved && gone[f.entry.Instance] {
			f.Action, f.Reason = Removed, "with its instance"
		}
		c.seen[f.GUID] = true
		c.report.Leftovers = append(c.report.Leftovers, f.Leftover)
	}
}

// remove removes one resource, after it was read again. One whose creation was
// under way when the run was killed may appear late.
func (c *cleaner) remove(ctx context.Context, f *found) {
	limited, cancel := context.WithTimeoutCause(ctx, deletionTimeout, &limit{"deletion timeout", deletionTimeout})
	defer cancel()
	e := f.entry
	if e.Kind == kindDestination {
		c.removeDestination(limited, f)
		return
	}
	p, err := e.await(limited, c.client, c.until)
	switch {
	case err != nil:
		c.fail(limited, f, err)
		return
	case p == nil:
		f.Action = WasGone
		return
	}
	f.GUID = p.guid
	if err := p.foreign(e); err != nil {
		f.Action, f.Reason = Left, err.Error()
		return
	}
	if e.Kind == kindInstance {
		others, err := strangers(limited, c.client, p.guid, f.Run)
		if err != nil {
			c.fail(limited, f, err)
			return
		}
		if others != "" {
			f.Action, f.Reason, f.Owed = Left, "it holds what the run did not make: "+others, true
			return
		}
	}
	if c.o.DryRun {
		f.Action = WouldRemove
		return
	}
	if err := p.remove(limited, c.client, e); err != nil {
		c.fail(limited, f, err)
		return
	}
	f.Action = Removed
}

func (c *cleaner) fail(ctx context.Context, f *found, err error) {
	t := fromPlatform(ctx, err)
	f.Action, f.Reason = NotRemoved, joinSentences(t.problem.Message, t.problem.Cure)
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
	instances, err := c.client.Instances(ctx, cf.Query{SpaceGUIDs: []string{c.place.guid}, Labels: selector})
	if err != nil {
		return notFound(ctx, err)
	}
	keys, err := c.client.Keys(ctx, cf.KeyQuery{Type: cf.TypeKey, Labels: selector})
	if err != nil {
		return notFound(ctx, err)
	}
	here, err := c.here(ctx, keys)
	if err != nil {
		return notFound(ctx, err)
	}
	l := byLabels{cleaner: c, spans: map[string]*lifespan{}, holds: map[string]string{}}
	for _, k := range keys {
		if here[k.InstanceGUID] {
			l.add(entry{Kind: kindKey, Name: k.Name, GUID: k.GUID, Instance: k.InstanceGUID}, k.Labels, k.Annotations[annotationName], k.CreatedAt)
		}
	}
	for _, i := range instances {
		l.add(entry{Kind: kindInstance, Name: i.Name, GUID: i.GUID}, i.Labels, i.Annotations[annotationName], i.CreatedAt)
	}
	c.removeAll(ctx, l.judged())
	return nil
}

// here says which instances of the keys are in the space.
func (c *cleaner) here(ctx context.Context, keys []cf.Key) (map[string]bool, error) {
	here := map[string]bool{}
	if len(keys) == 0 {
		return here, nil
	}
	instances, err := c.client.Instances(ctx, cf.Query{SpaceGUIDs: []string{c.place.guid}})
	for _, i := range instances {
		here[i.GUID] = true
	}
	return here, err
}
