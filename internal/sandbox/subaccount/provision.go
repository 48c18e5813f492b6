package subaccount

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Errors of what is asked for while it is asked for; those of the service
// broker are in the job.
var (
	// ErrBusy says that something is being done to the instance or key.
	ErrBusy = errors.New("operation in progress")
	// ErrKeyBusy says that something is being done to a key of the instance.
	ErrKeyBusy = errors.New("operation in progress for a key")
	// ErrQuota says that the organisation has all the instances it may have.
	ErrQuota = errors.New("quota of the organization exceeded")
	// ErrSpaceQuota says that the space has all the instances it may have.
	ErrSpaceQuota = errors.New("quota of the space exceeded")
	// ErrRecursive is wrapped by the error of a deletion that failed because
	// of a key.
	ErrRecursive = errors.New("a key could not be deleted")
)

// Limits of names.
const (
	maxInstanceName = 255
	maxKeyName      = 32 // wire/sap.md 1.5
)

// CheckProvisionedName tells what the platform says about the name of an
// instance; nil when it takes it. (The recommendation of wire/sap.md 1.5 is no
// rule.)
func CheckProvisionedName(name string) error {
	return checkLength("name", name, maxInstanceName)
}

// CheckProvisionedKeyName is CheckProvisionedName for a key.
func CheckProvisionedKeyName(name string) error {
	return checkLength("name", name, maxKeyName)
}

func checkLength(what, text string, most int) error {
	if n := utf8.RuneCountInString(text); n > most {
		return fmt.Errorf("%s is too long (maximum is %d characters)", what, most)
	}
	return nil
}

// Provision is what an instance is made from by Cloud Foundry.
type Provision struct {
	Name, Space, Plan string
	Parameters        []byte
	Tags              []string
	Metadata
}

// ProvisionInstance begins to create an instance. A failed job leaves it
// there, failed.
func (s *Subaccount) ProvisionInstance(p Provision, run Run) (Job, error) {
	wanted, broker := ParseParameters(p.Plan, p.Parameters)
	s.lock()
	defer s.mu.Unlock()
	if err := s.room(p); err != nil {
		return Job{}, err
	}
	i := s.newInstance(InstanceSpec{Name: p.Name, Space: p.Space, Plan: p.Plan})
	wanted.apply(i)
	i.Tags, i.Metadata = p.Tags, p.Metadata
	i.Operation = s.operation(Create, InProgress, "")
	s.put(i)
	return s.begin("service_instance.create", i.GUID, run, func(err error) error {
		return s.endInstance(i.GUID, Create, errors.Join(err, broker), nil)
	}), nil
}

// room tells whether another instance may be created. The caller holds the
// lock.
func (s *Subaccount) room(p Provision) error {
	inSpace := 0
	for _, i := range s.instances {
		if i.Space != p.Space {
			continue
		}
		inSpace++
		if i.Name == p.Name {
			return fmt.Errorf("service instance %q is %w", p.Name, ErrExists)
		}
	}
	switch {
	case s.quota.Organization > 0 && len(s.instances) >= s.quota.Organization:
		return ErrQuota
	case s.quota.Space > 0 && inSpace >= s.quota.Space:
		return ErrSpaceQuota
	}
	return nil
}

// endInstance writes down how an operation on an instance ended, and changes
// it when it ended well. The caller holds the lock. An instance that is there
// no more, or is being deleted meanwhile, stays as it is.
func (s *Subaccount) endInstance(guid, kind string, err error, change func(*Instance)) error {
	old, ok := s.instances[guid]
	if !ok || errors.Is(err, ErrAborted) {
		return err
	}
	i := *old
	i.Operation.Type, i.Operation.State, i.Operation.Updated = kind, Succeeded, s.now().UTC()
	if err != nil {
		i.Operation.State, i.Operation.Description = OperationFailed, err.Error()
	} else if change != nil {
		change(&i)
		i.Updated = i.Operation.Updated
	}
	s.put(&i)
	return err
}

// Change is what is to change of an instance or a key; nil stays as it is.
type Change struct {
	Name       *string
	Tags       []string
	Parameters []byte
	// Labels and Annotations are added; those whose value is nil are removed.
	Labels, Annotations map[string]*string
}

func (c Change) apply(i *Instance) {
	if c.Name != nil {
		i.Name = *c.Name
	}
	if c.Tags != nil {
		i.Tags = c.Tags
	}
	i.Metadata = i.Metadata.changed(c)
}

func (m Metadata) changed(c Change) Metadata {
	return Metadata{merge(m.Labels, c.Labels), merge(m.Annotations, c.Annotations)}
}

func merge(old map[string]string, change map[string]*string) map[string]string {
	merged := maps.Clone(old)
	for name, value := range change {
		if value == nil {
			delete(merged, name)
			continue
		}
		if merged == nil {
			merged = map[string]string{}
		}
		merged[name] = *value
	}
	return merged
}

