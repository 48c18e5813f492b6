package api

import (
	"net/http"

	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/odata"
)

// serveEndpoints answers ServiceEndpoints (wire/sap.md 6.7).
func (a *API) serveEndpoints(c *call) {
	if !c.allow(http.MethodGet) {
		return
	}
	var rows []*odata.Entity
	for _, f := range a.o.Flows() {
		rows = append(rows, a.endpoint(f))
	}
	if len(c.path) == 1 && c.path[0].Keys == nil {
		c.list("ServiceEndpoints", rows)
		return
	}
	id, one := c.path[0].Key()
	for i, row := range rows {
		if !one || row.Key != odata.Key(id) {
			continue
		}
		switch {
		case len(c.path) == 1:
			c.out.Entity(c.w, http.StatusOK, row, c.query)
			return
		case len(c.path) == 2 && c.path[1].Name == "EntryPoints" && c.path[1].Keys == nil:
			c.related(a.entryPoints(a.o.Flows()[i]))
			return
		}
	}
	c.nowhere()
}

func (a *API) endpoint(f iflow.Flow) *odata.Entity {
	address, protocol := f.Endpoint[len("/http/"):], "REST"
	if f.Endpoint[:len("/cxf/")] == "/cxf/" {
		address, protocol = f.Endpoint[len("/cxf/"):], "SOAP"
	}
	id := f.ID + "$endpointAddress=" + address
	return &odata.Entity{
		Set: "ServiceEndpoints", Type: "ServiceEndpoint", Key: odata.Key(id),
		Properties: []odata.Property{
			{Name: "Name", Value: f.ID}, {Name: "Id", Value: id}, {Name: "Title", Value: f.ID}, {Name: "Version", Value: "1.0.0"},
			{Name: "Summary", Value: ""}, {Name: "Description", Value: ""}, {Name: "LastUpdated", Value: a.deployed}, {Name: "Protocol", Value: protocol},
			{Name: "EntryPoints", Value: odata.Link{Rows: func() []*odata.Entity { return a.entryPoints(f) }}},
			{Name: "ApiDefinitions", Value: odata.Link{}},
		},
	}
}

func (a *API) entryPoints(f iflow.Flow) []*odata.Entity {
	address := a.o.Runtime() + f.Endpoint
	return []*odata.Entity{{
		Set: "EntryPoints", Type: "EntryPoint", Key: odata.Key(address),
		Properties: []odata.Property{
			{Name: "Name", Value: f.ID}, {Name: "Url", Value: address}, {Name: "Type", Value: "PROD"}, {Name: "AdditionalInformation", Value: ""},
		},
	}}
}
