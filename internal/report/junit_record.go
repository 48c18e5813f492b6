package report

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"iflowtest/runner"
)

// unitRecord is what the spool keeps of a scenario that ended, or of a row.
type unitRecord struct {
	Name, File, Class, Row string
	// Base is the ScenarioID of the first row of the scenario; 0 without rows.
	Base                             int
	Start                            time.Time
	Ms                               float64
	Tests, Failures, Errors, Skipped int
	Flaky                            bool
	Tags                             []string
	Former                           span // the record of the same ScenarioID that ended before
	Cases                            []span
}

// rowBlocks are the ScenarioIDs of the scenarios with data rows, as far as
// run-start tells them.
type rowBlocks []rowRange

type rowRange struct{ first, rows int }

func rowBlocksOf(info *runner.RunInfo) rowBlocks {
	var all rowBlocks
	for i := range info.Planned {
		if s := &info.Planned[i]; s.Rows > 0 {
			all = append(all, rowRange{s.ScenarioID, s.Rows})
		}
	}
	slices.SortFunc(all, func(a, b rowRange) int { return cmp.Compare(a.first, b.first) })
	return all
}

// firstRow gives the ScenarioID of the first row of the scenario that e is of;
// 0 when it has none. Where only some rows were selected, the number of a row
// does not tell.
func (b rowBlocks) firstRow(e *runner.Event) int {
	if e.RowIndex == 0 {
		return 0
	}
	i, found := slices.BinarySearchFunc(b, e.ScenarioID, func(r rowRange, id int) int { return cmp.Compare(r.first, id) })
	if !found {
		i--
	}
	if i >= 0 && e.ScenarioID < b[i].first+b[i].rows {
		return b[i].first
	}
	return e.ScenarioID - e.RowIndex + 1
}

// sameSuite reports whether both are rows of one scenario.
func (r *unitRecord) sameSuite(o *unitRecord) bool {
	if r.Row == "" || o.Row == "" || r.Name != o.Name || r.File != o.File || r.Class != o.Class {
		return false
	}
	return r.Base == o.Base
}

func (r *unitRecord) sum(o *unitRecord) {
	r.Tests += o.Tests
	r.Failures += o.Failures
	r.Errors += o.Errors
	r.Skipped += o.Skipped
	r.Ms += o.Ms
	r.Flaky = r.Flaky || o.Flaky
}

// hash stands for class name and row; that two share one gives a row a number
// that needs none.
func (r *unitRecord) hash() uint64 { return rowHash(r.Class, rowText(r.Row)) }

// rowHash is FNV-1a of a class name and the name of a row.
func rowHash(class, row string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(class) {
		h = (h ^ uint64(class[i])) * 1099511628211
	}
	h *= 1099511628211
	for i := range len(row) {
		h = (h ^ uint64(row[i])) * 1099511628211
	}
	return h
}

// append encodes r.
func (r *unitRecord) append(b []byte) []byte {
	for _, s := range []string{r.Name, r.File, r.Class, r.Row} {
		b = appendLengthAnd(b, s)
	}
	flaky := 0
	if r.Flaky {
		flaky = 1
	}
	for _, n := range []int{r.Base, int(r.Start.Unix()), r.Start.Nanosecond(), r.Tests, r.Failures, r.Errors, r.Skipped, flaky, len(r.Tags)} {
		b = binary.AppendVarint(b, int64(n))
	}
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(r.Ms))
	for _, t := range r.Tags {
		b = appendLengthAnd(b, t)
	}
	b = appendSpan(b, r.Former)
	for _, p := range r.Cases {
		b = appendSpan(b, p)
	}
	return b
}

func appendLengthAnd(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendSpan(b []byte, p span) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(p.At)), uint64(p.Size))
}

// read decodes r. Texts that are those of the former content are not copied.
func (r *unitRecord) read(text []byte) error {
	d := recordReader{rest: text}
	r.Name, r.File, r.Class, r.Row = d.text(r.Name), d.text(r.File), d.text(r.Class), d.text(r.Row)
	r.Base = d.int()
	seconds := d.int()
	r.Start = time.Unix(int64(seconds), int64(d.int())).UTC()
	r.Tests, r.Failures, r.Errors, r.Skipped = d.int(), d.int(), d.int(), d.int()
	r.Flaky = d.int() == 1
	tags := d.int()
	r.Ms = d.float()
	former := r.Tags
	r.Tags = r.Tags[:0]
	for i := 0; i < tags && !d.short; i++ {
		tag := ""
		if i < len(former) {
			tag = former[i]
		}
		r.Tags = append(r.Tags, d.text(tag))
	}
	r.Former = d.span()
	r.Cases = r.Cases[:0]
	for len(d.rest) > 0 && !d.short {
		r.Cases = append(r.Cases, d.span())
	}
	if d.short {
		return errors.New("temporary file of the report is damaged")
	}
	return nil
}

// recordReader takes a record apart; what is missing is zero.
type recordReader struct {
	rest  []byte
	short bool // something was missing
}

func (d *recordReader) take(n int) []byte {
	if n < 0 || n > len(d.rest) {
		d.rest, d.short = nil, true
		return nil
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out
}

func (d *recordReader) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		n = -1
	}
	d.take(n)
	return v
}

func (d *recordReader) int() int {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		n = -1
	}
	d.take(n)
	return int(v)
}

func (d *recordReader) float() float64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// text gives a text, which is known when it is the same.
func (d *recordReader) text(known string) string {
	b := d.take(int(min(d.uint(), math.MaxInt32)))
	if string(b) == known {
		return known
	}
	return string(b)
}

func (d *recordReader) span() span { return span{int64(d.uint()), int64(d.uint())} }
