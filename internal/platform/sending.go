package platform

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// sending finds out whether a request left: a connection that never came about
// has created nothing. Transports that tell nothing are taken for sent.
type sending struct{ wanted, got atomic.Bool }

func (s *sending) watch(ctx context.Context, wanted bool) context.Context {
	if !wanted {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.wanted.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { s.got.Store(true) },
	})
}

// again forgets what was: another request is about to be sent.
func (s *sending) again() {
	s.wanted.Store(false)
	s.got.Store(false)
}

// never tells whether no connection came about.
func (s *sending) never() bool { return s.wanted.Load() && !s.got.Load() }

// maybe tells whether a request that ended without an answer may have had its
// effect.
func (s *sending) maybe(kind Kind) bool {
	return kind != KindRefusedOrigin && kind != KindRequest && !s.never()
}
