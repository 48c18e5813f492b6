package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"iflowtest/runner"
)

// scenario writes a scenario that stands alone.
func (p *htmlPage) scenario(i int) error {
	e := &p.index[i]
	r, err := p.record(e)
	if err != nil {
		return err
	}
	class, word := badge(e.outcome, e.flaky)
	p.raw("<details class=\"u ", class, "\"")
	p.anchor(i)
	p.tagList(r)
	p.open(e.outcome)
	p.raw("><summary><b>", word, "</b> <bdi>")
	p.text(cmp.Or(scenarioTitle(&r.Start), "outside of scenarios"))
	p.raw("</bdi>")
	for _, t := range r.Start.Tags {
		p.tag(" <i>", t, "</i>")
	}
	if r.End.Outcome == runner.Skip && r.End.Reason != "" {
		p.tag(" <span class=msg>", oneLine(r.End.Reason), "</span>")
	}
	p.raw(" <span class=m>", scenarioSteps(r.Counts), shownTime(r.End.DurationMs), "</span></summary>\n")
	if err := p.body(r); err != nil {
		return err
	}
	p.raw("</details>\n")
	return nil
}

// anchor lets links lead to what did not pass.
func (p *htmlPage) anchor(i int) {
	if bad(p.index[i].outcome) {
		p.raw(" id=u", strconv.Itoa(i))
	}
}

// tagList names the tags by number, for the filter.
func (p *htmlPage) tagList(r *htmlRecord) {
	for i, t := range r.Start.Tags {
		if i == 0 {
			p.raw(" data-t=\"")
		} else {
			p.raw(" ")
		}
		p.number(p.tagNumbers[t])
	}
	if len(r.Start.Tags) > 0 {
		p.raw("\"")
	}
}

// open unfolds the first failures.
func (p *htmlPage) open(o runner.Outcome) {
	if bad(o) && p.opened < openedFailures {
		p.opened++
		p.raw(" open")
	}
}

func scenarioSteps(n runner.Counts) string {
	if n.Total == 0 {
		return ""
	}
	return plural(n.Total, "step") + " · "
}

// rows writes the rows of a scenario as a table.
func (p *htmlPage) rows(from, to int) error {
	first, err := p.record(&p.index[from])
	if err != nil {
		return err
	}
	var n runner.Counts
	for i := from; i < to; i++ {
		tally(&n, &runner.Event{Outcome: p.index[i].outcome, Flaky: p.index[i].flaky})
	}
	class, word := badge(worst(n.Passed, n.Failed, n.Errors), n.Flaky > 0)
	p.raw("<details class=\"g ", class, "\"")
	p.open(worst(n.Passed, n.Failed, n.Errors))
	p.raw("><summary><b>", word, "</b> <bdi>")
	p.text(cmp.Or(oneLine(first.Start.Scenario), "outside of scenarios"))
	p.raw("</bdi>")
	for _, t := range first.Start.Tags {
		p.tag(" <i>", t, "</i>")
	}
	p.raw(" <span class=m>")
	if failed := n.Failed + n.Errors; failed > 0 {
		p.raw(strconv.Itoa(failed), " failed of ")
	}
	p.raw(plural(n.Total, "row"), "</span></summary>\n")
	for i := from; i < to; i += chunk {
		end := min(to, i+chunk)
		p.chunk(end - i)
		p.raw("<table class=rows><thead><tr><th>Outcome<th>Row<th>Steps<th class=m>Time</thead><tbody>\n")
		for k := i; k < end; k++ {
			if err := p.row(k); err != nil {
				return err
			}
		}
		p.raw("</table></div>\n")
	}
	p.raw("</details>\n")
	return nil
}

// row writes one row, and what went wrong in it below.
func (p *htmlPage) row(i int) error {
	e := &p.index[i]
	r, err := p.record(e)
	if err != nil {
		return err
	}
	class, word := badge(e.outcome, e.flaky)
	p.raw("<tr class=\"u ", class, "\"")
	p.anchor(i)
	p.tagList(r)
	p.raw("><td><b>", word, "</b><td><bdi>")
	p.text(oneLine(r.Start.Row))
	p.raw("</bdi><td>", stepCounts(r.Counts), "<td class=m>", shownTime(r.End.DurationMs), "\n")
	if !bad(e.outcome) && len(r.Former) == 0 {
		return nil
	}
	p.raw("<tr class=d><td colspan=4><details open><summary>Steps of <bdi>")
	p.text(oneLine(r.Start.Row))
	p.raw("</bdi></summary>")
	if err := p.body(r); err != nil {
		return err
	}
	p.raw("</details>\n")
	return nil
}

