package assertions

import "fmt"

func compileIncludes(c *compiler, t *test, n *Node, what string) {
	if n.Kind != List && n.Kind != Map {
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: includes wants an object or a list, found %s", what, c.show.node(n)),
			"one element or a part of a text is written contains: …")
		return
	}
	t.want = treeOf(n)
}

func holdsIncludes(t *test, v *value) bool { return t.want.includedIn(v) }

func phraseIncludes(t *test, d *display) string {
	if t.want.form == list {
		return "a list that includes " + d.tree(&t.want, t.domain)
	}
	return "an object that includes " + d.tree(&t.want, t.domain)
}

// includedIn reports whether every name and element of t is in v, deep; what
// is neither a list nor an object must be equal.
func (t *tree) includedIn(v *value) bool {
	if t.form != v.form {
		return false
	}
	switch t.form {
	case list:
		return t.matched(v.text, v.domain) == len(t.items())
	case object:
		return t.membersIncludedIn(v.text)
	case text:
		return t.text == v.text || (v.domain == domainScope && grants(v.text, t.text))
	}
	return t.equal(v)
}

func (t *tree) membersIncludedIn(raw string) bool {
	var first seen
	n := 0
	for name, e := range members(raw) {
		i := t.find(name)
		if i < 0 || first.again(i, len(t.members())) {
			continue
		}
		v := fromJSON(e)
		if !t.members()[i].value.includedIn(&v) {
			return false
		}
		n++
	}
	return n == len(t.members())
}

// matched gives the number of elements of t, from the first on, that find one
// of their own in the list: a matching, by augmenting paths.
func (t *tree) matched(raw string, d domain) int {
	m := matching{wants: t.items()}
	for e := range elements(raw) {
		v := fromJSON(e)
		if d == domainScopes {
			v.domain = domainScope
		}
		m.found = append(m.found, v)
	}
	m.taken = make([]int, len(m.found))
	m.fits = make([][]verdict, len(m.wants))
	for i := range m.wants {
		if !m.place(i, make([]bool, len(m.found))) {
			return i
		}
	}
	return len(m.wants)
}

type matching struct {
	wants []tree
	found []value
	// taken holds, for each found element, the wanted one it stands for,
	// counted from 1.
	taken []int
	// fits remembers what has been compared.
	fits [][]verdict
}

// verdict is what is known of a comparison. The zero verdict is: nothing.
type verdict int8

const (
	fits verdict = iota + 1
	fitsNot
)

// place finds an element for the wanted one at i, moving others if need be.
func (m *matching) place(i int, tried []bool) bool {
	// A free one first, so that the usual case needs no moving.
	for j := range m.found {
		if m.taken[j] == 0 && m.fit(i, j) {
			m.taken[j] = i + 1
			return true
		}
	}
	for j := range m.found {
		if m.taken[j] == 0 || tried[j] || !m.fit(i, j) {
			continue
		}
		tried[j] = true
		if m.place(m.taken[j]-1, tried) {
			m.taken[j] = i + 1
			return true
		}
	}
	return false
}

// maxVerdicts bounds the memory for what has been compared.
const maxVerdicts = 1 << 26

func (m *matching) fit(i, j int) bool {
	if scalar := m.wants[i].form != list && m.wants[i].form != object; scalar || len(m.wants)*len(m.found) > maxVerdicts {
		return m.wants[i].includedIn(&m.found[j])
	}
	if m.fits[i] == nil {
		m.fits[i] = make([]verdict, len(m.found))
	}
	known := &m.fits[i][j]
	if *known == 0 {
		*known = fitsNot
		if m.wants[i].includedIn(&m.found[j]) {
			*known = fits
		}
	}
	return *known == fits
}
