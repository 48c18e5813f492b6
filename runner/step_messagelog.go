package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/cpi"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
	"iflowtest/scenarios"
)

// The keys of a message log that say which one is meant.
const (
	byID          = "id"
	byCorrelation = "correlation-id"
	byApplication = "application-message-id"
	byArtifact    = "artifact"
)

func messageLogKind() Kind {
	return Kind{
		Name:    "message-log",
		Summary: "wait for a message processing log, and look at it",
		Doc: "Exactly one key says which log: the message ID (`capture: {mpl: {message-id: true}}` of the call gives it), a correlation\n" +
			"ID, an application message ID, or an artifact. Of several logs with one correlation ID the newest is taken. Logs appear\n" +
			"some time after the call: the step asks again until there is one with a final status, which PROCESSING and RETRY are\n" +
			"not. Another one than `wait-for` fails the step, and the failure holds the error information. A log that never comes, or\n" +
			"never ends, is an error `timeout`. While the API is out of order the step asks again, for 30 seconds in a row.\n" +
			"\n" +
			"By an artifact its newest log is taken that began after the scenario, by the clock of the tenant. What does not count:\n" +
			"logs that another scenario, row or try of the run has looked at; logs whose message ID was the answer to a call of\n" +
			"another one, a file that is included `once` among them; and logs that a step of this scenario looked at before its latest\n" +
			"call. The clock of the tenant is known to about a tenth of a second: a log that began that close to the beginning of the\n" +
			"scenario counts when the scenario has sent something (a call, a deployment), else not. What nobody can tell apart are\n" +
			"messages that others send to the same flow while the scenario runs: other runs, other systems, and scenarios side by side\n" +
			"whose calls were not answered with a message ID, or not yet. Where those are possible, look by message ID or correlation\n" +
			"ID, or give the scenarios a common `lock`.\n" +
			"\n" +
			"`json` is the log as the OData API gives it, with `ErrorInformation` as text (null: none); paths that begin with\n" +
			"`CustomHeaderProperties`, `AdapterAttributes`, `Attachments`, `Runs` or `MessageStoreEntries` look at what the log leads\n" +
			"to, one step far; other links are not there.",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: byID, Shape: text(), Doc: "a message ID"},
			{Name: byCorrelation, Shape: text(), Doc: "or a correlation ID"},
			{Name: byApplication, Shape: text(), Doc: "or an application message ID"},
			{Name: byArtifact, Shape: text(), Doc: "or an artifact: its newest log since the scenario began that is not known to be of another one"},
			{Name: "credential", Shape: text(), Required: true, Doc: "a credential of plan api"},
			{Name: "wait-for", Shape: enum(cpi.Completed, cpi.Erroneous, cpi.Retry, cpi.Escalated, cpi.Cancelled, cpi.Discarded, cpi.Abandoned, cpi.Processing), Default: cpi.Completed, Doc: "the status it must reach"},
		}},
		Example: `- call: {POST: /http/import, credential: sender, json: {rows: 3}}
  expect: {status: 202}
  capture: {mpl: {message-id: true}}
- name: the import has gone through
  message-log: {id: "${mpl}", credential: api}
  expect:
    json: {IntegrationFlowName: AsyncImport}
- name: a flow that fails says why
  call: {POST: /http/broken, credential: sender, body: anything}
  expect: {status: 500}
  capture: {failed: {message-id: true}}
- message-log: {id: "${failed}", credential: api, wait-for: FAILED}
  expect:
    json: {ErrorInformation: {contains: 503 Service Unavailable}}
`,
		Subjects: []string{"json", "body", "duration", "custom-headers", "attachments"},
		Timeout:  2 * time.Minute,
		title: func(body *scenarios.Node) string {
			for _, key := range []string{byArtifact, byID, byCorrelation, byApplication} {
				if n := body.Get(key); n != nil && n.Text != "" {
					return "message-log " + n.Text
				}
			}
			return "message-log"
		},
		compile: compileMessageLog,
	}
}

