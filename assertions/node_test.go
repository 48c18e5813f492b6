package assertions

import (
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)

// parseNode reads YAML as the loader does: types are decided from text and
// style. A plain $N is the computed value number N. Places are line*1000 +
// column.
func parseNode(t testing.TB, source string) *Node {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(source), &doc); err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	n := nodeOfYAML(doc.Content[0])
	return &n
}

func nodeOfYAML(y *yaml.Node) Node {
	n := Node{Place: Place(y.Line*1000 + y.Column)}
	switch y.Kind {
	case yaml.SequenceNode:
		n.Kind = List
		for _, c := range y.Content {
			n.Items = append(n.Items, nodeOfYAML(c))
		}
		return n
	case yaml.MappingNode:
		n.Kind = Map
		for i := 0; i < len(y.Content); i += 2 {
			k := y.Content[i]
			n.Fields = append(n.Fields, Field{
				Name: k.Value, Place: Place(k.Line*1000 + k.Column), Value: nodeOfYAML(y.Content[i+1]),
			})
		}
		return n
	}
	n.Kind, n.Text = Text, y.Value
	if y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n
	}
	switch {
	case y.Value == "" || y.Value == "null" || y.Value == "~":
		n.Kind, n.Text = Null, ""
	case y.Value == "true" || y.Value == "false":
		n.Kind = Bool
	case jsonNumber.MatchString(y.Value):
		n.Kind = Number
	case strings.HasPrefix(y.Value, "$") && len(y.Value) == 2:
		n.Kind, n.Computed, n.Text = Computed, int(y.Value[1]-'0'), ""
	}
	return n
}

// allSubjects are those that can be judged.
func allSubjects() []string {
	var names []string
	for _, s := range SubjectDocs() {
		names = append(names, s.Name)
	}
	return names
}

func compileYAML(t testing.TB, source string) (*Expectation, []Problem) {
	t.Helper()
	return Compile(parseNode(t, source), Options{Subjects: allSubjects()})
}

func mustCompile(t testing.TB, source string) *Expectation {
	t.Helper()
	e, problems := compileYAML(t, source)
	if len(problems) > 0 {
		t.Fatalf("%s\n%+v", source, problems)
	}
	return e
}
