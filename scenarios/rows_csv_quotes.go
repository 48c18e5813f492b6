package scenarios

import "bytes"

// quoting is what is wrong with the quotes of a record.
type quoting struct {
	what quoteFault
	// open is the offset of the quote that opens the cell, at that of the fault.
	open, at int
}

// quoteFault is zero when the quotes are right.
type quoteFault uint8

// quoteBare is one inside a cell without quotes, quoteOpen one that is not
// closed, quoteEarly one that closes before the cell ends.
const (
	quoteBare quoteFault = iota + 1
	quoteOpen
	quoteEarly
)

// misquoted looks for the fault that made a record unreadable, by the rules
// of encoding/csv.
func misquoted(raw []byte, separator byte) quoting {
	for at := 0; at < len(raw); {
		if raw[at] != '"' {
			end := at + endOfCell(raw[at:], separator)
			if quote := bytes.IndexByte(raw[at:end], '"'); quote >= 0 {
				return quoting{quoteBare, at + quote, at + quote}
			}
			at = end + 1
			continue
		}
		open := at
		end := closingCSVQuote(raw, at+1)
		if end < 0 {
			return quoting{quoteOpen, open, len(raw)}
		}
		at = end + 1
		switch rest := raw[at:]; {
		case len(rest) > 0 && rest[0] == separator:
			at++
		case isLineEnd(rest):
			return quoting{}
		default:
			return quoting{quoteEarly, open, end}
		}
	}
	return quoting{}
}

// isLineEnd reports whether nothing but the end of the line is left.
func isLineEnd(rest []byte) bool {
	switch string(rest) {
	case "", "\n", "\r\n", "\r":
		return true
	}
	return false
}

// endOfCell is how long a cell without quotes is.
func endOfCell(raw []byte, separator byte) int {
	end := bytes.IndexAny(raw, string(separator)+"\n")
	if end < 0 {
		return len(raw)
	}
	return end
}

// closingCSVQuote gives the offset of the quote that ends a cell, -1: none.
func closingCSVQuote(raw []byte, at int) int {
	for {
		next := bytes.IndexByte(raw[at:], '"')
		if next < 0 {
			return -1
		}
		at += next
		if at+1 >= len(raw) || raw[at+1] != '"' {
			return at
		}
		at += 2
	}
}
