package runner

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
	"iflowtest/internal/servicekey"
)

// key looks at one key. Without a verdict it was deleted in the meantime.
func (a *auditor) key(ctx context.Context, instance cf.Instance, k cf.Key) AuditedKey {
	out := AuditedKey{Name: k.Name, GUID: k.GUID, LastOperation: operationOf(k.LastOperation)}
	out.created(k.CreatedAt, a.audit.Time)
	details, err := a.client.KeyDetails(ctx, k.GUID)
	if err != nil {
		if platform.Is(err, platform.KindNotFound) {
			a.Platform.o.Log.Info("a key was deleted while the audit looked at it", "instance", instance.Name, "key", k.Name)
			return AuditedKey{}
		}
		out.troubled(VerdictUnknown, notProvisioning(fromPlatform(ctx, err)))
		return out
	}
	key, problem := a.parse(instance.Name+"/"+k.Name, details)
	if problem != nil {
		out.judged(VerdictUnknown, *problem)
		return out
	}
	out.read(key, a.audit.Time)
	switch {
	case out.expires(key, a.audit.Time, a.o.MinDays):
	case k.LastOperation.Type == string(cf.Delete) && k.LastOperation.InProgress():
		out.judged(VerdictNotVerified, Problem{Type: TypeCredential, Message: "the key is being deleted"})
	case a.o.Verify:
		a.verify(ctx, key, &out)
	case out.Kind == KeySecret:
		out.Verdict = VerdictNotVerified
	default:
		out.Verdict = VerdictGood
	}
	return out
}

// parse reads the credentials, and tells the redactor every secret in them.
func (a *auditor) parse(name string, details json.RawMessage) (*servicekey.Key, *Problem) {
	key, err := servicekey.Parse(name, details)
	if err == nil {
		for _, s := range key.Secrets {
			a.Platform.o.Redactor.Add(s.Name(), s.Reveal())
		}
		return key, nil
	}
	text := err.Error()
	if e, ok := errors.AsType[*servicekey.Error](err); ok {
		text = strings.Join(e.Problems, "; ")
	}
	return nil, &Problem{
		Type: TypeCredential, Message: "the credentials of the key are not of a form that is known: " + text,
		Cure: "if keys of this service sign in otherwise than with client ID and secret or certificate, they cannot be audited",
	}
}

// judged sets a verdict and why it is so.
func (k *AuditedKey) judged(v Verdict, p Problem) {
	k.Verdict, k.Problem, k.class = v, &p, v.class()
}

// troubled sets the verdict of what went wrong.
func (k *AuditedKey) troubled(v Verdict, t *trouble) {
	k.judged(v, t.problem)
	k.class |= t.class & classInterrupted
}

// created notes when the key was made.
func (k *AuditedKey) created(at, now time.Time) {
	if !at.IsZero() {
		k.CreatedAt, k.AgeDays = at.UTC(), new(wholeDays(now.Sub(at)))
	}
}

// wholeDays rounds down.
func wholeDays(d time.Duration) int { return int(math.Floor(d.Hours() / 24)) }

// read notes what the key says of itself.
func (k *AuditedKey) read(key *servicekey.Key, now time.Time) {
	k.ClientID = key.ClientID
	switch {
	case key.Certificate == "":
		k.Kind = KeySecret
	case key.PrivateKey.IsZero():
		k.Kind = KeyExternalCertificate
	default:
		k.Kind = KeyCertificate
	}
	if at, err := time.Parse(time.RFC3339, key.CreateDate); err == nil {
		k.created(at, now)
	}
}

