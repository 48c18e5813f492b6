package gate

import "iflowtest/runner"

// Situation is what a gate may meet, and what it says then. The reference is
// printed from these rows, and a test brings every one of them about.
type Situation struct {
	// Name says what is the case.
	Name string
	// Check is the id of the check that tells; empty: all pass.
	Check string
	// Status is the exit status.
	Status int
	// Says and Cure are parts of the message, or of the remark when the
	// status is 0, and of what is proposed.
	Says, Cure string
}

// Situations gives every row.
func Situations() []Situation {
	var all []Situation
	for _, part := range [][]Situation{goodKeys(), keySituations(), endpointSituations(), tokenSituations(), claimSituations(), certificateSituations(), probeSituations()} {
		all = append(all, part...)
	}
	return all
}

const (
	ok      = runner.ExitOK
	bad     = runner.ExitCredential
	cannot  = runner.ExitUnknown
	useless = runner.ExitInvalid
)

func goodKeys() []Situation {
	return []Situation{
		{"a good key of plan integration-flow", "", ok, "", ""},
		{"a good key of plan api", "", ok, "", ""},
		{"a good key of plan integration-flow, with a certificate", "", ok, "", ""},
		{"a good key of plan api, with a certificate", "", ok, "", ""},
		{"a good key of XSUAA", "", ok, "the key is of another service, such as XSUAA", ""},
	}
}

func keySituations() []Situation {
	return []Situation{
		{"the key is cut off", checkKey, useless, "ends in the middle of its JSON", "copy all of it anew: in the cockpit"},
		{"the key is no JSON", checkKey, useless, "is not JSON from here on", "copy all of it anew: in the cockpit"},
		{"the key lacks its client secret", checkKey, useless, "lacks clientsecret", "copy all of it anew: in the cockpit"},
		{"the key is the JSON of something else", checkKey, useless, "lacks clientid, clientsecret and tokenurl", "copy all of it anew: in the cockpit"},
		{"the key has an external certificate and no private key", checkKey, useless, `has a certificate and no "key"`, "declare the credential in an environment"},
		{"the private key is encrypted, and there is no password", checkKey, useless, "the private key is encrypted, and no password is given", "key-password"},
		{"the certificate is cut off", checkKey, useless, "cannot be read", "export the certificate again"},
		{"the key has no url, and --probe is a path", checkKey, useless, "lacks url, which --probe with a path needs", "or give --probe an absolute URL"},
	}
}

func endpointSituations() []Situation {
	return []Situation{
		{"the token URL is plain http, and not loopback", checkEndpoint, bad, "is plain http: anybody on the way could read the client secret; nothing was sent", "it begins with https://"},
		{"the token URL of a key with a certificate is plain http", checkEndpoint, bad, "is plain http, where no certificate can be shown", "take tokenurl of the service key as it stands"},
		{"the token host does not resolve", checkEndpoint, cannot, "does not resolve", "check subdomain and region in token-url"},
		{"the token server is down", checkEndpoint, cannot, "connection refused", ""},
		{"the certificate of the token server is not trusted", checkEndpoint, cannot, "TLS", ""},
		{"the token server does not answer in time", checkEndpoint, cannot, "limit of 1m0s for the token request", "check whether the server is slow"},
	}
}

func tokenSituations() []Situation {
	const deleted = "if the key was deleted or rotated, create a new one"
	return []Situation{
		{"the client secret is wrong", checkToken, bad, "refuses client ID or secret (401 invalid_client", deleted},
		{"the key was deleted", checkToken, bad, "refuses client ID or secret", deleted},
		{"the key with a certificate was deleted", checkToken, bad, "refuses client ID or certificate", deleted},
		{"the token server refuses the certificate in the handshake", checkToken, bad, "the server wants another client certificate", deleted},
		{"the instance was made without client_credentials", checkToken, bad, "does not allow this client the grant type", `the service instance lacks the parameter "grant-types": ["client_credentials"]`},
		{"url stands where tokenurl belongs", checkToken, bad, "the token URL is the url of the key", "take tokenurl of the service key as it stands"},
		{"the token URL has another path", checkToken, bad, "has no token endpoint at", "the path is /oauth/token"},
		{"429 with a Retry-After that passes", "", ok, "", ""},
		{"429 to the end", checkToken, cannot, "has too many token requests", "try again later"},
		{"503 that passes", "", ok, "", ""},
		{"503 to the end", checkToken, cannot, "has trouble of its own (503", "the credential was not judged"},
		{"500", checkToken, cannot, "has trouble of its own (500", "the credential was not judged"},
		{"a page instead of a token", checkToken, cannot, "answers with a page instead of a token", "a proxy's portal"},
		{"any secret yields a token (--negative)", checkNegative, bad, "grants a token for a wrong client secret", "check whether a proxy or a mock answers"},
		{"503 to the wrong secret (--negative)", checkNegative, cannot, "has trouble of its own (503", "try again later"},
		{"any certificate with the right name yields a token (--negative)", checkNegative, bad, "grants a token for a wrong certificate", "verifies client certificates"},
		{"503 to the wrong certificate (--negative)", checkNegative, cannot, "has trouble of its own (503", "try again later"},
		{"the wrong certificate is refused in the handshake (--negative)", "", ok, "", ""},
		{"the server hangs up on the wrong certificate (--negative)", "", ok, "hung up on a wrong certificate without a word, both times", ""},
	}
}

