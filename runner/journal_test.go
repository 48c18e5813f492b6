package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

// journalLine writes an entry as a line.
func journalLine(e entry) string {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(data) + "\n"
}

// TestIntentFirst: what is about to be created stands in the journal when the
// request goes out, in a file that is locked and private, without secrets.
func TestIntentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		next := r.tenant.RoundTripper()
		creates := 0
		r.transport = roundTripper(func(request *http.Request) (*http.Response, error) {
			if request.Method != http.MethodPost || !strings.HasPrefix(request.URL.Path, "/v3/service_") {
				return next.RoundTrip(request)
			}
			creates++
			body, err := io.ReadAll(request.Body)
			if err != nil {
				return nil, err
			}
			request.Body = io.NopCloser(strings.NewReader(string(body)))
			asked := gjson.ParseBytes(body)
			found := false
			for name, data := range r.journals() {
				info, err := os.Stat(filepath.Join(r.journal(), name))
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("mode of %s: %v %v", name, info.Mode(), err)
				}
				if ok, err := flock.New(filepath.Join(r.journal(), name), flock.SetFlag(os.O_RDONLY)).TryLock(); ok || err != nil {
					t.Errorf("%s is not locked: %v", name, err)
				}
				for line := range strings.Lines(data) {
					e := gjson.Parse(line)
					if e.Get("op").Str == opIntent && e.Get("name").Str == asked.Get("name").Str && e.Get("id").String() == asked.Get("metadata.labels."+labelResource).Str &&
						e.Get("run").Str == asked.Get("metadata.labels."+labelRun).Str && name == e.Get("run").Str+journalSuffix {
						found = true
					}
				}
			}
			if !found {
				t.Errorf("%s %s goes out before the journal has it", request.URL.Path, asked.Get("name"))
			}
			return next.RoundTrip(request)
		})
		var last string
		p := r.provision(t.Context(), smoke+"  - name: kept\n    service-instance: {name: \"kept-${run.id}\", plan: api, keep: always}\n", Options{})
		for _, data := range r.journals() {
			last = data
		}
		if creates != 3 || p.summary.ExitStatus != ExitOK {
			t.Errorf("%d creates, %+v", creates, p.summary)
		}
		ops := map[string]int{}
		for line := range strings.Lines(last) {
			ops[gjson.Get(line, "op").Str]++
		}
		if diff := cmp.Diff(map[string]int{opIntent: 3, opCreated: 3, opRemoved: 2, opKept: 1}, ops); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, word := range []string{"secret", "password", "tester", "oauth", "clientid"} {
			if strings.Contains(last, word) {
				t.Errorf("the journal speaks of %q: %s", word, last)
			}
		}
	})
}

// TestJournalNotWritable: without the note nothing is created, and the message
// says what to do.
func TestJournalNotWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("journal", "a file stands where the folder should")
		before := r.state()
		p := r.provision(t.Context(), smoke, Options{})
		if p.summary.ExitStatus != ExitProvisioning || !strings.HasPrefix(p.ends[0], "error instance: provisioning: the journal in "+r.journal()+" cannot be written: ") {
			t.Errorf("%d %q", p.summary.ExitStatus, p.ends)
		}
		for _, e := range p.events {
			if e.Event == StepEnd && e.Outcome == Error && !strings.Contains(e.Err.Cure, "--journal") {
				t.Errorf("cure: %q", e.Err.Cure)
			}
		}
		if r.sent("POST", "/v3/service_instances") != 0 || r.state() != before {
			t.Errorf("something was created")
		}
	})
}

