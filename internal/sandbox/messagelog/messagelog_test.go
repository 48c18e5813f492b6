package messagelog

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestStoreKeepsTheNewestOfEachFlow(t *testing.T) {
	var s Store
	at := time.Unix(1_700_000_000, 0)
	for i := range Keep + 10 {
		l := Log{ID: fmt.Sprintf("A%04d", i), Flow: "F", Start: at.Add(time.Duration(i) * time.Millisecond)}
		s.Begin(l, l.Start, 0)
		s.Finish(l.ID, Outcome{End: l.Start, Status: Completed}, l.Start, 0)
	}
	s.Begin(Log{ID: "B", Flow: "G", Start: at}, at, 0)
	s.Finish("gone", Outcome{End: at, Status: Failed, Error: "x"}, at, 0)
	all := s.All(at.Add(time.Hour))
	if len(all) != Keep+1 || all[0].ID != "A1009" || all[Keep-1].ID != "A0010" || all[Keep].ID != "B" {
		t.Errorf("%d logs from %s to %s", len(all), all[0].ID, all[len(all)-1].ID)
	}
	if _, ok := s.Get("A0009", at.Add(time.Hour)); ok {
		t.Errorf("a log that is kept no more is there")
	}
}

func TestLogIsSeenInTime(t *testing.T) {
	var s Store
	at := time.Unix(1_700_000_000, 0)
	s.Begin(Log{ID: "A", Flow: "F", Start: at}, at, 0)
	for _, test := range []struct {
		after time.Duration
		want  string
	}{{0, ""}, {Delay, Processing}, {2 * time.Second, Failed}} {
		after, want := test.after, test.want
		if after == 2*time.Second {
			s.Finish("A", Outcome{End: at.Add(time.Second), Status: Failed, Error: "broken", Headers: []Property{{"N", "1"}}}, at.Add(time.Second), 0)
		}
		l, ok := s.Get("A", at.Add(after))
		if ok != (want != "") || l.Status != want && after != 0 {
			t.Errorf("after %v: %+v %t", after, l, ok)
		}
	}
	l, _ := s.Get("A", at.Add(999*time.Millisecond))
	if l.Status != Processing || l.Error != "" || l.Headers != nil || !l.End.IsZero() {
		t.Errorf("before its end: %+v", l)
	}
}

func TestStatusOverTime(t *testing.T) {
	var s Store
	at := time.Unix(1_700_000_000, 0)
	s.Begin(Log{ID: "A", Flow: "F", Start: at}, at, 0)
	s.Finish("A", Outcome{
		End: at.Add(5 * time.Second), Status: Completed, Error: "at last",
		Course: []Stage{{Retry, time.Second}, {Escalated, 2 * time.Second}},
	}, at.Add(5*time.Second), 0)
	for _, test := range []struct {
		after time.Duration
		want  string
	}{
		{time.Second, Processing}, {1999 * time.Millisecond, Processing}, {2 * time.Second, Retry}, {2999 * time.Millisecond, Retry},
		{3 * time.Second, Escalated}, {4999 * time.Millisecond, Escalated}, {5 * time.Second, Completed}, {time.Hour, Completed},
	} {
		l, ok := s.Get("A", at.Add(test.after))
		if over := test.want == Completed; !ok || l.Status != test.want || l.End.IsZero() == over || (l.Error != "") == (test.want == Processing) {
			t.Errorf("after %v: %+v, want %s", test.after, l, test.want)
		}
	}
}

func TestStoreKeepsTheNewestContents(t *testing.T) {
	var s Store
	at := time.Unix(1_700_000_000, 0)
	const size = KeepContents / 4
	finish := func(id, flow string, n int) {
		s.Begin(Log{ID: id, Flow: flow, Start: at}, at, 0)
		o := Outcome{End: at, Status: Completed, Attachments: []Attachment{{Payload: make([]byte, n)}}}
		if n > 10 { // it is not the attachments alone that count
			o.Headers, o.Adapter, o.Error = []Property{{"h", "1"}}, []Property{{"a", "2"}}, "error"
			o.Attachments[0].Payload = make([]byte, n-9)
		}
		s.Finish(id, o, at, 0)
	}
	has := func(id string) bool {
		l, ok := s.Get(id, at.Add(time.Hour))
		if !ok {
			t.Fatalf("no log %s", id)
		}
		if l.Attachments == nil && (l.Headers != nil || l.Adapter != nil || l.Error != "") {
			t.Errorf("%s has lost a part of its contents: %+v", id, l)
		}
		return len(l.Attachments) == 1
	}
	for _, id := range []string{"A1", "A2", "A3", "A4"} {
		finish(id, "F", size)
	}
	if !has("A1") || !has("A4") {
		t.Fatalf("what fits is not kept")
	}
	finish("A5", "G", 2*size)
	for id, want := range map[string]bool{"A1": false, "A2": false, "A3": true, "A4": true, "A5": true} {
		if has(id) != want {
			t.Errorf("%s has its attachment: %t, want %t", id, !want, want)
		}
	}
	finish("A6", "G", KeepContents+1)
	for _, id := range []string{"A3", "A5", "A6"} {
		if has(id) {
			t.Errorf("%s has an attachment beside one that is too large", id)
		}
	}
	// Logs that go take their payloads with them.
	finish("B", "H", 1)
	for i := range 3 * Keep {
		finish(fmt.Sprintf("C%04d", i), "F", 1)
	}
	if s.held != Keep+1 || len(s.contents) > 2*len(s.byID) || !has("B") {
		t.Errorf("%d bytes held for %d logs, want %d", s.held, len(s.contents), Keep+1)
	}
}

func TestTextsAreCut(t *testing.T) {
	var s Store
	at := time.Unix(1_700_000_000, 0)
	long := strings.Repeat("ü", KeepContents/1000)
	s.Begin(Log{ID: "A", Flow: "F", Correlation: long, Application: long}, at, 0)
	given := []Property{{"n", long}, {"m", "short"}}
	s.Finish("A", Outcome{Error: "a" + long, Headers: given, Adapter: given}, at, 0)
	l, _ := s.Get("A", at.Add(Delay))
	for _, text := range []string{l.Correlation, l.Application, l.Headers[0].Value, l.Adapter[0].Value} {
		if text != long[:MaxValue] {
			t.Errorf("%d bytes, want %d", len(text), MaxValue)
		}
	}
	if l.Error != ("a" + long)[:MaxError-1] || l.Headers[1].Value != "short" || given[0].Value != long {
		t.Errorf("an error of %d bytes, and %v", len(l.Error), l.Headers[1])
	}
}

// TestAWrongClockMovesNoLog shows times of another clock than the real one.
func TestAWrongClockMovesNoLog(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, 0, time.Hour} {
		var s Store
		at := time.Unix(1_700_000_000, 0)
		shown := at.Add(skew)
		s.Begin(Log{ID: "A", Flow: "F", Start: shown}, at, 0)
		s.Finish("A", Outcome{End: shown.Add(time.Second), Status: Completed, Course: []Stage{{Retry, 500 * time.Millisecond}}}, at.Add(time.Second), 0)
		for _, test := range []struct {
			after time.Duration
			want  string
		}{{99, ""}, {100, Processing}, {500, Retry}, {1000, Completed}} {
			l, _ := s.Get("A", at.Add(test.after*time.Millisecond))
			if l.Status != test.want {
				t.Errorf("skew %v, after %d ms: %q, want %q", skew, test.after, l.Status, test.want)
			}
		}
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewID()
		if len(id) != 28 || id[0] != 'A' || seen[id] {
			t.Fatalf("message ID %q", id)
		}
		seen[id] = true
	}
}
