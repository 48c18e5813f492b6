package api

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/sandbox/odata"
)

// Roles of security content (wire/sap.md 1.5).
const (
	credentialsRead = "CredentialsRead"
	credentialsEdit = "CredentialsEdit"
	materialEdit    = "SecurityMaterialEdit"
)

// userCredential is a user name with a password, of which nothing but a digest
// is kept: nothing in the sandbox uses it.
type userCredential struct {
	Name        string  `json:"Name"`
	Kind        string  `json:"Kind"`
	Description string  `json:"Description"`
	User        string  `json:"User"`
	CompanyID   *string `json:"CompanyId"`
	Password    *string `json:"Password"` // nil once it is read

	digest string // of the password; empty: it never had one
	by     string
	on     time.Time
}

// credentialKinds are the kinds of user credentials.
func credentialKinds() []string { return []string{"default", "successfactors", "openconnectors"} }

// credentialName is what the name of a credential may be.
var credentialName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,149}$`)

// problems tells everything that is wrong with a credential.
func (u *userCredential) problems() []string {
	var list []string
	if !credentialName.MatchString(u.Name) {
		list = append(list, fmt.Sprintf("Name '%s' is not valid: want letters, digits, '.', '_' and '-', at most 150", u.Name))
	}
	if !slices.Contains(credentialKinds(), u.Kind) {
		list = append(list, fmt.Sprintf("Kind '%s' is not valid: want one of %s", u.Kind, strings.Join(credentialKinds(), ", ")))
	}
	return list
}

// entity gives the row (wire/sap.md 6.8): the password is never in it.
func (u *userCredential) entity() *odata.Entity {
	var company any
	if u.CompanyID != nil {
		company = *u.CompanyID
	}
	return &odata.Entity{
		Set: "UserCredentials", Type: "UserCredential", Key: odata.Key(u.Name),
		Properties: []odata.Property{
			{Name: "Name", Value: u.Name}, {Name: "Kind", Value: u.Kind}, {Name: "Description", Value: u.Description},
			{Name: "User", Value: u.User}, {Name: "Password", Value: nil}, {Name: "CompanyId", Value: company},
			{Name: "SecurityArtifactDescriptor", Value: &odata.Entity{Type: "SecurityArtifactDescriptor", Properties: []odata.Property{
				{Name: "Type", Value: "CREDENTIALS"}, {Name: "DeployedBy", Value: u.by}, {Name: "DeployedOn", Value: u.on}, {Name: "Status", Value: "DEPLOYED"},
			}}},
		},
	}
}

// credentials is the user credentials of the tenant. The zero credentials is
// empty; it is safe for concurrent use.
type credentials struct {
	mu     sync.RWMutex
	byName map[string]*userCredential // replaced, never changed
}

// put keeps a credential in place of the one that was there, which it gives
// to allowed, nil when there is none; false when that says no.
func (cs *credentials) put(u *userCredential, allowed func(old *userCredential) bool) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !allowed(cs.byName[u.Name]) {
		return false
	}
	if cs.byName == nil {
		cs.byName = map[string]*userCredential{}
	}
	cs.byName[u.Name] = u
	return true
}

func (cs *credentials) get(name string) (*userCredential, bool) {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	u, ok := cs.byName[name]
	return u, ok
}

func (cs *credentials) remove(name string) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	_, ok := cs.byName[name]
	delete(cs.byName, name)
	return ok
}

func (cs *credentials) all() []*userCredential {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	return slices.SortedFunc(maps.Values(cs.byName), func(a, b *userCredential) int { return cmp.Compare(a.Name, b.Name) })
}

// Credential is a user credential as the state of the sandbox shows it.
type Credential struct {
	Name        string  `json:"name"`
	Kind        string  `json:"kind"`
	User        string  `json:"user"`
	Description string  `json:"description,omitzero"`
	CompanyID   *string `json:"company-id,omitzero"`
	// Password is a digest, which differs from tenant to tenant.
	Password string `json:"password,omitzero"`
}

// Credentials gives the user credentials, sorted by name.
func (a *API) Credentials() []Credential {
	list := []Credential{}
	for _, u := range a.credentials.all() {
		list = append(list, Credential{u.Name, u.Kind, u.User, u.Description, u.CompanyID, u.digest})
	}
	return list
}

// serveCredentials answers UserCredentials.
func (a *API) serveCredentials(c *call) {
	name, _ := c.path[0].Key("")
	switch {
	case c.path[0].Keys == nil:
		a.credentialSet(c)
	case len(c.path) > 1:
		if c.allow(http.MethodGet) {
			a.belowCredential(c, name)
		}
	default:
		a.oneCredential(c, name)
	}
}

// belowCredential answers that there is nothing below a credential, or none.
func (a *API) belowCredential(c *call, name string) {
	u, ok := a.credentials.get(name)
	if !ok {
		c.unknown("User Credentials", name)
		return
	}
	c.navigate(u.entity(), c.path[1:])
}

func (a *API) credentialSet(c *call) {
	switch {
	case len(c.path) > 1 && !isCount(c.path[1:]):
		c.nowhere()
		return
	case len(c.path) > 1 && !c.allow(http.MethodGet), !c.allow(http.MethodGet, http.MethodPost):
		return
	case c.r.Method == http.MethodPost:
		a.createCredential(c)
		return
	case c.query.Top >= 0:
		c.fail(odata.Errorf(http.StatusNotImplemented, "Not implemented: $top of UserCredentials."))
		return
	}
	var rows []*odata.Entity
	for _, u := range a.credentials.all() {
		rows = append(rows, u.entity())
	}
	c.listOrCount((&userCredential{}).entity(), rows)
}

func (a *API) createCredential(c *call) {
	u, err := a.readCredential(c, "")
	if err != nil {
		c.fail(err)
		return
	}
	u.by, u.on = c.caller.Name, a.o.Faults.Now()
	if !a.credentials.put(u, func(old *userCredential) bool { return old == nil }) {
		// A business error is a 500 with text (wire/sap.md 6.1).
		http.Error(c.w, fmt.Sprintf("User Credentials with Name '%s' already exists.", u.Name), http.StatusInternalServerError)
		return
	}
	c.w.Header().Set("Location", c.out.URI(u.entity()))
	c.out.Entity(c.w, http.StatusCreated, u.entity(), odata.Query{})
}

func (a *API) oneCredential(c *call, name string) {
	if !c.allow(http.MethodGet, http.MethodPut, http.MethodDelete) {
		return
	}
	u, ok := a.credentials.get(name)
	if !ok {
		c.unknown("User Credentials", name)
		return
	}
	switch c.r.Method {
	case http.MethodGet:
		c.one(u.entity())
	case http.MethodPut:
		a.changeCredential(c, name)
	default:
		if !a.credentials.remove(name) {
			c.unknown("User Credentials", name)
			return
		}
		c.w.WriteHeader(http.StatusNoContent)
	}
}

func (a *API) changeCredential(c *call, name string) {
	u, err := a.readCredential(c, name)
	if err != nil {
		c.fail(err)
		return
	}
	u.by, u.on = c.caller.Name, a.o.Faults.Now()
	if !a.credentials.put(u, func(old *userCredential) bool {
		if old == nil {
			return false
		}
		u.digest = cmp.Or(u.digest, old.digest)
		return true
	}) {
		c.unknown("User Credentials", name)
		return
	}
	c.w.WriteHeader(http.StatusNoContent)
}

// readCredential reads the JSON of a credential. name is the one in the
// address, which the body may leave out; empty: it is in the body alone.
func (a *API) readCredential(c *call, name string) (*userCredential, *odata.Error) {
	u, err := readEntity[userCredential](c, "user credential", MaxEntity)
	if err != nil {
		return nil, err
	}
	u.Name, u.Kind = cmp.Or(u.Name, name), cmp.Or(u.Kind, "default")
	if problems := u.problems(); len(problems) > 0 {
		return nil, odata.Errorf(http.StatusBadRequest, "%s", strings.Join(problems, "\n"))
	}
	if name != "" && u.Name != name {
		return nil, odata.Errorf(http.StatusBadRequest, "Name '%s' cannot be changed to '%s'", name, u.Name)
	}
	if u.Password != nil {
		u.digest, u.Password = a.digest(*u.Password), nil
	}
	return &u, nil
}
