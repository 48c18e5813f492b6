package destination

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// found is the answer to a search (wire/sap.md 7).
type found struct {
	Owner         owner       `json:"owner"`
	Configuration properties  `json:"destinationConfiguration"`
	Tokens        []authToken `json:"authTokens,omitempty"`
}

// owner is whose destination it is: InstanceID is null for the subaccount.
type owner struct {
	SubaccountID string  `json:"SubaccountId"`
	InstanceID   *string `json:"InstanceId"`
}

// authToken is a token, or why there is none.
type authToken struct {
	Type      string      `json:"type"`
	Value     string      `json:"value"`
	Header    *httpHeader `json:"http_header,omitempty"`
	ExpiresIn string      `json:"expires_in,omitempty"`
	Scope     string      `json:"scope,omitempty"`
	Error     string      `json:"error,omitempty"`
}

type httpHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// find searches the instance before the subaccount.
func (s *Service) find(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	a := found{Owner: owner{SubaccountID: s.o.Subaccount.GUID}}
	var ok bool
	if a.Configuration, ok = s.named(s.ofInstance, name); ok {
		a.Owner.InstanceID = &s.o.Subaccount.DestinationKey().Instance.GUID
	} else if a.Configuration, ok = s.named(s.ofSubaccount, name); !ok {
		notFound(w)
		return
	}
	skip, _ := strconv.ParseBool(r.URL.Query().Get("$skipTokenRetrieval")) // what is none is not true
	if a.Configuration.clientCredentials() && !skip {
		a.Tokens = []authToken{s.token(r, a.Configuration)}
	}
	writeJSON(w, http.StatusOK, a)
}

// token asks the token server of a destination.
func (s *Service) token(r *http.Request, p properties) authToken {
	t, err := s.fetch(r, p)
	if err != nil {
		return authToken{Error: "Retrieval of OAuthToken failed due to: " + err.Error()}
	}
	return t
}

// tokenTimeout is how long the service waits when the destination does not say
// (tokenServiceURL.SocketReadTimeoutInSeconds).
const tokenTimeout = 10 * time.Second

func (s *Service) fetch(r *http.Request, p properties) (authToken, error) {
	request, err := s.request(r, p)
	if err != nil {
		return authToken{}, err
	}
	client := &http.Client{
		Transport: s.o.Client, Timeout: p.timeout(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		if cause, ok := errors.AsType[*url.Error](err); ok {
			err = cause.Err
			if cause.Timeout() {
				err = errors.New("the token service did not answer in time")
			}
		}
		return authToken{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return authToken{}, errors.New("the answer of the token service broke off")
	}
	if answer.StatusCode != http.StatusOK {
		return authToken{}, fmt.Errorf("the token service returned HTTP status %d: %s", answer.StatusCode, summary(body))
	}
	var granted struct {
		Token     string      `json:"access_token"`
		ExpiresIn json.Number `json:"expires_in"`
		Scope     string      `json:"scope"`
	}
	if json.Unmarshal(body, &granted) != nil || granted.Token == "" {
		return authToken{}, errors.New("the answer of the token service holds no access_token")
	}
	return authToken{
		Type: "Bearer", Value: granted.Token, Header: &httpHeader{"Authorization", "Bearer " + granted.Token},
		ExpiresIn: granted.ExpiresIn.String(), Scope: granted.Scope,
	}, nil
}

// summary gives what a token server says, on one line and not too long.
func summary(body []byte) string {
	text := strings.Join(strings.Fields(string(body)), " ")
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "…"
	}
	return text
}

func (p properties) timeout() time.Duration {
	seconds, err := strconv.Atoi(p["tokenServiceURL.SocketReadTimeoutInSeconds"])
	if err != nil || seconds < 1 || seconds > 600 {
		return tokenTimeout
	}
	return time.Duration(seconds) * time.Second
}

// request makes the one for a token from the properties.
func (s *Service) request(r *http.Request, p properties) (*http.Request, error) {
	target, err := url.Parse(p["tokenServiceURL"])
	if err != nil || target.Host == "" {
		return nil, errors.New("tokenServiceURL is no absolute URL")
	}
	if !slices.Contains(s.o.TokenServers(), target.Scheme+"://"+target.Host) {
		return nil, fmt.Errorf("the host %s of tokenServiceURL cannot be reached: the sandbox asks its own token servers only", target.Host)
	}
	if p["tokenService.KeyStoreLocation"] != "" {
		return nil, errors.New("the key store of tokenService.KeyStoreLocation was not found")
	}
	query := target.Query()
	p.each("tokenServiceURL.queries.", query.Set)
	target.RawQuery = query.Encode()
	form := url.Values{"grant_type": {"client_credentials"}}
	if p["scope"] != "" {
		form.Set("scope", p["scope"])
	}
	p.each("tokenService.body.", form.Set)
	user, password, header := p["tokenServiceUser"], p["tokenServicePassword"], p["tokenServiceUser"] != ""
	if p["tokenService.addClientCredentialsInBody"] != "false" {
		form.Set("client_id", p["clientId"])
		if p["clientSecret"] != "" {
			form.Set("client_secret", p["clientSecret"])
		}
	} else if !header {
		user, password, header = p["clientId"], p["clientSecret"], true
	}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("tokenServiceURL is no URL that can be asked")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	p.each("tokenServiceURL.headers.", request.Header.Set)
	if header {
		request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	}
	return request, nil
}

// each calls set for the properties that begin with the prefix, in order.
func (p properties) each(prefix string, set func(name, value string)) {
	for _, property := range slices.Sorted(maps.Keys(p)) {
		if name, ok := strings.CutPrefix(property, prefix); ok && name != "" {
			set(name, p[property])
		}
	}
}
