package messagelog

import (
	"fmt"
	"testing"
	"time"
)

func TestStoreKeepsTheNewestOfEachFlow(t *testing.T) {
	var s Store
	at := time.Unix(1_700_000_000, 0)
	for i := range Keep + 10 {
		l := Log{ID: fmt.Sprintf("A%04d", i), Flow: "F", Start: at.Add(time.Duration(i) * time.Millisecond)}
		s.Begin(l, 0)
		s.Finish(l.ID, Outcome{End: l.Start, Status: Completed}, 0)
	}
	s.Begin(Log{ID: "B", Flow: "G", Start: at}, 0)
	s.Finish("gone", Outcome{End: at, Status: Failed, Error: "x"}, 0)
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
	s.Begin(Log{ID: "A", Flow: "F", Start: at}, 0)
	for _, test := range []struct {
		after time.Duration
		want  string
	}{{0, ""}, {Delay, Processing}, {2 * time.Second, Failed}} {
		after, want := test.after, test.want
		if after == 2*time.Second {
			s.Finish("A", Outcome{End: at.Add(time.Second), Status: Failed, Error: "broken", Headers: []Property{{"N", "1"}}}, 0)
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
