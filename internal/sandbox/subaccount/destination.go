package subaccount

import "time"

// PlanLite is the plan of the destination service whose key its REST API takes
// (wire/sap.md 7).
const PlanLite = "lite"

// newDestination makes the key of an instance of the destination service. The
// instance was there before the org of the sandbox is looked at: it is not
// among those of it-rt.
func (s *Subaccount) newDestination() *Key {
	return s.newService("destination", Instance{
		Name: "destination", Plan: PlanLite, Validity: 12 * time.Hour, XSAppName: "destination-xsappname!b9",
	})
}

// DestinationKey gives the key of the instance of the destination service.
func (s *Subaccount) DestinationKey() *Key { return s.services[1] }
