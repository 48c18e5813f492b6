package runner

import "sync"

// maxOwned bounds the messages whose executions a run knows: the newest.
const maxOwned = 1 << 14

// messages are what a run knows of whose a message is: the message IDs that
// were answered to calls, and the logs that steps took. An execution is a
// scenario or one row of it, tried once. The zero value is ready; it is safe
// for concurrent use.
type messages struct {
	mu         sync.Mutex
	executions int
	owners     map[string]messageOwner
	// ids are in the order in which they came; next is where the next one
	// goes, once there are maxOwned.
	ids  []string
	next int
}

// messageOwner is whose a message is.
type messageOwner struct {
	execution int
	// answered says that its ID came as the answer to a call: that is proof.
	answered bool
}

// enter gives an execution a number of its own, from 1.
func (m *messages) enter() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.executions++
	return m.executions
}

// note notes whose a message is. The first to say so is believed, but for one
// that it was answered to.
func (m *messages) note(id string, o messageOwner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.owners[id]
	switch {
	case ok && (known.answered || !o.answered):
		return
	case ok:
	case m.owners == nil:
		m.owners = map[string]messageOwner{}
		fallthrough
	case len(m.ids) < maxOwned:
		m.ids = append(m.ids, id)
	default:
		delete(m.owners, m.ids[m.next])
		m.ids[m.next] = id
		m.next = (m.next + 1) % maxOwned
	}
	m.owners[id] = o
}

// of gives whose a message is; false: nobody knows.
func (m *messages) of(id string) (messageOwner, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.owners[id]
	return o, ok
}

// lookedAt is what an execution knows of its own messages.
type lookedAt struct {
	// number is that of the execution; 0: none was needed yet.
	number int
	// sent says that a step did what may have made a message.
	sent bool
	// seen are the logs that steps looked at.
	seen map[string]logAge
}

// logAge says whether a call came after the look.
type logAge int

const (
	newLog logAge = iota + 1
	oldLog
)

// note notes a look.
func (l *lookedAt) note(id string) {
	if l.seen == nil {
		l.seen = map[string]logAge{}
	}
	l.seen[id] = newLog
}

// call notes a call: what was looked at before is not its log.
func (l *lookedAt) call() {
	l.sent = true
	for id := range l.seen {
		l.seen[id] = oldLog
	}
}

// number gives the number of the execution among those of the run.
func (x *execution) number() int {
	if x.logs.number == 0 {
		x.logs.number = x.session.messages.enter()
	}
	return x.logs.number
}
