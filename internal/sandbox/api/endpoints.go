package api

import (
	"net/http"
	"strings"
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
	if c.path[0].Keys == nil {
		c.listOrCount(a.endpoint(iflow.Deployment{}, iflow.Flow{Endpoint: "/http/"}), rows)
		return
	}
	id, _ := c.path[0].Key("")
	for _, row := range rows {
		if row.Key == odata.Key(id) {
			c.navigate(row, c.path[1:])
			return
		}
	}
	c.unknown("Service Endpoint", id)
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

// endpointID gives the ID of an endpoint: the flow, and the address without
// its prefix.
func endpointID(d iflow.Deployment, f iflow.Flow) string {
	return d.ID + "$endpointAddress=" + strings.TrimPrefix(strings.TrimPrefix(f.Endpoint, "/http/"), "/cxf/")
}

func (a *API) endpoint(d iflow.Deployment, f iflow.Flow) *odata.Entity {
	id, protocol := endpointID(d, f), "REST"
	if strings.HasPrefix(f.Endpoint, "/cxf/") {
		protocol = "SOAP"
	}
	return &odata.Entity{
		Set: "ServiceEndpoints", Type: "ServiceEndpoint", Key: odata.Key(id),
		Properties: []odata.Property{
			{Name: "Name", Value: d.ID}, {Name: "Id", Value: id}, {Name: "Title", Value: d.Name}, {Name: "Version", Value: d.Version},
			{Name: "Summary", Value: ""}, {Name: "Description", Value: ""}, {Name: "LastUpdated", Value: d.Deployed}, {Name: "Protocol", Value: protocol},
			{Name: "EntryPoints", Value: odata.Link{
				Rows: func() []*odata.Entity { return []*odata.Entity{a.entryPoint(d, f)} }, Like: func() *odata.Entity { return a.entryPoint(d, f) },
			}},
			{Name: "ApiDefinitions", Value: odata.Link{Rows: func() []*odata.Entity { return nil }}},
		},
	}
}

func (a *API) entryPoint(d iflow.Deployment, f iflow.Flow) *odata.Entity {
	address := a.o.Runtime() + f.Endpoint
	return &odata.Entity{
		Set: "EntryPoints", Type: "EntryPoint", Key: odata.Key(address),
		Path: odata.Address("ServiceEndpoints", odata.Key(endpointID(d, f))) + "/" + odata.Address("EntryPoints", odata.Key(address)),
		Properties: []odata.Property{
			{Name: "Name", Value: d.ID}, {Name: "Url", Value: address}, {Name: "Type", Value: "PROD"}, {Name: "AdditionalInformation", Value: ""},
		},
	}
}
