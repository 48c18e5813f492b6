package scenarios

// The shapes of the language, as language.md describes it. They are made by
// functions: a caller may keep one, and none can change that of another.

func text(doc string) Shape           { return Shape{Type: TextType, Doc: doc} }
func constant(s Shape) Shape          { s.Constant = true; return s }
func listOf(elem Shape) Shape         { return Shape{Type: ListType, Elem: &elem} }
func mapOf(elem Shape) Shape          { return Shape{Type: MapType, Elem: &elem} }
func words(w ...string) Shape         { return Shape{Type: EnumType, Enum: w, Constant: true} }
func object(keys ...Key) Shape        { return Shape{Type: ObjectType, Keys: keys} }
func oneOf(alt ...Shape) Shape        { return Shape{Type: OneOfType, Alternatives: alt} }
func emptyable(s Shape) Shape         { s.AllowEmpty = true; return s }
func required(k Key) Key              { k.Required = true; return k }
func defined(n string, s Shape) Shape { s.Definition = n; return s }

func key(name string, s Shape, doc string) Key { return Key{Name: name, Shape: s, Doc: doc} }

func keyDefault(name string, s Shape, fallback, doc string) Key {
	return Key{Name: name, Shape: s, Doc: doc, Default: fallback}
}

func duration() Shape  { return Shape{Type: DurationType, Constant: true} }
func boolean() Shape   { return Shape{Type: BoolType} }
func factor() Shape    { return Shape{Type: NumberType, AtLeast: 1, Constant: true} }
func plainText() Shape { return Shape{Type: TextType, Constant: true} }

func names() Shape {
	s := emptyable(listOf(plainText()))
	s.Names = true
	return s
}

func variables() Shape {
	s := emptyable(mapOf(Shape{}))
	s.Names = true
	return s
}

// ScenarioShape is that of a scenario document.
func ScenarioShape() Shape {
	return object(
		required(key("name", text(""), "a scenario has a name that is unique in its file")),
		key("description", plainText(), "what the scenario is for"),
		key("tags", emptyable(listOf(plainText())), "words that --tags selects by"),
		key("timeout", duration(), "limit for the whole scenario, cleanup not counted; none when absent"),
		key("lock", emptyable(listOf(plainText())), "scenarios that share a lock never run at the same time"),
		key("skip", text(""), "the reason why the scenario does not run; it is reported as skipped"),
		key("vars", variables(), "values for ${…}; each may use env and the vars above it"),
		key("data", DataShape(), "rows; the scenario runs once for each"),
		key("row-name", text(""), "what a row is called in the reports; its number when absent"),
		key("secrets", names(), "names of variables whose values appear in no output"),
		key("credentials", emptyable(mapOf(CredentialShape())), "names for what can obtain an access token"),
		required(key("steps", listOf(StepShape()), "what the scenario does, in order; a failed step skips the rest")),
		key("cleanup", emptyable(listOf(StepShape())), "steps that always run at the end, each of them"),
	)
}

// IncludedShape is that of a file that a step includes.
func IncludedShape() Shape {
	return object(
		key("name", text(""), "what the file is for"),
		key("description", plainText(), "what the file is for, at length"),
		key("params", names(), "names that the including step gives with `with`"),
		key("credentials", emptyable(mapOf(CredentialShape())), "credentials that become visible where it is included"),
		required(key("steps", listOf(StepShape()), "the steps that take the place of the include")),
		key("cleanup", emptyable(listOf(StepShape())), "steps that always run at the end"),
	)
}

// DataShape is that of `data`: a path, a list of rows, or a file with options.
func DataShape() Shape {
	return defined("data", oneOf(
		text("path to a .csv, .json or .yaml file"),
		listOf(emptyable(mapOf(Shape{}))),
		object(
			required(key("file", text(""), "path to a .csv, .json or .yaml file")),
			keyDefault("parallel", Shape{Type: IntegerType, AtLeast: 1, Constant: true}, "1", "how many rows run side by side"),
		),
	))
}

// StepShape is that of the common keys of a step; the key of its kind is not
// among them.
func StepShape() Shape {
	return defined("step", object(
		key("name", text(""), "what the report shows; the kind and its main argument when absent"),
		key("when", Shape{Type: ExpressionType}, "an expression; the step is skipped when it is false"),
		key("skip", text(""), "the reason why the step is skipped"),
		key("expect", Shape{Type: ExpectType, Definition: "expect"}, "assertions on the result"),
		key("capture", Shape{Type: CaptureType, Definition: "capture"}, "values taken from the result"),
		key("retry", RetryShape(), "repeats on trouble of the transport"),
		key("poll", PollShape(), "repeats until the answer is the one waited for"),
		keyDefault("timeout", duration(), "60s", "limit for one attempt"),
		key("on-failure", words("continue"), "go on with the next step; the scenario still fails"),
	))
}

