package report

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"iflowtest/runner"
)

// Recording is one or many recorded runs, read as if they were one: the shards
// of a run, or a run and the repetition of what failed in it. It is for one
// goroutine.
//
// A scenario, or a row of one, that stands in several runs has the place of the
// first and the results of the last one, whatever their ids. The same run twice
// is no mistake, and neither are runs whose ids or hosts differ.
type Recording struct {
	options RecordedOptions
	files   []*recordedFile
	parts   []*part
	units   []recordedUnit
	// owner finds the unit that is used of those that are the same scenario.
	owner map[scenarioHash]int32
	// blocks has the data rows of each scenario that has any.
	blocks map[scenarioHash]*rowBlock
	next   int // the ScenarioID that is free
	run    string
}

// part is one run in a file: most files hold one, files put together several.
type part struct {
	file        *recordedFile
	run         string
	info        *runner.RunInfo
	plan        plan
	summary     *runner.Summary
	ended       bool // a run-end came
	ms          float64
	first, last time.Time
	bad, lost   int // units that did not pass; of these, those another part has
	units       []int32
	byKey       map[unitHash]int32
}

// scenarioHash stands for a ScenarioIdentity.
type scenarioHash [16]byte

// unitHash stands for a unitKey.
type unitHash struct {
	id  int
	row uint64
}

// recordedUnit is a scenario, or a row of one, in one part.
type recordedUnit struct {
	part  int32
	key   unitHash
	same  scenarioHash
	block scenarioHash // of the scenario that it is a row of
	row   int          // the number of the row, from 1
	rows  int
	id    int // its new ScenarioID
	bad   bool
	ended bool
	// planned is from 1 the scenario of the part's plan that was never begun,
	// or of which some rows were not; 0: the unit has events.
	planned int32
}

// OpenRecording reads the files once, to know what they hold. Files that cannot
// be used are a [*RecordedError]; what is used although something is wrong is
// told through the options.
func OpenRecording(files []string, o RecordedOptions) (*Recording, error) {
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Clean == nil {
		o.Clean = func(s string) string { return s }
	}
	warn := o.Warn
	o.Warn = func(m string) { warn(o.Clean(m)) }
	r := &Recording{options: o, owner: map[scenarioHash]int32{}, blocks: map[scenarioHash]*rowBlock{}, next: 1}
	var named []string
	for _, name := range files {
		if slices.Contains(named, filepath.Clean(name)) {
			o.Warn(name + ": is named twice and read once")
			continue
		}
		named = append(named, filepath.Clean(name))
		f := newRecordedFile(name, o.Warn)
		if err := r.index(f); err != nil {
			return nil, err
		}
		r.files = append(r.files, f)
	}
	r.place()
	r.tell()
	r.name()
	return r, nil
}

// splitter finds where a run begins in a file.
type splitter struct {
	run   string
	begun bool
}

func (s *splitter) begins(e *runner.Event) bool {
	if s.begun && e.Event != runner.RunStart && (e.Run == "" || e.Run == s.run || s.run == "") {
		s.run = cmp.Or(s.run, e.Run)
		return false
	}
	s.run, s.begun = e.Run, true
	return true
}

// index notes what a file holds.
func (r *Recording) index(f *recordedFile) error {
	var split splitter
	var p *part
	err := f.each(func(e *runner.Event, line int) error {
		if split.begins(e) {
			p = &part{file: f, run: e.Run, first: e.Time, byKey: map[unitHash]int32{}}
			r.parts = append(r.parts, p)
			if e.Event != runner.RunStart {
				r.options.Warn(placeOf(f.name, line) + ": the start of the run is missing; what follows is used")
			}
		}
		p.run = cmp.Or(p.run, e.Run)
		r.note(p, e, line)
		return nil
	})
	for _, p := range r.parts {
		if p.byKey != nil {
			r.absent(p)
			p.byKey = nil
		}
	}
	return err
}

