package cf

import "iflowtest/internal/platform"

// Error is [platform.Error].
type Error = platform.Error

// Kind is [platform.Kind].
type Kind = platform.Kind

// The kinds that callers tell apart.
const (
	KindNetwork       = platform.KindNetwork
	KindTLS           = platform.KindTLS
	KindTimeout       = platform.KindTimeout
	KindInterrupted   = platform.KindInterrupted
	KindRefusedOrigin = platform.KindRefusedOrigin
	KindSignIn        = platform.KindSignIn
	KindUnauthorized  = platform.KindUnauthorized
	KindNotFound      = platform.KindNotFound
	KindInProgress    = platform.KindInProgress
	KindBusy          = platform.KindBusy
	KindNameTaken     = platform.KindNameTaken
	KindServer        = platform.KindServer
	KindRateLimited   = platform.KindRateLimited
	KindAnswer        = platform.KindAnswer
)

// MaybeCreated is [platform.MaybeCreated].
func MaybeCreated(err error) bool { return platform.MaybeCreated(err) }
