package report

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"iflowtest/runner"
)

// write puts the file together.
func (j *junitReporter) write() error {
	f := &junitFile{
		junitReporter: j, out: bufio.NewWriterSize(j.w, spooled), heads: newElementWriter("\t"),
		window: window{spool: j.spool}, used: map[uint64]names{}, rows: map[uint64]int{},
	}
	if err := f.survey(); err != nil {
		return err
	}
	if err := f.root(); err != nil {
		return err
	}
	if err := f.suites(); err != nil {
		return err
	}
	if err := f.broken(); err != nil {
		return err
	}
	f.text("</testsuites>\n")
	return f.out.Flush()
}

// junitFile is the writing of the file from the spool.
type junitFile struct {
	*junitReporter
	out    *bufio.Writer
	heads  *elementWriter
	window window
	totals unitRecord
	suiteN int
	// seen has the class names and rows of all units.
	seen hashFilter
	// used has the names of cases for those class names that several units
	// without a row have (orders.yaml and orders.yml): only these can hold the
	// same name twice.
	used map[uint64]names
	// rows counts the units of those class names and rows that several have.
	rows map[uint64]int
}

func (f *junitFile) text(s string) { _, _ = f.out.WriteString(s) } // Flush gives the error

// window reads a spool piece by piece; pieces that lie close together are read
// at once.
type window struct {
	spool  *spool
	at     int64
	buffer []byte
}

// windowSize is how much a window reads ahead, in bytes.
const windowSize = 8 << 10

// bytes gives a part of the spool; it holds until the next call.
func (w *window) bytes(p span) ([]byte, error) {
	if from := p.At - w.at; from < 0 || from+p.Size > int64(len(w.buffer)) {
		size := min(max(p.Size, windowSize), w.spool.size()-p.At)
		if size < p.Size {
			return nil, fmt.Errorf("temporary file of the report cannot be read: %w", io.ErrUnexpectedEOF)
		}
		w.at, w.buffer = p.At, slices.Grow(w.buffer[:0], int(size))[:size]
		if _, err := w.spool.ReadAt(w.buffer, p.At); err != nil {
			w.buffer = w.buffer[:0]
			return nil, fmt.Errorf("temporary file of the report cannot be read: %w", cause(err))
		}
	}
	return w.buffer[p.At-w.at:][:p.Size], nil
}

// unitCursor goes through all records in the order of ScenarioID. A copy goes
// on by itself.
type unitCursor struct {
	file    *junitFile
	numbers indexCursor
	same    []span // records of one ScenarioID, in the order in which they ended
}

func (f *junitFile) cursor() unitCursor { return unitCursor{file: f, numbers: f.index.cursor()} }

// next reads the next record into r; false when there is none. Records that
// did not reach the spool are left out.
func (c *unitCursor) next(r *unitRecord) (bool, error) {
	for len(c.same) == 0 {
		n, ok := c.numbers.next()
		if !ok {
			return false, nil
		}
		at, err := c.file.index.get(n)
		if err != nil {
			return false, err
		}
		if at.At+at.Size > c.file.spool.size() {
			continue
		}
		if err := c.file.record(at, r); err != nil {
			return false, err
		}
		if r.Former.Size == 0 {
			return true, nil
		}
		for c.same = []span{at}; r.Former.Size > 0; {
			c.same = append(c.same, r.Former)
			if err := c.file.record(r.Former, r); err != nil {
				return false, err
			}
		}
		slices.Reverse(c.same)
	}
	at := c.same[0]
	c.same = c.same[1:]
	return true, c.file.record(at, r)
}

func (f *junitFile) record(at span, r *unitRecord) error {
	text, err := f.window.bytes(at)
	if err != nil {
		return err
	}
	return r.read(text)
}

