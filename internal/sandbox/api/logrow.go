package api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/sandbox/messagelog"
	"iflowtest/internal/sandbox/odata"
)

// node is the name of the tenant's worker in message logs.
const node = "CPI_sandbox"

// logRow is a message log that is filtered and ordered before, and often
// without, becoming an entity.
type logRow struct {
	a *API
	l *messagelog.Log
}

// Property implements odata.Row: at once for what clients search by.
func (r *logRow) Property(path string) (any, bool) {
	switch path {
	case "MessageGuid":
		return r.l.ID, true
	case "CorrelationId":
		return r.l.Correlation, true
	case "ApplicationMessageId":
		return application(r.l), true
	case "IntegrationFlowName", "IntegrationArtifact/Id":
		return r.l.Flow, true
	case "Status", "CustomStatus":
		return r.l.Status, true
	case "LogStart":
		return r.l.Start, true
	case "LogEnd":
		return logEnd(r.l), true
	}
	return r.a.log(r.l).Property(path)
}

func application(l *messagelog.Log) any {
	if l.Application == "" {
		return nil
	}
	return l.Application
}

func logEnd(l *messagelog.Log) any {
	if l.End.IsZero() {
		return nil
	}
	return l.End
}

// log gives the row of a message log (wire/sap.md 6.2).
func (a *API) log(l *messagelog.Log) *odata.Entity {
	return &odata.Entity{
		Set: "MessageProcessingLogs", Type: "MessageProcessingLog", Key: odata.Key(l.ID),
		Properties: []odata.Property{
			{Name: "MessageGuid", Value: l.ID}, {Name: "CorrelationId", Value: l.Correlation},
			{Name: "ApplicationMessageId", Value: application(l)}, {Name: "PredecessorMessageGuid", Value: nil},
			{Name: "ApplicationMessageType", Value: nil}, {Name: "LogStart", Value: l.Start}, {Name: "LogEnd", Value: logEnd(l)},
			{Name: "Sender", Value: nil}, {Name: "Receiver", Value: nil},
			{Name: "IntegrationFlowName", Value: l.Flow}, {Name: "Status", Value: l.Status},
			{Name: "AlternateWebLink", Value: a.o.Origin() + "/shell/monitoring/Messages/" + url.QueryEscape(`{"identifier":"`+l.ID+`"}`)},
			{Name: "IntegrationArtifact", Value: a.artifactOf(l)},
			{Name: "LogLevel", Value: "INFO"}, {Name: "CustomStatus", Value: l.Status}, {Name: "ArchivingStatus", Value: "NOT_RELEVANT"},
			{Name: "ArchivingSenderChannelMessages", Value: false}, {Name: "ArchivingReceiverChannelMessages", Value: false},
			{Name: "ArchivingLogAttachments", Value: false}, {Name: "ArchivingPersistedMessages", Value: false},
			{Name: "TransactionId", Value: transaction(l.ID)}, {Name: "PreviousComponentName", Value: node},
			{Name: "LocalComponentName", Value: node}, {Name: "OriginComponentName", Value: node},
			{Name: "CustomHeaderProperties", Value: entities(a.customHeaders, l)},
			{Name: "MessageStoreEntries", Value: odata.Link{}},
			{Name: "ErrorInformation", Value: odata.Link{One: func() *odata.Entity {
				for _, row := range a.logError(l) {
					return row.entity()
				}
				return nil
			}}},
			{Name: "AdapterAttributes", Value: entities(a.adapterAttributes, l)},
			{Name: "Attachments", Value: entities(a.attachments, l)},
			{Name: "Runs", Value: entities(a.runs, l)},
		},
	}
}

// artifactOf names the artifact of a log, and the package it is in, or, when
// its design is there no more, the one every flow of the sandbox begins in.
func (a *API) artifactOf(l *messagelog.Log) *odata.Entity {
	name, in := l.Flow, FlowPackage
	if x, ok := a.artifacts.get(integrationFlows(), l.Flow); ok {
		name, in = x.name, x.packageID
	}
	title := in
	if p, ok := a.packages.get(in); ok {
		title = p.Name
	}
	return &odata.Entity{Type: "IntegrationArtifact", Properties: []odata.Property{
		{Name: "Id", Value: l.Flow}, {Name: "Name", Value: name}, {Name: "Type", Value: "INTEGRATION_FLOW"},
		{Name: "PackageId", Value: in}, {Name: "PackageName", Value: title},
	}}
}

