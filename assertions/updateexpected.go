package assertions

import (
	"bytes"
	"encoding/json"
	"strings"
)

// update writes the file instead of a failure, where that is asked for.
func (m *fileComparison) update(want, got string) *Failure {
	if m.c.r.Update == nil {
		return m.differs(want, got)
	}
	if m.c.others > 0 {
		return m.refused(want, got, "other assertions of the step do not hold")
	}
	if m.kind == "" {
		m.kind = m.kindOf(m.file, m.c.r.text())
	}
	if f := m.foreign(); f != nil {
		return f
	}
	content := m.written()
	if d := m.c.display(); d.hides(string(content)) || d.hides(m.c.r.text()) {
		return m.refused(want, got, "the payload holds a secret, which belongs in no file")
	}
	if err := m.c.r.Update(m.file, content); err != nil {
		return m.refused(want, got, m.c.display().path(err.Error()))
	}
	return nil
}

func (m *fileComparison) refused(want, got, why string) *Failure {
	f := m.differs(want, got)
	f.Notes = append(f.Notes, m.c.display().path(m.file)+" is not updated: "+why)
	return f
}

// written is the body as it is kept in a file: JSON on one line gets lines
// that can be compared.
func (m *fileComparison) written() []byte {
	text := m.c.r.text()
	if m.kind != payloadJSON && decodeText(m.c.r.Body, "") == text {
		return []byte(m.c.r.Body) // a file says as much of its encoding
	}
	body := []byte(text)
	if m.kind != payloadJSON || strings.Contains(strings.TrimSpace(text), "\n") {
		return body
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(m.c.r.body.text), "", "  "); err != nil {
		return body
	}
	b.WriteByte('\n')
	return b.Bytes()
}
