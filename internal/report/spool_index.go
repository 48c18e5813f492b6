package report

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"os"
	"slices"
)

// spanIndex is a set of numbers, such as ScenarioIDs, each with a span; it is
// read in order. Numbers that follow one another take a byte of memory each:
// what is more stands in a temporary file, in pages.
type spanIndex struct {
	pages  map[int]*indexPage // by the numbers they hold / pageNumbers
	loaded []*indexPage       // that are in memory
	clock  int64
	file   *os.File // nil until the first page leaves the memory
	named  bool
	slots  int64   // pages in the file
	free   []int64 // of those, what is not in use
	// stay keeps in memory what cannot be written; failed is that it could not.
	stay, failed bool
}

// indexPage is 64 numbers.
type indexPage struct {
	set   uint64 // which of them are there
	full  uint64 // which of those have a span
	spans *[pageNumbers]span
	slot  int64 // in the file, from 1; 0: it was never there
	used  int64 // when, by the clock
}

const (
	pageNumbers = 64
	pageBytes   = pageNumbers * 16
	// loadedPages is how many pages are kept in memory.
	loadedPages = 128
)

func newSpanIndex() *spanIndex { return &spanIndex{pages: map[int]*indexPage{}} }

func pageOf(n int) (page int, bit uint) { return n >> 6, uint(n & 63) }

// has reports whether n was marked or set.
func (x *spanIndex) has(n int) bool {
	at, bit := pageOf(n)
	p := x.pages[at]
	return p != nil && p.set>>bit&1 != 0
}

func (x *spanIndex) empty() bool { return len(x.pages) == 0 }

// page gives the page of n, a new one when there is none.
func (x *spanIndex) page(n int) (*indexPage, uint) {
	at, bit := pageOf(n)
	p := x.pages[at]
	if p == nil {
		p = new(indexPage)
		x.pages[at] = p
	}
	return p, bit
}

// mark adds n; its span is zero when it had none.
func (x *spanIndex) mark(n int) {
	p, bit := x.page(n)
	p.set |= 1 << bit
}

// put adds n and sets its span.
func (x *spanIndex) put(n int, s span) error {
	p, bit := x.page(n)
	if err := x.load(p); err != nil {
		return err
	}
	p.set |= 1 << bit
	p.full |= 1 << bit
	p.spans[bit] = s
	return nil
}

// get gives the span of n, zero when it has none.
func (x *spanIndex) get(n int) (span, error) {
	at, bit := pageOf(n)
	p := x.pages[at]
	if p == nil || p.full>>bit&1 == 0 {
		return span{}, nil
	}
	if err := x.load(p); err != nil {
		return span{}, err
	}
	return p.spans[bit], nil
}

// remove takes n out.
func (x *spanIndex) remove(n int) {
	at, bit := pageOf(n)
	p := x.pages[at]
	if p == nil {
		return
	}
	p.set &^= 1 << bit
	p.full &^= 1 << bit
	if p.set != 0 {
		return
	}
	delete(x.pages, at)
	x.loaded = slices.DeleteFunc(x.loaded, func(o *indexPage) bool { return o == p })
	if p.slot > 0 {
		x.free = append(x.free, p.slot)
	}
}

// keys gives the pages in order; see next.
func (x *spanIndex) keys() []int { return slices.Sorted(maps.Keys(x.pages)) }

// indexCursor goes through the numbers of a spanIndex in order. A copy goes on
// by itself. It is for an index that nothing is added to.
type indexCursor struct {
	index *spanIndex
	keys  []int
	left  uint64 // of the first of keys
	begun bool
}

func (x *spanIndex) cursor() indexCursor { return indexCursor{index: x, keys: x.keys()} }

// next gives the next number; ok is false when there is none.
func (c *indexCursor) next() (n int, ok bool) {
	for len(c.keys) > 0 {
		if !c.begun {
			c.left, c.begun = c.index.pages[c.keys[0]].set, true
		}
		if c.left != 0 {
			bit := bits.TrailingZeros64(c.left)
			c.left &^= 1 << bit
			return c.keys[0]<<6 | bit, true
		}
		c.keys, c.begun = c.keys[1:], false
	}
	return 0, false
}

// load brings the spans of a page into memory.
func (x *spanIndex) load(p *indexPage) error {
	x.clock++
	p.used = x.clock
	if p.spans != nil {
		return nil
	}
	if len(x.loaded) >= loadedPages && !x.failed {
		if err := x.unload(); err != nil && !x.stay {
			return err
		} else if err != nil {
			x.failed = true
		}
	}
	spans := new([pageNumbers]span)
	if p.slot > 0 {
		var text [pageBytes]byte
		if _, err := x.file.ReadAt(text[:], (p.slot-1)*pageBytes); err != nil {
			return fmt.Errorf("temporary file of the report cannot be read: %w", cause(err))
		}
		for i := range spans {
			spans[i] = span{int64(binary.LittleEndian.Uint64(text[16*i:])), int64(binary.LittleEndian.Uint64(text[16*i+8:]))}
		}
	}
	p.spans = spans
	x.loaded = append(x.loaded, p)
	return nil
}

// unload writes the page that was not used for the longest time.
func (x *spanIndex) unload() error {
	oldest := 0
	for i, p := range x.loaded {
		if p.used < x.loaded[oldest].used {
			oldest = i
		}
	}
	p := x.loaded[oldest]
	if err := x.write(p); err != nil {
		return err
	}
	p.spans = nil
	x.loaded = slices.Delete(x.loaded, oldest, oldest+1)
	return nil
}

func (x *spanIndex) write(p *indexPage) error {
	if x.file == nil {
		f, named, err := temporaryFile()
		if err != nil {
			return err
		}
		x.file, x.named = f, named
	}
	slot := p.slot
	if n := len(x.free); slot == 0 && n > 0 {
		slot = x.free[n-1]
		x.free = x.free[:n-1]
	} else if slot == 0 {
		x.slots++
		slot = x.slots
	}
	text := make([]byte, 0, pageBytes)
	for _, s := range p.spans {
		text = binary.LittleEndian.AppendUint64(text, uint64(s.At))
		text = binary.LittleEndian.AppendUint64(text, uint64(s.Size))
	}
	if _, err := x.file.WriteAt(text, (slot-1)*pageBytes); err != nil {
		if p.slot == 0 {
			x.free = append(x.free, slot)
		}
		return fmt.Errorf("temporary file of the report cannot be written: %w", cause(err))
	}
	p.slot = slot
	return nil
}

// close removes the file.
func (x *spanIndex) close() error {
	if x.file == nil {
		return nil
	}
	err := x.file.Close()
	if x.named {
		err = errors.Join(err, os.Remove(x.file.Name()))
	}
	x.file = nil
	if err != nil {
		return fmt.Errorf("temporary file of the report cannot be removed: %w", err)
	}
	return nil
}
