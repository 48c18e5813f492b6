package gate

import (
	"context"
	"time"

	"iflowtest/internal/certificate"
)

// presented is what is known of the certificate of a key.
type presented struct {
	report *certificate.Report
	// until is when it ends.
	until time.Time
	// useless says why nothing is sent with it; empty: it can be used.
	useless string
}

// certify looks at the certificate of the key. What cannot be read at all makes
// the key one that cannot be used.
func (x *inspection) certify() {
	if x.key.Certificate == "" || len(x.problems) > 0 {
		return
	}
	c := &x.certificate
	c.report = x.credential.Inspect(time.Now())
	c.until = c.report.Until
	for _, f := range c.report.Findings {
		switch f.Check {
		case certificate.CheckCertificate, certificate.CheckKey, certificate.CheckPassword:
			if f.Severity == certificate.Unusable {
				x.lacks(f.Message, f.Cure)
			}
		}
	}
	if c.report.Unusable() != nil {
		c.useless = "the certificate does not hold, and nothing was sent with it"
	}
}

// judgeCertificate says whether the certificate holds.
func (x *inspection) judgeCertificate(context.Context) verdict {
	found := x.certificate.report.Findings
	if ending := x.certificate.report.Ending(x.g.o.MinDays); ending != nil {
		found = append(found, *ending)
	}
	v := fine()
	for _, f := range found {
		switch {
		case f.Severity == certificate.Remark:
			v.remark = f.Message + "; " + f.Cure
		case v.message == "":
			v = invalid(f.Message, f.Cure)
		default:
			v.notes = append(v.notes, f.Message, f.Cure)
		}
	}
	return v
}