// survey sums up all units and finds those that may repeat a name.
func (f *junitFile) survey() error {
	f.seen = newHashFilter(len(f.index.pages) * pageNumbers)
	r := new(unitRecord)
	for c := f.cursor(); ; {
		ok, err := c.next(r)
		if err != nil || !ok {
			return err
		}
		f.totals.sum(r)
		switch h := r.hash(); {
		case !f.seen.add(h):
		case r.Row == "":
			f.used[h] = names{}
		default:
			f.rows[h] = 0
		}
	}
}

// hashFilter is a set of hashes (a Bloom filter): it may take one for another,
// once in some hundreds, and takes two bytes for each whatever they stand for.
type hashFilter []uint64

// newHashFilter makes room for n hashes.
func newHashFilter(n int) hashFilter { return make(hashFilter, 1<<bits.Len(uint(max(n, 64)/4))) }

// add adds h and reports whether it was there, or seems to have been.
func (f hashFilter) add(h uint64) bool {
	step := bits.RotateLeft64(h*0x9E3779B97F4A7C15, 32) | 1
	was := true
	for range 4 {
		word, bit := h>>6&uint64(len(f)-1), h&63
		was = was && f[word]>>bit&1 != 0
		f[word] |= 1 << bit
		h += step
	}
	return was
}

// has reports whether h was added, or seems to have been.
func (f hashFilter) has(h uint64) bool {
	step := bits.RotateLeft64(h*0x9E3779B97F4A7C15, 32) | 1
	for range 4 {
		if f[h>>6&uint64(len(f)-1)]>>(h&63)&1 == 0 {
			return false
		}
		h += step
	}
	return true
}

func (f *junitFile) root() error {
	ms := f.ms
	if ms == 0 {
		ms = float64(f.last.Sub(f.first)) / float64(time.Millisecond)
	}
	root := junitRoot{Time: seconds(ms), Tests: f.totals.Tests, Errors: f.totals.Errors, Failures: f.totals.Failures}
	if f.fault.err != nil {
		root.Tests, root.Errors = root.Tests+1, root.Errors+1
	}
	root.Name = xmlText(f.options.Name)
	text, err := newElementWriter("").element("testsuites", root)
	if err != nil {
		return err
	}
	f.text(xml.Header)
	f.text(strings.TrimSuffix(string(text), "</testsuites>") + "\n")
	return nil
}

// suites writes a suite for each unit; the rows of a scenario share one.
func (f *junitFile) suites() error {
	suite, r := new(unitRecord), new(unitRecord)
	for c := f.cursor(); ; {
		ahead := c
		if ok, err := ahead.next(suite); err != nil || !ok {
			return err
		}
		units := 1
		for ; ; units++ {
			ok, err := ahead.next(r)
			if err != nil {
				return err
			}
			if !ok || !suite.sameSuite(r) {
				break
			}
			suite.sum(r)
			if r.Start.Before(suite.Start) {
				suite.Start = r.Start
			}
		}
		if err := f.head(suite); err != nil {
			return err
		}
		for range units {
			if _, err := c.next(r); err != nil {
				return err
			}
			if err := f.unitCases(r); err != nil {
				return err
			}
		}
		f.text("\t</testsuite>\n")
	}
}

func (f *junitFile) head(r *unitRecord) error {
	s := junitSuite{Skipped: r.Skipped, Testsuite: junit.Testsuite{
		Name: xmlText(cmp.Or(r.Name, r.Class)), File: xmlText(r.File), ID: f.suiteN,
		Tests: r.Tests, Failures: r.Failures, Errors: r.Errors,
		Time: seconds(r.Ms), Hostname: xmlText(f.options.Hostname),
	}}
	f.suiteN++
	if !r.Start.IsZero() {
		s.SetTimestamp(r.Start.UTC())
	}
	f.properties(&s.Testsuite, r)
	text, err := f.heads.element("testsuite", s)
	if err != nil {
		return err
	}
	head := bytes.TrimSuffix(text, []byte("</testsuite>"))
	f.text(string(bytes.TrimRight(head, "\n\t")) + "\n")
	return nil
}