// note takes what has to be known of an event before the first one is given.
func (r *Recording) note(p *part, e *runner.Event, line int) {
	if e.Time.After(p.last) {
		p.last = e.Time
	}
	switch e.Event {
	case runner.RunStart:
		if e.Info != nil {
			p.info, p.plan = e.Info, planOf(e.Info)
			if r.options.Version != "" && e.Info.Version != r.options.Version {
				r.options.Warn(fmt.Sprintf("%s: was written by version %s, this is %s; what this version does not know is left out",
					placeOf(p.file.name, line), cmp.Or(e.Info.Version, "unknown"), r.options.Version))
			}
		}
		return
	case runner.RunEnd:
		p.ended, p.summary, p.ms = true, e.Summary, e.DurationMs
		return
	}
	u := r.unit(p, e)
	switch {
	case e.Event == runner.ScenarioStart:
		u.ended, u.bad, u.planned = false, false, 0
		u.rows = cmp.Or(e.Rows, u.rows)
	case e.Event == runner.ScenarioEnd:
		u.ended = true
		if neverReached(e) {
			p.markAbsent(u, e)
		}
	}
	if e.Outcome == runner.Fail || e.Outcome == runner.Error {
		u.bad = u.bad || e.Event != runner.Attempt
	}
}

// unit gives the unit that e belongs to.
func (r *Recording) unit(p *part, e *runner.Event) *recordedUnit {
	key := hashKey(e)
	i, ok := p.byKey[key]
	if !ok {
		i = int32(len(r.units))
		u := recordedUnit{part: int32(len(r.parts) - 1), key: key, same: sameAs(e.File, e.Document, e.Scenario, e.Row, e.Run)}
		if e.RowIndex > 0 {
			u.row, u.block = e.RowIndex, hash(e.File, e.Document)
		}
		r.units = append(r.units, u)
		p.byKey[key] = i
		p.units = append(p.units, i)
	}
	return &r.units[i]
}

func hashKey(e *runner.Event) unitHash {
	if e.Row == "" {
		return unitHash{id: e.ScenarioID}
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, e.Row)
	return unitHash{e.ScenarioID, h.Sum64()}
}

// sameAs gives what is equal for the same scenario, or row of one, of every
// run, also where its name holds the id of the run.
func sameAs(file, document, scenario, row, run string) scenarioHash {
	return hash(file, document, withoutRun(scenario, run), withoutRun(row, run))
}

func hash(texts ...string) scenarioHash {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return scenarioHash(sum[:16])
}

// place gives every unit its new id, and finds the last of those that are the
// same. What was never begun has no result, and replaces none.
func (r *Recording) place() {
	r.rows()
	for _, p := range r.parts {
		slices.SortFunc(p.units, func(a, b int32) int {
			x, y := &r.units[a].key, &r.units[b].key
			return cmp.Or(cmp.Compare(x.id, y.id), cmp.Compare(x.row, y.row))
		})
		again := map[scenarioHash]int{}
		for _, i := range p.units {
			u := &r.units[i]
			if u.planned > 0 {
				r.placeAbsent(i)
				continue
			}
			// Two rows of one name are two scenarios, the first and the second
			// of that name in every part.
			n := again[u.same]
			again[u.same]++
			if n > 0 {
				u.same = hash(string(u.same[:]), fmt.Sprint(n))
			}
			if former, ok := r.owner[u.same]; ok {
				u.id = r.units[former].id
			} else {
				u.id = r.newID(u)
			}
			r.owner[u.same] = i
		}
	}
	for i := range r.units {
		u := &r.units[i]
		p := r.parts[u.part]
		if u.bad || !u.ended {
			p.bad++
			if !r.owns(int32(i)) {
				p.lost++
			}
		}
	}
}

// placeAbsent gives a unit that was never begun its id, unless another run has
// its results.
func (r *Recording) placeAbsent(i int32) {
	u := &r.units[i]
	if u.block != (scenarioHash{}) && r.blocks[u.block].missing() <= 0 {
		return
	}
	former, ok := r.owner[u.same]
	switch {
	case !ok:
		u.id = r.newID(u)
	case r.units[former].planned == 0:
		return
	default:
		u.id = r.units[former].id
	}
	r.owner[u.same] = i
}

// owns reports whether a unit is used.
func (r *Recording) owns(i int32) bool {
	owner, ok := r.owner[r.units[i].same]
	return ok && owner == i
}

