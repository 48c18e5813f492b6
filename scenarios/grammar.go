package scenarios

import (
	"regexp"
	"slices"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
)

// grammar is what all files of one load are checked against, made once.
type grammar struct {
	scenario, included, environment, step, credential Shape
	// kinds are the names of the step kinds.
	kinds []string
	// reserved are the words that cannot name a variable, sorted.
	reserved []string
}

func newGrammar(kinds []string) *grammar {
	return &grammar{
		scenario:    withoutParts(ScenarioShape()),
		included:    withoutParts(IncludedShape()),
		environment: withoutParts(EnvironmentShape()),
		step:        StepShape(),
		credential:  CredentialShape(),
		kinds:       kinds,
		reserved:    expression.ReservedNames(),
	}
}

// withoutParts takes the shapes out of the blocks whose elements are read one
// by one.
func withoutParts(s Shape) Shape {
	for i, k := range s.Keys {
		switch k.Name {
		case "steps", "cleanup", "credentials":
			s.Keys[i].Shape.Elem = nil
		}
	}
	return s
}

var identifier = regexp.MustCompile(namePattern)

// checkName says what is wrong with the name of a variable.
func (c *checker) checkName(n *Node) {
	if c.reserved != nil && identifier.MatchString(n.Text) {
		if _, is := slices.BinarySearch(c.reserved, n.Text); !is {
			return
		}
	}
	proposal, err := expression.CheckName(n.Text)
	if err == nil {
		return
	}
	c.errorf(n.Pos(), diag.InvalidName, "%s", err)
	if proposal != "" && proposal != n.Text {
		c.hint("did you mean %s?", proposal)
	}
}
