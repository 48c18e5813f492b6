package runner

import "net/url"

// Label names a key of the audit: instance and key, and the space before them
// where several were looked at.
func (a *Audit) Label(i AuditedInstance, k AuditedKey) string {
	return a.instanceLabel(i) + "/" + k.Name
}

func (a *Audit) instanceLabel(i AuditedInstance) string {
	if a.Space == "" {
		return i.Space + "/" + i.Name
	}
	return i.Name
}

// Events tells the audit as a run, for reports: a scenario for each instance
// that has keys, and a step for each key. A key that is not verified is
// skipped; one that is expired, expires too soon or is refused fails; one that
// could not be looked at is an error.
func (a *Audit) Events() []*Event {
	info := &RunInfo{Version: a.version, Scenarios: len(a.Instances)}
	if u, err := url.Parse(a.API); err == nil && u.Host != "" {
		info.Hosts = []string{u.Host}
	}
	s := &Summary{ExitStatus: a.ExitStatus, ExitReason: a.ExitReason}
	events := []*Event{{Event: RunStart, Info: info}}
	if a.Problem != nil {
		keys := AuditedInstance{Name: "service keys", Keys: []AuditedKey{{Verdict: VerdictUnknown, Problem: a.Problem, took: a.took}}}
		events = append(events, scenarioOf(s, 1, keys.Name, keys, func(AuditedKey) string { return "are listed" })...)
	}
	for _, i := range a.Instances {
		if len(i.Keys) > 0 {
			events = append(events, scenarioOf(s, s.Scenarios.Total+1, a.instanceLabel(i), i, func(k AuditedKey) string { return a.Label(i, k) })...)
		}
	}
	events = append(events, &Event{Event: RunEnd, Summary: s, DurationMs: milliseconds(a.took)})
	id := NewID()
	for _, e := range events {
		e.Time, e.Run = a.Time, id
	}
	return events
}

// scenarioOf tells an instance as a scenario, and counts it.
func scenarioOf(s *Summary, id int, name string, i AuditedInstance, step func(AuditedKey) string) []*Event {
	at := Event{ScenarioID: id, Scenario: name}
	start, end := at, at
	start.Event, end.Event, end.Outcome = ScenarioStart, ScenarioEnd, Skip
	events := []*Event{&start}
	for n, k := range i.Keys {
		e := at
		e.Event, e.Step, e.Index, e.Kind, e.DurationMs = StepEnd, step(k), n+1, "service-key", milliseconds(k.took)
		e.Outcome = k.outcome()
		switch {
		case e.Outcome != Skip:
			e.Err = k.Problem
		case k.Problem != nil:
			e.Reason = "not verified: " + k.Problem.Message
		default:
			e.Reason = "not verified: a client secret tells no expiry; --verify gets a token with it"
		}
		end.DurationMs += e.DurationMs
		end.Outcome = worse(end.Outcome, e.Outcome)
		s.Steps.count(e.Outcome, false)
		events = append(events, &e)
	}
	s.Scenarios.count(end.Outcome, false)
	return append(events, &end)
}

func (k AuditedKey) outcome() Outcome {
	switch k.Verdict {
	case VerdictGood:
		return Pass
	case VerdictNotVerified:
		return Skip
	case VerdictUnknown:
		return Error
	}
	return Fail
}