// newID gives the next id. The rows of a scenario have ids in a row, also when
// some of them are not there or come in a later file.
func (r *Recording) newID(u *recordedUnit) int {
	if u.block == (scenarioHash{}) {
		r.next++
		return r.next - 1
	}
	b := r.blocks[u.block]
	if b.first == 0 {
		b.first = r.next
		r.next += b.size()
	}
	if u.row == 0 {
		return b.first + b.free()
	}
	return b.first + b.place(u.row)
}

// tell says what stands twice, once for each two parts.
func (r *Recording) tell() {
	type pair struct{ lost, kept int32 }
	counts := map[pair]int{}
	for i := range r.units {
		if kept := r.owner[r.units[i].same]; kept != int32(i) && r.units[i].planned == 0 {
			counts[pair{r.units[i].part, r.units[kept].part}]++
		}
	}
	for i := range r.parts {
		for k := range r.parts {
			n := counts[pair{int32(i), int32(k)}]
			if n == 0 {
				continue
			}
			lost, kept := r.parts[i].file.name, r.parts[k].file.name
			if lost == kept {
				r.options.Warn(fmt.Sprintf("%s: %s in it twice; the later is used", lost, stand(n)))
			} else {
				r.options.Warn(fmt.Sprintf("%s: %s in %s too; the later file is used for them", lost, stand(n), kept))
			}
		}
	}
}

func stand(n int) string {
	if n == 1 {
		return "1 scenario stands"
	}
	return fmt.Sprintf("%d scenarios stand", n)
}

// runNames bounds the id of a run that was put together, in bytes.
const runNames = 4 << 10

// name makes the id of all runs: theirs, with a plus sign between two.
func (r *Recording) name() {
	var names []string
	length := 0
	for _, p := range r.parts {
		for n := range strings.SplitSeq(p.run, "+") {
			if n != "" && length < runNames && !slices.Contains(names, n) {
				names = append(names, n)
				length += len(n)
			}
		}
	}
	r.run = strings.Join(names, "+")
}

// Replay reads the files again and gives their events to emit as those of one
// run: one run-start, the scenarios one file after the other with ids that do
// not collide, one run-end. What a run that was killed left open ends as
// interrupted. It ends with the error of emit. emit must not keep the event.
func (r *Recording) Replay(emit func(*runner.Event) error) error {
	if err := emit(r.start()); err != nil {
		return err
	}
	p := &replay{Recording: r, emit: emit, at: -1, open: map[unitKey]*openUnit{}}
	for _, f := range r.files {
		var split splitter
		err := f.each(func(e *runner.Event, _ int) error {
			if split.begins(e) {
				if err := p.nextPart(); err != nil {
					return err
				}
			}
			return p.event(e)
		})
		if err != nil {
			return err
		}
	}
	if err := p.endPart(); err != nil {
		return err
	}
	return emit(r.end(p.scenarios, p.steps))
}

// replay is the second reading.
type replay struct {
	*Recording
	emit      func(*runner.Event) error
	at        int // the part
	open      map[unitKey]*openUnit
	byKey     map[unitHash]int32
	scenarios runner.Counts
	steps     runner.Counts
}

// openUnit is a scenario that has not ended.
type openUnit struct {
	start   runner.Event
	started bool
	steps   stepQueue
	counts  runner.Counts
	// planned are the steps that it was to have, seen those that it had.
	planned []string
	seen    []bool
}

// see notes that a step began or ended.
func (u *openUnit) see(index int) {
	if index > 0 && index <= len(u.planned) {
		u.seen[index-1] = true
	}
}

func (p *replay) nextPart() error {
	if err := p.endPart(); err != nil {
		return err
	}
	p.at++
	p.byKey = map[unitHash]int32{}
	for _, i := range p.parts[p.at].units {
		p.byKey[p.units[i].key] = i
	}
	return nil
}

// event gives an event of a scenario on, unless a later one replaces it.
func (p *replay) event(e *runner.Event) error {
	if e.Event == runner.RunStart || e.Event == runner.RunEnd {
		return nil
	}
	i := p.byKey[hashKey(e)]
	u := &p.units[i]
	if !p.owns(i) || u.planned > 0 {
		return nil
	}
	steps := p.stepsOf(e.ScenarioID)
	e.ScenarioID, e.Run = u.id, p.run
	if e.Event == runner.ScenarioStart && u.row > 0 {
		e.Rows = p.blocks[u.block].size()
	}
	cleanEvent(e, p.options.Clean)
	p.track(e, steps)
	return p.emit(e)
}