// UpdateInstance changes an instance: at once when only its name, tags and
// metadata change (the job is nil then), otherwise in a job.
func (s *Subaccount) UpdateInstance(guid string, c Change, run Run) (*Job, error) {
	s.lock()
	defer s.mu.Unlock()
	old, ok := s.instances[guid]
	if !ok {
		return nil, fmt.Errorf("service instance %q is %w", guid, ErrNotFound)
	}
	if err := s.updatable(old, c); err != nil {
		return nil, err
	}
	if c.Parameters == nil {
		i := *old
		c.apply(&i)
		i.Updated = s.now().UTC()
		if c.Name != nil || c.Tags != nil {
			i.Operation = s.operation(Update, Succeeded, "")
		}
		s.put(&i)
		return nil, nil
	}
	wanted, broker := ParseParameters(old.Plan, c.Parameters)
	i := *old
	i.Operation = s.operation(Update, InProgress, "")
	s.put(&i)
	job := s.begin("service_instance.update", guid, run, func(err error) error {
		return s.endInstance(guid, Update, errors.Join(err, broker), func(i *Instance) { c.apply(i); wanted.apply(i) })
	})
	return &job, nil
}

// updatable tells what is in the way of a change. The caller holds the lock.
func (s *Subaccount) updatable(i *Instance, c Change) error {
	if c.Name != nil && *c.Name != i.Name {
		for _, other := range s.instances {
			if other.Space == i.Space && other.Name == *c.Name {
				return fmt.Errorf("service instance %q is %w", *c.Name, ErrExists)
			}
		}
	}
	metadataOnly := c.Name == nil && c.Tags == nil && c.Parameters == nil
	deleting := i.Operation.busy() && i.Operation.Type == Delete
	switch {
	case !i.Operation.usable() && i.Operation.State == OperationFailed:
		return fmt.Errorf("service instance %q is %w", i.Name, ErrNotFound)
	case i.Operation.busy() && (deleting || !metadataOnly):
		return ErrBusy
	case c.Parameters != nil:
		for _, k := range s.keys[i.GUID] {
			if k.Operation.busy() {
				return ErrKeyBusy
			}
		}
	}
	return nil
}

// Refusals tells, for each key of an instance that is to be deleted, whether
// its deletion fails.
type Refusals func(k *Key) error

// Deprovision begins to delete an instance and its keys. One that is being
// created may be deleted: that ends its creation. refuse may be nil.
func (s *Subaccount) Deprovision(guid string, run Run, refuse Refusals) (Job, error) {
	s.lock()
	defer s.mu.Unlock()
	old, ok := s.instances[guid]
	if !ok {
		return Job{}, fmt.Errorf("service instance %q is %w", guid, ErrNotFound)
	}
	if old.Operation.busy() && old.Operation.Type != Create {
		return Job{}, ErrBusy
	}
	s.abort(guid)
	i := *old
	i.Operation = s.operation(Delete, InProgress, "")
	s.put(&i)
	refused := map[string]error{}
	if refuse != nil && run.Fails == nil {
		for _, k := range s.keysOf(guid) {
			if err := refuse(k); err != nil {
				refused[k.GUID] = err
			}
		}
	}
	return s.begin("service_instance.delete", guid, run, func(err error) error { return s.endDeprovision(guid, refused, err) }), nil
}

// endDeprovision deletes the keys and then the instance. The caller holds the
// lock.
func (s *Subaccount) endDeprovision(guid string, refused map[string]error, err error) error {
	if err != nil {
		return s.endInstance(guid, Delete, err, nil)
	}
	var left []string
	for _, k := range s.keysOf(guid) {
		if no := refused[k.GUID]; no != nil {
			_ = s.endKey(guid, k.GUID, Delete, no, nil) // it is told below
			left = append(left, fmt.Sprintf("\tservice key %s: %s", k.Name, no))
			continue
		}
		delete(s.keys[guid], k.GUID)
		s.abort(k.GUID)
	}
	if len(left) > 0 {
		return s.endInstance(guid, Delete, fmt.Errorf("%w:\n%s", ErrRecursive, strings.Join(left, "\n")), nil)
	}
	if i, ok := s.instances[guid]; ok {
		delete(s.clients, i.ClientID)
	}
	delete(s.instances, guid)
	delete(s.keys, guid)
	return nil
}

func (s *Subaccount) keysOf(instance string) []*Key {
	return slices.SortedFunc(maps.Values(s.keys[instance]), func(a, b *Key) int { return strings.Compare(a.Name+"\x00"+a.GUID, b.Name+"\x00"+b.GUID) })
}

