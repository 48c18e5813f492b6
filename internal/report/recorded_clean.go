package report

import "iflowtest/runner"

// cleanEvent makes every text of an event safe to print.
func cleanEvent(e *runner.Event, clean func(string) string) {
	each := func(texts ...*string) {
		for _, s := range texts {
			if *s != "" {
				*s = clean(*s)
			}
		}
	}
	all := func(texts []string) {
		for i := range texts {
			each(&texts[i])
		}
	}
	each(&e.Run, &e.Scenario, &e.Document, &e.Row, &e.Step, &e.Kind, &e.File, &e.Below, (*string)(&e.Outcome), &e.Reason)
	all(e.Tags)
	for i := range e.Failures {
		f := &e.Failures[i]
		each(&f.File, &f.Source, &f.Code, &f.Subject, &f.Path, &f.Operator, &f.Want, &f.Got, &f.Message, &f.Diff)
		all(f.Notes)
	}
	if p := e.Err; p != nil {
		each(&p.Type, &p.Message, &p.Cure)
	}
	if x := e.Exchange; x != nil {
		each(&x.Method, &x.URL, &x.RequestBody, &x.Body, &x.MessageID, &x.Curl)
		for _, fields := range [][]runner.HeaderField{x.RequestHeaders, x.Headers} {
			for i := range fields {
				each(&fields[i].Name, &fields[i].Value)
			}
		}
	}
	if i := e.Info; i != nil {
		each(&i.Version, &i.Environment, &i.Tags)
		all(i.Hosts)
		for k := range i.Planned {
			p := &i.Planned[k]
			each(&p.Scenario, &p.File, &p.Document)
			all(p.Steps)
		}
		all(i.Warnings)
	}
	if s := e.Summary; s != nil {
		each(&s.ExitReason, &s.CleanupCommand)
		all(s.LeftBehind)
		all(s.Updated)
	}
}
