package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"iflowtest/internal/cf"
)

// AuditOptions say which service keys to look at, and what is asked of them.
// The zero value looks at the keys of Process Integration Runtime in the space
// that the environment names.
type AuditOptions struct {
	// Offering is the name of a service offering, in any case; empty: "it-rt".
	Offering string
	// WholeOrg looks at every space of the organisation that the user may see.
	WholeOrg bool
	// Verify gets a token with each key.
	Verify bool
	// MinDays is how many days a certificate must at least be valid; 0: today.
	MinDays int
	// AllowEmpty makes it no mistake that there is no key.
	AllowEmpty bool
}

// DefaultOffering is Process Integration Runtime (wire/sap.md 1.1).
const DefaultOffering = "it-rt"

// auditParallel bounds how many keys are looked at side by side.
const auditParallel = 8

// KeyKind is what a service key signs in with.
type KeyKind string

// The kinds of keys (wire/sap.md 1.2 to 1.4). The zero value is not known.
const (
	KeySecret              KeyKind = "client secret"
	KeyCertificate         KeyKind = "certificate"
	KeyExternalCertificate KeyKind = "external certificate"
)

// Verdict is what an audit says of a key.
type Verdict string

// The verdicts.
const (
	// VerdictGood: it yields a token; without Verify: its certificate is valid.
	VerdictGood Verdict = "good"
	// VerdictNotVerified: nothing speaks against it, and no token was got.
	VerdictNotVerified Verdict = "not-verified"
	VerdictExpired     Verdict = "expired"
	VerdictNotYetValid Verdict = "not-yet-valid"
	// VerdictExpiring: it expires within MinDays.
	VerdictExpiring Verdict = "expiring"
	VerdictRefused  Verdict = "refused"
	// VerdictUnknown: it could not be found out.
	VerdictUnknown Verdict = "unknown"
)

// class gives what a verdict means for the exit status.
func (v Verdict) class() class {
	switch v {
	case VerdictExpired, VerdictNotYetValid, VerdictExpiring, VerdictRefused:
		return classCredential
	case VerdictUnknown:
		return classUnknown
	}
	return 0
}

// AuditedOperation is the last operation of an instance or a key (wire/sap.md
// 3.5).
type AuditedOperation struct {
	Type        string `json:"type,omitempty"`
	State       string `json:"state,omitempty"`
	Description string `json:"description,omitempty"`
}

// AuditedKey is a service key, and what is to be said of it.
type AuditedKey struct {
	Name string `json:"name"`
	GUID string `json:"guid"`
	// Kind, ClientID and what follows are empty where the platform does not
	// show the credentials.
	Kind     KeyKind `json:"kind,omitempty"`
	ClientID string  `json:"clientId,omitempty"`
	// CreatedAt is createdate of the key, or what Cloud Foundry says; AgeDays
	// are whole days since; nil: not known.
	CreatedAt time.Time `json:"createdAt,omitzero"`
	AgeDays   *int      `json:"ageDays,omitempty"`
	// ValidUntil is the earlier of validuntil of the key and the end of its
	// certificate; zero: it does not expire, or that is not known. DaysLeft are
	// whole days until then, negative when it is over; nil: without ValidUntil.
	ValidUntil    time.Time        `json:"validUntil,omitzero"`
	DaysLeft      *int             `json:"daysLeft,omitempty"`
	LastOperation AuditedOperation `json:"lastOperation,omitzero"`
	Verdict       Verdict          `json:"verdict"`
	// Problem says why the verdict is not good; nil: it is, or was not asked.
	Problem *Problem `json:"problem,omitempty"`

	class class
	took  time.Duration
}

// AuditedInstance is a service instance with its keys, sorted by name.
type AuditedInstance struct {
	Name          string           `json:"name"`
	GUID          string           `json:"guid"`
	Space         string           `json:"space"`
	Plan          string           `json:"plan"`
	LastOperation AuditedOperation `json:"lastOperation,omitzero"`
	Keys          []AuditedKey     `json:"keys"`
}