// ProvisionKey begins to create a key of an instance. A failed job leaves it
// there, failed; a failed key gives way to another of its name.
func (s *Subaccount) ProvisionKey(instance, name string, parameters []byte, m Metadata, run Run) (Job, error) {
	wanted, broker := ParseKeyParameters(parameters)
	var certificate *Certificate
	if i, ok := s.Instance(instance); ok && broker == nil && wanted.Certificate {
		certificate, broker = s.certificate(i, name, wanted) // takes its time: before the lock
	}
	s.lock()
	defer s.mu.Unlock()
	i, ok := s.instances[instance]
	switch {
	case !ok:
		return Job{}, fmt.Errorf("service instance %q is %w", instance, ErrNotFound)
	case i.Operation.busy():
		return Job{}, ErrBusy
	case !i.Usable():
		return Job{}, fmt.Errorf("service instance %q is %w", i.Name, ErrNotFound)
	}
	now := s.now().UTC()
	k := &Key{Name: name, GUID: NewGUID(), Instance: i, Metadata: m, Created: now, Updated: now, Operation: s.operation(Create, InProgress, "")}
	for _, other := range s.keysOf(instance) {
		if other.Name != name {
			continue
		}
		if other.Operation.Type != Create || other.Operation.State != OperationFailed {
			return Job{}, fmt.Errorf("service key %q is %w", name, ErrExists)
		}
		k.GUID = other.GUID
	}
	s.keys[instance][k.GUID] = k
	return s.begin("service_credential_binding.create", k.GUID, run, func(err error) error {
		err = errors.Join(err, broker)
		if err == nil {
			err = s.unused(certificate)
		}
		return s.endKey(instance, k.GUID, Create, err, func(k *Key) {
			k.with(certificate)
		})
	}), nil
}

// certificate gives the certificate of a new key; nil when it is to have a
// secret.
func (s *Subaccount) certificate(i *Instance, key string, p KeyParameters) (*Certificate, error) {
	switch {
	case !p.Certificate:
		return nil, nil
	case !slices.Contains(i.GrantTypes, "client_credentials"):
		return nil, errors.New("a key with a certificate needs the grant type client_credentials")
	case p.External == "":
		return s.issue(i, p.Days, p.Bits, s.expired != nil && s.expired(i, key))
	case p.Unpinned && i.Plan != PlanFlow:
		return nil, fmt.Errorf("certificate-pinning: only in the plan %s", PlanFlow)
	}
	c, err := s.external(p.External)
	if err == nil {
		c.Unpinned = p.Unpinned
	}
	return c, err
}

// unused refuses an external certificate that another key has (wire/sap.md
// 1.4). The caller holds the lock.
func (s *Subaccount) unused(c *Certificate) error {
	if c == nil || !c.External {
		return nil
	}
	used := s.findKeys(func(k *Key) bool { return k.Certificate != nil && k.Certificate.Fingerprint == c.Fingerprint })
	if len(used) > 0 {
		return errors.New("X.509: the certificate is used by another service key")
	}
	return nil
}

// endKey is endInstance for a key.
func (s *Subaccount) endKey(instance, guid, kind string, err error, change func(*Key)) error {
	old, ok := s.keys[instance][guid]
	if !ok || errors.Is(err, ErrAborted) {
		return err
	}
	k := *old
	k.Operation.Type, k.Operation.State, k.Operation.Updated = kind, Succeeded, s.now().UTC()
	if err != nil {
		k.Operation.State, k.Operation.Description = OperationFailed, err.Error()
	} else if change != nil {
		change(&k)
		k.Updated = k.Operation.Updated
	}
	s.keys[instance][guid] = &k
	return err
}

// UpdateKey changes the metadata of a key.
func (s *Subaccount) UpdateKey(guid string, c Change) error {
	s.lock()
	defer s.mu.Unlock()
	old, ok := s.key(guid)
	if !ok {
		return fmt.Errorf("service key %q is %w", guid, ErrNotFound)
	}
	if old.Operation.Type == Delete && old.Operation.busy() {
		return ErrBusy
	}
	k := *old
	k.Metadata, k.Updated = k.Metadata.changed(c), s.now().UTC()
	s.keys[k.Instance.GUID][guid] = &k
	return nil
}

// Unbind begins to delete a key. One that is being created may be deleted:
// that ends its creation. ErrBusy is about the key, ErrKeyBusy about its
// instance.
func (s *Subaccount) Unbind(guid string, run Run) (Job, error) {
	s.lock()
	defer s.mu.Unlock()
	old, ok := s.key(guid)
	switch {
	case !ok:
		return Job{}, fmt.Errorf("service key %q is %w", guid, ErrNotFound)
	case old.Operation.busy() && old.Operation.Type != Create:
		return Job{}, ErrBusy
	case old.Instance.Operation.busy():
		return Job{}, ErrKeyBusy
	}
	instance := old.Instance.GUID
	s.abort(guid)
	k := *old
	k.Operation = s.operation(Delete, InProgress, "")
	s.keys[instance][guid] = &k
	return s.begin("service_credential_binding.delete", guid, run, func(err error) error {
		if _, there := s.keys[instance][guid]; !there {
			return nil // it went with its instance
		}
		if err != nil {
			return s.endKey(instance, guid, Delete, err, nil)
		}
		delete(s.keys[instance], guid)
		return nil
	}), nil
}