// stepsOf gives the steps of a scenario that the run may have left open.
func (p *replay) stepsOf(id int) []string {
	now := p.parts[p.at]
	if now.ended {
		return nil
	}
	if k := now.plan.find(id); k >= 0 {
		return now.plan[k].Steps
	}
	return nil
}

// track keeps what is open, and counts what ended; planned are the steps that
// the scenario was to have.
func (p *replay) track(e *runner.Event, planned []string) {
	u := p.open[keyOf(e)]
	if u == nil {
		u = &openUnit{start: scenarioOf(e)}
		p.open[keyOf(e)] = u
	}
	switch e.Event {
	case runner.ScenarioStart:
		// A scenario that is started again begins anew.
		*u = openUnit{start: scenarioOf(e), started: true, planned: planned, seen: make([]bool, len(planned))}
	case runner.StepStart:
		u.see(e.Index)
		u.steps.begin(e)
	case runner.StepEnd:
		u.see(e.Index)
		if s := u.steps.find(e); s != nil {
			s.ended = true
			for u.steps.pop() != nil {
			}
		}
		tally(&u.counts, e)
	case runner.ScenarioEnd:
		if u.started {
			tally(&p.scenarios, e)
		}
		add(&p.steps, u.counts)
		delete(p.open, keyOf(e))
	}
}

// endPart ends what the run left open.
func (p *replay) endPart() error {
	open := make([]unitKey, 0, len(p.open))
	for k := range p.open {
		open = append(open, k)
	}
	slices.SortFunc(open, unitKey.compare)
	for _, k := range open {
		if err := p.interrupt(p.open[k]); err != nil {
			return err
		}
	}
	if p.at < 0 {
		return nil
	}
	return p.endAbsent()
}

func (p *replay) interrupt(u *openUnit) error {
	now := p.parts[p.at].last
	inStep := u.steps.current() != nil
	for s := u.steps.current(); s != nil; s = u.steps.current() {
		if err := p.close(u, s.interrupted(now)); err != nil {
			return err
		}
	}
	for i, name := range u.planned {
		if u.seen[i] {
			continue
		}
		if err := p.close(u, skippedStep(&u.start, i+1, p.options.Clean(name), notReached, now)); err != nil {
			return err
		}
	}
	n := u.counts
	return p.close(u, unended(&u.start, u.started, inStep, worst(n.Passed, n.Failed, n.Errors), now))
}

// close gives an end that never came.
func (p *replay) close(u *openUnit, e *runner.Event) error {
	e.Run, e.RowIndex = p.run, u.start.RowIndex
	p.track(e, nil)
	return p.emit(e)
}

// start makes the run-start of all runs.
func (r *Recording) start() *runner.Event {
	e := &runner.Event{Event: runner.RunStart, Run: r.run, Info: &runner.RunInfo{}}
	var versions, environments, tags []string
	info := e.Info
	for i, p := range r.parts {
		if e.Time.IsZero() || p.first.Before(e.Time) {
			e.Time = p.first
		}
		if p.info == nil {
			continue
		}
		versions = append(versions, p.info.Version)
		environments = append(environments, p.info.Environment)
		tags = append(tags, p.info.Tags)
		info.Hosts = append(info.Hosts, p.info.Hosts...)
		info.Warnings = append(info.Warnings, p.info.Warnings...)
		info.Scenarios += within(p.info.Scenarios, farLine)
		if i == 0 {
			info.Seed = p.info.Seed
		} else if info.Seed != p.info.Seed {
			info.Seed = 0
		}
	}
	slices.Sort(info.Hosts)
	info.Hosts = distinct(info.Hosts)
	info.Warnings = distinct(info.Warnings)
	info.Version = strings.Join(distinct(versions), ", ")
	info.Environment = strings.Join(distinct(environments), ", ")
	info.Tags = strings.Join(distinct(tags), ", ")
	info.Planned = r.planned()
	info.Scenarios = r.scenarios(info.Scenarios)
	cleanEvent(e, r.options.Clean)
	return e
}