// TestJournalEnds: a journal that names nothing any more is removed, another
// can be read.
func TestJournalEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "journal")
	j := &journal{folder: dir, run: "r1"}
	j.close() // of a run that created nothing
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder was made for nothing")
	}
	note := func(e entry) {
		t.Helper()
		if err := j.note(e); err != nil {
			t.Fatal(err)
		}
	}
	one := entry{Op: opIntent, ID: 1, Kind: kindInstance, Name: "a"}
	two := entry{Op: opIntent, ID: 2, Kind: kindInstance, Name: "a"} // of the same name
	note(one)
	note(two)
	if read, err := readJournals(dir, true); err != nil || len(read.all) != 1 || !read.all[0].alive || len(read.all[0].problems) > 0 {
		t.Fatalf("%+v %v", read, err)
	}
	two.Op = opRemoved
	note(two)
	one.Op, one.GUID = opCreated, "g1"
	note(one)
	j.close()
	found, err := readJournals(dir, true)
	read := found.all
	if err != nil || len(read) != 1 || read[0].alive || read[0].run != "r1" || len(read[0].open) != 1 || read[0].open[0].GUID != "g1" {
		t.Fatalf("%+v %v", read, err)
	}
	// Another cleanup at the same time takes the run for one that works.
	if again, err := readJournals(dir, true); err != nil || len(again.all) != 1 || !again.all[0].alive {
		t.Errorf("%+v %v", again, err)
	}
	if err := read[0].removed(read[0].open[0]); err != nil {
		t.Fatal(err)
	}
	read[0].end(true)
	if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
		t.Errorf("%v %v", names, err)
	}
}

// TestJournalEmpty: a journal whose run was killed before its first line is
// removed at once, and a run that begins at this moment does not notice.
func TestJournalEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "r1.journal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if read, err := readJournals(dir, false); err != nil || len(read.all) != 0 || !slices.Equal(read.empty, []string{"r1"}) {
		t.Errorf("%+v %v", read, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "r1.journal")); err != nil {
		t.Errorf("removed though nothing was to be changed: %v", err)
	}
	if read, err := readJournals(dir, true); err != nil || len(read.all) != 0 || !slices.Equal(read.empty, []string{"r1"}) {
		t.Errorf("%+v %v", read, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "r1.journal")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			read, err := readJournals(dir, true)
			if err != nil {
				t.Error(err)
			}
			for _, j := range read.all {
				if !j.alive {
					t.Errorf("%s is taken for dead", j.run)
				}
				j.end(true)
			}
		}
	}()
	for i := range 50 {
		j := &journal{folder: dir, run: fmt.Sprintf("run%d", i)}
		if err := j.note(entry{Op: opIntent, ID: 1, Kind: kindInstance, Name: "a"}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, j.run+journalSuffix))
		if err != nil || !strings.Contains(string(data), opIntent) {
			t.Fatalf("the line is lost: %v", err)
		}
		if err := j.note(entry{Op: opRemoved, ID: 1, Kind: kindInstance, Name: "a"}); err != nil {
			t.Fatal(err)
		}
		j.close()
	}
	<-done
}

func FuzzJournal(f *testing.F) {
	good := journalLine(entry{Op: opIntent, Run: "r1", ID: 1, Kind: kindInstance, Name: "a"})
	f.Add([]byte(good))
	f.Add([]byte(good + good[:20]))
	f.Add([]byte("\x00\x00\n" + good + "{}\n[]\nnull\n\"x\"\n"))
	f.Add([]byte(good + journalLine(entry{Op: opRemoved, Run: "r1", ID: 1, Kind: kindInstance, Name: "a"})))
	f.Add([]byte(strings.Repeat(" ", 100) + good))
	f.Fuzz(func(t *testing.T, data []byte) {
		j := &recordedJournal{path: "r1.journal", run: "r1"}
		j.read(data)
		ids := map[int]bool{}
		for _, e := range j.open {
			if !e.usable("r1") || ids[e.ID] {
				t.Errorf("%+v", e)
			}
			ids[e.ID] = true
		}
		for _, p := range j.problems {
			if !strings.HasPrefix(p, "r1.journal:") || strings.Contains(p, "\n") {
				t.Errorf("%q", p)
			}
		}
		// A good line behind a line end is used, whatever stands before it.
		more := &recordedJournal{path: "r1.journal", run: "r1"}
		more.read(append(append(data[:len(data):len(data)], '\n'), []byte(journalLine(entry{Op: opIntent, Run: "r1", ID: 1 << 40, Kind: kindKey, Name: "last"}))...))
		if n := len(more.open); n == 0 || more.open[n-1].Name != "last" && !ids[1<<40] {
			t.Errorf("the last line is lost")
		}
	})
}