// AuditCounts counts keys by verdict. Expired counts those too that are not
// valid yet.
type AuditCounts struct {
	Total       int `json:"total"`
	Good        int `json:"good"`
	NotVerified int `json:"notVerified"`
	Expired     int `json:"expired"`
	Expiring    int `json:"expiring"`
	Refused     int `json:"refused"`
	Unknown     int `json:"unknown"`
}

// Audit is what was found out about service keys. Every string in it has
// passed the redactor; no secret is in it.
type Audit struct {
	Time         time.Time `json:"time"`
	API          string    `json:"api"`
	Organization string    `json:"organization,omitempty"`
	// Space is empty where every space of the organisation was looked at.
	Space    string `json:"space,omitempty"`
	Offering string `json:"offering"`
	// Verified says that a token was to be got with each key.
	Verified bool `json:"verified"`
	MinDays  int  `json:"minDays"`
	// Instances are sorted by space and name.
	Instances []AuditedInstance `json:"instances"`
	// OtherOfferings are those that there are instances of besides.
	OtherOfferings []string `json:"otherOfferings,omitempty"`
	// Unjudged counts the instances whose offering the platform does not tell;
	// they are in none of the lists.
	Unjudged   int         `json:"unjudged,omitempty"`
	Counts     AuditCounts `json:"counts"`
	ExitStatus int         `json:"exitStatus"`
	// ExitReason is one line: why it is that status.
	ExitReason string `json:"exitReason,omitempty"`
	// Problem is why nothing could be listed; nil: it could.
	Problem *Problem `json:"problem,omitempty"`

	version string
	took    time.Duration
}

// auditor is one audit.
type auditor struct {
	*Platform
	o     AuditOptions
	audit Audit
}

// Audit looks at every service key of an offering: what kind it is, how old,
// how long it is valid and, with Verify, whether it yields a token. Each key is
// judged on its own: one that cannot be looked at does not keep the others from
// it. The error, a *[PlatformError], says why nothing could be listed; the
// audit says it too then, for reports.
func (p *Platform) Audit(ctx context.Context, o AuditOptions) (Audit, error) {
	o.Offering = cmp.Or(o.Offering, DefaultOffering)
	started := time.Now()
	a := &auditor{Platform: p, o: o, audit: Audit{
		Time: started.UTC(), API: p.API(), Offering: o.Offering, Verified: o.Verify, MinDays: o.MinDays,
		Instances: []AuditedInstance{}, version: p.o.Version,
	}}
	instances, err := a.list(ctx)
	if err == nil {
		err = a.keys(ctx, instances)
	}
	a.audit.took = time.Since(started)
	if err != nil {
		failed := a.failed(ctx, err)
		a.clean()
		return a.audit, failed
	}
	a.conclude()
	a.clean()
	return a.audit, nil
}

// failed notes why nothing could be listed.
func (a *auditor) failed(ctx context.Context, err error) *PlatformError {
	e := notFound(ctx, err)
	a.audit.Problem = new(e.Problem)
	a.audit.ExitStatus, a.audit.ExitReason = e.Status, e.Message
	return e
}

// notProvisioning makes what would be a failure of provisioning one to find
// out: an audit provisions nothing.
func notProvisioning(t *trouble) *trouble {
	if t.class == classProvisioning {
		t.class = classUnknown
	}
	return t
}

// list gives the instances of the offering.
func (a *auditor) list(ctx context.Context) ([]cf.Instance, error) {
	query, err := a.place(ctx)
	if err != nil {
		return nil, err
	}
	all, err := a.client.Instances(ctx, query)
	if err != nil {
		return nil, err
	}
	var found []cf.Instance
	for _, i := range all {
		switch {
		case strings.EqualFold(i.Offering, a.o.Offering):
			found = append(found, i)
		case i.Offering == "":
			a.audit.Unjudged++
		default:
			a.audit.OtherOfferings = append(a.audit.OtherOfferings, i.Offering)
		}
	}
	slices.Sort(a.audit.OtherOfferings)
	a.audit.OtherOfferings = slices.Compact(a.audit.OtherOfferings)
	slices.SortStableFunc(found, func(x, y cf.Instance) int {
		return cmp.Or(cmp.Compare(x.Space, y.Space), cmp.Compare(x.Name, y.Name), cmp.Compare(x.GUID, y.GUID))
	})
	return found, nil
}

