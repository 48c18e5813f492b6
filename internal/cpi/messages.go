package cpi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/platform"
)

// The statuses of a message processing log (wire/sap.md 6.2).
const (
	Completed  = "COMPLETED"
	Processing = "PROCESSING"
	Retry      = "RETRY"
	Escalated  = "ESCALATED"
	Erroneous  = "FAILED"
	Cancelled  = "CANCELLED"
	Discarded  = "DISCARDED"
	Abandoned  = "ABANDONED"
)

// IsFinal reports whether the processing is over: every known status but
// PROCESSING, and RETRY, with which the platform itself tries again (SAP Help,
// Message Status; wire/sap.md 6.2).
func IsFinal(status string) bool {
	return slices.Contains([]string{Completed, Escalated, Erroneous, Cancelled, Discarded, Abandoned}, status)
}

// MessageLog is a message processing log (wire/sap.md 6.2).
type MessageLog struct {
	// ID is the message ID.
	ID string
	// CorrelationID and ApplicationID are empty where there is none.
	CorrelationID, ApplicationID string
	// Flow is the name of the integration flow, Artifact its ID.
	Flow, Artifact string
	Status         string
	// Start and End are zero where the platform does not say; End is, while
	// the message is being processed.
	Start, End time.Time
	// Link leads to the log in the web user interface; may be empty.
	Link string

	source row
}

// JSON gives the log as the platform does, without its links; the members of
// with come in addition or instead.
func (l MessageLog) JSON(with map[string]any) string { return l.source.plain(with) }

func messageLog(r row) MessageLog {
	return MessageLog{
		ID: r.text("MessageGuid"), CorrelationID: r.text("CorrelationId"), ApplicationID: r.text("ApplicationMessageId"),
		Flow: r.text("IntegrationFlowName"), Artifact: r.member("IntegrationArtifact").text("Id"), Status: strings.ToUpper(r.text("Status")),
		Start: r.date("LogStart"), End: r.date("LogEnd"), Link: r.text("AlternateWebLink"), source: r,
	}
}

// MessageLog gives the log of a message ID (wire/sap.md 6.2). The error
// is of [platform.KindNotFound] when there is none, or none yet.
func (c *Client) MessageLog(ctx context.Context, id string) (MessageLog, error) {
	r, err := c.entity(ctx, fmt.Sprintf("looking for the message log %q", id), key("MessageProcessingLogs", id))
	if err != nil {
		return MessageLog{}, err
	}
	return messageLog(r), nil
}

// Search says which logs are looked for; what is empty does not matter.
type Search struct {
	CorrelationID, ApplicationID string
	// Artifact is the ID of an integration flow. Its logs with the status
	// DISCARDED, which are those of repeated messages, do not count, unless
	// Discarded is set.
	Artifact  string
	Discarded bool
	// Since is the earliest start, to the second.
	Since time.Time
}

// filter writes the search as $filter (wire/sap.md 6.2).
func (s Search) filter() string {
	var all []string
	add := func(format, value string) {
		if value != "" {
			all = append(all, fmt.Sprintf(format, literal(value)))
		}
	}
	add("CorrelationId eq %s", s.CorrelationID)
	add("ApplicationMessageId eq %s", s.ApplicationID)
	add("IntegrationArtifact/Id eq %s", s.Artifact)
	if s.Artifact != "" && !s.Discarded {
		all = append(all, "Status ne 'DISCARDED'")
	}
	if !s.Since.IsZero() {
		all = append(all, "LogStart ge "+dateTime(s.Since))
	}
	return strings.Join(all, " and ")
}

// Choice is what becomes of a log that a search finds.
type Choice int

// The choices: it is the one, the next newest is looked at, or none is.
const (
	Take Choice = iota
	Pass
	Stop
)

// How many logs are looked at with one request where not the newest of all is
// wanted, and in all.
const (
	logsAtOnce = 20
	mostLogs   = 1000
)