// expires judges the validity of a certificate, and reports whether it found
// something.
func (k *AuditedKey) expires(key *servicekey.Key, now time.Time, minDays int) bool {
	if k.Kind == KeySecret {
		return false
	}
	from, until := validity(key)
	if until.IsZero() {
		k.judged(VerdictUnknown, Problem{
			Type: TypeCredential, Message: "when the certificate expires is not known: the key has no validuntil, and its certificate cannot be read",
			Cure: k.renew(),
		})
		return true
	}
	k.ValidUntil, k.DaysLeft = until, new(wholeDays(until.Sub(now)))
	day := until.Format(time.DateOnly)
	switch {
	case !now.Before(until):
		k.judged(VerdictExpired, Problem{Type: TypeCredential, Message: fmt.Sprintf("the certificate expired on %s, %s ago", day, days(wholeDays(now.Sub(until)))), Cure: k.renew()})
	case now.Before(from):
		k.judged(VerdictNotYetValid, Problem{
			Type: TypeCredential, Message: "the certificate is not valid before " + from.Format(time.RFC3339),
			Cure: "check the clock of this machine; if it is right, wait until then or create a new key",
		})
	case until.Before(now.AddDate(0, 0, minDays)):
		k.judged(VerdictExpiring, Problem{
			Type: TypeCredential, Message: fmt.Sprintf("the certificate expires in %s, on %s; it is to be valid for at least %s", days(*k.DaysLeft), day, days(minDays)), Cure: k.renew(),
		})
	default:
		return false
	}
	return true
}

// days writes a number of days.
func days(n int) string {
	switch n {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// renew says what to do about a certificate that is at its end.
func (k *AuditedKey) renew() string {
	if k.Kind == KeyExternalCertificate {
		return "create a service key with a renewed certificate, give it to those who use this one, then delete this one"
	}
	return "create a new service key for the instance, give it to those who use this one, then delete this one"
}

// validity gives from when until when a key holds: what its certificate says,
// and validuntil of the key where that is earlier (wire/sap.md 1.3).
func validity(key *servicekey.Key) (from, until time.Time) {
	if block, _ := pem.Decode([]byte(key.Certificate)); block != nil {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			from, until = c.NotBefore.UTC(), c.NotAfter.UTC()
		}
	}
	if told, err := time.Parse(time.RFC3339, key.ValidUntil); err == nil && (until.IsZero() || told.Before(until)) {
		until = told.UTC()
	}
	return from, until
}

// verify gets a token with a key that has a secret.
func (a *auditor) verify(ctx context.Context, key *servicekey.Key, out *AuditedKey) {
	if out.Kind == KeyExternalCertificate {
		out.judged(VerdictNotVerified, Problem{Type: TypeCredential, Message: "the private key of an external certificate is with its owner only, so that the key cannot be verified"})
		return
	}
	if u, err := url.Parse(key.TokenURL); err == nil && u.Scheme == "http" && !httpx.IsLoopback(u.Hostname()) {
		out.judged(VerdictUnknown, Problem{
			Type: TypeCredential, Message: fmt.Sprintf("the token URL of the key is plain http, at %s: the secret would cross the network as it is, and was not sent", u.Host),
			Cure: "ask the owner of the service for a key whose token URL is https",
		})
		return
	}
	_, err := a.tokens.Token(ctx, oauth.Credential{
		Name: key.Name, TokenURL: key.TokenURL, ClientID: key.ClientID, ClientSecret: key.ClientSecret,
		Certificate: key.Certificate, Key: key.PrivateKey, ValidUntil: key.DeclaredUntil,
	})
	if err == nil {
		out.Verdict = VerdictGood
		return
	}
	t := fromOAuth(ctx, err)
	t.problem.Message = strings.TrimPrefix(t.problem.Message, fmt.Sprintf("credential %q: ", key.Name))
	e, answered := errors.AsType[*oauth.Error](err)
	switch {
	case answered && e.Kind == oauth.KindGrant:
		// Who may not use the grant type has been let in with the secret.
		t.problem.Cure = "the key cannot be verified; it may be good for the grant types that the instance has"
		out.judged(VerdictNotVerified, t.problem)
	case t.class == classCredential:
		if answered && e.Kind == oauth.KindRefused {
			t.problem.Cure = "the platform shows this key, and its authorization server refuses it: " + out.renew()
		}
		if time.Since(out.CreatedAt) < freshKey {
			t.problem.Cure += "; it was created just now, and the platform may need a minute to know it"
		}
		out.judged(VerdictRefused, t.problem)
	default:
		out.troubled(VerdictUnknown, t)
	}
}
