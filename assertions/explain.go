package assertions

import (
	"cmp"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// explain makes the failure of a test that does not hold.
func (c *checker) explain(a *assertion, m *matcher, t *test, v *value, d *display) Failure {
	f := Failure{
		Place: t.place, Subject: a.subject, Path: a.path, Operator: t.op.name,
		Want: t.op.phrase(t, d), Got: v.show(d),
	}
	if len(m.tests) == 1 {
		f.Place = a.place
	}
	if t.op.name == "equals" && v.domain == domainText && v.form != text && v.form != absent {
		f.Want = d.hidden(t.want.text) // a number or boolean that XPath computed
	}
	f.Message = a.what(d) + ": want " + f.Want + ", got " + f.Got
	if v.form == absent {
		f.Notes = c.whereItEnds(a, d)
		return f
	}
	f.Notes = t.notes(v, a.base(d), d)
	var hidden string
	if f.Diff, hidden = t.diff(v, d); hidden != "" {
		f.Notes = append(f.Notes, hidden)
	}
	return f
}

// notJSON is the failure of an assertion on a document that is not JSON.
func (c *checker) notJSON(a *assertion, d *display) Failure {
	got := ""
	if a.kind == onClaims {
		got = whatItIs(c.r.Claims, "list of claims", d)
	} else {
		got = whatItIs(c.r.text(), "body", d)
	}
	return *c.unlike(a, got)
}

// unlike is the failure of an assertion on a document that is not of the kind
// that was due.
func (c *checker) unlike(a *assertion, got string) *Failure {
	d := c.display()
	f := &Failure{Place: a.place, Subject: a.subject, Path: a.path, Got: got}
	if m, err := a.match.resolve(c.compute, d); err == nil {
		f.Want = m.phrase(d)
		if len(m.tests) > 0 {
			f.Operator = m.tests[0].op.name
		}
	}
	f.Message = fmt.Sprintf("%s: want %s, got %s", a.what(d), f.Want, f.Got)
	return f
}

var htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)

// whatItIs says what a document that is not JSON seems to be.
func whatItIs(s, what string, d *display) string {
	if strings.TrimSpace(s) == "" {
		return "an empty " + what
	}
	head := s[:min(len(s), 64<<10)]
	if m := htmlTitle.FindStringSubmatch(head); m != nil {
		title := d.hidden(html.UnescapeString(d.hidden(m[1])))
		return "an HTML page with the title " + quote(strings.Join(strings.Fields(title), " "))
	}
	if tooDeep(s) {
		return fmt.Sprintf("JSON that is nested more than %d levels deep", maxDepth)
	}
	return "text that is not JSON: " + d.quote(s)
}

// base is the path that differences within its value go on from.
func (a *assertion) base(d *display) string {
	if a.kind != onJSON && a.kind != onClaims {
		return ""
	}
	if p, err := parsePath(a.path); err != nil || p.rest != "" {
		return ""
	}
	return d.path(a.path)
}

// notes say what is not seen at once in what was wanted and found.
func (t *test) notes(v *value, base string, d *display) []string {
	var notes []string
	if n := t.otherType(v); n != "" {
		notes = append(notes, n)
	}
	switch t.op.name {
	case "each":
		for i, e := range listElements(v) {
			if t.sub.failing(e) != nil {
				notes = append(notes, fmt.Sprintf("element %d is %s", i, e.show(d)))
				break
			}
		}
	case "none":
		if i := t.matching(v); i >= 0 {
			for j, e := range listElements(v) {
				if j == i {
					notes = append(notes, fmt.Sprintf("element %d is %s", i, e.show(d)))
					break
				}
			}
		}
	case "length":
		if n, ok := v.length(); ok {
			notes = append(notes, "the length is "+strconv.FormatInt(n, 10))
		}
	case "includes":
		if at, want := t.want.missing(v, base, d); want != "" {
			notes = append(notes, fmt.Sprintf("%s: want %s", cmp.Or(at, "@this"), want))
		}
	case "equals":
		if t.want.form == v.form && (v.form == list || v.form == object) {
			notes = append(notes, t.want.firstDifference(v, base, d))
		}
	}
	return notes
}