// RetryShape is that of `retry`: the number of attempts, or all of it.
func RetryShape() Shape {
	attempts := Shape{Type: IntegerType, AtLeast: 1, Constant: true}
	return defined("retry", oneOf(
		attempts,
		object(
			keyDefault("attempts", attempts, "3", "how often it is tried, the first time counted"),
			keyDefault("on", listOf(oneOf(words("network"), Shape{Type: IntegerType, AtLeast: 100, Constant: true})), "[network, 429, 502, 503, 504]", "what is tried again: network, or a status"),
			keyDefault("every", duration(), "1s", "the wait before the second attempt"),
			keyDefault("backoff", factor(), "2", "what each further wait is multiplied by"),
			keyDefault("max", duration(), "30s", "the longest wait; a Retry-After beyond it ends the step"),
			keyDefault("unsafe", constant(boolean()), "false", "POST and PATCH may be repeated"),
		),
	))
}

// PollShape is that of `poll`.
func PollShape() Shape {
	expect := Shape{Type: ExpectType, Definition: "expect"}
	return defined("poll", object(
		required(key("until", expect, "poll waits until this expect block holds")),
		key("abort-if", expect, "ends the wait: when this expect block holds, the step fails"),
		keyDefault("every", duration(), "2s", "the wait between the first two attempts"),
		keyDefault("backoff", factor(), "1.5", "what each further wait is multiplied by"),
		keyDefault("max", duration(), "15s", "the longest wait between two attempts"),
		keyDefault("timeout", duration(), "2m", "the limit for all of it"),
	))
}

// CredentialShape is that of a credential: a service key, or its parts
// spelled out. Which keys go together is checked by [CheckCredential].
func CredentialShape() Shape {
	return defined("credential", object(
		key("service-key", text(""), "path to a service key, or its JSON text"),
		key("token-url", text(""), "token endpoint, used as written"),
		key("client-id", text(""), "client ID"),
		key("client-secret", text(""), "client secret; belongs in the process environment: ${env.NAME}"),
		key("url", text(""), "base URL for the paths of calls"),
		key("certificate", text(""), "path to the X.509 certificate (PEM) for mutual TLS at the token endpoint, its chain behind it"),
		key("key", text(""), "path to its private key (PEM); beside service-key: that of an external certificate"),
		key("key-password", text(""), "password of an encrypted private key; belongs in the process environment: ${env.NAME}"),
		keyDefault("auth-style", Shape{Type: EnumType, Enum: []string{"body", "header"}}, "body", "where the client ID and secret are sent"),
		key("scope", text(""), "scopes to ask for, separated by blanks"),
		key("params", emptyable(mapOf(text(""))), "extra form fields of the token request"),
		key("hosts", emptyable(listOf(text(""))), "further hosts that the token may be sent to"),
	))
}

// EnvironmentShape is that of an environment file.
func EnvironmentShape() Shape {
	return object(
		key("target", TargetShape(), "where the tests run"),
		key("vars", variables(), "values for ${…}"),
		key("secrets", names(), "names of variables whose values appear in no output"),
		key("credentials", emptyable(mapOf(CredentialShape())), "names for what can obtain an access token"),
	)
}

// TargetShape is that of `target` in an environment.
func TargetShape() Shape {
	return defined("target", object(
		key("runtime", text(""), "base URL of the integration runtime"),
		key("api", text(""), "root of the OData API, with /api/v1"),
		key("cloud-foundry", CloudFoundryShape(), "organisation, space and sign-in for provisioning"),
		key("entitlements", object(
			required(key("service-key", text(""), "entitlements need the service key of a Cloud Management Service")),
			key("subaccount", text(""), "GUID of the subaccount"),
		), "the entitlements service"),
		key("destinations", object(
			required(key("service-key", text(""), "destinations need the service key of a destination instance")),
		), "the destination service"),
		key("tls", object(
			key("ca", text(""), "path to further certificate authorities (PEM)"),
			keyDefault("insecure", boolean(), "false", "do not verify TLS; every report warns of it"),
		), "TLS of all connections"),
		keyDefault("proxy", text(""), "HTTPS_PROXY and NO_PROXY of the process environment", "URL of the proxy"),
		key("limits", object(
			key("requests-per-second", Shape{Type: NumberType, AtLeast: 0.001, Constant: true}, "upper limit for the whole run"),
		), "limits of what is sent"),
	))
}

// CloudFoundryShape is that of `cloud-foundry` in a target.
func CloudFoundryShape() Shape {
	return object(
		key("api", text(""), "URL of the Cloud Foundry API"),
		key("org", text(""), "organisation"),
		key("space", text(""), "space"),
		key("username", text(""), "user"),
		key("password", text(""), "password; belongs in the process environment: ${env.NAME}"),
		key("client-id", text(""), "client ID, instead of a user"),
		key("client-secret", text(""), "client secret; belongs in the process environment: ${env.NAME}"),
		key("origin", text(""), "identity provider, when it is not the default one"),
		key("cf-home", oneOf(boolean(), text("")), "use the session of the cf command line; true, or the folder that holds .cf"),
	)
}
