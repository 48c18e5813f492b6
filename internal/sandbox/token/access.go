package token

import (
	"net/http"
	"slices"
	"strings"

	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/subaccount"
)

// Caller is who sent a request, as far as another part of the tenant asks.
type Caller struct {
	// Basic tells that it came with a name and a secret rather than a token.
	Basic bool
	// Name is the client ID, or the name of the user.
	Name  string
	roles []string
}

// May reports whether the caller holds the role.
func (c *Caller) May(role string) bool { return slices.Contains(c.roles, role) }

// Accepts is what a part accepts beyond bearer tokens and the secrets of keys.
type Accepts struct {
	// Users may come with name and password.
	Users bool
	// Certificates of keys may come with the connection.
	Certificates bool
}

// Access finds out who sent a request to a part that belongs to a plan: the
// bearer of a token of that plan, or the client ID and secret of a key of it
// by basic authentication, or who holds the certificate of a key
// (wire/sap.md 5.2, 6.1). When it gives nil it has written the challenge to
// the header of the answer; the status (401) and the body are the caller's.
func (s *Server) Access(w http.ResponseWriter, r *http.Request, part, plan string, accepts Accepts) *Caller {
	at := fault.Request{Part: part, Path: r.URL.Path}
	if accepts.Certificates && r.Header.Get("Authorization") == "" {
		if c := s.holderOf(r, plan, at); c != nil {
			return c
		}
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		if c := s.bearer(strings.TrimSpace(value), plan, at); c != nil {
			return c
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+part+`", error="invalid_token", error_description="The token is expired, revoked, or not meant for this application"`)
	case strings.EqualFold(scheme, "Basic"):
		if c := s.basic(r, plan, at, accepts.Users); c != nil {
			return c
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="`+part+`"`)
	default:
		w.Header()["Www-Authenticate"] = []string{`Bearer realm="` + part + `"`, `Basic realm="` + part + `"`}
	}
	return nil
}

// holderOf judges the certificate of the connection.
func (s *Server) holderOf(r *http.Request, plan string, at fault.Request) *Caller {
	presented := certificate(r)
	if presented == nil {
		return nil
	}
	key, ok := s.o.Subaccount.Presented("", presented)
	if !ok || key.Instance.Plan != plan || s.expired(key, at) || s.revoked(key, at) {
		return nil
	}
	return &Caller{Name: key.Instance.ClientID, roles: key.Instance.Roles}
}

// issued reports whether the server names itself so in its tokens.
func (s *Server) issued(issuer string) bool {
	return issuer == s.o.Origin()+"/oauth/token" || issuer == s.o.MutualOrigin()+"/oauth/token"
}

func (s *Server) bearer(raw, plan string, at fault.Request) *Caller {
	c, ok := s.verify(raw)
	if !ok || s.o.Faults.Now().Unix() >= c.Expiry || !s.issued(c.Issuer) {
		return nil
	}
	key, ok := s.o.Subaccount.Issued(c.CID, c.Signature)
	if !ok || key.Instance.Plan != plan || s.revoked(key, at) {
		return nil
	}
	caller := &Caller{Name: c.CID}
	for _, scope := range c.Scope {
		if role, ok := strings.CutPrefix(scope, key.Instance.XSAppName+"."); ok {
			caller.roles = append(caller.roles, role)
		}
	}
	return caller
}

func (s *Server) basic(r *http.Request, plan string, at fault.Request, users bool) *Caller {
	id, secret, ok := basic(r.Header.Get("Authorization"))
	if !ok {
		return nil
	}
	if users && id == subaccount.UserName && secret == subaccount.Password {
		return &Caller{Basic: true, Name: id, roles: subaccount.APIRoles()}
	}
	key, ok := s.o.Subaccount.Authenticate(id, secret)
	if !ok || key.Instance.Plan != plan || s.revoked(key, at) {
		return nil
	}
	return &Caller{Basic: true, Name: id, roles: key.Instance.Roles}
}