// otherType explains a mismatch of types that is easily overlooked.
func (t *test) otherType(v *value) string {
	if v.domain != domainJSON {
		return ""
	}
	switch t.op.name {
	case "equals":
		if t.want.form == v.form || t.want.text != v.text {
			return ""
		}
		return fmt.Sprintf("%s was wanted and %s was found", t.want.form, v.form)
	case "gt", "gte", "lt", "lte", "between", "approx":
		if v.form == text {
			return "text was found where a number was wanted"
		}
	case "contains", "not-contains", "starts-with", "ends-with", "matches":
		if v.form == number {
			return "a number was found where text was wanted"
		}
	}
	return ""
}

// diff compares documents and texts of several lines. The note says when there
// is a difference that cannot be seen, since it is in what is hidden.
func (t *test) diff(v *value, d *display) (diff, note string) {
	if t.op.name != "equals" || t.want.form != v.form {
		return "", ""
	}
	switch v.form {
	case list, object:
		if len(v.text) > maxDiffBytes {
			return "", ""
		}
		got := treeOfJSON(v.text, 0)
		got.writeLike(&t.want)
		return d.diffTrees(&t.want, &got)
	case number:
		return "", d.hiddenDifference(t.want.text, v.text)
	case text:
		if strings.Contains(v.text, "\n") || strings.Contains(t.want.text, "\n") {
			return d.diffTexts(t.want.text, v.text)
		}
		return "", d.hiddenDifference(t.want.text, v.text)
	}
	return "", ""
}

// writeLike writes numbers that equal those of want as want does, so that 10.10
// and 10.1 are no difference.
func (t *tree) writeLike(want *tree) {
	if t.form != want.form {
		return
	}
	switch t.form {
	case number:
		if equalNumbers(want.text, &value{form: number, text: t.text, domain: domainJSON}) {
			t.text = want.text
		}
	case list:
		for i := range min(len(t.items()), len(want.items())) {
			t.items()[i].writeLike(&want.items()[i])
		}
	case object:
		for i := range t.members() {
			if at := want.find(t.members()[i].name); at >= 0 {
				t.members()[i].value.writeLike(&want.members()[at].value)
			}
		}
	}
}

// firstDifference says where v first differs from t, in the order of names;
// "" when it does not.
func (t *tree) firstDifference(v *value, at string, d *display) string {
	if t.form == v.form && t.form == list {
		return t.listDifference(v, at, d)
	}
	if t.form == v.form && t.form == object {
		return t.objectDifference(v, at, d)
	}
	if t.equal(v) {
		return ""
	}
	return fmt.Sprintf("%s: want %s, got %s", cmp.Or(at, "@this"), d.tree(t, domainJSON), v.show(d))
}

func (t *tree) listDifference(v *value, at string, d *display) string {
	i := 0
	for e := range elements(v.text) {
		if i == len(t.items()) {
			n, _ := v.length()
			return fmt.Sprintf("%s: want %s, got %s", cmp.Or(at, "@this"), list.extent(int64(len(t.items()))), list.extent(n))
		}
		el := fromJSON(e)
		if !t.items()[i].equal(&el) {
			return t.items()[i].firstDifference(&el, join(at, strconv.Itoa(i)), d)
		}
		i++
	}
	if i < len(t.items()) {
		return fmt.Sprintf("%s: want %s, got %s", cmp.Or(at, "@this"), list.extent(int64(len(t.items()))), list.extent(int64(i)))
	}
	return ""
}

