package scenarios

import (
	"strconv"
	"time"
)

// Retry is `retry` with its defaults: a repeat on trouble of the transport.
type Retry struct {
	// Attempts counts the first; at least 1.
	Attempts int
	// Network says that trouble of the network is tried again; Statuses are
	// the answers that are.
	Network  bool
	Statuses []int
	// Every is the wait before the second attempt, each further one is
	// multiplied by Backoff (at least 1) and bounded by Max.
	Every, Max time.Duration
	Backoff    float64
	// Unsafe allows it for POST and PATCH.
	Unsafe bool
}

// Poll is `poll` with its defaults: a wait for an answer.
type Poll struct {
	// Until and AbortIf are expect blocks; AbortIf may be nil.
	Until, AbortIf *Node
	Every, Max     time.Duration
	Backoff        float64
	Timeout        time.Duration
}

// DecodeRetry reads a `retry` that [RetryShape] has nothing against; what is
// wrong in it is left at its default.
func DecodeRetry(n *Node) Retry {
	r := Retry{Attempts: 3, Network: true, Statuses: []int{429, 502, 503, 504}, Every: time.Second, Max: 30 * time.Second, Backoff: 2}
	if a, ok := n.Int(); ok {
		r.Attempts = max(a, 1)
		return r
	}
	if a, ok := n.Get("attempts").Int(); ok {
		r.Attempts = max(a, 1)
	}
	if on := n.Get("on"); on != nil && on.Kind == List {
		r.Network, r.Statuses = false, nil
		for _, item := range on.Items() {
			if status, err := strconv.Atoi(item.Text); err == nil {
				r.Statuses = append(r.Statuses, status)
			} else if item.Text == "network" {
				r.Network = true
			}
		}
	}
	r.Every = durationOr(n.Get("every"), r.Every)
	r.Max = durationOr(n.Get("max"), r.Max)
	r.Backoff = factorOr(n.Get("backoff"), r.Backoff)
	r.Unsafe, _ = n.Get("unsafe").Bool()
	return r
}

// DecodePoll reads a `poll` that [PollShape] has nothing against; what is
// wrong in it is left at its default.
func DecodePoll(n *Node) Poll {
	return Poll{
		Until:   mapping(n.Get("until")),
		AbortIf: mapping(n.Get("abort-if")),
		Every:   durationOr(n.Get("every"), 2*time.Second),
		Max:     durationOr(n.Get("max"), 15*time.Second),
		Backoff: factorOr(n.Get("backoff"), 1.5),
		Timeout: durationOr(n.Get("timeout"), 2*time.Minute),
	}
}

// mapping gives n when it is a mapping that holds something, else nil.
func mapping(n *Node) *Node {
	if n == nil || n.Kind != Map || len(n.Entries()) == 0 {
		return nil
	}
	return n
}

func durationOr(n *Node, fallback time.Duration) time.Duration {
	if d, ok := n.Duration(); ok {
		return d
	}
	return fallback
}

func factorOr(n *Node, fallback float64) float64 {
	if f, ok := n.Float(); ok && f >= 1 {
		return f
	}
	return fallback
}
