package runner

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// The operations of a journal, in the field Op.
const (
	opIntent  = "intent"  // is about to be created; written before the request
	opCreated = "created" // exists; its GUID is known
	opRemoved = "removed" // is gone
	opKept    = "kept"    // stays, as the scenario asked for it
)

// journalSuffix is that of the name of a journal; in front of it stands the id
// of the run.
const journalSuffix = ".journal"

// entry is one line of a journal: GUIDs and names only, never a secret.
type entry struct {
	Time time.Time `json:"time"`
	Op   string    `json:"op"`
	Run  string    `json:"run"`
	// Kind is that of the step that creates the resource.
	Kind string `json:"kind"`
	Name string `json:"name"`
	GUID string `json:"guid,omitempty"`
	// API and Space say where it is; Instance is the GUID of the instance that
	// a key belongs to.
	API      string `json:"api,omitempty"`
	Space    string `json:"space,omitempty"`
	Instance string `json:"instance,omitempty"`
}

// same reports whether two entries speak of the same resource.
func (e entry) same(o entry) bool {
	return e.Kind == o.Kind && e.Name == o.Name && e.API == o.API && e.Space == o.Space && e.Instance == o.Instance &&
		(e.GUID == o.GUID || e.GUID == "" || o.GUID == "")
}

// journal is where a run notes what it creates, before it does: a file of its
// own, locked as long as the run lives, every line on disk before the request
// goes out. It is safe for concurrent use. The zero journal with a folder is
// ready; the file is made with the first line. Without a folder nothing is
// written: for a sandbox tenant that dies with the run.
type journal struct {
	folder string
	run    string

	mu   sync.Mutex
	file *os.File
	lock *flock.Flock
	open []entry // what is not removed
}

// note writes a line, and returns when it is on disk.
func (j *journal) note(e entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.folder == "" {
		return nil
	}
	if err := j.ready(); err != nil {
		return fmt.Errorf("the journal in %s cannot be written: %w", j.folder, plainPathError(err))
	}
	e.Time, e.Run = time.Now().UTC(), j.run
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err = j.file.Write(append(line, '\n')); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("the journal in %s cannot be written: %w", j.folder, plainPathError(err))
	}
	j.open = settle(j.open, e)
	return nil
}

// ready makes the file.
func (j *journal) ready() error {
	if j.file != nil {
		return nil
	}
	if err := os.MkdirAll(j.folder, 0o700); err != nil {
		return err
	}
	path := filepath.Join(j.folder, j.run+journalSuffix)
	lock := flock.New(path, flock.SetPermissions(0o600))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("another run holds it"))
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		_ = lock.Unlock()
		return err
	}
	j.file, j.lock = file, lock
	// The name is on disk when the folder is.
	if folder, err := os.Open(j.folder); err == nil {
		_ = folder.Sync()
		_ = folder.Close()
	}
	return nil
}

// close ends the journal; one that names nothing any more is removed.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return
	}
	_ = j.file.Close()
	if len(j.open) == 0 {
		_ = os.Remove(j.file.Name())
	}
	_ = j.lock.Unlock()
	j.file = nil
}

// settle gives what is not removed after one more line.
func settle(open []entry, e entry) []entry {
	i := slices.IndexFunc(open, e.same)
	switch {
	case e.Op == opRemoved:
		if i >= 0 {
			open = slices.Delete(open, i, i+1)
		}
	case i >= 0:
		open[i] = e
	default:
		open = append(open, e)
	}
	return open
}

// plainPathError leaves out the path, which the message names already.
func plainPathError(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// recordedJournal is the journal of some run, read.
type recordedJournal struct {
	path, run string
	// open is what is not removed, in the order of creation.
	open []entry
	// problems are lines that cannot be used, told with file and line.
	problems []string
	lock     *flock.Flock
	// alive says that the run still holds its lock.
	alive bool
}

// readJournals reads all journals of a folder, in the order of their names. The
// lock of each that belongs to a dead run is held until release. A folder that
// is not there holds none.
func readJournals(folder string) ([]*recordedJournal, error) {
	names, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the journals in %s cannot be read: %w", folder, plainPathError(err))
	}
	var all []*recordedJournal
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), journalSuffix) || !n.Type().IsRegular() {
			continue
		}
		path := filepath.Join(folder, n.Name())
		j := &recordedJournal{path: path, run: strings.TrimSuffix(n.Name(), journalSuffix), lock: flock.New(path)}
		ok, err := j.lock.TryLock()
		j.alive = err == nil && !ok
		data, err := os.ReadFile(path)
		if err != nil {
			j.problems = append(j.problems, fmt.Sprintf("%s: cannot be read: %s", path, plainPathError(err)))
		}
		j.read(data)
		all = append(all, j)
	}
	return all, nil
}

// longestEntry bounds a line of a journal, in bytes.
const longestEntry = 64 << 10

// read takes the lines of a journal. A line that was half written when the run
// was killed, or is corrupt, is told, and the others are used.
func (j *recordedJournal) read(data []byte) {
	r := bufio.NewReader(bytes.NewReader(data))
	for line := 1; ; line++ {
		text, err := r.ReadBytes('\n')
		if len(bytes.TrimSpace(text)) > 0 {
			var e entry
			switch {
			case len(text) > longestEntry || json.Unmarshal(text, &e) != nil:
				j.problems = append(j.problems, fmt.Sprintf("%s:%d: not a line of a journal; the others are used", j.path, line))
			case e.Run != j.run || e.Kind == "" || e.Name == "" || !slices.Contains([]string{opIntent, opCreated, opRemoved, opKept}, e.Op):
				j.problems = append(j.problems, fmt.Sprintf("%s:%d: this line says nothing of a resource of the run %s; the others are used", j.path, line, j.run))
			default:
				j.open = settle(j.open, e)
			}
		}
		if errors.Is(err, io.EOF) || err != nil {
			return
		}
	}
}

// removed notes in the journal of a dead run that a resource is gone.
func (j *recordedJournal) removed(e entry) error {
	e.Op, e.Time = opRemoved, time.Now().UTC()
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(j.path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	// A half-written last line must not swallow this one.
	_, err = f.Write(append([]byte{'\n'}, append(line, '\n')...))
	err = errors.Join(err, f.Sync(), f.Close())
	j.open = settle(j.open, e)
	return err
}

// release lets go of the lock, and removes a journal that names nothing any
// more, unless it could not be read whole.
func (j *recordedJournal) release() {
	if j.alive {
		return
	}
	if len(j.open) == 0 && len(j.problems) == 0 {
		_ = os.Remove(j.path)
	}
	_ = j.lock.Unlock()
}