// messageLogAction waits for a message processing log.
type messageLogAction struct {
	by         string // the key that says which
	which      *expression.Template
	credential *credential
	status     string // that is waited for
	place      assertions.Place
	// details are the links of the log that json paths look at; headers says
	// that the step looks at custom headers, and attachments at which.
	details     []string
	headers     bool
	attachments []string
}

func compileMessageLog(c *stepCompiler, body *scenarios.Node) action {
	a := &messageLogAction{credential: c.api(body), status: cpi.Completed, place: c.place(c.source.Pos)}
	for _, key := range []string{byID, byCorrelation, byApplication, byArtifact} {
		n := body.Get(key)
		switch {
		case n == nil:
		case a.by != "":
			c.diags = append(c.diags, diag.Errorf(body.Key(key).Pos(), diag.SeveralKinds, "the message log is told by its %s already; one of the two is wanted", a.by))
		default:
			a.by, a.which = key, c.template(n, c.scope)
			if fixed, ok := a.which.Constant(); ok && strings.TrimSpace(textOf(fixed)) == "" {
				c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidValue, "%s of the message log is empty", key))
			}
		}
	}
	if a.by == "" {
		c.diags = append(c.diags, diag.Errorf(body.Pos(), diag.MissingKey, "the step does not say which message log").
			WithHint("one of id, correlation-id, application-message-id, artifact is wanted"))
	}
	if n := body.Get("wait-for"); n != nil {
		a.status, a.place = n.Text, c.place(n.Pos())
	}
	c.links(a)
	return a
}

// links are those of a log that json follows.
func links() []string {
	return []string{"CustomHeaderProperties", "AdapterAttributes", "Attachments", "Runs", "MessageStoreEntries"}
}

// links notes which links of the log the step looks at.
func (c *stepCompiler) links(a *messageLogAction) {
	var paths []string
	for _, block := range []*scenarios.Node{c.source.Expect, c.source.Poll.Get("until"), c.source.Poll.Get("abort-if")} {
		a.headers = a.headers || block.Get("custom-headers") != nil
		for _, e := range block.Get("attachments").Entries() {
			a.attachments = append(a.attachments, e.Key.Text)
		}
		for _, e := range block.Get("json").Entries() {
			paths = append(paths, e.Key.Text)
		}
	}
	for _, e := range c.source.Capture.Entries() {
		if n := e.Value.Get("json"); n != nil {
			paths = append(paths, n.Text)
		}
	}
	for _, link := range links() {
		if slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, link) }) {
			a.details = append(a.details, link)
		}
	}
}

// The waits between two looks for a log.
const (
	logEvery = 250 * time.Millisecond
	logMax   = 5 * time.Second
)

// awaited is a message log while a step waits for it.
type awaited struct {
	*messageLogAction
	x   *execution
	api *integration
	// value is that of the key by.
	value string
	// seen is the log as it was at last; zero: there was none. count is how
	// many there are.
	seen  cpi.MessageLog
	count int
	looks int
	// passed are the logs of an artifact that are not of the scenario.
	passed map[string]bool
	// doubt is when it was first not known whether a log began before the
	// scenario; zero: it is known.
	doubt time.Time
	// hasty is how many looks were for that.
	hasty int
	// reason is why the platform tries again, as far as it says so.
	reason string
	// hint is what may be wrong with an artifact that has no log.
	hint string
}

func (a *messageLogAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	started := time.Now()
	w := &awaited{messageLogAction: a, x: x}
	var t *trouble
	if w.value, t = x.needed(a.which, a.by+" of the message log"); t != nil {
		return nil, t
	}
	if w.api, t = x.integration(a.credential); t != nil {
		return nil, t
	}
	for {
		w.looks++
		over, err := patiently(ctx, w.api, func() (bool, error) { return w.look(ctx) })
		if err != nil {
			return w.api.ended(ctx, fromIntegration(ctx, err), w.missed(), w.cure())
		}
		if over {
			return w.judge(ctx, started)
		}
		x.log().Debug("waiting for the message log", w.by, w.value, "state", w.seen.Status, "looks", w.looks)
		if httpx.Sleep(ctx, w.pause()) != nil {
			return w.api.ended(ctx, ended(ctx), w.missed(), w.cure())
		}
	}
}

