package gate

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"iflowtest/internal/certificate"
	"iflowtest/internal/oauth"
	"iflowtest/internal/servicekey"
	"iflowtest/runner"
)

// inspection is what is known of one key.
type inspection struct {
	g  *Gate
	id int
	in Input

	key        servicekey.Key
	credential oauth.Credential
	// problems are why the key cannot be used; line and column where.
	problems     []problem
	line, column int

	certificate presented
	token       tokenRequest
	claims      claims

	verdicts []checked
	statuses []int
	outcome  runner.Outcome
}

// problem is why a key cannot be used; without a cure, it is to be had anew.
type problem struct{ text, cure string }

// lacks adds a problem.
func (x *inspection) lacks(text, cure string) { x.problems = append(x.problems, problem{text, cure}) }

// prepare reads a key and tells the redactor its secrets.
func (g *Gate) prepare(id int, in Input) *inspection {
	x := &inspection{g: g, id: id, in: in, key: in.Written}
	x.key.Name = in.Name
	if in.Key != nil {
		x.parse()
	}
	if len(x.problems) == 0 && in.Unread == nil {
		x.complete()
	}
	for _, s := range append(slices.Clone(x.key.Secrets), x.key.ClientSecret, x.key.PrivateKey, in.Password) {
		g.o.Redactor.Add(s.Name(), s.Reveal())
	}
	g.o.Redactor.Add(x.key.PrivateKey.Name(), certificate.Lines(x.key.PrivateKey.Reveal()))
	x.credential = oauth.Credential{
		Name: in.Name, TokenURL: x.key.TokenURL, ClientID: x.key.ClientID, ClientSecret: x.key.ClientSecret,
		AuthStyle: in.AuthStyle, Scope: in.Scope, Params: in.Params,
		Certificate: x.key.Certificate, Key: x.key.PrivateKey, Password: in.Password, ValidUntil: x.key.DeclaredUntil,
	}
	x.certify()
	return x
}

// parse reads the document of the key.
func (x *inspection) parse() {
	document := x.in.Key
	if decoded := fromBase64(document); decoded != nil {
		x.g.o.Redactor.Add(x.in.Name+" in base64", string(document))
		document = decoded
	}
	key, err := servicekey.Parse(x.in.Name, document)
	if err != nil {
		found := []string{err.Error()}
		if e, ok := errors.AsType[*servicekey.Error](err); ok {
			found, x.line, x.column = e.Problems, e.Line, e.Column
		}
		for _, text := range found {
			x.lacks(text, "")
		}
		return
	}
	written := x.key
	x.key = *key
	x.key.URL = cmp.Or(written.URL, key.URL)
	if !written.PrivateKey.IsZero() {
		x.key.PrivateKey = written.PrivateKey
	}
}

// fromBase64 decodes a key that was kept in base64, as CI systems like it; nil
// when the text is something else.
func fromBase64(text []byte) []byte {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil || !strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		return nil
	}
	return data
}

// complete finds what the key still lacks.
func (x *inspection) complete() {
	k := &x.key
	if k.ClientID == "" {
		x.lacks("the client ID is empty", "")
	}
	if k.TokenURL == "" {
		x.lacks("the token URL is empty", "")
	}
	switch {
	case k.Certificate == "" && !k.PrivateKey.IsZero():
		x.lacks("there is a private key (key) and no certificate that it belongs to", "a service key with a client secret needs no key: leave it out, or take the service key with the certificate")
	case k.Certificate == "" && k.ClientSecret.IsZero():
		x.lacks("there is neither a client secret nor a certificate", "")
	}
	if k.Complete() != nil {
		x.lacks(`has a certificate and no "key": the certificate is external, and its private key is not part of the service key`,
			"declare the credential in an environment (-e) with service-key: and key:, which names the file of the private key")
	}
	if p := x.g.probe; p != nil && !p.IsAbs() && k.URL == "" {
		x.lacks("lacks url, which --probe with a path needs", "take the key of an instance of Process Integration Runtime (it-rt), or give --probe an absolute URL")
	}
}

// renewal is what to do about a key that is not whole.
func (x *inspection) renewal() string {
	if x.in.Key == nil {
		return "complete the credential in the environment: token-url, client-id, and client-secret or certificate and key; a variable that it names may be empty"
	}
	return "copy all of it anew: in the cockpit under Instances and Subscriptions, the instance, Service Keys, View; or with cf service-key"
}

// judgeKey says whether the key can be used.
func (x *inspection) judgeKey(context.Context) verdict {
	if u := x.in.Unread; u != nil {
		v := unknown(u.Type, u.Message, u.Cure)
		v.status = u.Status
		return v
	}
	if len(x.problems) == 0 {
		if x.in.Key != nil && x.key.Plan == "" {
			return remarked("the client ID is not one of Process Integration Runtime (it-rt): the key is of another service, such as XSUAA")
		}
		return fine()
	}
	place := ""
	if x.line > 0 && !x.in.Whole {
		place = fmt.Sprintf("line %d, column %d: ", x.line, x.column)
	}
	first := x.problems[0]
	v := verdict{
		outcome: runner.Fail, status: runner.ExitInvalid, message: place + first.text, line: x.line, column: x.column,
		cure: cmp.Or(first.cure, x.renewal()),
	}
	for _, p := range x.problems[1:] {
		v.notes = append(v.notes, p.text)
		if p.cure != "" {
			v.notes = append(v.notes, p.cure)
		}
	}
	return v
}

// kind names what the key signs in with.
func (x *inspection) kind() string {
	switch {
	case x.key.Certificate != "":
		return "certificate"
	case !x.key.ClientSecret.IsZero():
		return "client secret"
	}
	return ""
}

func joinLines(lines []string) string { return strings.Join(lines, "; ") }
