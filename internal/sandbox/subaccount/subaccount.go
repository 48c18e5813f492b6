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
	"sync/atomic"
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
	// UserName is the person who may sign in, and Password the password.
	UserName = "tester"
	// Password is the password of UserName and the secret of the client
	// Client. It is no secret: it is printed in the documentation.
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
	// Name is unique in its space.
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

// Operation is the last thing that was done to an instance or a key.
type Operation struct {
	// Type is create, update or delete.
	Type string
	// State is one of InProgress, Succeeded and OperationFailed.
	State            string
	Description      string
	Created, Updated time.Time
}

// The types and states of an operation (wire/sap.md 3.5).
const (
	Create = "create"
	Update = "update"
	Delete = "delete"

	InProgress      = "in progress"
	Succeeded       = "succeeded"
	OperationFailed = "failed"
)

// Metadata is the labels and annotations of an instance or a key.
type Metadata struct {
	Labels, Annotations map[string]string
}

// Instance is a service instance of it-rt: the definition of an OAuth client.
// It never changes once it is made, and may be read by anybody: a change makes
// another of the same GUID.
type Instance struct {
	Name, GUID, Space, Plan string
	// Roles is sorted, without the prefix of the application.
	Roles                    []string
	GrantTypes, RedirectURIs []string
	Validity                 time.Duration
	// ClientID is common to all keys of the instance.
	ClientID string
	// XSAppName is the application whose scopes its tokens hold.
	XSAppName string
	Tags      []string
	Metadata
	Created, Updated time.Time
	Operation        Operation
}

// HasRole reports whether tokens of the instance hold the role.
func (i *Instance) HasRole(role string) bool { return slices.Contains(i.Roles, role) }

// Usable reports whether the instance was created to its end.
func (i *Instance) Usable() bool { return i.Operation.usable() }

func (o Operation) usable() bool { return o.Type != Create || o.State == Succeeded }

// busy reports whether something is being done.
func (o Operation) busy() bool { return o.State == InProgress }

// Key is a service key of an instance. It never changes once it is made: a
// change of it, or of its instance, makes another of the same GUID.
type Key struct {
	Name, GUID string
	Instance   *Instance
	// Secret is the client secret; each key has its own. It is empty when the
	// key has a certificate, and as long as the key is being created.
	Secret string
	// Certificate is nil when the key has a secret.
	Certificate *Certificate
	// Signature is the rev_sig of tokens that were got with the key: it tells
	// the keys of one instance apart.
	Signature string
	Metadata
	Created, Updated time.Time
	Operation        Operation
}

// Usable reports whether the key, and its instance, were created to the end.
func (k *Key) Usable() bool { return k.Operation.usable() && k.Instance.Usable() }

// Subaccount holds what exists. It is safe for concurrent use.
type Subaccount struct {
	// GUID is the identity of the subaccount, new with each start.
	GUID string

	now    func() time.Time
	org    Place
	spaces []Place
	users  []*User
	robots []*User
	quota  Quota
	ca     authority
	// expired is Options.Expired.
	expired func(i *Instance, key string) bool
	// services are the keys of what is no instance of it-rt: that of the
	// entitlements service, and that of the destination service.
	services [2]*Key
	running  atomic.Int32 // how many jobs are open, so that readers take no lock for writing

	mu        sync.RWMutex
	instances map[string]*Instance // by GUID
	clients   map[string]*Instance // by client ID
	keys      map[string]map[string]*Key
	entitled  []string
	serial    int
	jobs      map[string]*task
	open      []*task
	ended     []string
}

// Quota bounds how many service instances there may be; 0 is no bound.
type Quota struct {
	Organization, Space int
}

// Options is how a subaccount is made.
type Options struct {
	// Now is the clock.
	Now func() time.Time
	// Entitled is the plans of it-rt it may use.
	Entitled []string
	// Users are there besides tester.
	Users []UserSpec
	Quota Quota
	// Expired tells whether the certificate of a new key of the instance is to
	// be one that has expired; nil: never.
	Expired func(i *Instance, key string) bool
}