func (f *junitFile) properties(s *junit.Testsuite, r *unitRecord) {
	add := func(name, value string) {
		if value != "" {
			s.AddProperty(name, xmlText(value))
		}
	}
	add("environment", f.info.Environment)
	add("run", f.run)
	add("hosts", strings.Join(f.info.Hosts, ", "))
	add("version", f.info.Version)
	add("tags", strings.Join(r.Tags, ", "))
	add("selection", f.info.Tags)
	if f.info.Seed != 0 {
		add("seed", strconv.FormatInt(f.info.Seed, 10))
	}
	if r.Flaky {
		add("flaky", "true")
	}
	for _, w := range f.info.Warnings {
		add("warning", w)
	}
}

// renaming says how the cases of a unit are renamed, so that no two cases of a
// class name have one name.
type renaming struct {
	used names // not nil: a name that was used gets a number
	// from is how the name of each case of a row begins, and to how it begins
	// in the file, both as they stand there; empty: the same.
	from, to []byte
}

// renaming of a unit. The second row of one name is "[name (2)]" in all of its
// cases.
func (f *junitFile) renaming(r *unitRecord) renaming {
	h := r.hash()
	if r.Row == "" {
		return renaming{used: f.used[h]}
	}
	count, repeated := f.rows[h]
	if !repeated {
		return renaming{}
	}
	row := rowText(r.Row)
	to := row
	for count++; count > 1; count++ {
		to = row + " (" + strconv.Itoa(count) + ")"
		if !f.seen.has(rowHash(r.Class, to)) {
			break
		}
	}
	f.rows[h] = count
	if to == row {
		return renaming{}
	}
	return renaming{from: appendXML(nil, rowPrefix(row)), to: appendXML(nil, rowPrefix(to))}
}

// unitCases copies the cases of a unit, renamed where another unit has cases
// of the same class name and row.
func (f *junitFile) unitCases(r *unitRecord) error {
	as := f.renaming(r)
	for _, p := range r.Cases {
		cases, err := f.window.bytes(p)
		if err != nil {
			return err
		}
		for len(cases) > 0 {
			size, n := binary.Uvarint(cases)
			if n <= 0 || size > uint64(len(cases)-n) {
				return errors.New("temporary file of the report is damaged")
			}
			f.testcase(cases[n:][:size], as)
			cases = cases[n+int(size):]
		}
	}
	return nil
}

// caseStart is how every case begins, whoever encoded it; its name follows.
const caseStart = "\t\t<testcase name=\""

// testcase writes a case, under another name when its own is used. Two names
// are the same when they are so in XML.
func (f *junitFile) testcase(text []byte, as renaming) {
	if as.used != nil {
		name, rest, _ := bytes.Cut(text[len(caseStart):], []byte{'"'})
		f.text(caseStart + as.used.unique(string(name)) + "\"")
		text = rest
	} else if rest, ok := bytes.CutPrefix(text[len(caseStart):], as.from); ok && len(as.from) > 0 {
		f.text(caseStart)
		_, _ = f.out.Write(as.to)
		text = rest
	}
	_, _ = f.out.Write(text)
	_ = f.out.WriteByte('\n')
}

// broken says in the file itself that it is not whole.
func (f *junitFile) broken() error {
	if f.fault.err == nil {
		return nil
	}
	if err := f.head(&unitRecord{Name: f.options.Name, Tests: 1, Errors: 1, Start: f.last}); err != nil {
		return err
	}
	text, err := f.cases.element("testcase", junitCase{Testcase: junit.Testcase{
		Name: "report", Classname: xmlText(f.options.Name), Time: seconds(0),
		Error: &junit.Result{Type: runner.TypeInternal, Message: xmlText("this report lacks results: " + f.fault.err.Error())},
	}})
	if err != nil {
		return err
	}
	f.text(string(text) + "\n\t</testsuite>\n")
	return nil
}
