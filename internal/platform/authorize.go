package platform

import (
	"context"

	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
)

// Authorizer gives the value of the header Authorization for one [Request].
// refused says that the one it gave last was not taken: another is wanted.
type Authorizer func(ctx context.Context, refused bool) (secret.Secret, error)

// Renewing makes the authorizer of one request from what gives an access token
// other than refused; the zero refused means any. Its errors are handed on as
// they are.
func Renewing(token func(ctx context.Context, refused oauth.Token) (oauth.Token, error)) Authorizer {
	var last oauth.Token
	return func(ctx context.Context, refused bool) (secret.Secret, error) {
		old := oauth.Token{}
		if refused {
			old = last
		}
		t, err := token(ctx, old)
		if err != nil {
			return secret.Secret{}, err
		}
		last = t
		return t.Header(), nil
	}
}

// Bearer makes the authorizer of one request with the tokens of a credential.
// Its errors are *oauth.Error.
func Bearer(tokens *oauth.Source, c oauth.Credential) Authorizer {
	return Renewing(func(ctx context.Context, refused oauth.Token) (oauth.Token, error) {
		if refused.Value.IsZero() {
			return tokens.Token(ctx, c)
		}
		return tokens.Renew(ctx, c, refused)
	})
}
