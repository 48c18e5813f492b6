package diag

// CodeDoc says what a code means. Codes are API: editors, pipelines and
// suppressions outside this repository name them.
type CodeDoc struct {
	// Code is the word in brackets at the end of a message.
	Code string
	// Doc is one sentence: what is wrong.
	Doc string
}

// The codes, in the order of the reference.
const (
	Assertion          = "assertion"
	BadFile            = "bad-file"
	DuplicateKey       = "duplicate-key"
	DuplicateName      = "duplicate-name"
	EmptyBlock         = "empty-block"
	Encoding           = "encoding"
	ExpressionSyntax   = "expression"
	InvalidCredential  = "invalid-credential"
	InvalidDuration    = "invalid-duration"
	InvalidFault       = "invalid-fault"
	InvalidMatcher     = "invalid-matcher"
	InvalidName        = "invalid-name"
	InvalidPath        = "invalid-path"
	InvalidRegexp      = "invalid-regexp"
	InvalidRow         = "invalid-row"
	InvalidSchema      = "invalid-schema"
	InvalidURL         = "invalid-url"
	InvalidValue       = "invalid-value"
	InvalidXPath       = "invalid-xpath"
	LiteralSecret      = "literal-secret"
	MissingEnvironment = "missing-environment-variable"
	MissingKey         = "missing-key"
	MissingKind        = "missing-kind"
	OutsideRoot        = "outside-root"
	Separator          = "separator"
	SeveralBodies      = "several-bodies"
	SeveralKinds       = "several-kinds"
	SeveralMethods     = "several-methods"
	Syntax             = "syntax"
	TLSInsecure        = "tls-insecure"
	TooLarge           = "too-large"
	UnknownAnchor      = "unknown-anchor"
	UnknownCredential  = "unknown-credential"
	UnknownKey         = "unknown-key"
	UnknownMember      = "unknown-member"
	UnknownVariable    = "unknown-variable"
	UnsafeRetry        = "unsafe-retry"
	WrongType          = "wrong-type"
)

// Codes gives every code, in alphabetical order.
func Codes() []CodeDoc {
	return []CodeDoc{
		{Assertion, "an assertion does not hold (a result of a run, not a mistake in a file)"},
		{BadFile, "a file that is named does not exist, cannot be read, or does not hold what it should"},
		{DuplicateKey, "a key stands twice in one mapping"},
		{DuplicateName, "two things that need names of their own have the same one"},
		{EmptyBlock, "a block that asserts, captures or lists nothing; an unquoted path that begins with # is a YAML comment"},
		{Encoding, "the file is not UTF-8, or holds a character YAML does not allow"},
		{ExpressionSyntax, "an expression in ${…} or when cannot be compiled"},
		{InvalidCredential, "a credential lacks what its kind needs, or mixes two kinds"},
		{InvalidDuration, "a duration is not a number with a unit, such as 500ms, 2s or 5m"},
		{InvalidFault, "a fault of the sandbox is unknown or has an unknown argument"},
		{InvalidMatcher, "a matcher has an operator that is unknown, or an operand that the operator cannot take"},
		{InvalidName, "a name of a variable is not an identifier, or is reserved"},
		{InvalidPath, "a gjson path cannot be right"},
		{InvalidRegexp, "a regular expression is not valid RE2"},
		{InvalidRow, "a row of data cannot be read: a wrong number of cells, quotes that do not match, or no mapping"},
		{InvalidSchema, "a JSON Schema cannot be compiled"},
		{InvalidURL, "a URL is not absolute, or cannot be parsed"},
		{InvalidValue, "a value is not one of those that are possible here"},
		{InvalidXPath, "an XPath expression cannot be compiled"},
		{LiteralSecret, "a secret stands in the file; it belongs in the process environment or outside the repository"},
		{MissingEnvironment, "a variable of the process environment is not set, and the expression has no default"},
		{MissingKey, "a required key is not there"},
		{MissingKind, "a step names nothing to do"},
		{OutsideRoot, "a path leads outside the project folder"},
		{Separator, "the cells of a CSV file are separated by semicolons or tabs; they are read all the same"},
		{SeveralBodies, "a call has more than one body"},
		{SeveralKinds, "a step names more than one thing to do"},
		{SeveralMethods, "a call names more than one method, or none"},
		{Syntax, "the file is not YAML"},
		{TLSInsecure, "TLS is not verified in this environment"},
		{TooLarge, "a file, its nesting or the expansion of its aliases is beyond the limit"},
		{UnknownAnchor, "an alias names an anchor that does not exist"},
		{UnknownCredential, "a credential is used that nobody declares"},
		{UnknownKey, "a key is not known here"},
		{UnknownMember, "env, row, run or scenario has no such member"},
		{UnknownVariable, "an expression uses a name that nobody sets before"},
		{UnsafeRetry, "a retry repeats a POST or PATCH without saying unsafe: true"},
		{WrongType, "a value is of another type than wanted"},
	}
}
