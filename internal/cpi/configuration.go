package cpi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"iflowtest/internal/httpx"
)

// Parameter is an externalized parameter of a design-time artifact. Its value
// may be a secret.
type Parameter struct {
	Key, Value string
	// DataType is as the platform has it, such as xsd:string.
	DataType string
}

// designtime names the active design-time version of an integration flow.
func designtime(id string) string {
	return "IntegrationDesigntimeArtifacts(Id=" + url.PathEscape(literal(id)) + ",Version=" + url.PathEscape(literal("active")) + ")"
}

// Parameters gives the externalized parameters of the active design-time
// version of an integration flow (wire/sap.md 6.5). The error is of the kind
// not-found when there is no such flow.
func (c *Client) Parameters(ctx context.Context, id string) ([]Parameter, error) {
	p, err := c.list(ctx, fmt.Sprintf("reading the configuration of the artifact %q", id), designtime(id)+"/Configurations", 0)
	if err != nil {
		return nil, err
	}
	all := make([]Parameter, 0, len(p.rows))
	for _, r := range p.rows {
		all = append(all, Parameter{Key: r.text("ParameterKey"), Value: r.text("ParameterValue"), DataType: r.text("DataType")})
	}
	return all, nil
}

// SetParameter gives an externalized parameter of the active design-time
// version another value (wire/sap.md 6.5). What is deployed keeps the one it
// was deployed with.
func (c *Client) SetParameter(ctx context.Context, id string, p Parameter) error {
	body := struct {
		Value    string `json:"ParameterValue"`
		DataType string `json:"DataType,omitempty"`
	}{p.Value, p.DataType}
	_, err := c.send(ctx, call{
		method: http.MethodPut, resource: designtime(id) + "/$links/" + key("Configurations", p.Key), repeatable: true,
		body: httpx.TextBody("application/json", marshal(body)), secret: p.Value,
		doing: fmt.Sprintf("setting the parameter %q of the artifact %q", p.Key, id),
	})
	return err
}