// look looks once. over says that there is nothing more to wait for.
func (w *awaited) look(ctx context.Context) (over bool, err error) {
	log, found, err := w.find(ctx)
	if err != nil {
		return false, err
	}
	if !found {
		if w.by == byArtifact && w.looks == 1 {
			w.suspect(ctx)
		}
		return false, nil
	}
	w.seen = log
	if log.Status == w.status || cpi.IsFinal(log.Status) {
		return true, nil
	}
	if log.Status == cpi.Retry && w.reason == "" {
		w.explain(ctx)
	}
	return false, nil
}

// explain reads why the platform tries again.
func (w *awaited) explain(ctx context.Context) {
	last := w.api.last
	defer func() { w.api.last = last }()
	if text, err := w.api.MessageError(ctx, w.seen.ID); err == nil {
		w.reason = firstLine(w.x.errorLines(text))
	}
}

// find gives the log, when there is one. An artifact's log that was found once
// stays the one.
func (w *awaited) find(ctx context.Context) (cpi.MessageLog, bool, error) {
	id := w.seen.ID
	if w.by == byID {
		id = w.value
	}
	if w.by == byArtifact && id != "" && w.x.strange(id) {
		id, w.seen = "", cpi.MessageLog{} // its own scenario has just got its answer
	}
	if id != "" {
		log, err := w.api.MessageLog(ctx, id)
		if platform.Is(err, platform.KindNotFound) {
			return log, false, nil
		}
		return log, err == nil, err
	}
	if w.by != byArtifact {
		log, count, found, err := w.api.Newest(ctx, w.search(), nil)
		w.count = count
		return log, found, err
	}
	doubtful := false
	log, count, found, err := w.api.Newest(ctx, w.search(), func(l cpi.MessageLog) cpi.Choice {
		choice, doubt := w.choose(l)
		doubtful = doubtful || doubt
		return choice
	})
	switch {
	case !doubtful:
		w.doubt = time.Time{}
	case w.doubt.IsZero():
		w.doubt = time.Now()
	}
	w.count = count - len(w.passed)
	if found {
		w.x.session.messages.note(log.ID, messageOwner{execution: w.x.number()})
	}
	return log, found, err
}

func (w *awaited) search() cpi.Search {
	switch w.by {
	case byCorrelation:
		return cpi.Search{CorrelationID: w.value}
	case byApplication:
		return cpi.Search{ApplicationID: w.value}
	}
	s := cpi.Search{Artifact: w.value, Discarded: w.status == cpi.Discarded}
	if w.x.session.clock.heard() {
		s.Since, _ = w.x.began()
	}
	return s
}

// suspect finds out whether there is such an artifact at all.
func (w *awaited) suspect(ctx context.Context) {
	last := w.api.last
	names := w.api.deployedNames(ctx)
	w.api.last = last
	if len(names) == 0 || slices.Contains(names, w.value) {
		return
	}
	w.hint = fmt.Sprintf("no artifact %q is deployed", w.value)
	if text := near(w.value, names); text != "" {
		w.hint += "; " + text
	}
}

// sought says what is looked for.
func (w *awaited) sought() string {
	switch w.by {
	case byID:
		return fmt.Sprintf("message log with the message ID %q", w.value)
	case byCorrelation:
		return fmt.Sprintf("message log with the correlation ID %q", w.value)
	case byApplication:
		return fmt.Sprintf("message log with the application message ID %q", w.value)
	}
	earliest, _ := w.x.began()
	return fmt.Sprintf("message log of the artifact %q since %s (clock of the tenant)", w.value, earliest.UTC().Format(time.RFC3339))
}

// missed says what the wait came to.
func (w *awaited) missed() string {
	if w.seen.ID == "" {
		return fmt.Sprintf("there is no %s after %s%s", w.sought(), looks(w.looks), w.others())
	}
	return fmt.Sprintf("the %s is still %s after %s, and %s is wanted%s", w.sought(), w.seen.Status, looks(w.looks), w.status, w.reason)
}

