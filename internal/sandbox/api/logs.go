package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"iflowtest/internal/sandbox/messagelog"
	"iflowtest/internal/sandbox/odata"
)

// node is the name of the tenant's worker in message logs.
const node = "CPI_sandbox"

// serveLogs answers MessageProcessingLogs and what is below.
func (a *API) serveLogs(c *call) {
	if !c.allow(http.MethodGet) {
		return
	}
	id, one := c.path[0].Key()
	if len(c.path) == 1 && c.path[0].Keys == nil {
		var rows []*odata.Entity
		for _, l := range a.o.Logs.All(a.o.Faults.Now()) {
			rows = append(rows, a.log(l))
		}
		c.list("MessageProcessingLogs", rows)
		return
	}
	if !one {
		c.nowhere()
		return
	}
	l, ok := a.o.Logs.Get(id, a.o.Faults.Now())
	if !ok {
		c.unknown("MessageProcessingLog", id)
		return
	}
	if len(c.path) == 1 {
		c.out.Entity(c.w, http.StatusOK, a.log(l), c.query)
		return
	}
	a.logDetail(c, l)
}

// logDetail answers what a log leads to.
func (a *API) logDetail(c *call, l messagelog.Log) {
	names := make([]string, 0, 2)
	for _, s := range c.path[1:] {
		if s.Keys != nil {
			c.nowhere()
			return
		}
		names = append(names, s.Name)
	}
	switch strings.Join(names, "/") {
	case "ErrorInformation/$value":
		c.textValue(l.Error)
	case "ErrorInformation":
		if l.Error == "" {
			c.w.WriteHeader(http.StatusNoContent)
			return
		}
		c.out.Entity(c.w, http.StatusOK, &odata.Entity{
			Set: "MessageProcessingLogErrorInformations", Type: "MessageProcessingLogErrorInformation", Key: odata.Key(l.ID),
			Properties: []odata.Property{{Name: "MessageGuid", Value: l.ID}, {Name: "Type", Value: nil}, {Name: "LastErrorModelStepId", Value: nil}},
		}, c.query)
	case "CustomHeaderProperties":
		c.related(customHeaders(l))
	case "Attachments":
		if !c.caller.May(payloadsRead) {
			c.fail(odata.Errorf(http.StatusForbidden, "The role %s is required.", payloadsRead))
			return
		}
		c.related(nil)
	case "AdapterAttributes", "MessageStoreEntries", "Runs":
		c.related(nil)
	default:
		c.nowhere()
	}
}

func customHeaders(l messagelog.Log) []*odata.Entity {
	var rows []*odata.Entity
	for i, h := range l.Headers {
		id := l.ID + "_" + strconv.Itoa(i+1)
		rows = append(rows, &odata.Entity{
			Set: "MessageProcessingLogCustomHeaderProperties", Type: "MessageProcessingLogCustomHeaderProperty", Key: odata.Key(id),
			Properties: []odata.Property{{Name: "Id", Value: id}, {Name: "Name", Value: h.Name}, {Name: "Value", Value: h.Value}, {Name: "Log", Value: odata.Link{}}},
		})
	}
	return rows
}

// log gives the row of a message log (wire/sap.md 6.2).
func (a *API) log(l messagelog.Log) *odata.Entity {
	var end, application any
	if !l.End.IsZero() {
		end = l.End
	}
	if l.Application != "" {
		application = l.Application
	}
	return &odata.Entity{
		Set: "MessageProcessingLogs", Type: "MessageProcessingLog", Key: odata.Key(l.ID),
		Properties: []odata.Property{
			{Name: "MessageGuid", Value: l.ID}, {Name: "CorrelationId", Value: l.Correlation},
			{Name: "ApplicationMessageId", Value: application}, {Name: "PredecessorMessageGuid", Value: nil},
			{Name: "ApplicationMessageType", Value: nil}, {Name: "LogStart", Value: l.Start}, {Name: "LogEnd", Value: end},
			{Name: "Sender", Value: nil}, {Name: "Receiver", Value: nil},
			{Name: "IntegrationFlowName", Value: l.Flow}, {Name: "Status", Value: l.Status},
			{Name: "AlternateWebLink", Value: a.o.Origin() + "/shell/monitoring/Messages/" + url.PathEscape(`{"identifier":"`+l.ID+`"}`)},
			{Name: "IntegrationArtifact", Value: &odata.Entity{Type: "IntegrationArtifact", Properties: []odata.Property{
				{Name: "Id", Value: l.Flow}, {Name: "Name", Value: l.Flow}, {Name: "Type", Value: "INTEGRATION_FLOW"},
				{Name: "PackageId", Value: FlowPackage}, {Name: "PackageName", Value: "Sandbox Flows"},
			}}},
			{Name: "LogLevel", Value: "INFO"}, {Name: "CustomStatus", Value: l.Status}, {Name: "ArchivingStatus", Value: "NOT_RELEVANT"},
			{Name: "ArchivingSenderChannelMessages", Value: false}, {Name: "ArchivingReceiverChannelMessages", Value: false},
			{Name: "ArchivingLogAttachments", Value: false}, {Name: "ArchivingPersistedMessages", Value: false},
			{Name: "TransactionId", Value: transaction(l.ID)}, {Name: "PreviousComponentName", Value: node},
			{Name: "LocalComponentName", Value: node}, {Name: "OriginComponentName", Value: node},
			{Name: "CustomHeaderProperties", Value: odata.Link{Rows: func() []*odata.Entity { return customHeaders(l) }}},
			{Name: "MessageStoreEntries", Value: odata.Link{}}, {Name: "ErrorInformation", Value: odata.Link{}},
			{Name: "AdapterAttributes", Value: odata.Link{}}, {Name: "Attachments", Value: odata.Link{}}, {Name: "Runs", Value: odata.Link{}},
		},
	}
}

// transaction derives the ID of the transaction, which nothing else needs.
func transaction(id string) string { return fmt.Sprintf("%.32x", id) }
