package cf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"iflowtest/internal/httpx"
)

// platform is what the root of the API tells.
type platform struct {
	login string // URL of the sign-in server; empty: not known yet
}

// discover finds the sign-in server: GET / of the API and nothing else, as cf
// api does (wire/sap.md 3.1). Links that are null are passed over.
func (c *Client) discover(ctx context.Context) (platform, *Error) {
	doing := "find the sign-in server of Cloud Foundry"
	api, failure := c.api(doing)
	if failure != nil {
		return platform{}, failure
	}
	r, failure := c.patiently(ctx, exchange{
		method: http.MethodGet, address: api + "/", doing: doing,
		header: http.Header{"Accept": {"application/json"}},
	})
	if failure != nil {
		return platform{}, failure
	}
	if r.Status != http.StatusOK {
		err := judge(doing, r, false)
		err.Cure = "check that api: is the URL of a Cloud Foundry API, without a path, for instance https://api.cf.eu10.hana.ondemand.com"
		if to := r.Header.Get("Location"); r.Status/100 == 3 && to != "" {
			err.Message += fmt.Sprintf("; it points to %q", cut(shown(to), maxText))
		}
		return platform{}, err
	}
	var root struct {
		Links map[string]json.RawMessage `json:"links"`
	}
	if json.Unmarshal([]byte(r.Body), &root) != nil {
		return platform{}, unexpected(doing, r, "there is no Cloud Foundry API at "+api+": "+foreign(r, false))
	}
	login := link(root.Links["login"])
	if login == "" {
		login = link(root.Links["uaa"])
	}
	login, err := checkLogin(doing, api, r, strings.TrimRight(login, "/"))
	if err != nil {
		return platform{}, err
	}
	return platform{login: login}, nil
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
func checkLogin(doing, api string, r *httpx.Response, login string) (string, *Error) {
	if login == "" {
		return "", unexpected(doing, r, fmt.Sprintf("%s names neither a login nor a uaa server in its links", api))
	}
	if origin(login) == "" {
		return "", unexpected(doing, r, fmt.Sprintf("%s names the sign-in server %q; want a URL", api, cut(shown(login), maxText)))
	}
	if strings.HasPrefix(api, "https:") && !strings.HasPrefix(strings.ToLower(login), "https:") {
		return "", unexpected(doing, r, fmt.Sprintf("%s names the sign-in server %q, without TLS: nothing is sent there", api, cut(shown(login), maxText)))
	}
	return login, nil
}
