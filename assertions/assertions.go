// Package assertions judges the result of a step: expect blocks compiled into
// matchers over the subjects of a result (status, headers, JSON, text …), and
// captures that take values out of it.
//
// Everything that can be known from a file is found by [Compile] and
// [CompileCaptures]: unknown operators, operands of the wrong kind, gjson
// paths, XPath and regular expressions that cannot be right. What they return
// is immutable and may be shared between goroutines; a [Result] belongs to one
// goroutine.
//
// The package knows no other package of the project: places in files and
// ${…} templates are the caller's numbers, handed back in problems and
// failures.
package assertions

import (
	"net/http"
	"time"
)

// Place is the caller's own number for a place in a file. It comes back in a
// [Problem] or a [Failure].
type Place int

// Kind says what a [Node] is. The zero Kind is Null.
type Kind int

// The kinds of a value as it is written in a file. Computed is a ${…}
// expression whose value is not known before the run.
const (
	Null Kind = iota
	Bool
	Number
	Text
	List
	Map
	Computed
)

// String gives the word that messages use.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "a boolean"
	case Number:
		return "a number"
	case Text:
		return "text"
	case List:
		return "a list"
	case Map:
		return "a mapping"
	case Computed:
		return "an expression"
	}
	return "an unknown value"
}

// Node is a value as it is written in a file.
type Node struct {
	Kind Kind
	// Text holds true or false of a Bool, the digits as written of a Number
	// (in JSON's grammar), the text of a Text.
	Text string
	// Items are the elements of a List.
	Items []Node
	// Fields are the entries of a Map, in the order written. Names are unique.
	Fields []Field
	// Computed is the caller's number of a ${…} template; see [Lookup].
	Computed int
	// Place is where the value stands.
	Place Place
}

// Field is an entry of a mapping. Place is that of its name. A name is never
// computed; that ${…} in one is a mistake is the caller's to say.
type Field struct {
	Name  string
	Place Place
	Value Node
}

// Problem is a mistake in a file, found before the run.
type Problem struct {
	Place Place
	// Code is one of the codes of diagnostics, such as "invalid-matcher".
	Code string
	// Message is one line: what was found, what was wanted.
	Message string
	// Hints are further lines: what to do.
	Hints []string
	// Offset and Width give the part of the text at Place that is meant, in
	// characters; Width 0 means all of it.
	Offset, Width int
}

// Options are what a kind of step says about its result.
type Options struct {
	// Subjects are the names of the subjects that the step has. For
	// [CompileCaptures] they limit the sources; nil there means all of them.
	Subjects []string
	// Default2xx asserts 2xx, at DefaultPlace, when the block has no status.
	Default2xx   bool
	DefaultPlace Place
	// ReadFile reads a payload file, relative to the file that the block
	// stands in. It is called when a block is compiled, and again while
	// results are checked, by several goroutines at once. An error that is a
	// [*FileError] says more of itself. With nil no file can be read.
	ReadFile func(path string) ([]byte, error)
	// UpdateExpected says that expected files will be written: one that is
	// missing or broken is no mistake.
	UpdateExpected bool
}

// FileError says why a file cannot be read.
type FileError struct {
	// Code is one of the codes of diagnostics, such as "bad-file".
	Code string
	// Message is one line that names the file.
	Message string
	// Hints are further lines: what to do.
	Hints []string
	// Missing says that there is no such file, where one may be made.
	Missing bool
}

// Error gives the message without the hints.
func (e *FileError) Error() string { return e.Message }

// Property is a name with a value, such as a custom header of a message
// processing log.
type Property struct{ Name, Value string }

// Attachment is an attachment of a message processing log.
type Attachment struct {
	Name string
	// ContentType is its media type, as far as it is known.
	ContentType string
	// Content is all of it.
	Content string
}

// Lookup evaluates the ${…} template with the number that a [Node] holds. The
// value is nil, bool, string, json.Number, []any or map[string]any.
type Lookup func(computed int) (any, error)

// Result is what a step got. A body is judged as text, in the encoding that its
// byte order mark, the charset of Content-Type or an XML declaration gives; bytes
// that nothing is said of are compared as bytes. It keeps what it has parsed, so it is passed by
// pointer, belongs to one goroutine, and is not changed after its first use.
type Result struct {
	Status int
	Header http.Header
	// Body is the whole decoded body.
	Body     string
	Duration time.Duration
	Cookies  []*http.Cookie
	// Claims is the JSON of a token's payload.
	Claims string
	// Scopes are the scopes that a token was granted.
	Scopes   []string
	Lifetime time.Duration
	// Signature is "valid", or why it is not.
	Signature string
	// TLS describes the certificate of the server and the connection; nil: the
	// answer came without TLS.
	TLS *Certificate
	// Certificate describes the certificate of the credential; nil: it has
	// none.
	Certificate *Certificate
	// CustomHeaders are those of a message processing log, in its order; a
	// name may stand several times.
	CustomHeaders []Property
	// Attachments are those of a message processing log.
	Attachments []Attachment
	// Update writes an expected file that the body differs from, instead of a
	// failure: file is the path as it is given, relative as in
	// [Options.ReadFile]; an error becomes the failure. It is called only when
	// all other assertions of the block hold and Hide leaves the content as it
	// is: a secret is never written. Nil updates nothing, as for the
	// conditions of a poll.
	Update func(file string, content []byte) error
	// Hide masks the secrets in a text, such as Redactor.String. It is applied
	// to every foreign or computed text before that is cut to be shown, since
	// a secret that was cut through is not recognised any more; it is not
	// called when nothing is to be shown. What is judged is never hidden. Nil
	// hides nothing.
	Hide func(string) string

	body, claims document
	xml          xmlDocument
	// asText is the body as text, once it has been decoded.
	asText  string
	decoded bool
}

// Certificate is what can be asserted of an X.509 certificate.
type Certificate struct {
	// DaysLeft is the number of whole days that it is still valid; negative: it
	// has expired.
	DaysLeft int
	// Subject and Issuer are the names as RFC 4514 writes them: CN=…,O=….
	Subject, Issuer string
	// Version is that of TLS for a server ("1.3"), that of X.509 for a
	// credential ("3").
	Version string
}

// Failure is an assertion that does not hold, or a capture that found nothing.
type Failure struct {
	Place Place
	// Subject is the key of the expect block, or "capture".
	Subject string
	// Path is the gjson path or name below the subject, or the name of the
	// capture; empty for a subject that has none.
	Path string
	// Operator is the operator that does not hold; equals for a plain value.
	Operator string
	// Want and Got are as shown: text quoted and cut visibly when it is long,
	// "nothing" for what is absent.
	Want, Got string
	// Message is one line and enough alone.
	Message string
	// Notes are further lines: the longest prefix that exists, near misses.
	Notes []string
	// Diff compares documents line by line, "-" wanted and "+" found.
	Diff string
	// NotJudged says that nothing was compared: an operand has no value, or an
	// expression cannot be evaluated on this document. That is an error, and
	// says nothing of the answer.
	NotJudged bool
}
