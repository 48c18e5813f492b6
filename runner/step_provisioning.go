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

func entitlementKind() Kind {
	return Kind{
		Name:    "entitlement",
		Summary: "check, or assign, the entitlement of a service plan",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "service", Shape: text(), Required: true, Doc: "the service offering, such as it-rt"},
			{Name: "plans", Shape: listOf(text()), Required: true, Doc: "its plans"},
			{Name: "assign", Shape: boolean(), Default: "false", Doc: "assign what is missing"},
		}},
		Subjects: provisioningSubjects(),
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("entitlement", body, "service") },
	}
}

func serviceInstanceKind() Kind {
	return Kind{
		Name:    "service-instance",
		Summary: "create a service instance, or use one that exists",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "name", Shape: text(), Required: true, Doc: "its name, unique per run: ${run.id}"},
			{Name: "offering", Shape: text(), Default: "it-rt", Doc: "the service offering"},
			{Name: "plan", Shape: text(), Required: true, Doc: "integration-flow or api"},
			{Name: "parameters", Shape: mapOf(anything()), Doc: "the parameters of the platform"},
			{Name: "parameters-file", Shape: text(), Doc: "a JSON file that holds them"},
			{Name: "mode", Shape: enum("create", "adopt", "require"), Default: "create", Doc: "create it; reuse it if it exists; or insist that it exists"},
			keep(),
		}},
		Subjects: provisioningSubjects(),
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("service-instance", body, "name") },
	}
}

func serviceKeyKind() Kind {
	return Kind{
		Name:    "service-key",
		Summary: "create a service key of an instance",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "name", Shape: text(), Required: true, Doc: "its name"},
			{Name: "instance", Shape: text(), Required: true, Doc: "the name of the service instance"},
			{Name: "parameters", Shape: mapOf(anything()), Doc: "the parameters of the platform"},
			{Name: "parameters-file", Shape: text(), Doc: "a JSON file that holds them"},
			{Name: "credential", Shape: text(), Doc: "the credential that it is from here on"},
			{Name: "mode", Shape: enum("create", "adopt", "require"), Default: "create", Doc: "create it; reuse it if it exists; or insist that it exists"},
			keep(),
		}},
		Subjects: provisioningSubjects(),
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("service-key", body, "name") },
	}
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
