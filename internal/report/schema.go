package report

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"iflowtest/runner"
)

// EventSchema gives the JSON Schema (2020-12) of one line of the JSON lines
// report, made from the types of the events. A field that is not listed may
// come with a later version, so readers are to ignore what they do not know.
func EventSchema() ([]byte, error) {
	s := schemaWriter{docs: fieldDocs(), enums: fieldEnums(), defs: map[string]any{}}
	event, err := s.object(reflect.TypeFor[runner.Event]())
	if err != nil {
		return nil, err
	}
	event["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	event["title"] = "Event of a run"
	event["description"] = "One line of the JSON lines report. Fields that are not listed are to be ignored."
	event["$defs"] = s.defs
	text, err := json.MarshalIndent(event, "", "  ")
	return append(text, '\n'), err
}

type schemaWriter struct {
	docs  map[string]string
	enums map[string][]string
	defs  map[string]any
}

// object gives the schema of a struct.
func (s *schemaWriter) object(t reflect.Type) (map[string]any, error) {
	properties, required := map[string]any{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		p, err := s.value(f.Type)
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", f.Name, t.Name(), err)
		}
		key := t.Name() + "." + name
		doc, ok := s.docs[key]
		if !ok {
			return nil, fmt.Errorf("field %q has no description", key)
		}
		p["description"] = doc
		if enum := s.enums[key]; enum != nil {
			p["enum"] = enum
		}
		properties[name] = p
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	o := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		o["required"] = required
	}
	return o, nil
}

func (s *schemaWriter) value(t reflect.Type) (map[string]any, error) {
	if t == reflect.TypeFor[time.Time]() {
		return map[string]any{"type": "string", "format": "date-time"}, nil
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}, nil
	case reflect.Bool:
		return map[string]any{"type": "boolean"}, nil
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}, nil
	case reflect.Float64:
		return map[string]any{"type": "number"}, nil
	case reflect.Pointer:
		return s.value(t.Elem())
	case reflect.Slice:
		items, err := s.value(t.Elem())
		return map[string]any{"type": "array", "items": items}, err
	case reflect.Struct:
		return s.reference(t)
	}
	return nil, fmt.Errorf("%s has no place in JSON", t)
}

// reference gives a reference to the schema of a struct, made once.
func (s *schemaWriter) reference(t reflect.Type) (map[string]any, error) {
	name := strings.ToLower(t.Name()[:1]) + t.Name()[1:]
	if _, ok := s.defs[name]; !ok {
		o, err := s.object(t)
		if err != nil {
			return nil, err
		}
		s.defs[name] = o
	}
	return map[string]any{"$ref": "#/$defs/" + name}, nil
}

// fieldEnums gives the values of the fields that have a fixed set.
func fieldEnums() map[string][]string {
	return map[string][]string{
		"Event.event": {
			runner.RunStart, runner.ScenarioStart, runner.StepStart, runner.Attempt,
			runner.StepEnd, runner.ScenarioEnd, runner.RunEnd,
		},
		"Event.outcome": {string(runner.Pass), string(runner.Fail), string(runner.Error), string(runner.Skip)},
	}
}

