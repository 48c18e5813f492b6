// Package convert writes a service key in the forms that other tools import: a
// destination of SAP BTP, an environment of Postman, an environment file of
// this program.
//
// A secret stands in the result only where that is asked for; otherwise its
// place is marked, so that the file can be used once it is filled in.
package convert

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"iflowtest/internal/servicekey"
)

// Target is a form that a service key can be written in.
type Target string

// The targets.
const (
	Destination     Target = "destination"
	DestinationJSON Target = "destination-json"
	Postman         Target = "postman"
	Environment     Target = "environment"
)

// Form describes a target.
type Form struct {
	Target Target
	// Doc says in a few words what it is.
	Doc string
}

// Forms lists the targets, the default one first.
func Forms() []Form {
	return []Form{
		{Destination, "a destination of SAP BTP as the cockpit imports it: a file of properties"},
		{DestinationJSON, "the same as JSON, also for the REST API of the destination service"},
		{Postman, "an environment of Postman, with url, tokenUrl, clientId and clientSecret"},
		{Environment, "an environment file of iflowtest, with the key as a credential"},
	}
}

// Options say how a key is written. The zero Options hold no secret.
type Options struct {
	// Name is that of the destination, the environment or the credential;
	// empty: that of the key. See [CheckName].
	Name string
	// Secrets puts the secrets in.
	Secrets bool
}

// Document is a service key in another form.
type Document struct {
	Text []byte
	// Secret says that the text holds secrets.
	Secret bool
	// Notes say what the text cannot hold, and what is to be done about it, one
	// line each. They hold no secret.
	Notes []string
}

// maxName is how long a name may be: that of a destination.
const maxName = 200

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// CheckName says what is wrong with a name: it must be one for a destination,
// for a file and for a credential.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name has %d characters; at most %d are wanted", len(name), maxName)
	case !validName.MatchString(name):
		return fmt.Errorf("%q is no name; letters, digits, \".\", \"_\" and \"-\" are wanted, a letter or digit first", name)
	}
	return nil
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Name makes a name that [CheckName] accepts of any text.
func Name(text string) string {
	name := strings.TrimLeft(notInNames.ReplaceAllString(text, "-"), "._-")
	name = strings.TrimRight(name[:min(len(name), maxName)], "._-")
	if name == "" {
		return "key"
	}
	return name
}

// Error says why a key cannot be written in a form; it holds no value of the
// key.
type Error struct {
	// Problem is in lower case, without a full stop.
	Problem string
}

// Error gives the problem.
func (e *Error) Error() string { return e.Problem }

// Key writes a service key. The error is an [*Error]; it says which part of
// the key the target needs and the key does not have.
func Key(to Target, k *servicekey.Key, o Options) (Document, error) {
	if o.Name == "" {
		o.Name = Name(k.Name)
	}
	if err := CheckName(o.Name); err != nil {
		return Document{}, &Error{err.Error()}
	}
	c := &conversion{key: k, options: o}
	switch to {
	case Destination:
		return c.destination(properties)
	case DestinationJSON:
		return c.destination(inJSON)
	case Postman:
		return c.postman()
	case Environment:
		return c.environment()
	}
	return Document{}, &Error{fmt.Sprintf("%q is not a form that a key can be written in", string(to))}
}

// conversion is one key on its way.
type conversion struct {
	key     *servicekey.Key
	options Options
	notes   []string
}

func (c *conversion) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// clientSecret gives the client secret, or what marks its place.
func (c *conversion) clientSecret() string {
	if c.options.Secrets {
		return c.key.ClientSecret.Reveal()
	}
	return c.options.marked("client-secret")
}

// marked marks the place of a secret.
func (o Options) marked(secret string) string { return "***(" + o.Name + "." + secret + ")" }

// usesCertificate reports whether the key signs in with a certificate.
func (c *conversion) usesCertificate() bool { return c.key.Certificate != "" }

func (c *conversion) done(text []byte, secret bool) (Document, error) {
	return Document{Text: text, Secret: secret, Notes: c.notes}, nil
}