func (w *awaited) cure() string {
	if w.seen.ID != "" {
		return "raise the timeout of the step, or look at the message in the tenant"
	}
	if w.hint != "" {
		return w.hint
	}
	return "check that the message reached the flow, and that its log level is not NONE; or raise the timeout of the step"
}

// judge compares the log with what is wanted.
func (w *awaited) judge(ctx context.Context, started time.Time) (*result, *trouble) {
	r := &result{exchange: w.api.last}
	w.x.logs.note(w.seen.ID)
	w.x.session.messages.note(w.seen.ID, messageOwner{execution: w.x.number()})
	with, lines, err := w.follow(ctx)
	if err != nil {
		return r, fromIntegration(ctx, err)
	}
	r.checked = w.x.looked(w.seen.JSON(with), started)
	if err := w.enclose(ctx, r.checked); err != nil {
		return r, fromIntegration(ctx, err)
	}
	if w.seen.Status != w.status {
		notes := append([]string{w.about()}, lines...)
		r.failures = append(r.failures, wanted(w.place, "wait-for", w.status, w.seen.Status,
			fmt.Sprintf("message log %s: want %s, got %s%s", w.seen.ID, w.status, w.seen.Status, firstLine(lines)), notes))
	}
	return r, nil
}

// about says which log it is.
func (w *awaited) about() string {
	text := fmt.Sprintf("%s of %s", w.seen.ID, w.seen.Flow)
	if !w.seen.Start.IsZero() {
		text += ", started " + w.seen.Start.Format("2006-01-02T15:04:05.000Z07:00")
	}
	if w.count > 1 {
		text += fmt.Sprintf(", the newest of %d", w.count)
	}
	return text
}

// follow reads what the log leads to, as far as the step looks at it, and the
// error information of one that was not completed.
func (w *awaited) follow(ctx context.Context) (with map[string]any, lines []string, err error) {
	last := w.api.last
	defer func() { w.api.last = last }()
	with = map[string]any{"ErrorInformation": nil}
	if w.seen.Status != cpi.Completed && w.seen.Status != cpi.Processing {
		text, err := patiently(ctx, w.api, func() (string, error) { return w.api.MessageError(ctx, w.seen.ID) })
		switch {
		case err != nil && w.seen.Status == w.status:
			return nil, nil, err
		case err != nil:
			lines = w.x.errorLines("the error information could not be read: " + err.Error())
		case text != "":
			with["ErrorInformation"], lines = text, w.x.errorLines(text)
		}
	}
	for _, link := range w.details {
		rows, err := patiently(ctx, w.api, func() ([]any, error) { return w.api.Details(ctx, w.seen.ID, link) })
		if err != nil {
			return nil, nil, err
		}
		with[link] = rows
	}
	return with, lines, nil
}

// enclose reads the custom headers and the attachments that the step looks at;
// of other attachments only the names.
func (w *awaited) enclose(ctx context.Context, to *assertions.Result) error {
	if w.headers {
		headers, err := patiently(ctx, w.api, func() ([]cpi.Property, error) { return w.api.CustomHeaders(ctx, w.seen.ID) })
		if err != nil {
			return err
		}
		for _, h := range headers {
			to.CustomHeaders = append(to.CustomHeaders, assertions.Property(h))
		}
	}
	if len(w.attachments) == 0 {
		return nil
	}
	attachments, err := patiently(ctx, w.api, func() ([]cpi.Attachment, error) { return w.api.Attachments(ctx, w.seen.ID) })
	if err != nil {
		return err
	}
	for _, a := range attachments {
		enclosed := assertions.Attachment{Name: a.Name, ContentType: a.ContentType}
		if slices.Contains(w.attachments, a.Name) {
			if enclosed.Content, err = patiently(ctx, w.api, func() (string, error) { return w.api.Content(ctx, a) }); err != nil {
				return err
			}
		}
		to.Attachments = append(to.Attachments, enclosed)
	}
	return nil
}
