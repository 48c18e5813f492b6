package runner

import (
	"net/http"
	"sync"
	"time"
)

// tenantClock is what a run knows of the clock of the tenant: how far it is
// ahead of the local one, within bounds that every answer may narrow. The zero
// value knows nothing; it is safe for concurrent use.
type tenantClock struct {
	mu          sync.Mutex
	known       bool
	least, most time.Duration
	// ofAPI says that the OData API has been heard, whose logs are compared
	// with the clock; other hosts of the tenant may have a clock of their own.
	ofAPI bool
}

// hear takes the time from an answer, by the local times at which the request
// was sent and the answer had arrived. Date was set in between, and has whole
// seconds, rounded down (RFC 9110 6.6.1).
func (c *tenantClock) hear(h http.Header, sent, arrived time.Time, api bool) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	least, most := date.Sub(arrived), date.Add(time.Second).Sub(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	apart := least > c.most || most < c.least
	switch {
	case !c.known, api && !c.ofAPI && apart:
		c.least, c.most = least, most
	case !api && c.ofAPI && apart:
		return
	case apart:
		// One of the clocks was set, or there are several.
		c.least, c.most = min(c.least, least), max(c.most, most)
	default:
		c.least, c.most = max(c.least, least), min(c.most, most)
	}
	c.known, c.ofAPI = true, c.ofAPI || api
}

// at gives the earliest and the latest time that the tenant's clock may have
// shown at a local one; the same where nothing is known.
func (c *tenantClock) at(local time.Time) (earliest, latest time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return local, local
	}
	return local.Add(c.least), local.Add(c.most)
}

// heard reports whether anything is known.
func (c *tenantClock) heard() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}