// place gives the query for the space or the organisation, and notes their
// names.
func (a *auditor) place(ctx context.Context) (cf.Query, error) {
	f := a.foundry
	if f.org == "" && f.config.Home != "" {
		return a.sessionPlace()
	}
	a.audit.Organization = f.org
	org, err := a.client.Organization(ctx, f.org)
	if err != nil {
		return cf.Query{}, err
	}
	if a.o.WholeOrg {
		return cf.Query{OrganizationGUIDs: []string{org.GUID}}, nil
	}
	a.audit.Space = f.space
	space, err := a.client.Space(ctx, org.GUID, f.space)
	if err != nil {
		return cf.Query{}, err
	}
	return cf.Query{SpaceGUIDs: []string{space.GUID}}, nil
}

// sessionPlace is what the session of the cf command line is targeted at.
func (a *auditor) sessionPlace() (cf.Query, error) {
	session, err := cf.ReadSession(a.foundry.config.Home)
	if err != nil {
		return cf.Query{}, err
	}
	a.audit.API = cmp.Or(a.audit.API, session.API)
	a.audit.Organization = session.Organization.Name
	switch {
	case a.o.WholeOrg && session.Organization.GUID == "":
		return cf.Query{}, errors.New("the session of the cf command line is targeted at no organisation; run cf target -o ORG, or give org in target.cloud-foundry")
	case a.o.WholeOrg:
		return cf.Query{OrganizationGUIDs: []string{session.Organization.GUID}}, nil
	case session.Space.GUID == "":
		return cf.Query{}, errors.New("the session of the cf command line is targeted at no space; run cf target -o ORG -s SPACE, or give org and space in target.cloud-foundry")
	}
	a.audit.Space = session.Space.Name
	return cf.Query{SpaceGUIDs: []string{session.Space.GUID}}, nil
}

// keys looks at the keys of the instances.
func (a *auditor) keys(ctx context.Context, instances []cf.Instance) error {
	if len(instances) == 0 {
		return nil // without an instance the query would mean all keys
	}
	guids := make([]string, len(instances))
	for i, instance := range instances {
		guids[i] = instance.GUID
	}
	listed, err := a.client.Keys(ctx, cf.KeyQuery{InstanceGUIDs: guids, Type: cf.TypeKey})
	if err != nil {
		return err
	}
	byInstance := map[string][]cf.Key{}
	for _, k := range listed {
		byInstance[k.InstanceGUID] = append(byInstance[k.InstanceGUID], k)
	}
	var group errgroup.Group
	group.SetLimit(auditParallel)
	looked := make([][]*AuditedKey, len(instances))
	for i, instance := range instances {
		for _, k := range byInstance[instance.GUID] {
			out := &AuditedKey{}
			looked[i] = append(looked[i], out)
			group.Go(func() error {
				started := time.Now()
				*out = a.key(ctx, instance, k)
				out.took = time.Since(started)
				return nil
			})
		}
	}
	_ = group.Wait() // each key has its own problem
	for i, instance := range instances {
		audited := AuditedInstance{
			Name: instance.Name, GUID: instance.GUID, Space: cmp.Or(instance.Space, a.audit.Space, instance.SpaceGUID), Plan: cmp.Or(instance.Plan, instance.PlanGUID),
			LastOperation: operationOf(instance.LastOperation), Keys: []AuditedKey{},
		}
		for _, k := range looked[i] {
			if k.Verdict != "" {
				audited.Keys = append(audited.Keys, *k)
			}
		}
		a.audit.Instances = append(a.audit.Instances, audited)
	}
	return nil
}