// body writes what happened in a scenario.
func (p *htmlPage) body(r *htmlRecord) error {
	if len(r.Former) > 0 {
		p.raw("<div class=x><p>The scenario was started again after:</p><ul>")
		for _, f := range r.Former {
			p.tag("<li>", f, "")
		}
		p.raw("</ul></div>")
	}
	if r.End.Err != nil {
		p.raw("<div class=x>")
		p.problem(r.End.Err)
		p.raw("</div>")
	} else if bad(r.End.Outcome) && r.Counts.Failed+r.Counts.Errors == 0 {
		p.tag("<div class=x><p class=err>", messageOf(&r.End), "</p></div>")
	}
	if r.Counts.Total == 0 {
		return nil
	}
	p.raw("<ol class=st>\n")
	scale := timeScale{r.Start.Time, r.End.DurationMs}
	for _, s := range r.Steps {
		if err := p.steps(s, scale); err != nil {
			return err
		}
	}
	p.raw("</ol>\n")
	return nil
}

// steps writes the steps of a part of the spool.
func (p *htmlPage) steps(s span, scale timeScale) error {
	in := lineReader{from: bufio.NewReaderSize(p.spool.reader(s), min(int(s.Size)+1, spooled))}
	var attempts []runner.Event
	for {
		line, state, err := in.next()
		if err != nil {
			return fmt.Errorf("temporary file of the report cannot be read: %w", cause(err))
		}
		if state == noLine {
			return nil
		}
		var e runner.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		if e.Event == runner.Attempt {
			attempts = append(attempts, e)
			continue
		}
		p.step(&e, attempts, scale)
		attempts = attempts[:0]
	}
}

// step writes the line of a step, and what went wrong in it below.
func (p *htmlPage) step(e *runner.Event, attempts []runner.Event, scale timeScale) {
	class, word := badge(e.Outcome, e.Flaky)
	p.raw("<li class=", class, "><b>", word, "</b> <span>")
	p.text(oneLine(e.Step))
	if e.Cleanup {
		p.raw(" <i>cleanup</i>")
	}
	if e.Attempts > 1 {
		p.raw(" <i>", plural(e.Attempts, "attempt"), "</i>")
	}
	p.raw("</span> ")
	if e.Outcome == runner.Skip {
		p.tag("<em>", oneLine(e.Reason), "</em>\n")
		return
	}
	if x := e.Exchange; x != nil {
		p.tag("<code>", x.Method+" "+p.shortURL(x.URL), "</code> <span>")
		if x.Status != 0 {
			p.raw(strconv.Itoa(x.Status))
		} else {
			p.raw("–")
		}
	} else {
		p.tag("<code>", e.Kind, "</code> <span>")
	}
	p.raw("</span> <span>", shownTime(e.DurationMs), "</span>")
	p.waterfall(e, scale)
	if bad(e.Outcome) || len(attempts) > 0 && e.Flaky {
		p.raw("<div class=x>")
		p.wrong(e, attempts)
		p.raw("</div>")
	}
	p.raw("\n")
}

// shortURL leaves the origin out that most requests have.
func (p *htmlPage) shortURL(u string) string {
	if rest, ok := strings.CutPrefix(u, p.origin); ok && p.origin != "" && strings.HasPrefix(rest, "/") {
		return rest
	}
	return u
}

// timeScale is the time of a scenario, for the waterfall of its steps.
type timeScale struct {
	start time.Time
	ms    float64
}

// timingPart is a part of an exchange.
type timingPart struct {
	class, word string
	of          func(t *runner.Timings) float64
}

func timingParts() []timingPart {
	return []timingPart{
		{"td", "DNS", func(t *runner.Timings) float64 { return t.DNS }},
		{"tc", "connect", func(t *runner.Timings) float64 { return t.Connect }},
		{"tt", "TLS", func(t *runner.Timings) float64 { return t.TLS }},
		{"tw", "wait", func(t *runner.Timings) float64 { return t.Wait }},
		{"tb", "body", func(t *runner.Timings) float64 { return t.Body }},
	}
}