// transaction derives the ID of the transaction, which nothing else needs: 32
// hexadecimal digits.
func transaction(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

// logPart is what belongs to a log and has an ID of its own.
type logPart struct {
	set, kind string // kind is the entity type
	id        string
	name      string // empty where the part has none
	value     string
	// rest gives the properties but for the ID.
	rest    func() []odata.Property
	key     string // name of the property with the ID; empty: Id
	media   string
	content []byte
}

// Property implements odata.Row: at once for what clients search by.
func (p *logPart) Property(path string) (any, bool) {
	switch {
	case path == "Name" && p.name != "":
		return p.name, true
	case path == "Value" && p.name != "" && p.media == "":
		return p.value, true
	}
	return p.entity().Property(path)
}

func (p *logPart) entity() *odata.Entity {
	key := p.key
	if key == "" {
		key = "Id"
	}
	e := &odata.Entity{
		Set: p.set, Type: p.kind, Key: odata.Key(p.id), Media: p.media,
		Properties: append([]odata.Property{{Name: key, Value: p.id}}, p.rest()...),
	}
	if p.media != "" {
		e.Content = func() []byte { return p.content }
	}
	return e
}

// entities gives the link from a log to parts of it.
func entities(rowsOf func(*messagelog.Log) []*logPart, l *messagelog.Log) odata.Link {
	return odata.Link{
		Rows: func() []*odata.Entity {
			var rows []*odata.Entity
			for _, row := range rowsOf(l) {
				rows = append(rows, row.entity())
			}
			return rows
		},
		Like: func() *odata.Entity { return like(rowsOf) },
	}
}

// sampleLog gives a log that has everything a log may have.
func sampleLog() *messagelog.Log {
	return &messagelog.Log{Outcome: messagelog.Outcome{
		End: time.Unix(0, 0), Error: "e", Headers: []messagelog.Property{{}}, Adapter: []messagelog.Property{{}},
		Attachments: []messagelog.Attachment{{}},
	}}
}

// logShape gives what logs are like.
func (a *API) logShape() *odata.Entity { return a.log(sampleLog()) }

// like gives what parts of logs are like.
func like(rowsOf func(*messagelog.Log) []*logPart) *odata.Entity {
	return rowsOf(sampleLog())[0].entity()
}

// attachmentPrefix is what the ID of an attachment begins with.
const attachmentPrefix = "sap-it-res:msg:sandbox:"

// partID gives the ID of the n-th part of a log, from 0 on.
func partID(l *messagelog.Log, n int) string { return l.ID + "_" + strconv.Itoa(n+1) }

// logOf gives the ID of the log that a part belongs to.
func logOf(id string) string {
	id = strings.TrimPrefix(id, attachmentPrefix)
	if at := strings.LastIndexByte(id, '_'); at >= 28 { // it may be in the ID of the log as well
		return id[:at]
	}
	return id
}

func (a *API) customHeaders(l *messagelog.Log) []*logPart {
	var rows []*logPart
	for i, h := range l.Headers {
		rows = append(rows, &logPart{
			set: "MessageProcessingLogCustomHeaderProperties", kind: "MessageProcessingLogCustomHeaderProperty",
			id: partID(l, i), name: h.Name, value: h.Value,
			rest: func() []odata.Property {
				return []odata.Property{{Name: "Name", Value: h.Name}, {Name: "Value", Value: h.Value}, {Name: "Log", Value: a.linkTo(l)}}
			},
		})
	}
	return rows
}

// linkTo gives the link from a part to its log.
func (a *API) linkTo(l *messagelog.Log) odata.Link {
	return odata.Link{One: func() *odata.Entity { return a.log(l) }}
}

func (a *API) adapterAttributes(l *messagelog.Log) []*logPart {
	var rows []*logPart
	for i, p := range l.Adapter {
		rows = append(rows, &logPart{
			set: "MessageProcessingLogAdapterAttributes", kind: "MessageProcessingLogAdapterAttribute",
			id: partID(l, i), name: p.Name, value: p.Value,
			rest: func() []odata.Property {
				return []odata.Property{
					{Name: "AdapterId", Value: "HTTPS"}, {Name: "AdapterMessageId", Value: l.ID},
					{Name: "Name", Value: p.Name}, {Name: "Value", Value: p.Value}, {Name: "MessageProcessingLog", Value: a.linkTo(l)},
				}
			},
		})
	}
	return rows
}

func (a *API) attachments(l *messagelog.Log) []*logPart {
	var rows []*logPart
	for i, at := range l.Attachments {
		rows = append(rows, &logPart{
			set: "MessageProcessingLogAttachments", kind: "MessageProcessingLogAttachment",
			id: attachmentPrefix + partID(l, i), name: at.Name, media: at.ContentType, content: at.Payload,
			rest: func() []odata.Property {
				return []odata.Property{
					{Name: "MessageGuid", Value: l.ID}, {Name: "TimeStamp", Value: l.End}, {Name: "Name", Value: at.Name},
					{Name: "ContentType", Value: at.ContentType}, {Name: "PayloadSize", Value: int64(len(at.Payload))},
				}
			},
		})
	}
	return rows
}

// logError gives the error information of a log, if it has one.
func (a *API) logError(l *messagelog.Log) []*logPart {
	if l.Error == "" {
		return nil
	}
	return []*logPart{{
		set: "MessageProcessingLogErrorInformations", kind: "MessageProcessingLogErrorInformation",
		id: l.ID, key: "MessageGuid", media: "text/plain;charset=utf-8", content: []byte(l.Error),
		rest: func() []odata.Property {
			return []odata.Property{{Name: "Type", Value: nil}, {Name: "LastErrorModelStepId", Value: nil}}
		},
	}}
}

// runs gives the one run of a log. Its steps are not kept.
func (a *API) runs(l *messagelog.Log) []*logPart {
	return []*logPart{{
		set: "MessageProcessingLogRuns", kind: "MessageProcessingLogRun", id: partID(l, 0),
		rest: func() []odata.Property {
			return []odata.Property{
				{Name: "RunStart", Value: l.Start}, {Name: "RunStop", Value: logEnd(l)}, {Name: "LogLevel", Value: "INFO"},
				{Name: "OverallState", Value: l.Status}, {Name: "ProcessId", Value: node}, {Name: "RunSteps", Value: odata.Link{}},
			}
		},
	}}
}