func operationOf(o cf.LastOperation) AuditedOperation {
	return AuditedOperation{Type: o.Type, State: o.State, Description: o.Description}
}

// conclude counts the verdicts and finds the exit status.
func (a *auditor) conclude() {
	var all class
	n := &a.audit.Counts
	for _, i := range a.audit.Instances {
		for _, k := range i.Keys {
			n.count(k.Verdict)
			all |= k.class
		}
	}
	status, reason := all.exit()
	switch {
	case n.Total == 0 && !a.o.AllowEmpty:
		status, reason = ExitNoScenario, a.nothing()
	case all&classInterrupted != 0:
	case all&classCredential != 0:
		reason = strings.Join(n.broken(), ", ")
	case all&classUnknown != 0:
		reason = fmt.Sprintf("could not find out about %d of %d", n.Unknown, n.Total)
	case a.o.Verify && n.Total > 0 && n.Good == 0:
		status, reason = ExitUnknown, "no key could be verified"
	}
	a.audit.ExitStatus, a.audit.ExitReason = status, reason
}

func (n *AuditCounts) count(v Verdict) {
	n.Total++
	switch v {
	case VerdictGood:
		n.Good++
	case VerdictNotVerified:
		n.NotVerified++
	case VerdictExpired, VerdictNotYetValid:
		n.Expired++
	case VerdictExpiring:
		n.Expiring++
	case VerdictRefused:
		n.Refused++
	default:
		n.Unknown++
	}
}

// broken says how many keys are not good, by verdict.
func (n *AuditCounts) broken() []string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{n.Expired, "expired or not valid yet"}, {n.Expiring, "expiring too soon"}, {n.Refused, "refused"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return parts
}

// nothing says that there is no key, and what there is instead.
func (a *auditor) nothing() string {
	place := fmt.Sprintf("in the organisation %q", a.audit.Organization)
	if a.audit.Space != "" {
		place = fmt.Sprintf("in the space %q of the organisation %q", a.audit.Space, a.audit.Organization)
	}
	if n := len(a.audit.Instances); n > 0 {
		return fmt.Sprintf("no service key there: no instance of %s %s has one that the user may see (%d looked at)", a.o.Offering, place, n)
	}
	text := fmt.Sprintf("no service key there: there is no instance of %s %s that the user may see", a.o.Offering, place)
	if len(a.audit.OtherOfferings) > 0 {
		text += "; there are instances of " + strings.Join(a.audit.OtherOfferings, ", ")
	}
	if a.audit.Unjudged > 0 {
		text += fmt.Sprintf("; of %d the platform does not tell the offering", a.audit.Unjudged)
	}
	return text
}

// clean passes every string of the audit through the redactor, when every
// secret is known.
func (a *auditor) clean() {
	t := a.Platform.o.Redactor.Text
	au := &a.audit
	texts := []*string{&au.API, &au.Organization, &au.Space, &au.Offering, &au.ExitReason}
	problem := func(p *Problem) {
		if p != nil {
			texts = append(texts, &p.Message, &p.Cure)
		}
	}
	operation := func(o *AuditedOperation) { texts = append(texts, &o.Type, &o.State, &o.Description) }
	problem(au.Problem)
	for i := range au.OtherOfferings {
		texts = append(texts, &au.OtherOfferings[i])
	}
	for i := range au.Instances {
		in := &au.Instances[i]
		texts = append(texts, &in.Name, &in.GUID, &in.Space, &in.Plan)
		operation(&in.LastOperation)
		for j := range in.Keys {
			k := &in.Keys[j]
			texts = append(texts, &k.Name, &k.GUID, &k.ClientID)
			operation(&k.LastOperation)
			problem(k.Problem)
		}
	}
	for _, s := range texts {
		if *s != "" {
			*s = t(*s)
		}
	}
}
