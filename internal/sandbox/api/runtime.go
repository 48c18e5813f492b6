package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/odata"
)

// serveRuntimeArtifacts answers IntegrationRuntimeArtifacts: what is deployed
// (wire/sap.md 6.3).
func (a *API) serveRuntimeArtifacts(c *call) {
	if c.path[0].Keys == nil {
		a.runtimeArtifacts(c)
		return
	}
	id, _ := c.path[0].Key("")
	a.oneRuntimeArtifact(c, id)
}

func (a *API) runtimeArtifacts(c *call) {
	if !c.allow(http.MethodGet) {
		return
	}
	if c.query.Count {
		c.fail(odata.Errorf(http.StatusBadRequest, "the query option $inlinecount is not supported for IntegrationRuntimeArtifacts"))
		return
	}
	var rows []*odata.Entity
	for _, d := range a.o.Flows.Deployments() {
		rows = append(rows, runtimeArtifact(d))
	}
	c.listOrCount(runtimeArtifact(iflow.Deployment{}), rows)
}

// oneRuntimeArtifact answers for one ID; DELETE takes it away from the
// runtime and leaves its design.
func (a *API) oneRuntimeArtifact(c *call, id string) {
	if len(c.path) > 1 {
		a.errorInformation(c, id)
		return
	}
	if !c.allow(http.MethodGet, http.MethodDelete) {
		return
	}
	if c.r.Method == http.MethodDelete {
		if !a.o.Flows.Undeploy(id) {
			c.unknown("Integration Runtime Artifact", id)
			return
		}
		c.w.WriteHeader(http.StatusAccepted)
		return
	}
	d, ok := a.o.Flows.Deployment(id)
	if !ok {
		c.unknown("Integration Runtime Artifact", id)
		return
	}
	c.one(runtimeArtifact(d))
}

func runtimeArtifact(d iflow.Deployment) *odata.Entity {
	return &odata.Entity{
		Set: "IntegrationRuntimeArtifacts", Type: "IntegrationRuntimeArtifact", Key: odata.Key(d.ID),
		Properties: []odata.Property{
			{Name: "Id", Value: d.ID}, {Name: "Version", Value: d.Version}, {Name: "Name", Value: d.Name}, {Name: "Type", Value: d.Type},
			{Name: "DeployedBy", Value: d.By}, {Name: "DeployedOn", Value: d.Deployed}, {Name: "Status", Value: d.Status(time.Now())},
			{Name: "ErrorInformation", Value: odata.Link{}},
		},
	}
}

// errorInformation answers why an artifact does not start: 204 when it does,
// or is only about to fail.
func (a *API) errorInformation(c *call, id string) {
	if !c.allow(http.MethodGet) {
		return
	}
	d, ok := a.o.Flows.Deployment(id)
	if !ok {
		c.unknown("Integration Runtime Artifact", id)
		return
	}
	if c.path[1].Name != "ErrorInformation" || c.path[1].Keys != nil || len(c.path) > 3 || len(c.path) == 3 && c.path[2].Name != "$value" {
		c.nowhere()
		return
	}
	if d.Status(time.Now()) != iflow.Failed {
		c.w.WriteHeader(http.StatusNoContent)
		return
	}
	if len(c.path) == 3 {
		c.value("application/json", errorDocument(d.Error))
		return
	}
	c.one(&odata.Entity{
		Set: "RuntimeArtifactErrorInformations", Type: "RuntimeArtifactErrorInformation", Key: odata.Key(d.ID),
		Path:       odata.Address("IntegrationRuntimeArtifacts", odata.Key(d.ID)) + "/ErrorInformation",
		Properties: []odata.Property{{Name: "Id", Value: d.ID}},
	})
}

// errorDocument is the error information of a runtime artifact, with the
// platform's spelling of "subsytem" (wire/sap.md 6.3).
func errorDocument(text string) []byte {
	type message struct {
		Subsystem string `json:"subsystemName"`
		Part      string `json:"subsytemPartName"`
		ID        string `json:"messageId"`
		Text      string `json:"messageText"`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Message   message  `json:"message"`
		Parameter []string `json:"parameter"`
	}{message{"CONTENT", "CONTENT_DEPLOY", "GenerationFailed", ""}, []string{text}}); err != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
