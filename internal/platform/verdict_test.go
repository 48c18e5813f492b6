package platform

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJudge(t *testing.T) {
	rules := []Rule{
		{Code: 7, Detail: "taken", Verdict: Verdict{KindNameTaken, "it is taken", "take another"}},
		{Code: 8, Verdict: Verdict{KindQuota, "too many", ""}},
		{Detail: "in progress", Verdict: Verdict{Kind: KindInProgress, What: "wait"}},
		{Status: 403, Verdict: Verdict{Cure: "ask for a role"}},
		{Status: 300, Last: 399, Verdict: Verdict{What: "it points elsewhere"}},
		Refusals(Verdict{What: "the API refuses", Cure: "look at it"}),
		Others(Verdict{Cure: "check the URL"}),
	}
	for name, c := range map[string]struct {
		status, code int
		detail       string
		want         Verdict
	}{
		"code and text":     {422, 7, "The name is TAKEN.", Verdict{KindNameTaken, "it is taken", "take another"}},
		"code without text": {422, 7, "no", Verdict{KindRefused, "the API refuses", "look at it"}},
		"row without cure":  {429, 8, "", Verdict{KindQuota, "too many", ""}},
		"text of a job":     {0, 0, "in progress", Verdict{KindInProgress, "wait", ""}},
		"job":               {0, 0, "no", Verdict{KindFailed, "the operation failed", ""}},
		"words replaced":    {403, 0, "", Verdict{KindForbidden, "the service key may not do this", "ask for a role"}},
		"redirect":          {302, 0, "", Verdict{KindAnswer, "it points elsewhere", ""}},
		"other":             {204, 0, "", Verdict{KindAnswer, "an answer that was not expected", "check the URL"}},
		"refusal":           {418, 0, "", Verdict{KindRefused, "the API refuses", "look at it"}},
		"not found":         {404, 0, "", Verdict{KindNotFound, "the API refuses", "look at it"}},
		"outage":            {599, 0, "", Verdict{KindServer, "the service is out of order", CureServer}},
	} {
		if diff := cmp.Diff(c.want, Judge(rules, c.status, c.code, c.detail)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestJudgeAll: no answer is without a kind and words.
func TestJudgeAll(t *testing.T) {
	for status := -1; status < 1000; status++ {
		if v := Judge(nil, status, 0, ""); v.Kind == "" || v.What == "" {
			t.Errorf("%d is judged as %+v", status, v)
		}
	}
}

func TestErrors(t *testing.T) {
	lost := &Error{Kind: KindNetwork, Message: "lost", MaybeCreated: true, Err: errors.ErrUnsupported}
	wrapped := fmt.Errorf("step: %w", lost)
	if !Is(wrapped, KindServer, KindNetwork) || Is(wrapped, KindServer) || Is(wrapped) || Is(errors.ErrUnsupported, KindNetwork) || Is(nil, KindNetwork) {
		t.Error("the kind of an error is not found")
	}
	if !MaybeCreated(wrapped) || MaybeCreated(nil) || MaybeCreated(errors.ErrUnsupported) || MaybeCreated(&Error{}) {
		t.Error("whether something was created is not found")
	}
	if !errors.Is(wrapped, errors.ErrUnsupported) || wrapped.Error() != "step: lost" {
		t.Errorf("got %v", wrapped)
	}
	foreign := Transport("do it", "GET", "https://user:pw@a.test/b?c=d#e", errors.New("what"))
	if foreign.Kind != KindNetwork || foreign.Message != "do it: what" || foreign.URL != "https://a.test/b" {
		t.Errorf("got %+v", foreign)
	}
}
