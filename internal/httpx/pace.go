package httpx

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxPacedHosts is how many hosts a pace remembers before it looks for those
// that it may forget.
const maxPacedHosts = 1024

// pace spaces the requests to each host evenly; nil: none of them waits.
type pace struct {
	limit rate.Limit
	mu    sync.Mutex
	hosts map[string]*rate.Limiter
}

func newPace(perSecond float64) *pace {
	if !(perSecond > 0) { // NaN as well
		return nil
	}
	return &pace{limit: rate.Limit(perSecond), hosts: make(map[string]*rate.Limiter)}
}

// wait waits until it is the turn of a request to u. When the context ends
// before, the turn goes to others and the error is an *Error.
func (p *pace) wait(ctx context.Context, method string, u *url.URL) error {
	if p == nil || ctx.Err() != nil { // the transport tells of an end
		return nil
	}
	turn, delay, inTime := p.reserve(ctx, paceKey(u))
	if !inTime {
		<-ctx.Done()
		return p.explain(ctx, method, u)
	}
	if Sleep(ctx, delay) != nil {
		turn.Cancel()
		return p.explain(ctx, method, u)
	}
	return nil
}

// reserve takes the next turn, and says how long it is until then. A turn
// after the context's deadline is not taken: it would be lost to everybody.
func (p *pace) reserve(ctx context.Context, host string) (turn *rate.Reservation, delay time.Duration, inTime bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	limiter, known := p.hosts[host]
	if !known {
		p.forget(now)
		limiter = rate.NewLimiter(p.limit, 1)
		p.hosts[host] = limiter
	}
	turn = limiter.ReserveN(now, 1)
	delay = turn.DelayFrom(now)
	if end, limited := ctx.Deadline(); limited && end.Sub(now) < delay {
		turn.CancelAt(now)
		return nil, 0, false
	}
	return turn, delay, true
}

// forget drops the hosts whose next request would not wait: a new limiter says
// the same of them.
func (p *pace) forget(now time.Time) {
	if len(p.hosts) < maxPacedHosts {
		return
	}
	for host, limiter := range p.hosts {
		if limiter.TokensAt(now) >= 1 {
			delete(p.hosts, host)
		}
	}
}

func (p *pace) explain(ctx context.Context, method string, u *url.URL) *Error {
	perSecond := strconv.FormatFloat(float64(p.limit), 'f', -1, 64)
	e := explain(ctx, context.Cause(ctx), method, u.String(), "while waiting for its turn, at "+perSecond+" requests a second to a host")
	if e.Kind == Timeout {
		e.Cure = "raise the timeout or the rate, or send fewer requests at a time"
	}
	return e
}

// paceKey is host and port, whatever the scheme.
func paceKey(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if strings.EqualFold(u.Scheme, "https") {
			port = "443"
		}
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
