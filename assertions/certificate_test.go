package assertions

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCertificates(t *testing.T) {
	server := &Certificate{DaysLeft: 12, Subject: "CN=*.cfapps.eu10.hana.ondemand.com,O=SAP SE,C=DE", Issuer: "CN=DigiCert TLS RSA SHA256 2020 CA1,O=DigiCert Inc,C=US", Version: "1.3"}
	own := &Certificate{DaysLeft: -3, Subject: "CN=smoke-key,O=SAP SE,C=DE", Issuer: "CN=SAP PKI Certificate Service Client CA,O=SAP SE,C=DE", Version: "3"}
	tests := []struct {
		expect string
		result Result
		want   []string // the messages
	}{
		{"tls: {days-left: {gte: 12, lt: 13}, subject: {contains: O=SAP SE}, issuer: {starts-with: CN=DigiCert}, version: 1.3}", Result{TLS: server}, nil},
		{"tls: {version: {gte: 1.2}}", Result{TLS: server}, nil},
		{"tls: {version: \"1.2\"}", Result{TLS: server}, []string{`tls version: want "1.2", got "1.3"`}},
		{"tls: {days-left: {gte: 30}}", Result{TLS: server}, []string{"tls days-left: want at least 30, got 12"}},
		{"tls: {days-left: {gte: 30}, issuer: {matches: ^CN=SAP}}", Result{TLS: server}, []string{
			"tls days-left: want at least 30, got 12",
			`tls issuer: want text matching "^CN=SAP", got "CN=DigiCert TLS RSA SHA256 2020 CA1,O=DigiCert Inc,C=US"`,
		}},
		{"tls: {days-left: {gte: 0}}", Result{}, []string{"tls days-left: want at least 0, got nothing"}},
		{"tls: {subject: {exists: false}}", Result{}, nil},
		{"certificate: {days-left: {gte: 30}, subject: {contains: CN=smoke-key}}", Result{Certificate: own, TLS: server}, []string{"certificate days-left: want at least 30, got -3"}},
		{"certificate: {version: 3, issuer: {contains: Client CA}}", Result{Certificate: own}, nil},
		{"certificate: {days-left: {gte: 30}}", Result{TLS: server}, []string{"certificate days-left: want at least 30, got nothing"}},
	}
	for _, tt := range tests {
		t.Run(tt.expect, func(t *testing.T) {
			var got []string
			for _, f := range mustCompile(t, tt.expect).Check(&tt.result, nil) {
				got = append(got, f.Message)
				if f.Subject == "" || f.Path == "" || f.Operator == "" {
					t.Errorf("%+v", f)
				}
				absent := strings.HasSuffix(f.Message, "got nothing")
				if absent != (len(f.Notes) > 0) {
					t.Errorf("notes %q", f.Notes)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
