package main

import (
	"fmt"

	"iflowtest/internal/gate"
)

// gatePage prints what the gate asks and says, from its own tables.
func gatePage() []byte {
	m := newPage("The credential gate", "`iflowtest gate [KEY…]` tells whether service keys are still good, before a deployment needs them: 0 when all are, 6 when one is not, 5 when that could not be found out, 3 when one is no service key or lacks something: then nothing is sent for any. A suite to copy is `scenarios/gate/keys.yaml`.")
	m.linef("## Checks\n\nThe test cases of each key, in this order. What was not asked for is left out; what could not be reached is skipped, with the reason.\n")
	m.table("check", "test case", "what has to hold")
	for _, c := range gate.Checks() {
		m.row("`"+c.ID+"`", c.Name, c.Doc)
	}
	m.linef("\n## Verdicts\n\nWhat the gate may meet, and what it says then; without a check, all of them pass. Each row is brought about by a test. A 429 is asked again after its `Retry-After`, and 502, 503 and 504 twice, for a minute at most: \"to the end\" is what lasts longer.\n")
	m.table("what is the case", "exit status", "check that tells", "its message or remark contains", "its cure contains")
	for _, s := range gate.Situations() {
		m.row(s.Name, fmt.Sprint(s.Status), quoted(s.Check), s.Says, s.Cure)
	}
	return m.Bytes()
}

// quoted writes a name as code; an empty one stays empty.
func quoted(name string) string {
	if name == "" {
		return ""
	}
	return "`" + name + "`"
}
