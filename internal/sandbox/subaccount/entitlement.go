package subaccount

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// PlanCentral is the plan of the service cis whose key the entitlements
// service takes (wire/sap.md 4.2).
const PlanCentral = "central"

// Plans gives the plans of it-rt there are, entitled or not.
func Plans() []string { return []string{PlanFlow, PlanAPI} }

// EntitlementRoles gives the scopes of the key of the entitlements service.
func EntitlementRoles() []string {
	return []string{"global-account.entitlement.read", "global-account.entitlement.subaccount.update", "job.read"}
}

// newEntitlements makes the key of the entitlements service. Its instance
// belongs to the global account, so it is not among the instances of the space.
func (s *Subaccount) newEntitlements() *Key {
	return s.newService("entitlements", Instance{
		Name: "cis", Plan: PlanCentral, Roles: EntitlementRoles(), Validity: 30 * time.Minute, XSAppName: "cis-central!b14",
	})
}

// newService makes the key of an instance that is no instance of it-rt.
func (s *Subaccount) newService(key string, i Instance) *Key {
	now := s.now().UTC()
	i.GUID, i.GrantTypes = NewGUID(), []string{"client_credentials"}
	i.Created, i.Updated, i.Operation = now, now, s.operation(Create, Succeeded, "")
	i.ClientID = fmt.Sprintf("sb-%s!b%d|%s", i.GUID, s.serial, i.XSAppName)
	k := &Key{Name: key, GUID: NewGUID(), Instance: &i, Created: now, Updated: now, Operation: i.Operation}
	k.with(nil)
	return k
}

// EntitlementsKey gives the key of the entitlements service.
func (s *Subaccount) EntitlementsKey() *Key { return s.services[0] }

// Entitled gives the plans of it-rt the subaccount may use, sorted.
func (s *Subaccount) Entitled() []string {
	s.rlock()
	defer s.mu.RUnlock()
	return slices.Clone(s.entitled)
}

// IsEntitled reports whether the subaccount may use a plan of it-rt.
func (s *Subaccount) IsEntitled(plan string) bool { return slices.Contains(s.Entitled(), plan) }

// Entitle begins to assign plans of it-rt to the subaccount, or to take them
// away. A plan of which there are instances cannot be taken away.
func (s *Subaccount) Entitle(assign, remove []string, run Run) Job {
	s.lock()
	defer s.mu.Unlock()
	return s.begin("entitlement.assign", s.GUID, run, func(err error) error {
		if err != nil {
			return err
		}
		var errs []error
		for _, plan := range remove {
			if users := s.sorted(func(i *Instance) bool { return i.Plan == plan }); len(users) > 0 {
				errs = append(errs, fmt.Errorf("service plan %s of it-rt cannot be removed: the service instance %s uses it", plan, users[0].Name))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(s.entitled), func(p string) bool { return slices.Contains(remove, p) })
		s.entitled = slices.Compact(slices.Sorted(slices.Values(append(left, assign...))))
		return nil
	})
}
