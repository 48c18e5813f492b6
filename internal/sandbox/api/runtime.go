package api

import (
	"net/http"

	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/odata"
)

// serveRuntimeArtifacts answers IntegrationRuntimeArtifacts: every flow of the
// sandbox is deployed and started.
func (a *API) serveRuntimeArtifacts(c *call) {
	if c.r.Method == http.MethodDelete {
		c.fail(odata.Errorf(http.StatusNotImplemented, "Not implemented: the sandbox cannot undeploy yet."))
		return
	}
	if !c.allow(http.MethodGet) {
		return
	}
	id, one := c.path[0].Key()
	var rows []*odata.Entity
	for _, f := range a.o.Flows() {
		row := a.runtimeArtifact(f)
		if one && f.ID == id && len(c.path) == 1 {
			c.out.Entity(c.w, http.StatusOK, row, c.query)
			return
		}
		rows = append(rows, row)
	}
	switch {
	case len(c.path) == 1 && c.path[0].Keys == nil:
		c.list("IntegrationRuntimeArtifacts", rows)
	case one && len(c.path) == 1:
		c.unknown("Integration Runtime Artifact", id)
	default:
		c.nowhere()
	}
}

func (a *API) runtimeArtifact(f iflow.Flow) *odata.Entity {
	return &odata.Entity{
		Set: "IntegrationRuntimeArtifacts", Type: "IntegrationRuntimeArtifact", Key: odata.Key(f.ID),
		Properties: []odata.Property{
			{Name: "Id", Value: f.ID}, {Name: "Version", Value: "1.0.0"}, {Name: "Name", Value: f.ID}, {Name: "Type", Value: "INTEGRATION_FLOW"},
			{Name: "DeployedBy", Value: "sandbox"}, {Name: "DeployedOn", Value: a.deployed}, {Name: "Status", Value: "STARTED"},
			{Name: "ErrorInformation", Value: odata.Link{}},
		},
	}
}
