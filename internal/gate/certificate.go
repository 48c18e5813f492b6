package gate

import (
	"context"
	"time"

	"iflowtest/runner"
)

// certificate is what is known of the certificate of a key.
type certificate struct {
	// until is when it ends.
	until time.Time
	// useless says why nothing is sent with it; empty: it can be used.
	useless string
}

// certify looks at the certificate of the key.
func (x *inspection) certify() {
	if x.key.Certificate == "" || len(x.problems) > 0 {
		return
	}
	x.certificate.useless = "this version cannot sign in with a certificate yet"
	if at, err := time.Parse(time.RFC3339, x.key.ValidUntil); err == nil {
		x.certificate.until = at
	}
}

// judgeCertificate says whether the certificate holds.
func (x *inspection) judgeCertificate(context.Context) verdict {
	return unknown(runner.TypeCredential, "the certificate cannot be checked yet: this version cannot sign in with one", "check a key of the type client secret")
}
