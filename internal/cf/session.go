package cf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

// maxSession bounds the session file; it is a few kilobytes.
const maxSession = 4 << 20

// Session is what the cf command line keeps in .cf/config.json (wire/sap.md
// 3.2): where it is signed in, and what it is targeted at.
type Session struct {
	// File is the path it was read from.
	File string
	// API is the URL of the API; SignIn that of the sign-in server.
	API, SignIn string
	// Organization and Space are the target; zero: none.
	Organization, Space Target

	access, refresh secret.Secret
	client          string
	clientSecret    secret.Secret
}

// Target is the organisation or space that cf target chose.
type Target struct {
	GUID string `json:"GUID"`
	Name string `json:"Name"`
}

// ReadSession reads the session of the cf command line below home, the folder
// that CF_HOME names (the home folder of the user where it is not set). The
// error is an [*platform.Error] of the kind [platform.KindSignIn]. The file is only read.
func ReadSession(home string) (*Session, error) {
	s, err := readSession(home)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func readSession(home string) (*Session, *platform.Error) {
	file := filepath.Join(home, ".cf", "config.json")
	data, err := readFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noSession(file, "it does not exist", err)
	case err != nil:
		var reason *fs.PathError
		text := err.Error()
		if errors.As(err, &reason) {
			text = reason.Err.Error()
		}
		return nil, noSession(file, text, err)
	}
	s, problem := parseSession(data)
	if problem != "" {
		return nil, noSession(file, problem, nil)
	}
	s.File = file
	return s, nil
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSession+1))
	if err == nil && len(data) > maxSession {
		return nil, errors.New("it is larger than 4 MiB")
	}
	return data, err
}

func noSession(file, problem string, err error) *platform.Error {
	return &platform.Error{
		Kind: platform.KindSignIn, Err: err,
		Message: fmt.Sprintf("session of the cf command line: %s: %s", file, problem),
		Cure:    "run cf login (with --sso for single sign-on), or set username and password",
	}
}

// parseSession reads the file; problem says what is wrong with it and holds
// nothing of it.
func parseSession(data []byte) (s *Session, problem string) {
	var file struct {
		Target                string
		UaaEndpoint           string
		AuthorizationEndpoint string
		AccessToken           string
		RefreshToken          string
		UAAOAuthClient        string
		UAAOAuthClientSecret  string
		OrganizationFields    Target
		SpaceFields           Target
	}
	if err := json.Unmarshal(data, &file); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Sprintf("it is no JSON from byte %d on", syntax.Offset)
		}
		if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && kind.Field != "" {
			return nil, fmt.Sprintf("%s is a %s; want text", platform.Cut(kind.Field, platform.MaxTitle), kind.Value)
		}
		return nil, "it is no JSON object"
	}
	access := strings.TrimSpace(file.AccessToken)
	if kind, rest, found := strings.Cut(access, " "); found && strings.EqualFold(kind, "bearer") {
		access = strings.TrimSpace(rest)
	}
	if access != "" && !isHeaderText(access) {
		return nil, "AccessToken holds other characters than tokens have"
	}
	s = &Session{
		API: baseURL(file.Target), SignIn: baseURL(file.AuthorizationEndpoint),
		Organization: file.OrganizationFields, Space: file.SpaceFields,
		access:  secret.New(credential+".access-token", access),
		refresh: secret.New(credential+".refresh-token", strings.TrimSpace(file.RefreshToken)),
		client:  file.UAAOAuthClient, clientSecret: secret.New(credential+".client-secret", file.UAAOAuthClientSecret),
	}
	if s.SignIn == "" {
		s.SignIn = baseURL(file.UaaEndpoint)
	}
	if s.client == "" {
		s.client = commandLine
	}
	return s, ""
}

// session reads the session that is used, and checks that it is one, for the
// API that is configured.
func (c *Client) session() (*Session, *platform.Error) {
	s, err := readSession(c.config.Home)
	if err != nil {
		return nil, err
	}
	c.learn("access-token", s.access.Reveal())
	c.learn("refresh-token", s.refresh.Reveal())
	c.learn("client-secret", s.clientSecret.Reveal())
	switch {
	case s.API == "" || origin(s.API) == "":
		return nil, noSession(s.File, "it names no API", nil)
	case c.config.API != "" && origin(s.API) != origin(baseURL(c.config.API)):
		wanted := platform.Shown(baseURL(c.config.API))
		err := noSession(s.File, fmt.Sprintf("the session is for %s; want one for %s", platform.Shown(s.API), wanted), nil)
		err.Cure = "run cf login -a " + wanted
		return nil, err
	case s.access.IsZero() && s.refresh.IsZero():
		return nil, noSession(s.File, "nobody is signed in", nil)
	}
	return s, nil
}

// api gives the URL of the API, without a slash at its end.
func (c *Client) api(doing string) (string, *platform.Error) {
	c.mu.Lock()
	address := c.address
	c.mu.Unlock()
	if address == "" && c.config.Home != "" && c.config.Username == "" && c.config.ClientID == "" {
		s, err := c.session()
		if err != nil {
			return "", err
		}
		c.mu.Lock()
		c.address = s.API
		c.mu.Unlock()
		address = s.API
	}
	if origin(address) == "" {
		return "", &platform.Error{Kind: platform.KindRequest, Message: fmt.Sprintf("%s: api is %q; want the URL of a Cloud Foundry API", doing, platform.Shown(address)), Cure: "set target.cloud-foundry.api, for instance https://api.cf.eu10.hana.ondemand.com"}
	}
	return address, nil
}

// obtainSession uses the session of the cf command line: its access token
// while it is good, then its refresh token. The file is read again each time,
// as the command line may have renewed it in between.
func (c *Client) obtainSession(ctx context.Context, old token) (token, *platform.Error) {
	s, err := c.session()
	if err != nil {
		return token{}, err
	}
	if !s.access.IsZero() && !s.access.Equal(old.access) {
		if t := newToken(s.access.Reveal(), s.refresh.Reveal(), 0, time.Now()); t.fresh() {
			return t, nil
		}
	}
	// Where the server gives a new refresh token each time, the one in the file
	// is spent after the first.
	if !old.refresh.IsZero() && !old.refresh.Equal(s.refresh) {
		t, err := c.refreshSession(ctx, s, old.refresh)
		if err == nil || err.Kind != platform.KindSignIn {
			return t, err
		}
	}
	if s.refresh.IsZero() {
		return token{}, noSession(s.File, "the session is over, and nothing in it can renew it", nil)
	}
	return c.refreshSession(ctx, s, s.refresh)
}

func (c *Client) refreshSession(ctx context.Context, s *Session, refresh secret.Secret) (token, *platform.Error) {
	return c.grant(ctx, grant{
		doing:  "renew the session of the cf command line",
		form:   url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}},
		client: s.client, clientSecret: s.clientSecret, basic: true, refresh: refresh,
		cure: "the session is over: run cf login (with --sso for single sign-on)",
	})
}