// New makes the subaccount with what is in it at the start: the instances
// sandbox-rt and sandbox-api with the keys sender and api.
func New(o Options) (*Subaccount, error) {
	now := o.Now().UTC().Truncate(time.Second)
	s := &Subaccount{
		GUID: NewGUID(), now: o.Now, quota: o.Quota, expired: o.Expired,
		org:       Place{Organization, NewGUID(), now},
		instances: map[string]*Instance{}, clients: map[string]*Instance{}, keys: map[string]map[string]*Key{},
		entitled: slices.Sorted(slices.Values(o.Entitled)), serial: 455374, jobs: map[string]*task{},
		robots: []*User{{Name: ClientName, GUID: NewGUID(), Role: Developer, password: Password}},
	}
	for _, name := range Spaces() {
		s.spaces = append(s.spaces, Place{name, NewGUID(), now})
	}
	for _, u := range append([]UserSpec{{Name: UserName}}, o.Users...) {
		s.users = append(s.users, &User{u.Name, NewGUID(), cmp.Or(u.Role, Developer), u.Expired, cmp.Or(u.Password, Password)})
	}
	s.services = [2]*Key{s.newEntitlements(), s.newDestination()}
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
		if _, err := s.CreateKey(start.spec.Name, start.key, nil); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// APIRoles is what the instance sandbox-api, and the user tester, may do.
func APIRoles() []string {
	return []string{
		"WorkspacePackagesRead", "WorkspacePackagesEdit", "WorkspacePackagesConfigure",
		"WorkspaceArtifactsDeploy", "MonitoringDataRead", "MessagePayloadsRead", "CredentialsRead", "CredentialsEdit",
	}
}

// CreateInstance makes a service instance at once. Every mistake of the
// specification is in the error. Its name must be free in the tenant.
func (s *Subaccount) CreateInstance(spec InstanceSpec) (*Instance, error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	s.lock()
	defer s.mu.Unlock()
	if s.named(spec.Name) != nil {
		return nil, fmt.Errorf("service instance %q is %w", spec.Name, ErrExists)
	}
	i := s.newInstance(spec)
	i.Operation = s.operation(Create, Succeeded, "")
	s.put(i)
	return i, nil
}

// newInstance gives the instance of a specification, with what it does not
// say filled in. The caller holds the lock.
func (s *Subaccount) newInstance(spec InstanceSpec) *Instance {
	s.serial++
	now := s.now().UTC()
	i := &Instance{
		Name: spec.Name, GUID: NewGUID(), Space: cmp.Or(spec.Space, DefaultSpace), Plan: spec.Plan,
		XSAppName: "it!b11463", Created: now, Updated: now,
	}
	if i.Plan == PlanFlow {
		i.XSAppName = "it-rt-" + Name + "!b26655"
	}
	i.ClientID = fmt.Sprintf("sb-%s!b%d|%s", i.GUID, s.serial, i.XSAppName)
	i.GrantTypes, i.Validity = []string{"client_credentials"}, 12*time.Hour
	if i.Plan == PlanFlow {
		i.Roles, i.Validity = []string{DefaultRole}, time.Hour
	}
	p := Parameters{Roles: spec.Roles, GrantTypes: spec.GrantTypes, Validity: spec.Validity}
	p.apply(i)
	return i
}

// apply changes what was asked for.
func (p Parameters) apply(i *Instance) {
	if len(p.Roles) > 0 {
		i.Roles = slices.Compact(slices.Sorted(slices.Values(p.Roles)))
	}
	if len(p.GrantTypes) > 0 {
		i.GrantTypes = slices.Clone(p.GrantTypes)
	}
	if p.RedirectURIs != nil {
		i.RedirectURIs = slices.Clone(p.RedirectURIs)
	}
	if p.Validity != 0 {
		i.Validity = p.Validity
	}
}

// operation gives one that begins and ends now.
func (s *Subaccount) operation(kind, state, description string) Operation {
	now := s.now().UTC()
	return Operation{Type: kind, State: state, Description: description, Created: now, Updated: now}
}

// put makes the instance what there is under its GUID. The caller holds the
// lock.
func (s *Subaccount) put(i *Instance) {
	s.instances[i.GUID], s.clients[i.ClientID] = i, i
	if s.keys[i.GUID] == nil {
		s.keys[i.GUID] = map[string]*Key{}
	}
	for guid, k := range s.keys[i.GUID] {
		changed := *k
		changed.Instance = i
		s.keys[i.GUID][guid] = &changed
	}
}

// named finds an instance by its name. The caller holds the lock.
func (s *Subaccount) named(name string) *Instance {
	for _, i := range s.sorted(func(i *Instance) bool { return i.Name == name }) {
		return i
	}
	return nil
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

// CreateKey makes a service key at once: with a secret, or with the certificate
// that the parameters (as [ParseKeyParameters] reads them) ask for. Its name
// must be free in the tenant, since it becomes the name of a credential.
func (s *Subaccount) CreateKey(instance, key string, parameters []byte) (*Key, error) {
	wanted, err := ParseKeyParameters(parameters)
	if err := errors.Join(CheckKeyName(key), err); err != nil {
		return nil, err
	}
	s.rlock()
	i, err := s.free(instance, key)
	s.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	certificate, err := s.certificate(i, key, wanted) // takes its time: before the lock
	if err != nil {
		return nil, err
	}
	s.lock()
	defer s.mu.Unlock()
	if i, err = s.free(instance, key); err == nil {
		err = s.unused(certificate)
	}
	if err != nil {
		return nil, err
	}
	now := s.now().UTC()
	k := &Key{Name: key, GUID: NewGUID(), Instance: i, Created: now, Updated: now, Operation: s.operation(Create, Succeeded, "")}
	k.with(certificate)
	s.keys[i.GUID][k.GUID] = k
	return k, nil
}

// free finds the instance for a key of a name that no key has. The caller
// holds the lock.
func (s *Subaccount) free(instance, key string) (*Instance, error) {
	i := s.named(instance)
	if i == nil || !i.Usable() {
		return nil, fmt.Errorf("service instance %q is %w", instance, ErrNotFound)
	}
	if s.keyNamed(key) != nil {
		return nil, fmt.Errorf("service key %q is %w", key, ErrExists)
	}
	return i, nil
}

// with gives the key its certificate, or a new secret when there is none.
func (k *Key) with(c *Certificate) {
	if c != nil {
		k.Certificate, k.Signature = c, c.Fingerprint[:8]
		return
	}
	k.Secret = newSecret()
	sum := sha256.Sum256([]byte(k.Instance.ClientID + "\x00" + k.Secret))
	k.Signature = hex.EncodeToString(sum[:4])
}

// keyNamed finds a key by its name, the oldest first. The caller holds the
// lock.
func (s *Subaccount) keyNamed(name string) *Key {
	for _, k := range s.findKeys(func(k *Key) bool { return k.Name == name }) {
		return k
	}
	return nil
}

// DeleteKey removes the oldest key of that name; from then on its secret, and
// the tokens got with it, are refused.
func (s *Subaccount) DeleteKey(key string) error {
	s.lock()
	defer s.mu.Unlock()
	k := s.keyNamed(key)
	if k == nil {
		return fmt.Errorf("service key %q is %w", key, ErrNotFound)
	}
	delete(s.keys[k.Instance.GUID], k.GUID)
	s.abort(k.GUID)
	return nil
}

// Instances gives the instances, sorted by name and space.
func (s *Subaccount) Instances() []*Instance {
	return s.FindInstances(func(*Instance) bool { return true })
}

// FindInstances gives the instances for which keep holds, sorted by name and
// space. keep must not use the subaccount.
func (s *Subaccount) FindInstances(keep func(*Instance) bool) []*Instance {
	s.rlock()
	defer s.mu.RUnlock()
	return s.sorted(keep)
}

func (s *Subaccount) sorted(keep func(*Instance) bool) []*Instance {
	var found []*Instance
	for _, i := range s.instances {
		if keep(i) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b *Instance) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Space, b.Space))
	})
	return found
}

