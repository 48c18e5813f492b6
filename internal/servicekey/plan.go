package servicekey

// PlanOf judges the plan of the offering it-rt by a client ID, as [Key.Plan]
// has it: "integration-flow", "api" or "".
func PlanOf(clientID string) string { return plan(clientID) }