// waterfall draws when in its scenario a step ran, and what it waited for.
func (p *htmlPage) waterfall(e *runner.Event, scale timeScale) {
	began := float64(e.Time.Sub(scale.start))/float64(time.Millisecond) - e.DurationMs
	all := max(scale.ms, began+e.DurationMs)
	if !(all > 0) || !(e.DurationMs > 0) {
		return
	}
	var t *runner.Timings
	if e.Exchange != nil {
		t = e.Exchange.Timings
	}
	p.raw("<svg")
	ms := 0.0
	if t != nil {
		ms, _ = took(e)
	}
	if t == nil || ms <= 0 {
		p.raw(" aria-hidden=true>")
		p.rect("to", began, e.DurationMs, all)
		p.raw("</svg>")
		return
	}
	p.raw(" role=img><title>", timingWords(t), "</title>")
	// The exchange is the end of the step: attempts before it are its begin.
	at := max(0, began+e.DurationMs-ms)
	if lead := at - began; lead > all/200 {
		p.rect("to", began, lead, all)
	}
	for _, part := range timingParts() {
		ms := part.of(t)
		p.rect(part.class, at, ms, all)
		at += max(0, ms)
	}
	p.raw("</svg>")
}

// rect draws a part of a bar, when it can be seen.
func (p *htmlPage) rect(class string, at, ms, all float64) {
	w := percent(ms, all)
	if w == "0" {
		return
	}
	p.raw("<rect class=", class)
	if x := percent(at, all); x != "0" {
		p.raw(" x=", x)
	}
	p.raw(" width=", w, " />")
}

// timingWords gives "connect 2 ms, wait 100 ms".
func timingWords(t *runner.Timings) string {
	var parts []string
	for _, part := range timingParts() {
		if ms := part.of(t); ms > 0 {
			parts = append(parts, part.word+" "+duration(ms))
		}
	}
	return strings.ReplaceAll(strings.Join(parts, ", "), "<", "&lt;")
}

// wrong writes what went wrong in a step, and the exchange.
func (p *htmlPage) wrong(e *runner.Event, attempts []runner.Event) {
	if e.Line > 0 {
		p.raw("<p class=at>")
		p.text(placeOf(e.File, e.Line))
		p.raw(":", strconv.Itoa(e.Column), "</p>")
	}
	if e.Err != nil {
		p.problem(e.Err)
	}
	if len(e.Failures) > 0 {
		p.assertions(e.Failures)
	}
	if bad(e.Outcome) && e.Err == nil && len(e.Failures) == 0 {
		p.tag("<p class=err>", messageOf(e), "</p>")
	}
	if len(attempts) > 0 {
		p.attempts(attempts, e.Attempts)
	}
	if e.Exchange != nil {
		p.exchange(e)
	}
}

func (p *htmlPage) problem(e *runner.Problem) {
	p.raw("<p class=err>")
	p.text(e.Message)
	p.tag(" <i>", e.Type, "</i></p>")
	if e.Cure != "" {
		p.tag("<p class=cure>", e.Cure, "</p>")
	}
}

// assertions writes what was wanted and what was found.
func (p *htmlPage) assertions(failures []runner.Failure) {
	p.raw("<div class=scroll tabindex=0 role=group aria-label=\"Assertions that do not hold\"><table class=as><thead><tr><th>Subject<th>Path<th>Operator<th>Wanted<th>Found<th>Place</thead><tbody>")
	for i := range failures {
		f := &failures[i]
		p.tag("<tr><td>", f.Subject, "<td><code>")
		p.text(f.Path)
		p.tag("</code><td>", f.Operator, "<td><code class=want>")
		p.text(cut(f.Want, shownValue, 0))
		p.tag("</code><td><code class=got>", cut(f.Got, shownValue, 0), "</code><td class=at>")
		if f.Line > 0 {
			p.text(placeOf(f.File, f.Line))
			p.raw(":", strconv.Itoa(f.Column))
		}
	}
	p.raw("</table></div>")
	for i := range failures {
		p.assertion(&failures[i])
	}
}

// shownValue is how much of a wanted or found value the table shows, in bytes.
const shownValue = 2 << 10

