package report

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"iflowtest/runner"
)

func TestJSONLinesAtOnce(t *testing.T) {
	var b bytes.Buffer
	r := NewJSONLines(&b)
	zone := time.FixedZone("east", 2*60*60)
	e := &runner.Event{Event: runner.RunStart, Time: started().In(zone), Run: "r", Scenario: "<a> & b"}
	if err := r.Event(e); err != nil {
		t.Fatal(err)
	}
	want := `{"event":"run-start","time":"2026-11-30T08:15:00Z","run":"r","scenario":"<a> & b"}` + "\n"
	if b.String() != want {
		t.Errorf("got %q before the end, want %q", b.String(), want)
	}
	if e.Time.Location() != zone {
		t.Error("the event was changed")
	}
}

// disk takes room bytes, then it is full.
type disk struct {
	room   int
	writes int
}

func (d *disk) Write(p []byte) (int, error) {
	d.writes++
	if len(p) > d.room {
		return 0, errors.New("no space left on device")
	}
	d.room -= len(p)
	return len(p), nil
}

// TestFullDisk checks that each reporter tells it once and then takes the rest
// of the run.
func TestFullDisk(t *testing.T) {
	junit := func(d *disk) Reporter {
		r, err := NewJUnit(d, JUnitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, make := range map[string]func(*disk) Reporter{
		"JSON lines": func(d *disk) Reporter { return NewJSONLines(d) },
		"JUnit":      junit,
		"console":    func(d *disk) Reporter { return NewConsole(ConsoleOptions{Out: d}) },
		"live":       func(d *disk) Reporter { return NewConsole(ConsoleOptions{Out: d, Terminal: true, Progress: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			d := &disk{room: 200}
			r := make(d)
			var errs []error
			for _, e := range inOrder() {
				if err := r.Event(e); err != nil {
					errs = append(errs, err)
				}
			}
			if err := r.Close(); err != nil {
				errs = append(errs, err)
			}
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), "no space left") {
				t.Errorf("got errors %v, want one about the space", errs)
			}
		})
	}
}

// TestTee checks that one full disk takes nothing from the others.
func TestTee(t *testing.T) {
	var b bytes.Buffer
	r := Tee(NewJSONLines(&disk{}), NewJSONLines(&b))
	var told int
	for _, e := range inOrder() {
		if r.Event(e) != nil {
			told++
		}
	}
	if err := r.Close(); err != nil {
		t.Errorf("told again: %v", err)
	}
	if told != 1 {
		t.Errorf("told %d times, want 1", told)
	}
	if got, want := strings.Count(b.String(), "\n"), len(inOrder()); got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
}
