package runner

import (
	"time"

	"iflowtest/scenarios"
)

func artifactKind() Kind {
	return Kind{
		Name:    "artifact",
		Summary: "check, or deploy, an integration flow",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "id", Shape: text(), Required: true, Doc: "the artifact's ID"},
			{Name: "credential", Shape: text(), Required: true, Doc: "a credential of plan api"},
			{Name: "state", Shape: enum("STARTED", "STARTING", "STOPPING", "ERROR"), Default: "STARTED", Doc: "the state it must have"},
			{Name: "version", Shape: text(), Doc: "the version it must have"},
			{Name: "deploy", Shape: boolean(), Default: "false", Doc: "deploy the design-time version first"},
		}},
		Subjects: []string{"json", "duration"},
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("artifact", body, "id") },
	}
}

func messageLogKind() Kind {
	return Kind{
		Name:    "message-log",
		Summary: "wait for a message processing log, and look at it",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "id", Shape: text(), Doc: "a message ID"},
			{Name: "correlation-id", Shape: text(), Doc: "or a correlation ID"},
			{Name: "application-message-id", Shape: text(), Doc: "or an application message ID"},
			{Name: "artifact", Shape: text(), Doc: "or an artifact: its newest log since the scenario began"},
			{Name: "credential", Shape: text(), Required: true, Doc: "a credential of plan api"},
			{Name: "wait-for", Shape: enum("COMPLETED", "FAILED", "RETRY", "ESCALATED", "CANCELLED", "DISCARDED", "ABANDONED", "PROCESSING"), Default: "COMPLETED", Doc: "the status it must reach"},
		}},
		Subjects: []string{"json", "body", "duration", "custom-headers", "attachments"},
		Timeout:  2 * time.Minute,
		title:    func(body *scenarios.Node) string { return titleOf("message-log", body, "id") },
	}
}
