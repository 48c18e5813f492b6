package api

import (
	"net/http"
	"time"

	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/odata"
)

// serveEndpoints answers ServiceEndpoints (wire/sap.md 6.7): those of what is
// STARTED, some time after it was.
func (a *API) serveEndpoints(c *call) {
	if !c.allow(http.MethodGet) {
		return
	}
	rows := a.endpoints()
	if len(c.path) == 1 && c.path[0].Keys == nil {
		c.list("ServiceEndpoints", rows)
		return
	}
	id, one := c.path[0].Key()
	if !one {
		c.nowhere()
		return
	}
	for _, row := range rows {
		if row.Key == odata.Key(id) {
			c.endpoint(row)
			return
		}
	}
	c.unknown("Service Endpoint", id)
}

// endpoint answers for one endpoint and what it leads to.
func (c *call) endpoint(row *odata.Entity) {
	if len(c.path) == 1 {
		c.out.Entity(c.w, http.StatusOK, row, c.query)
		return
	}
	for _, p := range row.Properties {
		if link, ok := p.Value.(odata.Link); ok && len(c.path) == 2 && p.Name == c.path[1].Name && c.path[1].Keys == nil {
			c.related(link.Rows())
			return
		}
	}
	c.nowhere()
}

func (a *API) endpoints() []*odata.Entity {
	var rows []*odata.Entity
	now := time.Now()
	for _, d := range a.o.Flows.Deployments() {
		if !d.Lists(now) {
			continue
		}
		for _, f := range d.Flows {
			rows = append(rows, a.endpoint(d, f))
		}
	}
	return rows
}

func (a *API) endpoint(d iflow.Deployment, f iflow.Flow) *odata.Entity {
	address, protocol := f.Endpoint[len("/http/"):], "REST"
	if f.Endpoint[:len("/cxf/")] == "/cxf/" {
		address, protocol = f.Endpoint[len("/cxf/"):], "SOAP"
	}
	id := d.ID + "$endpointAddress=" + address
	return &odata.Entity{
		Set: "ServiceEndpoints", Type: "ServiceEndpoint", Key: odata.Key(id),
		Properties: []odata.Property{
			{Name: "Name", Value: d.ID}, {Name: "Id", Value: id}, {Name: "Title", Value: d.Name}, {Name: "Version", Value: d.Version},
			{Name: "Summary", Value: ""}, {Name: "Description", Value: ""}, {Name: "LastUpdated", Value: d.Deployed}, {Name: "Protocol", Value: protocol},
			{Name: "EntryPoints", Value: odata.Link{Rows: func() []*odata.Entity { return a.entryPoints(d, f) }}},
			{Name: "ApiDefinitions", Value: odata.Link{Rows: func() []*odata.Entity { return nil }}},
		},
	}
}

func (a *API) entryPoints(d iflow.Deployment, f iflow.Flow) []*odata.Entity {
	address := a.o.Runtime() + f.Endpoint
	return []*odata.Entity{{
		Set: "EntryPoints", Type: "EntryPoint", Key: odata.Key(address),
		Properties: []odata.Property{
			{Name: "Name", Value: d.ID}, {Name: "Url", Value: address}, {Name: "Type", Value: "PROD"}, {Name: "AdditionalInformation", Value: ""},
		},
	}}
}
