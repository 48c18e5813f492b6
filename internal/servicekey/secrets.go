package servicekey

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"iflowtest/internal/secret"
)

// secrets gives every secret in the document: those of the key first, then
// each leaf whose name says that it is one, in the order of their paths.
func secrets(name string, k *Key, document map[string]any) []secret.Secret {
	var all []secret.Secret
	seen := map[string]bool{}
	add := func(s secret.Secret) {
		if v := s.Reveal(); v != "" && !seen[v] {
			seen[v] = true
			all = append(all, s)
		}
	}
	add(k.ClientSecret)
	add(k.PrivateKey)
	eachLeaf(document, "", func(field, value string) {
		if isSecret(field) {
			add(secret.New(name+"."+field, strings.Trim(value, blanks)))
		}
	})
	return all
}

// eachLeaf calls visit for each text and number, with the name of the nearest
// key above it.
func eachLeaf(v any, field string, visit func(field, value string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			eachLeaf(v[name], name, visit)
		}
	case []any:
		for _, item := range v {
			eachLeaf(item, field, visit)
		}
	case json.Number:
		visit(field, v.String())
	case string:
		if value, _, message := decodeJSON(v); message == "" {
			if object, ok := value.(map[string]any); ok { // JSON in a string
				eachLeaf(object, field, visit)
			}
		}
		visit(field, v)
	}
}

// isSecret judges a leaf by its name: anything of a secret, password, token,
// key or credential that is not an address or a property of it.
func isSecret(field string) bool {
	name := canonical(field)
	for _, public := range [...]string{"url", "uri", "endpoint", "domain", "type", "length", "validity", "pinning"} {
		if strings.HasSuffix(name, public) {
			return false
		}
	}
	for _, word := range [...]string{"secret", "password", "passwd", "passphrase", "pwd", "token", "key", "credential"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// endpoints gives the URLs under "endpoints" of a key of the service cis.
func endpoints(document map[string]any) map[string]string {
	object := document
	if inner, ok := document["credentials"].(map[string]any); ok {
		object = inner
	}
	listed, ok := object["endpoints"].(map[string]any)
	if !ok {
		return nil
	}
	found := map[string]string{}
	for name, v := range listed {
		if address, ok := v.(string); ok {
			found[name] = strings.Trim(address, blanks)
		}
	}
	return found
}
