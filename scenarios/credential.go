package scenarios

import (
	"strings"

	"iflowtest/internal/diag"
)

// CheckCredential says everything that is wrong with a credential: its shape,
// and which keys stand together. what names it in the messages.
func CheckCredential(n *Node, what string) diag.List {
	l := CredentialShape().Check(n, what)
	if n.Kind != Map || l.HasErrors() {
		return l
	}
	return append(l, credentialKeys(n, what)...)
}

// credentialKeys checks which keys of a credential stand together.
func credentialKeys(n *Node, what string) diag.List {
	if sk := n.Key("service-key"); sk != nil {
		for _, e := range n.Entries() {
			switch e.Key.Text {
			case "token-url", "client-id", "client-secret", "certificate":
				return diag.List{diag.Errorf(e.Key.Pos(), diag.InvalidCredential, "%s has both service-key and %s", what, e.Key.Text).
					WithHint("the service key holds the %s; keep one of the two", e.Key.Text)}
			}
		}
		return passwordOfNothing(n, what)
	}
	if n.Get("token-url") == nil && n.Get("client-id") == nil {
		return diag.List{diag.Errorf(n.Pos(), diag.InvalidCredential, "%s has neither service-key nor token-url", what).
			WithHint("give a service-key, or token-url and client-id with client-secret or certificate and key")}
	}
	return append(spelledOut(n, what), passwordOfNothing(n, what)...)
}

// passwordOfNothing checks that a password has a key that it opens. A service
// key may hold one itself.
func passwordOfNothing(n *Node, what string) diag.List {
	password := n.Key("key-password")
	if password == nil || n.Get("key") != nil || n.Get("service-key") != nil {
		return nil
	}
	return diag.List{diag.Errorf(password.Pos(), diag.InvalidCredential, "%s has a key-password and no key that it opens", what)}
}

// spelledOut checks a credential that is no service key.
func spelledOut(n *Node, what string) diag.List {
	var l diag.List
	lacks := func(key, beside string) {
		l = append(l, diag.Errorf(n.Pos(), diag.InvalidCredential, "%s has %s and no %s", what, beside, key))
	}
	if n.Get("token-url") == nil {
		lacks("token-url", "client-id")
	}
	if n.Get("client-id") == nil {
		lacks("client-id", "token-url")
	}
	secret, certificate, key := n.Key("client-secret"), n.Key("certificate"), n.Key("key")
	switch {
	case secret != nil && (certificate != nil || key != nil):
		second := certificate
		if second == nil {
			second = key
		}
		if secret.Pos().Compare(second.Pos()) > 0 {
			second = secret
		}
		l = append(l, diag.Errorf(second.Pos(), diag.InvalidCredential, "%s has both a client-secret and a %s", what, beside(certificate)).
			WithHint("a client signs in with one of the two"))
	case certificate != nil && key == nil:
		lacks("key", "certificate")
	case key != nil && certificate == nil:
		lacks("certificate", "key")
	case secret == nil && certificate == nil:
		l = append(l, diag.Errorf(n.Pos(), diag.InvalidCredential, "%s has neither client-secret nor certificate", what).
			WithHint("add client-secret: ${env.NAME}, or certificate and key"))
	}
	return l
}

func beside(certificate *Node) string {
	if certificate == nil {
		return "key"
	}
	return "certificate"
}

// literalSecrets takes secrets that stand in the file out of the lines that
// are shown, and warns of a client secret. (Of a service key it does not: the
// environment that a sandbox writes holds its keys.)
func literalSecrets(src *source, credentials []Entry) diag.List {
	var l diag.List
	for _, c := range credentials {
		for _, e := range c.Value.Entries() {
			if !isLiteralSecret(e) {
				continue
			}
			src.mask(e.Value)
			if e.Key.Text == "client-secret" || e.Key.Text == "key-password" {
				l = append(l, diag.Warningf(e.Key.Pos(), diag.LiteralSecret, "the %s stands in the file", e.Key.Text).
					WithHint("keep it in the process environment: %s: ${env.NAME}", e.Key.Text))
			}
		}
	}
	return l
}

// isLiteralSecret reports whether an entry of a credential holds a secret
// itself, rather than naming where it is.
func isLiteralSecret(e Entry) bool {
	text, ok := e.Value.Scalar()
	if !ok || text == "" || hasExpression(text) {
		return false
	}
	switch e.Key.Text {
	case "client-secret", "password", "key-password":
		return true
	case "service-key":
		return strings.HasPrefix(strings.TrimSpace(text), "{")
	case "key":
		return strings.Contains(text, "PRIVATE KEY")
	}
	// A misspelt key is told with its line.
	return diag.Suggest(e.Key.Text, []string{"client-secret", "password"}) != ""
}