// scenarios counts the scenarios of all runs, those that stand in several once;
// sum is what the runs say. The rows of a scenario are one.
func (r *Recording) scenarios(sum int) int {
	all := map[scenarioHash]bool{}
	for _, p := range r.parts {
		own := map[scenarioHash]bool{}
		for _, i := range p.units {
			u := &r.units[i]
			one := u.same
			if u.block != (scenarioHash{}) {
				one = u.block
			}
			if !own[one] && all[one] {
				sum--
			}
			own[one], all[one] = true, true
		}
	}
	if len(r.parts) == 1 && sum > 0 {
		return sum
	}
	return max(sum, len(all))
}

// distinct gives what is not empty, each once, in the order of the first.
func distinct(all []string) []string {
	var out []string
	for _, s := range all {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// end makes the run-end of all runs. Scenarios and steps are counted again, as
// some may have been replaced.
func (r *Recording) end(scenarios, steps runner.Counts) *runner.Event {
	sum := &runner.Summary{Scenarios: scenarios, Steps: steps}
	e := &runner.Event{Event: runner.RunEnd, Run: r.run, DurationMs: r.elapsed(), Summary: sum}
	worst := len(severity())
	var left, cleanup, updated []string
	for _, p := range r.parts {
		if p.last.After(e.Time) {
			e.Time = p.last
		}
		status, reason := r.status(p, scenarios.Total)
		if n := rank(status); n < worst {
			worst, sum.ExitStatus, sum.ExitReason = n, status, reason
		}
		if p.summary != nil {
			left = append(left, p.summary.LeftBehind...)
			cleanup = append(cleanup, p.summary.CleanupCommand)
			updated = append(updated, p.summary.Updated...)
			sum.AsExpected += p.summary.AsExpected
		}
	}
	slices.Sort(updated)
	sum.LeftBehind, sum.Updated = distinct(left), distinct(updated)
	sum.CleanupCommand = strings.Join(distinct(cleanup), "; ")
	cleanEvent(e, r.options.Clean)
	return e
}

// elapsed gives the milliseconds in which any of the runs was under way.
func (r *Recording) elapsed() float64 {
	if len(r.parts) == 1 && r.parts[0].ended {
		return r.parts[0].ms
	}
	parts := slices.SortedFunc(slices.Values(r.parts), func(a, b *part) int { return a.first.Compare(b.first) })
	sum := 0.0
	var until time.Time
	for _, p := range parts {
		from := p.first
		if from.Before(until) {
			from = until
		}
		if p.last.After(from) {
			sum += float64(p.last.Sub(from)) / float64(time.Millisecond)
			until = p.last
		}
	}
	return sum
}

// status gives the exit status of one of the runs, as it is after others have
// replaced scenarios of it.
func (r *Recording) status(p *part, scenarios int) (int, string) {
	where := ""
	if len(r.parts) > 1 {
		where = " in " + path.Base(filepath.ToSlash(p.file.name))
	}
	if !p.ended {
		return runner.ExitInterrupted, "the run" + where + " did not end"
	}
	if p.summary == nil {
		return runner.ExitOK, ""
	}
	status := p.summary.ExitStatus
	switch status {
	case runner.ExitAssertion, runner.ExitUnknown, runner.ExitCredential, runner.ExitProvisioning:
		if p.bad > 0 && p.bad == p.lost {
			return runner.ExitOK, ""
		}
	case runner.ExitNoScenario:
		// A shard without a scenario is none of the others' business.
		if scenarios > 0 {
			return runner.ExitOK, ""
		}
	}
	return status, p.summary.ExitReason
}

// severity gives the exit statuses, the worst first.
func severity() []int {
	return []int{
		runner.ExitInterrupted, runner.ExitInvalid, runner.ExitCredential, runner.ExitProvisioning, runner.ExitUnknown,
		runner.ExitAssertion, runner.ExitCleanup, runner.ExitReport, runner.ExitUsage, runner.ExitNoScenario,
	}
}

// rank orders exit statuses, the worst first; what no version of the program
// ends with is the worst of all.
func rank(status int) int {
	if status == runner.ExitOK {
		return len(severity())
	}
	return slices.Index(severity(), status)
}