// Newest gives the newest log that a search finds and choose takes (nil: takes
// any), and how many the search finds in all (-1: the platform does not say);
// false: there is none (yet) (wire/sap.md 6.2).
func (c *Client) Newest(ctx context.Context, s Search, choose func(MessageLog) Choice) (l MessageLog, count int, found bool, err error) {
	top := logsAtOnce
	if choose == nil {
		top, choose = 1, func(MessageLog) Choice { return Take }
	}
	for skip := 0; skip < mostLogs; skip += top {
		options := []option{{"$inlinecount", "allpages"}, {"$filter", s.filter()}, {"$orderby", "LogStart desc"}, {"$top", strconv.Itoa(top)}}
		if skip > 0 {
			options = append(options, option{"$skip", strconv.Itoa(skip)})
		}
		p, err := c.list(ctx, "searching for message logs", query("MessageProcessingLogs", options...), top)
		if err != nil {
			return MessageLog{}, 0, false, err
		}
		for _, r := range p.rows {
			switch l := messageLog(r); choose(l) {
			case Take:
				return l, p.count, true, nil
			case Stop:
				return MessageLog{}, p.count, false, nil
			}
		}
		if len(p.rows) < top {
			return MessageLog{}, p.count, false, nil
		}
	}
	return MessageLog{}, -1, false, nil
}

// MessageError gives the error information of a log as text (wire/sap.md 6.2);
// empty: there is none.
func (c *Client) MessageError(ctx context.Context, id string) (string, error) {
	text, err := c.value(ctx, fmt.Sprintf("reading the error information of the message %q", id),
		key("MessageProcessingLogs", id)+"/ErrorInformation/$value", "text/plain, */*;q=0.5")
	return strings.TrimSpace(text), err
}

// Property is a custom header or an adapter attribute of a log.
type Property struct{ Name, Value string }

// CustomHeaders gives the custom headers of a log, in the order of the
// platform; a name may be there several times (wire/sap.md 6.2).
func (c *Client) CustomHeaders(ctx context.Context, id string) ([]Property, error) {
	rows, err := c.related(ctx, id, "CustomHeaderProperties")
	if err != nil {
		return nil, err
	}
	list := make([]Property, 0, len(rows))
	for _, r := range rows {
		list = append(list, Property{r.text("Name"), r.text("Value")})
	}
	return list, nil
}

// Attachment is an attachment of a log, without its content.
type Attachment struct {
	ID, Name, ContentType string
	// Size is that of the payload in bytes; -1: the platform does not say.
	Size int
	At   time.Time

	// addresses are where its content may be, the likeliest first.
	addresses []string
}

// Attachments gives the attachments of a log, in the order of the platform.
// The role MessagePayloadsRead is needed (wire/sap.md 6.2).
func (c *Client) Attachments(ctx context.Context, id string) ([]Attachment, error) {
	rows, err := c.related(ctx, id, "Attachments")
	if err != nil {
		return nil, err
	}
	list := make([]Attachment, 0, len(rows))
	for _, r := range rows {
		a := Attachment{ID: r.text("Id"), Name: r.text("Name"), ContentType: r.text("ContentType"), Size: r.count("PayloadSize"), At: r.date("TimeStamp")}
		own := r.member("__metadata")
		for _, address := range []string{own.text("media_src"), own.text("uri") + "/$value"} {
			if _, ok := c.address(address); ok && strings.Contains(address, "://") {
				a.addresses = append(a.addresses, address)
			}
		}
		a.addresses = append(a.addresses, key("MessageProcessingLogAttachments", a.ID)+"/$value", key("MessageProcessingLogs", id)+"/"+key("Attachments", a.ID)+"/$value")
		list = append(list, a)
	}
	return list, nil
}

// Content gives the content of an attachment: from where its own entry says
// that it is, else by its ID (wire/sap.md 6.2).
func (c *Client) Content(ctx context.Context, a Attachment) (text string, err error) {
	for _, address := range a.addresses {
		text, err = c.value(ctx, fmt.Sprintf("reading the attachment %q", a.Name), address, "*/*")
		if !platform.Is(err, platform.KindNotFound) {
			return text, err
		}
	}
	return text, err
}

// Details gives what a link of a log leads to (CustomHeaderProperties,
// AdapterAttributes, Attachments) as rows of JSON values without their own
// links, numbers with their digits (wire/sap.md 6.2).
func (c *Client) Details(ctx context.Context, id, link string) ([]any, error) {
	rows, err := c.related(ctx, id, link)
	if err != nil {
		return nil, err
	}
	list := make([]any, 0, len(rows))
	for _, r := range rows {
		m := map[string]any{}
		for name, raw := range r {
			if v, ok := stripped(raw); ok && name != "__metadata" {
				m[name] = v
			}
		}
		list = append(list, m)
	}
	return list, nil
}

func (c *Client) related(ctx context.Context, id, link string) ([]row, error) {
	p, err := c.list(ctx, fmt.Sprintf("reading %s of the message %q", link, id), key("MessageProcessingLogs", id)+"/"+link, 0)
	return p.rows, err
}
