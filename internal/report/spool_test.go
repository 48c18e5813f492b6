package report

import (
	"bytes"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSpoolReads adds parts of many sizes and reads them in between and at the
// end, from the file and from memory.
func TestSpoolReads(t *testing.T) {
	s, err := newSpool()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var parts []string
	var places []span
	check := func(i int) {
		t.Helper()
		got, err := io.ReadAll(s.reader(places[i]))
		if err != nil || string(got) != parts[i] {
			t.Fatalf("part %d of %d bytes came back as %d bytes, error %v", i, len(parts[i]), len(got), err)
		}
	}
	for i := range 400 {
		size := r.IntN(2000)
		if i%50 == 49 {
			size = spooled + r.IntN(spooled)
		}
		part := strings.Repeat(string(rune('a'+i%26)), size)
		at, err := s.add([]byte(part))
		if err != nil {
			t.Fatal(err)
		}
		parts, places = append(parts, part), append(places, at)
		check(r.IntN(len(parts)))
	}
	if s.file == nil || len(s.pending) == 0 {
		t.Fatal("it is not partly in the file and partly in memory")
	}
	whole := strings.Join(parts, "")
	for range 200 {
		from := r.IntN(len(whole))
		size := r.IntN(len(whole) - from)
		got, err := io.ReadAll(s.reader(span{int64(from), int64(size)}))
		if err != nil || string(got) != whole[from:from+size] {
			t.Fatalf("%d bytes from %d are wrong, error %v", size, from, err)
		}
	}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		check(i)
	}
	if _, err := s.ReadAt(make([]byte, 1), s.size()); err != io.EOF {
		t.Errorf("behind the end: %v, want EOF", err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

// TestSpoolSmall makes no file for what fits into memory.
func TestSpoolSmall(t *testing.T) {
	dir := temporaryFolder(t)
	s, err := newSpool()
	if err != nil {
		t.Fatal(err)
	}
	at, err := s.add(bytes.Repeat([]byte("x"), spooled))
	if err != nil || s.flush() != nil {
		t.Fatal(err)
	}
	if s.file != nil {
		t.Error("it made a file")
	}
	if got, err := io.ReadAll(s.reader(at)); err != nil || len(got) != spooled {
		t.Errorf("%d bytes came back, error %v", len(got), err)
	}
	if _, err := s.add([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if s.file == nil {
		t.Error("it made no file")
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, dir)
}

// temporaryFolder makes temporary files go to a folder of the test.
func temporaryFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	name := "TMPDIR"
	if runtime.GOOS == "windows" {
		name = "TMP"
	}
	t.Setenv(name, dir)
	return dir
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		t.Errorf("%s is left", f.Name())
	}
}

func TestSpoolNowhere(t *testing.T) {
	dir := temporaryFolder(t)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := newSpool(); err == nil || !strings.Contains(err.Error(), "temporary file of the report cannot be made") {
		t.Errorf("without a folder for temporary files: %v", err)
	}
}

// TestSpanIndex compares with a map, in the order of numbers and at random.
func TestSpanIndex(t *testing.T) {
	dir := temporaryFolder(t)
	for name, number := range map[string]func(r *rand.Rand, i int) int{
		"in order":  func(_ *rand.Rand, i int) int { return i },
		"at random": func(r *rand.Rand, _ int) int { return r.IntN(40_000) - 100 },
		"far apart": func(r *rand.Rand, _ int) int { return int(r.Uint64()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			x, want := newSpanIndex(), map[int]span{}
			for i := range 20_000 {
				n := number(r, i)
				switch s := (span{int64(i), int64(n)}); i % 5 {
				case 0:
					x.mark(n)
					if _, there := want[n]; !there {
						want[n] = span{}
					}
				default:
					if err := x.put(n, s); err != nil {
						t.Fatal(err)
					}
					want[n] = s
				}
				if i%7 == 0 {
					out := number(r, i/2)
					x.remove(out)
					delete(want, out)
				}
			}
			if len(x.loaded) > loadedPages || x.file == nil {
				t.Errorf("%d pages are in memory", len(x.loaded))
			}
			var numbers []int
			for c := x.cursor(); ; {
				n, ok := c.next()
				if !ok {
					break
				}
				numbers = append(numbers, n)
				if got, err := x.get(n); err != nil || got != want[n] {
					t.Fatalf("%d has %v, want %v, error %v", n, got, want[n], err)
				}
			}
			if d := cmp.Diff(slices.Sorted(maps.Keys(want)), numbers); d != "" {
				t.Errorf("numbers (-want +got):\n%s", d)
			}
			for _, n := range numbers {
				if !x.has(n) {
					t.Errorf("%d is missing", n)
				}
				x.remove(n)
			}
			if !x.empty() || len(x.loaded) != 0 || x.has(numbers[0]) {
				t.Error("it is not empty")
			}
			if err := x.close(); err != nil {
				t.Error(err)
			}
		})
	}
	checkEmpty(t, dir)
}
