package api

import (
	"net/http"
	"slices"
	"time"

	"iflowtest/internal/sandbox/messagelog"
	"iflowtest/internal/sandbox/odata"
)

// serveLogs answers MessageProcessingLogs and what is below (wire/sap.md 6.2).
func (a *API) serveLogs(c *call) {
	if !c.allow(http.MethodGet) || !c.mayRead(c.path[1:]) {
		return
	}
	if c.path[0].Keys == nil {
		a.logSet(c)
		return
	}
	id, _ := c.path[0].Key("")
	l, ok := a.o.Logs.Get(id, time.Now())
	if !ok {
		c.unknown("MessageProcessingLog", id)
		return
	}
	c.navigate(a.log(&l), c.path[1:])
}

// mayRead reports whether the caller may see what the path or $expand leads
// to: attachments have a role of their own (wire/sap.md 1.5).
func (c *call) mayRead(path []odata.Segment) bool {
	payloads := slices.Contains(c.query.Expand, "Attachments") ||
		slices.ContainsFunc(path, func(s odata.Segment) bool { return s.Name == "Attachments" })
	if payloads && !c.caller.May(payloadsRead) {
		c.fail(odata.Errorf(http.StatusForbidden, "The role %s is required.", payloadsRead))
		return false
	}
	return true
}

// logSet answers the logs themselves, or how many there are.
func (a *API) logSet(c *call) {
	wanted, err := headersWanted(c)
	if err != nil {
		c.fail(err)
		return
	}
	var rows []*logRow
	logs := a.o.Logs.All(time.Now())
	for i := range logs {
		if l := &logs[i]; holdsAll(l, wanted) {
			rows = append(rows, &logRow{a, l})
		}
	}
	switch {
	case len(c.path) == 1:
		shown(c, "MessageProcessingLogs", a.logShape(), rows, func(r *logRow) *odata.Entity { return a.log(r.l) })
	case isCount(c.path[1:]):
		count(c, a.logShape(), rows)
	default:
		c.nowhere()
	}
}

// headerFilter is an option of the platform's own, without the "$" of the
// others (wire/sap.md 6.2).
const headerFilter = "filterCustomHeaderProperties"

func headersWanted(c *call) ([]odata.Named, *odata.Error) {
	if !c.values.Has(headerFilter) {
		return nil, nil
	}
	return odata.ParseNamed(headerFilter, c.values.Get(headerFilter))
}

// holdsAll reports whether the log has every one of the custom headers.
func holdsAll(l *messagelog.Log, wanted []odata.Named) bool {
	for _, w := range wanted {
		if !slices.Contains(l.Headers, messagelog.Property(w)) {
			return false
		}
	}
	return true
}

// logPart answers a set whose rows belong to logs: one of them by its ID, and,
// where find gives them, those of all logs.
func (a *API) logPart(rowsOf func(l *messagelog.Log) []*logPart, all bool) func(c *call) {
	return func(c *call) {
		if !c.allow(http.MethodGet) {
			return
		}
		set := c.path[0]
		if set.Keys == nil {
			if !all {
				c.fail(odata.Errorf(http.StatusNotImplemented, "Not implemented: %s are reached through their MessageProcessingLog.", set.Name))
				return
			}
			a.logParts(c, rowsOf)
			return
		}
		id, _ := set.Key("")
		if l, ok := a.o.Logs.Get(logOf(id), time.Now()); ok {
			for _, row := range rowsOf(&l) {
				if row.id == id {
					c.navigate(row.entity(), c.path[1:])
					return
				}
			}
		}
		c.unknown(set.Name, id)
	}
}

func (a *API) logParts(c *call, rowsOf func(l *messagelog.Log) []*logPart) {
	var rows []*logPart
	logs := a.o.Logs.All(time.Now())
	for i := range logs {
		rows = append(rows, rowsOf(&logs[i])...)
	}
	switch {
	case len(c.path) == 1:
		shown(c, c.path[0].Name, like(rowsOf), rows, (*logPart).entity)
	case isCount(c.path[1:]):
		count(c, like(rowsOf), rows)
	default:
		c.nowhere()
	}
}
