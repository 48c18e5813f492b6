package runner

import (
	"context"
	"errors"
	"slices"

	"iflowtest/internal/cf"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
)

// service is how errors of the platform's services are judged.
type service struct {
	// otherwise is what an error comes to that no row is for.
	otherwise judgement
	// rows are what is special, before what all services share.
	rows []judgement
}

// judgement is what errors of some kinds come to.
type judgement struct {
	class class
	kind  string // of the problem
	of    []platform.Kind
}

// provisioningService are the services that give the run what it needs: Cloud Foundry,
// destinations, entitlements.
func provisioningService() service {
	return service{
		otherwise: judgement{class: classProvisioning, kind: TypeProvisioning},
		rows: []judgement{
			{classCredential, TypeCredential, []platform.Kind{platform.KindSignIn, platform.KindKey}},
			{classUnknown, TypeProvisioning, []platform.Kind{platform.KindServer, platform.KindRateLimited, platform.KindAnswer}},
		},
	}
}

// integrationService is the OData API of Cloud Integration, which is what is
// tested: that it refuses a request is no matter of provisioning.
func integrationService() service {
	return service{
		otherwise: judgement{class: classUnknown, kind: TypePlatform},
		rows: []judgement{
			{classCredential, TypeCredential, []platform.Kind{platform.KindForbidden}},
			{classStep, TypePlatform, []platform.Kind{platform.KindRefused, platform.KindNotFound, platform.KindRequest}},
		},
	}
}

// everyService is what the kinds come to that all services share.
func everyService() []judgement {
	return []judgement{
		{classUnknown, TypeNetwork, []platform.Kind{platform.KindNetwork, platform.KindRefusedOrigin}},
		{classUnknown, TypeTLS, []platform.Kind{platform.KindTLS}},
		{classUnknown, TypeTimeout, []platform.Kind{platform.KindTimeout}},
		{classInterrupted, TypeInterrupted, []platform.Kind{platform.KindInterrupted}},
		{classCredential, TypeCredential, []platform.Kind{platform.KindUnauthorized}},
	}
}

// judge gives what errors of a kind come to.
func (s service) judge(kind platform.Kind) judgement {
	for _, j := range slices.Concat(s.rows, everyService()) {
		if slices.Contains(j.of, kind) {
			return j
		}
	}
	return s.otherwise
}

// fromService turns an error of a service, of its token or of the end of the
// context into trouble.
func fromService(ctx context.Context, of service, err error) *trouble {
	if _, ok := errors.AsType[*oauth.Error](err); ok {
		return fromOAuth(ctx, err)
	}
	if t := ended(ctx); t != nil {
		t.err = err
		return t
	}
	t := &trouble{class: of.otherwise.class, err: err, problem: Problem{Type: of.otherwise.kind, Message: err.Error()}}
	if missing, ok := errors.AsType[*cf.NotFoundError](err); ok {
		t.problem.Cure = missing.Cure
	}
	if e, ok := errors.AsType[*platform.Error](err); ok {
		j := of.judge(e.Kind)
		t.class, t.problem = j.class, Problem{Type: j.kind, Message: e.Message, Cure: e.Cure}
	}
	return t
}

// fromPlatform is fromService for what provisioning needs.
func fromPlatform(ctx context.Context, err error) *trouble {
	return fromService(ctx, provisioningService(), err)
}
