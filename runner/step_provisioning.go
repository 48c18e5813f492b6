package runner

import (
	"time"

	"iflowtest/scenarios"
)

// provisioningTimeout is the limit of a provisioning step: what it waits for
// takes minutes on the platform.
const provisioningTimeout = 10 * time.Minute

// provisioningSubjects are the subjects of a step that answers with a
// resource of the platform.
func provisioningSubjects() []string { return []string{"json", "duration"} }

func keep() scenarios.Key {
	return scenarios.Key{Name: "keep", Shape: enum("never", "on-failure", "always"), Default: "never", Doc: "when it is kept at the end of the scenario"}
}

func destinationKind() Kind {
	return Kind{
		Name:    "destination",
		Summary: "create a BTP destination for an integration flow",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "name", Shape: text(), Required: true, Doc: "its name"},
			{Name: "credential", Shape: text(), Required: true, Doc: "the credential it holds"},
			{Name: "url", Shape: text(), Required: true, Doc: "where it leads"},
			{Name: "properties", Shape: mapOf(anything()), Doc: "further properties"},
			{Name: "mode", Shape: enum("create", "adopt", "require"), Default: "create", Doc: "create it; reuse it if it exists; or insist that it exists"},
			keep(),
		}},
		Subjects: provisioningSubjects(),
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("destination", body, "name") },
	}
}
