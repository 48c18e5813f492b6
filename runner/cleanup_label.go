package runner

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// byLabels judges what carries the label of a run, by labels alone.
type byLabels struct {
	*cleaner
	list []labelledResource
	// spans say by run when it made something.
	spans map[string]*lifespan
	// holds names by GUID of an instance the key of it that was kept.
	holds map[string]string
}

// labelledResource is a resource that carries the label of a run.
type labelledResource struct {
	entry  entry
	labels map[string]string
	// given is the name that the run gave it; empty: not known.
	given   string
	created time.Time
}

// lifespan is when a run made what there is of it.
type lifespan struct{ first, last time.Time }

// add adds a resource, unless a journal spoke of it or its run still works.
func (l *byLabels) add(e entry, carries map[string]string, given string, created time.Time) {
	run := carries[labelRun]
	if l.alive[run] {
		return
	}
	s := l.spans[run]
	if s == nil {
		s = &lifespan{created, created}
		l.spans[run] = s
	}
	if created.Before(s.first) {
		s.first = created
	}
	if created.After(s.last) {
		s.last = created
	}
	if l.seen[e.GUID] {
		return
	}
	e.Run = run
	l.list = append(l.list, labelledResource{l.place.at(e), carries, given, created})
}

// judged says of each what becomes of it, keys first.
func (l *byLabels) judged() []*found {
	var list []*found
	warned := map[string]bool{}
	for _, r := range l.list {
		e := r.entry
		f := &found{entry: e, Leftover: Leftover{Run: e.Run, Kind: e.Kind, Name: e.Name, GUID: e.GUID, Age: max(0, time.Since(r.created))}}
		if f.Reason = l.stays(r); f.Reason != "" {
			f.stays, f.Action = true, Left
		} else if l.young(r) && !warned[e.Run] {
			warned[e.Run] = true
			l.warn(e.Run)
		}
		list = append(list, f)
	}
	return list
}

// stays says why a resource that only its labels speak of stays; empty: it goes.
func (l *byLabels) stays(r labelledResource) string {
	e := r.entry
	if r.given != "" && r.given != e.Name {
		return fmt.Sprintf("the %s is called %q, and the run %s called it %q; it is left alone", wordsOf(e.Kind), e.Name, e.Run, r.given)
	}
	expires, bounded := r.expires()
	switch idle := time.Since(l.spans[e.Run].last); {
	case l.o.Run != "", l.o.OlderThan > 0 && idle >= l.o.OlderThan:
		return ""
	case r.labels[labelKeep] == keepAlways:
		if e.Kind == kindKey {
			l.holds[e.Instance] = cmp.Or(e.Name, e.GUID)
		}
		return "the run was to keep it; remove it with --run " + e.Run
	case l.holds[e.GUID] != "":
		return fmt.Sprintf("the run was to keep its service key %q; remove both with --run %s", l.holds[e.GUID], e.Run)
	case bounded && time.Now().After(expires):
		return ""
	case l.dead[e.Run]:
		return fmt.Sprintf("it carries the label of the run %s, which is dead, but its journal names no such %s; if it is of that run, remove it with --run %s", e.Run, wordsOf(e.Kind), e.Run)
	case l.o.OlderThan > 0 && time.Since(r.created) >= l.o.OlderThan:
		return fmt.Sprintf("its run made something as late as %s ago, and may still work elsewhere; remove it with --run %s", roughly(idle), e.Run)
	case !bounded:
		return "it may belong to a run elsewhere, and its label does not say until when; remove it with --run " + e.Run
	}
	return fmt.Sprintf("it may belong to a run elsewhere; a cleanup after %s removes it, or one with --run %s", expires.UTC().Format(time.RFC3339), e.Run)
}

// expires gives the time from which on anybody may remove it.
func (r labelledResource) expires() (at time.Time, known bool) {
	seconds, err := strconv.ParseInt(r.labels[labelExpires], 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// young reports whether the run that made it may still work, as far as anybody
// here can know.
func (l *byLabels) young(r labelledResource) bool {
	expires, known := r.expires()
	return !l.dead[r.entry.Run] && !(known && time.Now().After(expires))
}

// warn tells that a run may lose what it works with.
func (l *byLabels) warn(run string) {
	if l.o.Warn == nil {
		return
	}
	s := l.spans[run]
	loses := "it loses what is removed now"
	if l.o.DryRun {
		loses = "it would lose what is listed"
	}
	l.o.Warn(fmt.Sprintf("no journal in %s is of the run %s, only labels tell of it: it began %s ago or before, and made something last %s ago; if it still works elsewhere, %s",
		l.o.Journal, run, roughly(time.Since(s.first)), roughly(time.Since(s.last)), loses))
}

// roughly writes how long ago something was.
func roughly(d time.Duration) string {
	unit := time.Second
	if d >= time.Hour {
		unit = time.Minute
	}
	return formatDuration(max(0, d).Round(unit))
}
