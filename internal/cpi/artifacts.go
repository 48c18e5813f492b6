package cpi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"iflowtest/internal/platform"
)

// The states of a runtime artifact (wire/sap.md 6.3).
const (
	Started  = "STARTED"
	Starting = "STARTING"
	Stopping = "STOPPING"
	Failed   = "ERROR"
)

// RuntimeArtifact is what is deployed (wire/sap.md 6.3).
type RuntimeArtifact struct {
	ID, Name, Version, Type string
	DeployedBy              string
	// DeployedOn is zero where the platform does not say.
	DeployedOn time.Time
	// Status is one of the states above, as the platform spells it.
	Status string

	source row
}

// JSON gives the artifact as the platform does, without its links.
// ErrorInformation is the given text, and null when that is empty.
func (a RuntimeArtifact) JSON(information string) string {
	with := map[string]any{"ErrorInformation": nil}
	if information != "" {
		with["ErrorInformation"] = information
	}
	return a.source.plain(with)
}

func runtimeArtifact(r row) RuntimeArtifact {
	return RuntimeArtifact{
		ID: r.text("Id"), Name: r.text("Name"), Version: r.text("Version"), Type: r.text("Type"),
		DeployedBy: r.text("DeployedBy"), DeployedOn: r.date("DeployedOn"), Status: r.text("Status"), source: r,
	}
}

// RuntimeArtifact gives what is deployed under an ID (wire/sap.md 6.3).
// The error is of [platform.KindNotFound] when it is not deployed.
func (c *Client) RuntimeArtifact(ctx context.Context, id string) (RuntimeArtifact, error) {
	r, err := c.entity(ctx, fmt.Sprintf("looking for the artifact %q", id), key("IntegrationRuntimeArtifacts", id))
	if err != nil {
		return RuntimeArtifact{}, err
	}
	return runtimeArtifact(r), nil
}

// RuntimeArtifacts gives everything that is deployed (wire/sap.md 6.3).
func (c *Client) RuntimeArtifacts(ctx context.Context) ([]RuntimeArtifact, error) {
	p, err := c.list(ctx, "listing what is deployed", "IntegrationRuntimeArtifacts", 0)
	if err != nil {
		return nil, err
	}
	all := make([]RuntimeArtifact, 0, len(p.rows))
	for _, r := range p.rows {
		all = append(all, runtimeArtifact(r))
	}
	return all, nil
}

// RuntimeError gives the error information of a deployed artifact as text
// (wire/sap.md 6.3); empty: there is none, or none yet.
func (c *Client) RuntimeError(ctx context.Context, id string) (string, error) {
	doing := fmt.Sprintf("reading the error information of the artifact %q", id)
	resource := key("IntegrationRuntimeArtifacts", id) + "/ErrorInformation/$value"
	text, err := c.value(ctx, doing, resource, "application/json")
	if e, ok := errors.AsType[*platform.Error](err); ok && e.Status == http.StatusNotAcceptable {
		text, err = c.value(ctx, doing, resource, "application/xml")
	}
	if err != nil {
		return "", err
	}
	return errorText(text), nil
}

// errorText makes the error information readable: the parameters and the
// message of {"message":{…,"messageText"},"parameter":[…]}, those of children
// below them; any other text is given as it is.
func errorText(text string) string {
	var information errorInformation
	if json.Unmarshal([]byte(text), &information) != nil {
		return strings.TrimSpace(text)
	}
	lines := information.lines(nil, 0)
	if len(lines) == 0 {
		return strings.TrimSpace(text)
	}
	return strings.Join(lines, "\n")
}

// errorInformation is the error of a deployment (wire/sap.md 6.3).
type errorInformation struct {
	Message struct {
		ID   string `json:"messageId"`
		Text string `json:"messageText"`
	} `json:"message"`
	Parameters []string           `json:"parameter"`
	Children   []errorInformation `json:"childMessageInstances"`
}

// maxErrorDepth bounds how deep children of an error are read.
const maxErrorDepth = 8

func (e errorInformation) lines(lines []string, depth int) []string {
	for _, text := range append([]string{e.Message.Text}, e.Parameters...) {
		if text = strings.TrimSpace(text); text != "" {
			lines = append(lines, text)
		}
	}
	if depth < maxErrorDepth {
		for _, child := range e.Children {
			lines = child.lines(lines, depth+1)
		}
	}
	if len(lines) == 0 && e.Message.ID != "" {
		lines = append(lines, e.Message.ID)
	}
	return lines
}

// maxPackages bounds how many packages are searched for design-time artifacts.
const maxPackages = 50

// DesigntimeIDs gives the IDs of the integration flows of the first packages
// of the design time (wire/sap.md 6.5, 6.6).
func (c *Client) DesigntimeIDs(ctx context.Context) ([]string, error) {
	packages, err := c.list(ctx, "listing packages", "IntegrationPackages", maxPackages)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, p := range packages.rows[:min(len(packages.rows), maxPackages)] {
		id := p.text("Id")
		artifacts, err := c.list(ctx, fmt.Sprintf("listing the artifacts of the package %q", id), key("IntegrationPackages", id)+"/IntegrationDesigntimeArtifacts", 0)
		if err != nil {
			return nil, err
		}
		for _, r := range artifacts.rows {
			ids = append(ids, r.text("Id"))
		}
	}
	return ids, nil
}
