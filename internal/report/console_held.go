package report

import (
	"errors"
)

// shelf keeps texts by ScenarioID until they are printed: in memory while they
// are few, in temporary files beyond that, and in memory again where there can
// be no such file.
type shelf struct {
	spool *spool
	index *spanIndex // where the parts of each text are told
	// parts of texts that are not in the index yet are in the spool, too
	open int
}

func newShelf() *shelf {
	s := &shelf{spool: &spool{stay: true}, index: newSpanIndex()}
	s.index.stay = true
	return s
}

// keep adds a piece to a text; pieces that follow one another become one when
// join is set.
func (s *shelf) keep(parts []span, text []byte, join bool) ([]span, error) {
	if len(text) == 0 {
		return parts, nil
	}
	at, err := s.spool.add(text)
	if err != nil {
		return parts, err
	}
	if n := len(parts); join && n > 0 && parts[n-1].At+parts[n-1].Size == at.At {
		parts[n-1].Size += at.Size
		return parts, nil
	}
	if len(parts) == 0 {
		s.open++
	}
	return append(parts, at), nil
}

// drop forgets parts that were kept and not put.
func (s *shelf) drop(parts []span) {
	if len(parts) > 0 {
		s.open--
		s.clean()
	}
}

// put adds the parts to the text of id.
func (s *shelf) put(id int, parts []span) error {
	if len(parts) == 0 {
		s.index.mark(id)
		return nil
	}
	s.open--
	before, err := s.parts(id)
	if err != nil {
		return err
	}
	var record []byte
	for _, p := range append(before, parts...) {
		record = appendSpan(record, p)
	}
	at, err := s.spool.add(record)
	if err != nil {
		return err
	}
	return s.index.put(id, at)
}

// parts gives the parts of the text of id.
func (s *shelf) parts(id int) ([]span, error) {
	at, err := s.index.get(id)
	if err != nil || at.Size == 0 {
		return nil, err
	}
	record := make([]byte, at.Size)
	if _, err := s.spool.ReadAt(record, at.At); err != nil {
		return nil, err
	}
	var parts []span
	for d := (recordReader{rest: record}); len(d.rest) > 0; {
		parts = append(parts, d.span())
	}
	return parts, nil
}

// read gives the text of parts, piece by piece; a piece holds for the call.
func (s *shelf) read(parts []span, take func(text []byte)) error {
	piece := make([]byte, 0, 512)
	for _, p := range parts {
		for p.Size > 0 {
			n := min(p.Size, spooled)
			if int64(cap(piece)) < n {
				piece = make([]byte, 0, n)
			}
			piece = piece[:n]
			if _, err := s.spool.ReadAt(piece, p.At); err != nil {
				return err
			}
			take(piece)
			p.At, p.Size = p.At+n, p.Size-n
		}
	}
	return nil
}

// remove takes the text of id off the shelf.
func (s *shelf) remove(id int) {
	s.index.remove(id)
	s.clean()
}

// clean frees the room of an empty shelf.
func (s *shelf) clean() {
	if s.open == 0 && s.index.empty() && s.spool.size() > 0 {
		s.spool.reset()
	}
}

func (s *shelf) close() error { return errors.Join(s.spool.close(), s.index.close()) }
