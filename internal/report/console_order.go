package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"iflowtest/runner"
)

// show prints what there is to say of u, which has ended with e, or puts it
// aside until those before it have ended.
func (c *console) show(u *consoleUnit, e *runner.Event) {
	line := ""
	if u.group == nil || c.options.Verbose || u.notable(e) {
		line = c.scenarioLine(u, e)
	}
	at := u.key.id
	switch {
	case c.live || at < c.next:
		c.printUnit(u, line)
	case at == c.next && c.running[at] == 0 && !c.waiting.index.has(at):
		c.front = c.groupAt(at)
		c.printUnit(u, line)
		c.passed(at)
		c.release()
	default:
		c.wait(u, line)
		c.release()
	}
}

// printUnit prints a line and the lines of the steps.
func (c *console) printUnit(u *consoleUnit, line string) {
	if c.listed(u.group, line) {
		c.print(line)
		c.printParts(c.waiting, u.details)
	}
	c.waiting.drop(u.details)
	if c.live && u.group.complete() {
		c.printGroup(u.group)
	}
}

// wait puts aside what there is to say of u.
func (c *console) wait(u *consoleUnit, line string) {
	head, err := c.waiting.keep(nil, []byte(line), true)
	c.set(err)
	if len(head) > 0 && len(u.details) > 0 {
		c.waiting.open--
	}
	c.set(c.waiting.put(u.key.id, append(head, u.details...)))
}

// release prints what waits for nothing any more.
func (c *console) release() {
	for c.running[c.next] == 0 && c.waiting.index.has(c.next) {
		c.front = c.groupAt(c.next)
		c.printWaiting(c.next, c.front)
		c.passed(c.next)
	}
}

// passed goes on to the ScenarioID behind id; a group that ends with it gets
// its line.
func (c *console) passed(id int) {
	if g := c.front; g != nil && id == g.first+g.rows-1 {
		c.printGroup(g)
		c.front = nil
	}
	c.next = id + 1
}

// groupAt gives the group that id is of. Those who ask go from ScenarioID to
// ScenarioID.
func (c *console) groupAt(id int) *rowGroup {
	if c.front != nil && c.front.holds(id) {
		return c.front
	}
	return c.groups[id]
}

// printWaiting prints what was put aside for id, which may be a row of g.
func (c *console) printWaiting(id int, g *rowGroup) {
	parts, err := c.waiting.parts(id)
	c.set(err)
	if len(parts) > 0 && c.listed(g, "row") {
		c.printParts(c.waiting, parts)
	}
	c.waiting.remove(id)
}

// releaseAll prints what waits for ever, as the run has ended, and the lines
// of groups whose last rows never came.
func (c *console) releaseAll() {
	numbers := c.waiting.index.cursor()
	id, more := numbers.next()
	upTo := func(end int, g *rowGroup) {
		for ; more && id < end; id, more = numbers.next() {
			c.printWaiting(id, g)
		}
	}
	for _, first := range slices.Sorted(maps.Keys(c.groups)) {
		g := c.groups[first]
		upTo(first, nil)
		upTo(first+g.rows, g)
		c.printGroup(g)
	}
	for ; more; id, more = numbers.next() {
		c.printWaiting(id, nil)
	}
}

// shownFailures is how many failures are printed in full, and how many rows of
// a scenario are listed, when a report has all of them.
const shownFailures = 100

// limit gives how many failures are printed; 0: all.
func (c *console) limit() int {
	if len(c.options.Reports) > 0 {
		return shownFailures
	}
	return 0
}

func (c *console) printFailures() {
	if c.failures == 0 {
		return
	}
	if !c.options.Quiet {
		c.print("\n" + c.paint(bold, "Failures") + "\n\n")
	}
	limit := cmp.Or(c.limit(), c.failures)
	shown := 0
	for numbers := c.failed.index.cursor(); shown < limit; {
		id, ok := numbers.next()
		if !ok {
			break
		}
		parts, err := c.failed.parts(id)
		c.set(err)
		if c.limit() > 0 {
			parts = parts[:min(len(parts), limit-shown)]
			shown += len(parts)
		}
		c.printParts(c.failed, parts)
	}
	if hidden := c.failures - limit; hidden > 0 {
		c.print("and " + plural(hidden, "more failure") + ", in full in " + strings.Join(c.options.Reports, ", ") + "\n\n")
	}
}