// assertion writes the message, the source line and the difference.
func (p *htmlPage) assertion(f *runner.Failure) {
	p.tag("<div class=fl><p class=err>", f.Message, "</p>")
	if f.Source != "" {
		p.raw("<pre class=src>")
		number := strconv.Itoa(f.Line)
		p.tag("", number+" | ", "")
		p.source(f)
		p.raw("</pre>")
	}
	for _, n := range f.Notes {
		p.tag("<p class=cure>", n, "</p>")
	}
	if f.Diff != "" {
		p.raw("<p class=lab>Difference, − wanted, + found</p><pre class=diff tabindex=0>")
		for l := range strings.Lines(cutLines(cut(f.Diff, shownBody, 0), shownDiff)) {
			switch l[0] {
			case '-':
				p.tag("<del>", strings.TrimSuffix(l, "\n"), "</del>\n")
			case '+':
				p.tag("<ins>", strings.TrimSuffix(l, "\n"), "</ins>\n")
			default:
				p.text(l)
			}
		}
		p.raw("</pre>")
	}
	p.raw("</div>")
}

// source underlines what is meant in the source line.
func (p *htmlPage) source(f *runner.Failure) {
	line := []rune(f.Source)
	from := max(0, min(f.Column-1, len(line)))
	to := max(from, min(from+f.Width, len(line)))
	p.text(string(line[:from]))
	p.tag("<u>", string(line[from:to]), "</u>")
	p.text(string(line[to:]))
}

// attempts lists those before the last one.
func (p *htmlPage) attempts(attempts []runner.Event, all int) {
	p.raw("<p class=lab>Attempts</p><ol class=tries>")
	for i := range attempts {
		a := &attempts[i]
		class, word := badge(a.Outcome, false)
		p.raw("<li><b class=", class, ">", word, "</b> ")
		if x := a.Exchange; x != nil && x.Status != 0 {
			p.raw(strconv.Itoa(x.Status), " ")
		}
		p.raw("<span class=m>", shownTime(a.DurationMs), "</span>")
		if a.Outcome != runner.Pass {
			p.tag(" ", messageOf(a), "")
		}
	}
	p.raw("</ol>")
	if n := all - len(attempts); n > 1 {
		p.raw("<p class=more>", strconv.Itoa(all), " attempts in all</p>")
	}
}

// exchange writes the request and its answer.
func (p *htmlPage) exchange(e *runner.Event) {
	x := e.Exchange
	p.raw("<div class=ex><section><h4>Request</h4><p class=line>")
	p.text(x.Method)
	p.tag(" <bdi>", x.URL, "</bdi></p>")
	p.message(x.RequestHeaders, x.RequestBody, x.RequestBodySize, "Body of the request")
	p.raw("</section><section><h4>Answer</h4><p class=line>")
	ms, known := took(e)
	if x.Status == 0 {
		p.raw("no answer")
		if known {
			p.raw(" after ", shownTime(ms))
		}
		p.raw("</p>")
	} else {
		p.raw("<b>", strconv.Itoa(x.Status), "</b>")
		if known {
			p.raw(" in ", shownTime(ms))
		}
		if x.Timings != nil {
			if words := timingWords(x.Timings); words != "" {
				p.raw(" <span class=dim>(", words, ")</span>")
			}
		}
		p.raw("</p>")
		p.message(x.Headers, x.Body, x.BodySize, "Body of the answer")
	}
	p.raw("</section></div>")
	if x.MessageID != "" {
		p.tag("<p class=id>Message ID <code>", x.MessageID, "</code></p>")
	}
	if x.Curl != "" {
		p.raw("<details class=curl><summary>Repeat with curl</summary>")
		p.tag("<pre tabindex=0>", x.Curl, "</pre></details>")
	}
}

func (p *htmlPage) message(headers []runner.HeaderField, body string, size int64, label string) {
	if len(headers) > 0 {
		p.raw("<dl class=hd>")
		for _, f := range headers {
			p.tag("<div><dt>", f.Name, "<dd>")
			p.text(f.Value)
			p.raw("</div>")
		}
		p.raw("</dl>")
	}
	if body == "" && size == 0 {
		return
	}
	whole := size <= int64(len(body))
	shown := cut(body, shownBody, size)
	if whole {
		shown = cut(readable(body), 2*shownBody, 0)
	}
	p.raw("<pre class=body tabindex=0 aria-label=\"", label, "\">")
	p.text("\n" + shown)
	p.raw("</pre>")
}