func (t *tree) objectDifference(v *value, at string, d *display) string {
	found := map[string]string{}
	var extra []string
	for name, e := range members(v.text) {
		if _, again := found[name]; again {
			continue
		}
		found[name] = e
		if t.find(name) < 0 {
			extra = append(extra, name)
		}
	}
	for i := range t.members() {
		m := &t.members()[i]
		el := fromJSON(found[m.name])
		if !m.value.equal(&el) {
			return m.value.firstDifference(&el, join(at, d.name(m.name)), d)
		}
	}
	if len(extra) > 0 {
		slices.Sort(extra)
		el := fromJSON(found[extra[0]])
		return fmt.Sprintf("%s: want nothing, got %s", join(at, d.name(extra[0])), el.show(d))
	}
	return ""
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// escapeName writes a name as a component of a path.
func escapeName(name string) string {
	if plainName(name) {
		return shownPath(name)
	}
	return shownPath(strings.ReplaceAll(strings.ReplaceAll(name, `\`, `\\`), ".", `\.`))
}

// missing gives the first part of t that is not in v: its path and what was
// wanted there.
func (t *tree) missing(v *value, at string, d *display) (string, string) {
	switch {
	case t.form == object && v.form == object:
		found := map[string]string{}
		for name, e := range members(v.text) {
			if _, again := found[name]; !again {
				found[name] = e
			}
		}
		for i := range t.members() {
			m := &t.members()[i]
			el := fromJSON(found[m.name])
			if !m.value.includedIn(&el) {
				return m.value.missing(&el, join(at, d.name(m.name)), d)
			}
		}
		return "", ""
	case t.form == list && v.form == list:
		return at, t.missingElement(v, d)
	}
	return at, d.tree(t, domainJSON) + ", got " + v.show(d)
}

func (t *tree) missingElement(v *value, d *display) string {
	i := min(t.matched(v.text, v.domain), len(t.items())-1)
	return "an element of its own for " + d.tree(&t.items()[i], domainJSON) + ", got none"
}

// whereItEnds says how far a path that is not there leads.
func (c *checker) whereItEnds(a *assertion, d *display) []string {
	switch a.kind {
	case onJSON:
		return prefixNotes(c.r.body.text, a.path, "the document", d)
	case onClaims:
		return prefixNotes(c.r.claims.text, a.path, "the token", d)
	case onHeaders:
		names := make([]string, 0, len(c.r.Header))
		for name := range c.r.Header {
			names = append(names, name)
		}
		return nearby(a.path, names, "headers", d)
	case onCookies:
		var names []string
		for _, k := range c.r.Cookies {
			if k != nil {
				names = append(names, k.Name)
			}
		}
		return nearby(a.path, names, "cookies", d)
	case onCustomHeaders:
		names := make([]string, len(c.r.CustomHeaders))
		for i := range names {
			names[i] = c.r.CustomHeaders[i].Name
		}
		return nearby(a.path, names, "custom headers", d)
	case onAttachments:
		names := make([]string, len(c.r.Attachments))
		for i := range names {
			names[i] = c.r.Attachments[i].Name
		}
		return nearby(a.path, names, "attachments", d)
	case onXML:
		if x, err := a.xpath.with(c.e.prefixes, c.compute); err == nil && c.r.xml.tree != nil {
			return xmlNotes(c.r.xml.tree, x, d)
		}
	case onTLS:
		return []string{"the answer came without TLS"}
	case onCertificate:
		return []string{"the credential has no certificate"}
	}
	return nil
}

// nearby proposes a name, or lists those that are there.
func nearby(name string, names []string, what string, d *display) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return []string{"there are no " + what}
	}
	if s := suggest(name, names); s != "" {
		return []string{fmt.Sprintf("did you mean %s?", d.path(s))}
	}
	return []string{"there are the " + what + " " + listOfNames(names, d)}
}

func listOfNames(names []string, d *display) string {
	more := 0
	if len(names) > maxShownKeys {
		more = len(names) - maxShownKeys
		names = names[:maxShownKeys]
	}
	shown := make([]string, len(names))
	for i, n := range names {
		shown[i] = showName(d.hidden(n))
	}
	s := joinWords(shown)
	if more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// showName shows a name, secrets in it hidden, bare when it is one word, else
// quoted.
func showName(s string) string {
	if s == "" || len(s) > maxShown || strings.ContainsAny(s, " ,\"'`\\") {
		return quote(s)
	}
	for _, r := range s {
		if r < ' ' || r == utf8.RuneError || !strconv.IsPrint(r) {
			return quote(s)
		}
	}
	return s
}

// prefixNotes describes the longest prefix of the path that exists. Of a path
// with a secret in it there is none that can be shown: its parts may be those
// of the secret.
func prefixNotes(doc, of, whole string, d *display) []string {
	p, mistake := parsePath(of)
	if mistake != nil || d.hides(of) {
		return nil
	}
	for n := len(p.parts) - 1; n >= 0; n-- {
		prefix, raw := whole, doc
		if n > 0 {
			text := p.text[:p.parts[n-1].to]
			known, err := parsePath(text)
			if err != nil {
				continue
			}
			if raw = known.find(doc); raw == "" {
				continue
			}
			prefix = shownPath(text)
		}
		v := fromJSON(raw)
		return describe(prefix, n > 0, &v, p, n, d)
	}
	return nil
}

// find gives the value of one path in a valid document.
func (p *path) find(doc string) string {
	var f finder
	f.add(p)
	f.complete()
	return f.find(doc)[0]
}

// describe says what the prefix is, and what the part of the path at n, which
// is not in it, may have meant.
func describe(prefix string, exists bool, v *value, p *path, n int, d *display) []string {
	next, whole := &p.parts[n], p.text
	verb := " has"
	if exists {
		verb = " exists and has"
	}
	switch v.form {
	case object:
		names := namesOf(v.text)
		notes := []string{prefix + " is an object without keys"}
		if exists {
			notes[0] = prefix + " exists and has no keys"
		}
		if len(names) > 0 {
			word := " the keys "
			if len(names) == 1 {
				word = " the key "
			}
			notes[0] = prefix + verb + word + listOfNames(names, d)
		}
		if s := p.withDots(n, names, d); s != "" {
			return append(notes, fmt.Sprintf("did you mean %s?", shownPath(s)))
		}
		if s := suggest(next.name, names); next.name != "" && s != "" {
			notes = append(notes, fmt.Sprintf("did you mean %s?", shownPath(whole[:next.from]+d.name(s)+whole[next.to:])))
		}
		return notes
	case list:
		n, _ := v.length()
		notes := []string{prefix + verb + " " + list.extent(n)}
		if next.plain && indexOf(next.name) < 0 && n > 0 {
			notes = append(notes, fmt.Sprintf("it is a list: did you mean %s0.%s, or %s#.%s for all of them?",
				shownPath(whole[:next.from]), shownPath(whole[next.from:]), shownPath(whole[:next.from]), shownPath(whole[next.from:])))
		}
		return notes
	}
	if exists {
		return []string{prefix + " exists and is " + v.show(d)}
	}
	return []string{prefix + " is " + v.show(d)}
}

// withDots gives the path with the parts from n on joined into one of the
// names, when the name has dots in it.
func (p *path) withDots(n int, names []string, d *display) string {
	joined := p.parts[n].name
	for i := n + 1; i < len(p.parts) && p.parts[i-1].plain && p.parts[i].plain; i++ {
		joined += "." + p.parts[i].name
		if slices.Contains(names, joined) {
			return p.text[:p.parts[n].from] + d.name(joined) + p.text[p.parts[i].to:]
		}
	}
	return ""
}

// namesOf gives the names of an object in the order written, each once.
func namesOf(raw string) []string {
	var names []string
	known := map[string]struct{}{}
	for name := range members(raw) {
		if _, again := known[name]; !again {
			known[name] = struct{}{}
			names = append(names, name)
		}
	}
	return names
}
