// Package subaccount is what exists in the sandbox tenant's subaccount:
// service instances of it-rt (each an OAuth client), their service keys, and
// the people and robots who may sign in. It speaks no protocol; the parts of
// the tenant read and change it.
package subaccount

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// The plans of the offering it-rt (wire/sap.md 1.1).
const (
	// PlanFlow authorises the endpoints of integration flows.
	PlanFlow = "integration-flow"
	// PlanAPI authorises the OData API.
	PlanAPI = "api"
)

// Names of what is there at the start.
const (
	// Name is the subdomain of the subaccount.
	Name = "sandbox"
	// User is the person who may sign in, and Password the password.
	User = "tester"
	// Password is the password of User and the secret of the client
	// "automation". It is no secret: it is printed in the documentation.
	Password = "tester-9f4c2b"
	// DefaultRole is what an instance of plan integration-flow may do when it
	// asks for nothing else.
	DefaultRole = "ESBMessaging.send"
)

// ErrNotFound is wrapped when an instance or a key does not exist.
var ErrNotFound = errors.New("not there")

// ErrExists is wrapped when an instance or a key of that name exists already.
var ErrExists = errors.New("already there")

// name is what instances and keys may be called: at most 32 characters
// (wire/sap.md 1.5).
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)

// role is what a custom role may be called (wire/sap.md 1.5).
var role = regexp.MustCompile(`^[A-Za-z0-9_.]{1,128}$`)

// InstanceSpec is what an instance is made from (wire/sap.md 1.5).
type InstanceSpec struct {
	// Name is unique in its space and, here, in the tenant.
	Name string
	// Space is the Cloud Foundry space; empty: dev.
	Space string
	// Plan is PlanFlow or PlanAPI.
	Plan string
	// Roles is what tokens of the instance may do; empty: DefaultRole with
	// PlanFlow, nothing with PlanAPI.
	Roles []string
	// GrantTypes empty: client_credentials alone.
	GrantTypes []string
	// Validity is the life of a token; 0: an hour with PlanFlow, twelve with
	// PlanAPI. Otherwise from 3600 to 86400 seconds.
	Validity time.Duration
}

// Instance is a service instance of it-rt: the definition of an OAuth client.
// It never changes once it is made, and may be read by anybody.
type Instance struct {
	Name, GUID, Space, Plan string
	// Roles is sorted, without the prefix of the application.
	Roles      []string
	GrantTypes []string
	Validity   time.Duration
	// ClientID is common to all keys of the instance.
	ClientID string
	// XSAppName is the application whose scopes its tokens hold.
	XSAppName string
}

// HasRole reports whether tokens of the instance hold the role.
func (i *Instance) HasRole(role string) bool { return slices.Contains(i.Roles, role) }

// Key is a service key of an instance. It never changes once it is made.
type Key struct {
	Name     string
	Instance *Instance
	// Secret is the client secret; each key has its own.
	Secret  string
	Created time.Time
	// Signature is the rev_sig of tokens that were got with the key: it tells
	// the keys of one instance apart.
	Signature string
}

// Subaccount holds what exists. It is safe for concurrent use.
type Subaccount struct {
	// GUID is the identity of the subaccount, new with each start.
	GUID string

	now       func() time.Time
	mu        sync.RWMutex
	instances map[string]*Instance
	clients   map[string]*Instance
	keys      map[string]*Key
	entitled  []string
	serial    int
}