// Instance finds an instance by its GUID.
func (s *Subaccount) Instance(guid string) (*Instance, bool) {
	s.rlock()
	defer s.mu.RUnlock()
	i, ok := s.instances[guid]
	return i, ok
}

// Keys gives the keys that can be used, in the order they were made, those of
// one instant by name.
func (s *Subaccount) Keys() []*Key {
	return s.FindKeys((*Key).Usable)
}

// AllKeys gives also the keys that are being created, or could not be.
func (s *Subaccount) AllKeys() []*Key {
	return s.FindKeys(func(*Key) bool { return true })
}

// FindKeys gives those of AllKeys for which keep holds. keep must not use the
// subaccount.
func (s *Subaccount) FindKeys(keep func(*Key) bool) []*Key {
	s.rlock()
	defer s.mu.RUnlock()
	return s.findKeys(keep)
}

func (s *Subaccount) findKeys(keep func(*Key) bool) []*Key {
	var all []*Key
	for _, keys := range s.keys {
		for _, k := range keys {
			if keep(k) {
				all = append(all, k)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Key) int {
		return cmp.Or(a.Created.Compare(b.Created), -cmp.Compare(a.Instance.Plan, b.Instance.Plan), cmp.Compare(a.Name, b.Name), cmp.Compare(a.GUID, b.GUID))
	})
	return all
}

// Key finds a key by its GUID.
func (s *Subaccount) Key(guid string) (*Key, bool) {
	s.rlock()
	defer s.mu.RUnlock()
	return s.key(guid)
}

func (s *Subaccount) key(guid string) (*Key, bool) {
	for _, keys := range s.keys {
		if k, ok := keys[guid]; ok {
			return k, true
		}
	}
	return nil, false
}

// Authenticate finds the key whose client ID and secret these are.
func (s *Subaccount) Authenticate(clientID, secret string) (*Key, bool) {
	return s.find(clientID, func(k *Key) bool {
		return k.Secret != "" && subtle.ConstantTimeCompare([]byte(k.Secret), []byte(secret)) == 1
	})
}

// Issued finds the key a token was got with, by the claims cid and rev_sig;
// false when the key is there no more.
func (s *Subaccount) Issued(clientID, signature string) (*Key, bool) {
	return s.find(clientID, func(k *Key) bool { return k.Signature != "" && k.Signature == signature })
}

// find gives the usable key of a client for which is holds.
func (s *Subaccount) find(clientID string, is func(*Key) bool) (*Key, bool) {
	for _, k := range s.services {
		if clientID == k.Instance.ClientID {
			return k, is(k)
		}
	}
	s.rlock()
	defer s.mu.RUnlock()
	i, ok := s.clients[clientID]
	if !ok {
		return nil, false
	}
	for _, k := range s.keys[i.GUID] {
		if k.Usable() && is(k) {
			return k, true
		}
	}
	return nil, false
}

// Mask gives the text with the secret of each key, and every password,
// replaced.
func (s *Subaccount) Mask(text string) string {
	s.rlock()
	defer s.mu.RUnlock()
	hide := func(secret string) {
		// A shorter one would take words apart that are no secrets.
		if len(secret) >= 4 && strings.Contains(text, secret) {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	if len(text) >= secretLength { // most texts are too short to hold one
		for _, keys := range s.keys {
			for _, k := range keys {
				hide(k.Secret)
			}
		}
		for _, k := range s.services {
			hide(k.Secret)
		}
	}
	for _, u := range s.users {
		hide(u.password)
	}
	hide(Password)
	return text
}

// NewGUID gives a random UUID (RFC 9562, version 4) in lower case.
func NewGUID() string {
	var b [16]byte
	rand.Read(b[:]) // crypto/rand never gives an error
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// secretLength is the length of a client secret.
const secretLength = 36 + 1 + 44

// newSecret gives a client secret with the grammar of wire/sap.md 1.2:
// a UUID, "$", and 44 characters of base64url including the padding.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return NewGUID() + "$" + base64.URLEncoding.EncodeToString(b[:])
}
