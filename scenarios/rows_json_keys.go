package scenarios

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
)

// jsonKey is a key of an object.
type jsonKey struct {
	name string
	// level is 1 for the keys of the row itself.
	level int
	// start and end are the offsets of the key with its quotes; first is that
	// of the same key before, -1: there is none.
	start, end, first int
}

// jsonKeys finds the keys of values that are valid JSON. It is used for one
// value after another, to spare memory.
type jsonKeys struct {
	// names holds each name once.
	names map[string]string
	// seen are the keys of the object that is open at each level; a list has
	// none.
	levels []jsonLevel
}

type jsonLevel struct {
	object, wantsKey bool
	seen             map[string]int
}

// maxNames bounds the names that are remembered.
const maxNames = 2 * maxColumns

// read visits every key in the order of the text. deep is the offset of the
// first bracket that is nested too deeply, -1: there is none.
func (k *jsonKeys) read(raw []byte, visit func(jsonKey)) (deep int) {
	if k.names == nil || len(k.names) > maxNames {
		k.names = map[string]string{}
	}
	level := 0
	for at := 0; at < len(raw); at++ {
		switch raw[at] {
		case '{', '[':
			if level == maxDepth {
				return at
			}
			k.enter(level, raw[at] == '{')
			level++
		case '}', ']':
			level--
		case ',':
			k.levels[level-1].wantsKey = k.levels[level-1].object
		case '"':
			end := endOfString(raw, at)
			if level > 0 && k.levels[level-1].wantsKey {
				visit(k.key(raw, at, end, level))
			}
			at = end - 1
		}
	}
	return -1
}

// enter begins an object or a list.
func (k *jsonKeys) enter(level int, object bool) {
	if level == len(k.levels) {
		k.levels = append(k.levels, jsonLevel{seen: map[string]int{}})
	}
	l := &k.levels[level]
	l.object, l.wantsKey = object, object
	clear(l.seen)
}

func (k *jsonKeys) key(raw []byte, start, end, level int) jsonKey {
	l := &k.levels[level-1]
	l.wantsKey = false
	key := jsonKey{name: k.name(raw[start:end]), level: level, start: start, end: end, first: -1}
	if first, again := l.seen[key.name]; again {
		key.first = first
	} else {
		l.seen[key.name] = start
	}
	return key
}

// name gives the text of a key.
func (k *jsonKeys) name(quoted []byte) string {
	if name, known := k.names[string(quoted)]; known {
		return name
	}
	var name string
	_ = json.Unmarshal(quoted, &name) // it is valid
	k.names[string(quoted)] = name
	return name
}

// endOfString gives the offset behind the string that begins at an offset.
func endOfString(raw []byte, at int) int {
	for at++; raw[at] != '"'; at++ {
		if raw[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// halfCharacter gives the offset of an escape that is one half of a character
// without the other (RFC 8259, section 8.2), -1: there is none. raw is valid.
func halfCharacter(raw []byte) int {
	if !bytes.Contains(raw, []byte(`\ud`)) && !bytes.Contains(raw, []byte(`\uD`)) {
		return -1
	}
	for at := 0; at < len(raw); at++ {
		if raw[at] != '\\' {
			continue
		}
		first := escapedUnit(raw[at:])
		switch {
		case !utf16.IsSurrogate(first):
			at++
		case utf16.DecodeRune(first, escapedUnit(raw[at+6:])) == '\uFFFD':
			return at
		default:
			at += 11
		}
	}
	return -1
}

// escapedUnit gives the number of an escape like \u00e9, 0 for anything else.
func escapedUnit(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(n)
}
