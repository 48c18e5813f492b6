package runner

import (
	"iflowtest/internal/diag"
	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

// targetKey reads the service key of a part of the target. Its secrets are made
// known, also where it cannot be used, which is reported.
func targetKey[K any](c *compiler, part string, v *scenarios.Node, parse func(name string, data []byte) (K, error), secrets func(K) []secret.Secret) (key K, ok bool) {
	data, ok := c.keyDocument("target."+part, v, c.environmentScope(), c.envStatic(), c.chosen.Path)
	if !ok {
		return key, false
	}
	key, err := parse(part, data)
	for _, s := range secrets(key) {
		c.o.Redactor.Add(s.Name(), s.Reveal())
	}
	if err != nil {
		c.diags = append(c.diags, diag.Errorf(v.Pos(), diag.InvalidCredential, "the service key of target.%s cannot be used: %s", part, c.o.Redactor.Text(err.Error())))
	}
	return key, err == nil
}
