package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
)

// TestFromService has what every kind of error comes to, service by service.
func TestFromService(t *testing.T) {
	type outcome struct {
		class class
		kind  string
	}
	network, credential := outcome{classUnknown, TypeNetwork}, outcome{classCredential, TypeCredential}
	failed, unknown := outcome{classProvisioning, TypeProvisioning}, outcome{classUnknown, TypeProvisioning}
	want := map[platform.Kind]outcome{
		platform.KindNetwork: network, platform.KindRefusedOrigin: network,
		platform.KindTLS: {classUnknown, TypeTLS}, platform.KindTimeout: {classUnknown, TypeTimeout},
		platform.KindInterrupted: {classInterrupted, TypeInterrupted},
		platform.KindSignIn:      credential, platform.KindKey: credential, platform.KindUnauthorized: credential,
		platform.KindServer: unknown, platform.KindRateLimited: unknown, platform.KindAnswer: unknown,
		platform.KindForbidden: failed, platform.KindNotFound: failed, platform.KindNameTaken: failed, platform.KindQuota: failed,
		platform.KindNotEntitled: failed, platform.KindInProgress: failed, platform.KindBusy: failed, platform.KindBroker: failed,
		platform.KindFailed: failed, platform.KindUnsupported: failed, platform.KindRefused: failed, platform.KindRequest: failed,
	}
	check := func(t *testing.T, want map[platform.Kind]outcome, from func(context.Context, error) *trouble) {
		t.Helper()
		for kind, w := range want {
			err := fmt.Errorf("step: %w", &platform.Error{Kind: kind, Message: "what", Cure: "do it"})
			got := from(t.Context(), err)
			if (outcome{got.class, got.problem.Type}) != w || got.problem.Message != "what" || got.problem.Cure != "do it" || got.err != err {
				t.Errorf("%s: got %+v, want %+v", kind, got, w)
			}
		}
	}
	check(t, want, fromPlatform)
	refused := outcome{classStep, TypePlatform}
	maps.Copy(want, map[platform.Kind]outcome{
		platform.KindForbidden: credential,
		platform.KindRefused:   refused, platform.KindNotFound: refused, platform.KindRequest: refused,
	})
	for kind, w := range want {
		if w.kind == TypeProvisioning {
			want[kind] = outcome{classUnknown, TypePlatform}
		}
	}
	delete(want, platform.KindSignIn) // there is no such sign-in
	delete(want, platform.KindKey)
	check(t, want, fromIntegration)
}

// TestStatusOfServices: retry and poll know the answer of every service.
func TestStatusOfServices(t *testing.T) {
	for name, from := range map[string]func(context.Context, error) *trouble{"provisioning": fromPlatform, "integration": fromIntegration} {
		trouble := from(t.Context(), &platform.Error{Kind: platform.KindServer, Status: 503, RetryAfter: time.Minute})
		if after, told := retryAfter(nil, trouble); statusOf(nil, trouble) != 503 || after != time.Minute || !told {
			t.Errorf("%s: status %d, after %s, told %t", name, statusOf(nil, trouble), after, told)
		}
	}
}

func TestFromServiceOthers(t *testing.T) {
	missing := &cf.NotFoundError{Kind: cf.ServiceInstance, Name: "mi", Cure: "check the name"}
	if got := fromPlatform(t.Context(), missing); got.class != classProvisioning || got.problem.Cure != "check the name" || got.problem.Message != missing.Error() {
		t.Errorf("got %+v", got)
	}
	if got := fromPlatform(t.Context(), errors.New("what")); got.class != classProvisioning || got.problem.Message != "what" {
		t.Errorf("got %+v", got)
	}
	token := &oauth.Error{Kind: oauth.KindRefused, Message: "no"}
	if got := fromPlatform(t.Context(), token); got.class != classCredential || got.problem.Type != TypeCredential {
		t.Errorf("got %+v", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := &platform.Error{Kind: platform.KindServer, Message: "what"}
	if got := fromPlatform(ended, err); got.class != classInterrupted || got.err != error(err) {
		t.Errorf("got %+v", got)
	}
}
