package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed" // the style and the script of the page
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/runner"
)

//go:embed html/report.css
var htmlStyle string

//go:embed html/report.js
var htmlScript string

const (
	// listedFailures is how many failures the list at the top has.
	listedFailures = 100
	// openedFailures is how many failures are unfolded from the start.
	openedFailures = 10
	// chunk is how many scenarios the browser lays out together.
	chunk = 50
)

// htmlPage is the writing of the page from the spool.
type htmlPage struct {
	*htmlReporter
	htmlWriter
	tagNumbers map[string]int
	opened     int
	origin     string // that most requests have; it is left out of their lines
}

// write puts the page together.
func (h *htmlReporter) write() error {
	slices.SortStableFunc(h.index, func(a, b htmlEntry) int { return a.key.compare(b.key) })
	p := &htmlPage{htmlReporter: h, htmlWriter: htmlWriter{bufio.NewWriterSize(h.w, spooled)}, origin: h.page.origin()}
	p.head()
	p.summary()
	if err := p.failures(); err != nil {
		return err
	}
	p.filter()
	if err := p.results(); err != nil {
		return err
	}
	p.foot()
	return p.Flush()
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (p *htmlPage) head() {
	p.raw("<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n",
		`<meta http-equiv=Content-Security-Policy content="default-src 'none'; style-src '`, hashOf(htmlStyle), `'; script-src '`, hashOf(htmlScript),
		`'; img-src data:; base-uri 'none'; form-action 'none'">`, "\n",
		"<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<meta name=referrer content=no-referrer>\n<meta name=color-scheme content=\"light dark\">\n",
		"<link rel=icon href=\"data:,\">\n")
	p.tag("<title>", p.verdict()+" · "+p.headline()+" · "+p.options.Title, "</title>\n")
	p.raw("<style>", htmlStyle, "</style>\n</head>\n<body>\n<a class=skip href=#results>Skip to the results</a>\n")
}

// verdict is PASS or FAIL.
func (p *htmlPage) verdict() string {
	if p.status() == 0 && p.page.ended {
		return "PASS"
	}
	return "FAIL"
}

func (p *htmlPage) status() int {
	if p.page.end != nil {
		return p.page.end.ExitStatus
	}
	return 0
}

func (p *htmlPage) headline() string {
	n := p.page.scenarios
	if bad := n.Failed + n.Errors; bad > 0 {
		return strconv.Itoa(bad) + " of " + plural(n.Total, "scenario") + " failed"
	}
	switch {
	case n.Total == 0:
		return "no scenario ran"
	case n.Skipped == n.Total:
		return plural(n.Total, "scenario") + " skipped"
	case n.Skipped > 0:
		return plural(n.Passed, "scenario") + " passed, " + strconv.Itoa(n.Skipped) + " skipped"
	}
	return plural(n.Total, "scenario") + " passed"
}

func (p *htmlPage) summary() {
	t := &p.page
	kind := "pass"
	if p.verdict() == "FAIL" {
		kind = "fail"
	}
	p.raw("<header class=\"top ", kind, "\">\n<div class=bar><span class=brand>")
	p.text(p.options.Title)
	p.raw("</span><button type=button id=theme hidden>Theme: auto</button></div>\n")
	p.raw("<h1><b class=verdict>", p.verdict(), "</b> ")
	p.text(p.headline())
	p.raw("</h1>\n")
	switch {
	case !t.ended:
		p.raw("<p class=why>The run ended before it was complete.</p>\n")
	case t.end != nil && t.end.ExitStatus != 0:
		p.raw("<p class=why>Exit status ", strconv.Itoa(t.end.ExitStatus))
		if t.end.ExitReason != "" {
			p.tag(": ", oneLine(t.end.ExitReason), "")
		}
		p.raw("</p>\n")
	}
	p.warnings()
	p.counts()
	p.facts()
	p.raw("</header>\n<main>\n")
}

func (p *htmlPage) warnings() {
	for _, w := range p.page.info.Warnings {
		p.tag("<p class=note><b>Warning</b> ", w, "</p>\n")
	}
	if missing := p.page.info.Scenarios - p.page.scenarios.Total; missing > 0 && (!p.page.ended || p.status() != 0) {
		p.raw("<p class=note><b>Incomplete</b> ", plural(missing, "scenario"), " of ", strconv.Itoa(p.page.info.Scenarios), " did not start</p>\n")
	}
	end := p.page.end
	if end == nil || len(end.LeftBehind) == 0 {
		return
	}
	p.raw("<div class=note><b>Left behind</b><ul>")
	for _, l := range end.LeftBehind {
		p.tag("<li>", l, "")
	}
	p.raw("</ul>")
	if end.CleanupCommand != "" {
		p.tag("Remove with <code>", end.CleanupCommand, "</code>")
	}
	p.raw("</div>\n")
}

// counts draws how many scenarios ended how, with the numbers beside.
func (p *htmlPage) counts() {
	n := p.page.scenarios
	parts := []struct {
		class, word string
		count       int
	}{{"f", "failed", n.Failed}, {"e", "with errors", n.Errors}, {"k", "flaky", n.Flaky}, {"p", "passed", n.Passed - n.Flaky}, {"s", "skipped", n.Skipped}}
	if n.Total > 0 {
		p.raw("<svg class=share aria-hidden=true>")
		// What is there can be seen, however few.
		all, at := 0.0, 0.0
		width := func(count int) float64 { return max(float64(count), float64(n.Total)/150) }
		for _, c := range parts {
			if c.count > 0 {
				all += width(c.count)
			}
		}
		for _, c := range parts {
			if c.count > 0 {
				p.rect(c.class, at, width(c.count), all)
				at += width(c.count)
			}
		}
		p.raw("</svg>\n")
	}
	p.raw("<ul class=counts>")
	for _, c := range parts {
		if c.count > 0 || c.class == "p" {
			p.raw("<li class=", c.class, "><b>", strconv.Itoa(c.count), "</b> ", c.word)
		}
	}
	p.raw("</ul>\n")
}

// facts lists what was run, where and when.
func (p *htmlPage) facts() {
	t := &p.page
	p.raw("<dl class=facts>")
	fact := func(name, value string) {
		if value != "" {
			p.raw("<div><dt>", name, "<dd>")
			p.text(value)
			p.raw("</div>")
		}
	}
	ms := t.ms
	if !t.ended {
		ms = float64(t.last.Sub(t.first)) / float64(time.Millisecond)
	}
	fact("Duration", duration(ms))
	if !t.first.IsZero() {
		fact("Started", t.first.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	fact("Environment", t.info.Environment)
	fact(counted("Host", len(t.info.Hosts)), strings.Join(t.info.Hosts, ", "))
	fact("Steps", stepCounts(t.steps))
	fact("Selected by tags", t.info.Tags)
	if t.info.Seed != 0 {
		fact("Seed", strconv.FormatInt(t.info.Seed, 10))
	}
	fact("Paths are on", p.origin)
	fact(counted("Run", len(t.runs)), strings.Join(t.runs, ", "))
	fact("Version", t.info.Version)
	p.raw("</dl>\n")
	if len(t.slowest) > 1 {
		p.raw("<details class=slow><summary>Slowest steps</summary><ol>")
		for _, s := range t.slowest {
			p.raw("<li><span class=m>", shownTime(s.ms), "</span> <bdi>")
			p.text(s.text)
			p.raw("</bdi>")
		}
		p.raw("</ol></details>\n")
	}
}

func counted(word string, n int) string {
	if n > 1 {
		return word + "s"
	}
	return word
}

func stepCounts(n runner.Counts) string {
	parts := []string{strconv.Itoa(n.Total)}
	for _, c := range []struct {
		n    int
		word string
	}{{n.Failed, "failed"}, {n.Errors, "with errors"}, {n.Skipped, "skipped"}} {
		if c.n > 0 {
			parts = append(parts, strconv.Itoa(c.n)+" "+c.word)
		}
	}
	return strings.Join(parts, ", ")
}

// failures lists what did not pass, each with the line that says why.
func (p *htmlPage) failures() error {
	total := 0
	for i := range p.index {
		if bad(p.index[i].outcome) {
			total++
		}
	}
	if total == 0 {
		return nil
	}
	p.raw("<nav class=failures aria-labelledby=fh><h2 id=fh>What did not pass</h2><ol>\n")
	shown := 0
	for i := range p.index {
		e := &p.index[i]
		if !bad(e.outcome) {
			continue
		}
		if shown++; shown > listedFailures {
			break
		}
		r, err := p.record(e)
		if err != nil {
			return err
		}
		class, word := badge(e.outcome, false)
		p.raw("<li><a href=#u", strconv.Itoa(i), "><b class=", class, ">", word, "</b> <bdi>")
		p.text(cmp.Or(scenarioTitle(&r.Start), "outside of scenarios"))
		p.raw("</bdi></a> <span class=msg>")
		p.text(cutLines(cut(r.Failure, 300, 0), 1))
		p.raw("</span>\n")
	}
	p.raw("</ol>")
	if total > listedFailures {
		p.raw("<p class=more>and ", strconv.Itoa(total-listedFailures), " more, below</p>")
	}
	p.raw("</nav>\n")
	return nil
}

func bad(o runner.Outcome) bool { return o != runner.Pass && o != runner.Skip }

// badge gives the class and the word of an outcome.
func badge(o runner.Outcome, flaky bool) (class, word string) {
	switch {
	case o == runner.Pass && flaky:
		return "k", "FLAKY"
	case o == runner.Pass:
		return "p", "PASS"
	case o == runner.Fail:
		return "f", "FAIL"
	case o == runner.Skip:
		return "s", "SKIP"
	}
	return "e", "ERROR"
}

// filter writes the form that the script works with; without it, it stays
// hidden.
func (p *htmlPage) filter() {
	n := map[string]int{}
	for i := range p.index {
		class, _ := badge(p.index[i].outcome, p.index[i].flaky)
		n[class]++
	}
	p.raw("<form id=filter role=search hidden aria-label=\"Filter scenarios\">\n<fieldset><legend class=vh>Outcome</legend>")
	for _, o := range []struct{ class, word string }{{"f", "Failed"}, {"e", "Errors"}, {"k", "Flaky"}, {"s", "Skipped"}, {"p", "Passed"}} {
		if n[o.class] > 0 {
			p.raw("<label class=", o.class, "><input type=checkbox name=o value=", o.class, "><span>", o.word, " <b>", strconv.Itoa(n[o.class]), "</b></span></label>")
		}
	}
	p.raw("</fieldset>\n")
	p.tagNumbers = map[string]int{}
	if len(p.page.tags) > 0 {
		p.raw("<label>Tag <select name=tag><option value=\"\">any</option>")
		for i, t := range slices.Sorted(maps.Keys(p.page.tags)) {
			p.tagNumbers[t] = i
			p.raw("<option value=", strconv.Itoa(i), ">")
			p.text(t)
			p.raw(" (", strconv.Itoa(p.page.tags[t]), ")</option>")
		}
		p.raw("</select></label>\n")
	}
	p.raw("<label class=find>Text <input type=search name=q autocomplete=off spellcheck=false placeholder=\"name, step, URL, message…\" aria-keyshortcuts=\"/\"></label>\n",
		"<span class=acts><button type=button id=next aria-keyshortcuts=n>Next failure</button><button type=button id=fold>Unfold failures</button><button type=reset id=clear>Clear</button></span>\n",
		"<output id=count aria-live=polite></output>\n</form>\n")
}

// results writes every file with its scenarios.
func (p *htmlPage) results() error {
	p.raw("<section id=results tabindex=-1 aria-labelledby=rh><h2 id=rh class=vh>Results</h2>\n")
	if len(p.index) > 0 {
		p.raw("<p class=legend aria-hidden=true>Timing: ")
		for _, l := range timingParts() {
			p.raw("<span><i class=", l.class, "></i>", l.word, "</span>")
		}
		p.raw("</p>\n")
	}
	for i := 0; i < len(p.index); {
		end := i + 1
		for end < len(p.index) && p.index[end].file == p.index[i].file {
			end++
		}
		if err := p.file(i, end); err != nil {
			return err
		}
		i = end
	}
	p.raw("</section>\n")
	return nil
}

// file writes the scenarios of one file.
func (p *htmlPage) file(from, to int) error {
	r, err := p.record(&p.index[from])
	if err != nil {
		return err
	}
	failed := 0
	for _, e := range p.index[from:to] {
		if bad(e.outcome) {
			failed++
		}
	}
	dir, name := path.Split(r.Start.File)
	p.raw("<section class=file><h3><bdi>")
	p.text(dir)
	p.tag("<b>", cmp.Or(name, "outside of scenarios"), "</b></bdi> <small>")
	if failed > 0 {
		p.raw("<b class=f>", strconv.Itoa(failed), " failed</b> of ")
	}
	p.raw(plural(to-from, "scenario"), "</small></h3>\n")
	for i := from; i < to; {
		p.chunk(min(to-i, chunk))
		for n := 0; i < to && n < chunk; n++ {
			end := i + 1
			for p.index[i].group != (scenarioHash{}) && end < to && p.index[end].group == p.index[i].group {
				end++
			}
			if end-i > 1 {
				err = p.rows(i, end)
			} else {
				err = p.scenario(i)
			}
			if err != nil {
				return err
			}
			i = end
		}
		p.raw("</div>\n")
	}
	p.raw("</section>\n")
	return nil
}

// chunk begins what the browser lays out together, with a class that says about
// how high it will be.
func (p *htmlPage) chunk(n int) { p.raw("<div class=\"c c", strconv.Itoa((n+9)/10), "\">\n") }

func (p *htmlPage) foot() {
	p.raw("</main>\n<footer>")
	p.tag("<p>", p.options.Title+" "+p.page.info.Version, ": values that are secret are shown as ***(name).</p>")
	p.raw("</footer>\n<script>", htmlScript, "</script>\n</body>\n</html>\n")
}
