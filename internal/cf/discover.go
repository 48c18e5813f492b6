package cf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

// discover finds the sign-in server: GET / of the API and nothing else, as cf
// api does (wire/sap.md 3.1). Links that are null are passed over.
func (c *Client) discover(ctx context.Context) (string, *platform.Error) {
	doing := "find the sign-in server of Cloud Foundry"
	api, failure := c.api(doing)
	if failure != nil {
		return "", failure
	}
	r, failure := c.sender.Ask(ctx, platform.Request{
		Method: http.MethodGet, URL: api + "/", Doing: doing,
		Header: http.Header{"Accept": {"application/json"}},
		Judge:  func(r *httpx.Response) *platform.Error { return judge(doing, r, false) },
	})
	if failure != nil {
		return "", failure
	}
	if r.Status != http.StatusOK {
		err := judge(doing, r, false)
		err.Cure = "check that api: is the URL of a Cloud Foundry API, without a path, for instance https://api.cf.eu10.hana.ondemand.com"
		if to := r.Header.Get("Location"); r.Status/100 == 3 && to != "" {
			err.Message += fmt.Sprintf("; it points to %q", platform.Cut(platform.Shown(to), platform.MaxText))
		}
		return "", err
	}
	var root struct {
		Links map[string]json.RawMessage `json:"links"`
	}
	if json.Unmarshal([]byte(r.Body), &root) != nil {
		return "", unexpected(doing, r, "there is no Cloud Foundry API at "+api+": "+foreign(r, false))
	}
	login := link(root.Links["login"])
	if login == "" {
		login = link(root.Links["uaa"])
	}
	return checkLogin(doing, api, r, strings.TrimRight(login, "/"))
}

// link gives the href of a link, or "" for one that is null or no link.
func link(raw json.RawMessage) string {
	var l struct {
		Href string `json:"href"`
	}
	if json.Unmarshal(raw, &l) != nil {
		return ""
	}
	return l.Href
}

// checkLogin refuses a sign-in server that a password must not be sent to.
func checkLogin(doing, api string, r *httpx.Response, login string) (string, *platform.Error) {
	if login == "" {
		return "", unexpected(doing, r, fmt.Sprintf("%s names neither a login nor a uaa server in its links", api))
	}
	if origin(login) == "" {
		return "", unexpected(doing, r, fmt.Sprintf("%s names the sign-in server %q; want a URL", api, platform.Cut(platform.Shown(login), platform.MaxText)))
	}
	if strings.HasPrefix(api, "https:") && !strings.HasPrefix(strings.ToLower(login), "https:") {
		return "", unexpected(doing, r, fmt.Sprintf("%s names the sign-in server %q, without TLS: nothing is sent there", api, platform.Cut(platform.Shown(login), platform.MaxText)))
	}
	return login, nil
}
