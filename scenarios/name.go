package scenarios

import (
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
)

// checkName says what is wrong with the name of a variable.
func checkName(n *Node) diag.List {
	proposal, err := expression.CheckName(n.Text)
	if err == nil {
		return nil
	}
	d := diag.Errorf(n.Pos, diag.InvalidName, "%s", err)
	if proposal != "" && proposal != n.Text {
		d = d.WithHint("did you mean %s?", proposal)
	}
	return diag.List{d}
}