// fieldDocs describes each field; its key is the type and the JSON name.
func fieldDocs() map[string]string {
	return map[string]string{
		"Event.event":      "What happened.",
		"Event.time":       "When it happened: RFC 3339, in UTC.",
		"Event.run":        "The id of the run.",
		"Event.scenario":   "The name of the scenario, its expressions resolved.",
		"Event.scenarioId": "The number of the scenario in the run, from 1 in the order of files. Each data row has its own.",
		"Event.document":   "A slug of the scenario's name, when its file holds several scenarios.",
		"Event.row":        "The name of the data row.",
		"Event.rowIndex":   "The number of the data row in its scenario, from 1; absent without data.",
		"Event.rows":       "How many data rows the scenario has, in the scenario-start of each. Their scenarioIds follow one another: rowIndex 1 has the first.",
		"Event.step":       "The name of the step, its expressions resolved.",
		"Event.index":      "The number of the step in its scenario, from 1; cleanup steps follow the others.",
		"Event.cleanup":    "True for a step of the cleanup block and for deletions.",
		"Event.kind":       "The kind of the step: call, token, …",
		"Event.below":      "The file's name below the PATH it was found through, when it lies outside of the working folder.",
		"Event.file":       "The scenario file, relative to the working folder where it can be, with forward slashes.",
		"Event.line":       "The line of the step or scenario in its file, from 1.",
		"Event.column":     "The column of the step or scenario, in characters from 1.",
		"Event.outcome":    "How it ended.",
		"Event.flaky":      "True when it passed only after a retry.",
		"Event.reason":     "Why it was skipped.",
		"Event.durationMs": "How long it took, in milliseconds.",
		"Event.attempts":   "How many attempts were made; in an attempt, which one it is; in scenario-start and scenario-end of a scenario that is run again, which time it is, from 2.",
		"Event.failures":   "The assertions that do not hold.",
		"Event.error":      "What went wrong other than an assertion.",
		"Event.exchange":   "The request and its answer; for a step that passed without bodies and headers.",
		"Event.tags":       "The tags of the scenario, in scenario-start.",
		"Event.info":       "What is run and against what, in run-start.",
		"Event.summary":    "How the run ended, in run-end.",

		"Failure.file":     "The file of the assertion.",
		"Failure.line":     "The line of the assertion, from 1.",
		"Failure.column":   "The column of the assertion, in characters from 1.",
		"Failure.width":    "How many characters of the source line it is.",
		"Failure.source":   "The source line.",
		"Failure.code":     "The code of the diagnostic.",
		"Failure.subject":  "The key of the expect block: status, json, headers, …",
		"Failure.path":     "The path, header name, … below the subject.",
		"Failure.operator": "The operator of the matcher.",
		"Failure.want":     "What was wanted, as shown.",
		"Failure.got":      "What was found, as shown.",
		"Failure.message":  "One line that is enough alone.",
		"Failure.notes":    "Further lines.",
		"Failure.diff":     "The difference of two documents, line by line: - wanted, + found.",

		"Problem.type":    "What kind of thing went wrong: network, tls, timeout, credential, provisioning, cleanup, interrupted, capture, expression, file, internal, …",
		"Problem.message": "What happened and why, in one line.",
		"Problem.cure":    "What to do, in one line.",

		"Exchange.method":          "The method of the request.",
		"Exchange.url":             "The URL of the request.",
		"Exchange.requestHeaders":  "The headers of the request, secret values masked.",
		"Exchange.requestBody":     "The body of the request.",
		"Exchange.status":          "The status of the answer; absent when no answer came.",
		"Exchange.headers":         "The headers of the answer, secret values masked.",
		"Exchange.body":            "The start of the answer's body, at most 32 KiB.",
		"Exchange.requestBodySize": "The size of the request's whole body in bytes, redacted; requestBody may be its start.",
		"Exchange.bodySize":        "The size of the answer's whole body in bytes, decoded and redacted; body may be its start.",
		"Exchange.messageId":       "The ID of the message processing log, where the answer names it.",
		"Exchange.timings":         "The parts of the exchange in milliseconds.",
		"Exchange.curl":            "A command line that repeats the request, secrets by name.",

		"HeaderField.name":  "The name of the header.",
		"HeaderField.value": "The value of the header.",

		"Timings.dns":     "Resolving the name, in milliseconds; 0 when it was not needed.",
		"Timings.connect": "Connecting, in milliseconds; 0 for a connection that was reused.",
		"Timings.tls":     "The TLS handshake, in milliseconds; 0 for a connection that was reused.",
		"Timings.wait":    "From the request to the first byte of the answer, in milliseconds.",
		"Timings.body":    "Reading the body, in milliseconds.",

		"RunInfo.version":     "The version of the program.",
		"RunInfo.environment": "The name of the environment, or sandbox.",
		"RunInfo.hosts":       "The target hosts, sorted.",
		"RunInfo.tags":        "The tag expression that selected.",
		"RunInfo.seed":        "The seed of the order, when it was shuffled.",
		"RunInfo.scenarios":   "How many scenarios were selected.",
		"RunInfo.warnings":    "What every report has to say, such as that TLS is not verified.",
		"RunInfo.planned":     "The scenarios that were selected, so that a record that ends too early tells what was not reached.",

		"Planned.scenarioId": "The number of the scenario, or of its first data row.",
		"Planned.scenario":   "The name of the scenario.",
		"Planned.file":       "The scenario file, as in the events.",
		"Planned.document":   "A slug of the scenario's name, when its file holds several scenarios.",
		"Planned.rows":       "How many data rows are run; absent without data. Their scenarioIds follow one another.",
		"Planned.steps":      "The names of its steps in their order, those of the cleanup block included, their expressions as written; the first has the index 1.",

		"Counts.total":   "All.",
		"Counts.passed":  "Those that passed.",
		"Counts.failed":  "Those in which an assertion did not hold.",
		"Counts.errors":  "Those in which something else went wrong.",
		"Counts.skipped": "Those that did not run.",
		"Counts.flaky":   "Those that passed only after a retry; they are counted in passed as well.",

		"Summary.scenarios":      "The scenarios by outcome.",
		"Summary.steps":          "The steps by outcome.",
		"Summary.exitStatus":     "The exit status of the program.",
		"Summary.exitReason":     "Why it is that status, in one line.",
		"Summary.updated":        "The expected files that the run wrote, with --update-expected.",
		"Summary.asExpected":     "How many other expected files were as they should be, with --update-expected.",
		"Summary.leftBehind":     "What was created and not removed.",
		"Summary.cleanupCommand": "The command that removes it.",
	}
}