func claimSituations() []Situation {
	const forged = "do not use what this token server grants"
	return []Situation{
		{"the signature is forged", checkSignature, bad, "the signature does not match", forged},
		{"the token is not signed", checkSignature, bad, `its algorithm is "none"`, forged},
		{"the token is signed with the published key as a secret (HS256)", checkSignature, bad, `the algorithm "HS256" is refused`, forged},
		{"the token names keys on another host (jku)", checkSignature, bad, "is not on the host of the token URL and was not asked", forged},
		{"the token names a key that is not published (kid)", checkSignature, bad, "is not among those at", forged},
		{"the token is over when it comes", checkSignature, bad, "the token expired 1h0m0s ago", forged},
		{"the clocks differ by hours", checkSignature, cannot, "nothing can be said of the times of the token", "set the clock of this machine"},
		{"the clocks differ by minutes", "", ok, "the times of the token are judged by that of the server", ""},
		{"the token is bound to another certificate", checkSignature, bad, "the token is bound to another certificate", forged},
		{"the keys of the issuer cannot be had", checkSignature, cannot, "the keys of the issuer cannot be had: answered 503", "the signature was not judged"},
		{"the issuer publishes its keys for those with a certificate only", "", ok, "", ""},
		{"the token is of a foreign issuer", checkIssuer, bad, "the token says it was issued by", "the runtime refuses tokens of another issuer"},
		{"a scope is missing", checkScopes, bad, `the token lacks the scope "Orders.approve"`, "that takes up to an hour until it holds"},
		{"the key of plan api is asked for the scope of flows", checkScopes, bad, "only plan integration-flow grants it", "take the service key of an instance of plan integration-flow"},
		{"the token lives too short", checkLifetime, bad, "the token lives 2s; at least 10m is wanted", "token-validity"},
		{"the token is for another tenant", checkTenant, bad, "the token is for the tenant with zid", "of the right subaccount"},
		{"the token is for another audience", checkAudience, bad, "the audience of the token is", "of the right instance and plan"},
	}
}

func certificateSituations() []Situation {
	const renew = "create a new service key"
	return []Situation{
		{"the certificate has expired", checkCertificate, bad, "the certificate expired on", renew},
		{"the certificate is not valid yet", checkCertificate, bad, "the certificate is valid only from", "check the clock of this machine"},
		{"the certificate ends in 5 days (--min-days 30)", checkCertificate, bad, "the certificate ends in 5 days", renew},
		{"the key says that it ends before its certificate does (--min-days 30)", checkCertificate, bad, "the certificate ends in 5 days", renew},
		{"the certificate belongs to another private key", checkCertificate, bad, "certificate and private key do not belong together", "take both from the same service key"},
		{"the chain of the certificate is broken", checkCertificate, bad, "the chain is broken", "put the certificate of the client first"},
	}
}

func probeSituations() []Situation {
	const open = "whoever asks is let in there"
	const behind = "but the token was accepted: without it the answer was 401"
	const proves = "that proves nothing about the key"
	const later = "the key was not judged by the runtime"
	return []Situation{
		{"probe: 200", "", ok, "", ""},
		{"probe: 200 without a token as well", "", ok, open, ""},
		{"probe: 204", "", ok, "", ""},
		{"probe: 400", "", ok, "", ""},
		{"probe: 405", "", ok, "", ""},
		{"probe: 415", "", ok, "", ""},
		{"probe: 422", "", ok, "", ""},
		{"probe: 404, and 401 without the token", "", ok, behind, ""},
		{"probe: 404, with and without the token", checkProbe, cannot, proves, "--probe-lenient"},
		{"probe: 404, with and without the token, --probe-lenient", "", ok, "--probe-lenient lets it pass", ""},
		{"probe: 500 with a message ID, and 401 without the token", "", ok, behind, ""},
		{"probe: 500 with a message ID, with and without the token", checkProbe, cannot, proves, "--probe-lenient"},
		{"probe: 500 with a message ID, with and without the token, --probe-lenient", "", ok, "--probe-lenient lets it pass", ""},
		{"probe: 500 without a message ID", checkProbe, cannot, "trouble of its own (500, and no message ID)", later},
		{"probe: 401", checkProbe, bad, "it is one of another plan or tenant", "compare url and tokenurl of the key"},
		{"probe: 401 to a key of plan api", checkProbe, bad, "the key is of plan api, and flows accept tokens of plan integration-flow only", "take the service key of an instance of plan integration-flow"},
		{"probe: 401 of the API to a key of plan integration-flow", checkProbe, bad, "the API accepts tokens of plan api only", "take the service key of an instance of plan api"},
		{"probe: 403", checkProbe, bad, "the role that the flow or the API wants is missing (403)", "a role that was just added takes up to an hour"},
		{"probe: 403 with X-CSRF-Token: required", "", ok, "the flow wants a CSRF token", ""},
		{"probe: 302 to a login page", checkProbe, bad, "the runtime redirects to", "wants a person to sign in"},
		{"probe: 429 to the end", checkProbe, cannot, "too many requests (429), to the end", later},
		{"probe: 502 to the end", checkProbe, cannot, "(502), to the end", later},
		{"probe: 503 to the end", checkProbe, cannot, "(503), to the end", later},
		{"probe: 504 to the end", checkProbe, cannot, "(504), to the end", later},
		{"probe: 503 that passes", "", ok, "", ""},
		{"probe: no answer", checkProbe, cannot, "connection refused", ""},
		{"probe: 410", checkProbe, cannot, "the runtime answers 410, which says nothing about the token", "probe an address that answers GET"},
		{"probe: the url of the key is plain http, and not loopback", checkProbe, bad, "anybody on the way could read the token; it was not sent", "it begins with https://"},
	}
}