// New makes the subaccount with what is in it at the start: the instances
// sandbox-rt and sandbox-api with the keys sender and api. Both plans are
// entitled unless entitled says otherwise.
func New(now func() time.Time, entitled []string) (*Subaccount, error) {
	s := &Subaccount{
		GUID: NewGUID(), now: now,
		instances: map[string]*Instance{}, clients: map[string]*Instance{}, keys: map[string]*Key{},
		entitled: slices.Sorted(slices.Values(entitled)), serial: 455374,
	}
	for _, start := range []struct {
		spec InstanceSpec
		key  string
	}{
		{InstanceSpec{Name: "sandbox-rt", Plan: PlanFlow}, "sender"},
		{InstanceSpec{Name: "sandbox-api", Plan: PlanAPI, Roles: APIRoles()}, "api"},
	} {
		if _, err := s.CreateInstance(start.spec); err != nil {
			return nil, err
		}
		if _, err := s.CreateKey(start.spec.Name, start.key); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// APIRoles is what the instance sandbox-api, and the user tester, may do.
func APIRoles() []string {
	return []string{
		"WorkspacePackagesRead", "WorkspacePackagesEdit", "WorkspacePackagesConfigure",
		"WorkspaceArtifactsDeploy", "MonitoringDataRead", "MessagePayloadsRead",
	}
}

// Entitled gives the plans of it-rt the subaccount may use, sorted.
func (s *Subaccount) Entitled() []string { return slices.Clone(s.entitled) }

// CreateInstance makes a service instance. Every mistake of the
// specification is in the error.
func (s *Subaccount) CreateInstance(spec InstanceSpec) (*Instance, error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.instances[spec.Name]; ok {
		return nil, fmt.Errorf("service instance %q is %w", spec.Name, ErrExists)
	}
	s.serial++
	i := &Instance{
		Name: spec.Name, GUID: NewGUID(), Space: cmp.Or(spec.Space, "dev"), Plan: spec.Plan,
		Roles: slices.Clone(spec.Roles), GrantTypes: slices.Clone(spec.GrantTypes), Validity: spec.Validity,
		XSAppName: "it!b11463",
	}
	if i.Plan == PlanFlow {
		i.XSAppName = "it-rt-" + Name + "!b26655"
		if len(i.Roles) == 0 {
			i.Roles = []string{DefaultRole}
		}
	}
	if len(i.GrantTypes) == 0 {
		i.GrantTypes = []string{"client_credentials"}
	}
	if i.Validity == 0 {
		i.Validity = 12 * time.Hour
		if i.Plan == PlanFlow {
			i.Validity = time.Hour
		}
	}
	slices.Sort(i.Roles)
	i.Roles = slices.Compact(i.Roles)
	i.ClientID = fmt.Sprintf("sb-%s!b%d|%s", i.GUID, s.serial, i.XSAppName)
	s.instances[i.Name], s.clients[i.ClientID] = i, i
	return i, nil
}

// Check tells everything that is wrong with the specification.
func (spec InstanceSpec) Check() error {
	var errs []error
	if !name.MatchString(spec.Name) {
		errs = append(errs, fmt.Errorf("name of a service instance %q: want 1 to 32 of A-Z a-z 0-9 . _ -, a letter or digit first", spec.Name))
	}
	if spec.Plan != PlanFlow && spec.Plan != PlanAPI {
		errs = append(errs, fmt.Errorf("plan %q: want %q or %q", spec.Plan, PlanFlow, PlanAPI))
	}
	for _, r := range spec.Roles {
		if !role.MatchString(r) {
			errs = append(errs, fmt.Errorf("role %q: want A-Z a-z 0-9 _ and . only", r))
		}
	}
	if v := spec.Validity; v != 0 && (v < time.Hour || v > 24*time.Hour) {
		errs = append(errs, fmt.Errorf("token-validity %d: want 3600 to 86400 seconds", int(v/time.Second)))
	}
	return errors.Join(errs...)
}

// CheckKeyName tells what is wrong with the name of a key; nil when nothing is.
func CheckKeyName(key string) error {
	if !name.MatchString(key) {
		return fmt.Errorf("name of a service key %q: want 1 to 32 of A-Z a-z 0-9 . _ -, a letter or digit first", key)
	}
	return nil
}

// CreateKey makes a service key. The names of keys are unique in the tenant,
// since they become the names of credentials.
func (s *Subaccount) CreateKey(instance, key string) (*Key, error) {
	if err := CheckKeyName(key); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.instances[instance]
	if !ok {
		return nil, fmt.Errorf("service instance %q is %w", instance, ErrNotFound)
	}
	if _, ok := s.keys[key]; ok {
		return nil, fmt.Errorf("service key %q is %w", key, ErrExists)
	}
	k := &Key{Name: key, Instance: i, Secret: newSecret(), Created: s.now().UTC()}
	sum := sha256.Sum256([]byte(i.ClientID + "\x00" + k.Secret))
	k.Signature = hex.EncodeToString(sum[:4])
	s.keys[key] = k
	return k, nil
}

// DeleteKey removes a key; from then on its secret, and the tokens got with
// it, are refused.
func (s *Subaccount) DeleteKey(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.keys[key]; !ok {
		return fmt.Errorf("service key %q is %w", key, ErrNotFound)
	}
	delete(s.keys, key)
	return nil
}

// Instances gives the instances, sorted by name.
func (s *Subaccount) Instances() []*Instance {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Instance, 0, len(s.instances))
	for _, i := range s.instances {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *Instance) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Keys gives the keys in the order they were made, those of one instant by
// name.
func (s *Subaccount) Keys() []*Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Key, 0, len(s.keys))
	for _, k := range s.keys {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *Key) int {
		return cmp.Or(a.Created.Compare(b.Created), -cmp.Compare(a.Instance.Plan, b.Instance.Plan), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Authenticate finds the key whose client ID and secret these are.
func (s *Subaccount) Authenticate(clientID, secret string) (*Key, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, ok := s.clients[clientID]
	if !ok {
		return nil, false
	}
	for _, k := range s.keys {
		if k.Instance == i && subtle.ConstantTimeCompare([]byte(k.Secret), []byte(secret)) == 1 {
			return k, true
		}
	}
	return nil, false
}

// Issued finds the key a token was got with, by the claims cid and rev_sig;
// false when the key is there no more.
func (s *Subaccount) Issued(clientID, signature string) (*Key, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.keys {
		if k.Signature == signature && k.Instance.ClientID == clientID {
			return k, true
		}
	}
	return nil, false
}

// Mask gives the text with the secret of each key replaced.
func (s *Subaccount) Mask(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.keys {
		if strings.Contains(text, k.Secret) {
			text = strings.ReplaceAll(text, k.Secret, "***")
		}
	}
	return strings.ReplaceAll(text, Password, "***")
}

// NewGUID gives a random UUID (RFC 9562, version 4) in lower case.
func NewGUID() string {
	var b [16]byte
	rand.Read(b[:]) // crypto/rand never gives an error
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newSecret gives a client secret with the grammar of wire/sap.md 1.2:
// a UUID, "$", and 44 characters of base64url including the padding.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return NewGUID() + "$" + base64.URLEncoding.EncodeToString(b[:])
}
