package runner

import (
	"bytes"
	"context"
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

// asideSuffix is what is put behind the name of a journal of which a line is
// lost, when nothing in it is left to remove.
const asideSuffix = ".damaged"

// entry is one line of a journal: GUIDs and names only, never a secret.
type entry struct {
	Time time.Time `json:"time"`
	Op   string    `json:"op"`
	Run  string    `json:"run"`
	// ID numbers the resources of the run from 1, and stands in their labels:
	// two may have one name, when one of them is refused for it.
	ID int `json:"id"`
	// Kind is that of the step that creates the resource.
	Kind string `json:"kind"`
	Name string `json:"name"`
	GUID string `json:"guid,omitempty"`
	// API and Space say where it is, In names the organisation and the space;
	// Instance is the GUID of the instance that a key belongs to.
	API      string `json:"api,omitempty"`
	Space    string `json:"space,omitempty"`
	In       string `json:"in,omitempty"`
	Instance string `json:"instance,omitempty"`
	// What a step did to an artifact: API is then the root of the OData API,
	// GUID the task of the deployment, Credential the name of the credential it
	// was done with, Deployed and By when and by whom the platform says it was
	// deployed, and Keys are the parameters whose values were changed, without
	// the values.
	Credential string    `json:"credential,omitempty"`
	Deployed   time.Time `json:"deployed,omitzero"`
	By         string    `json:"by,omitempty"`
	Keys       []string  `json:"keys,omitempty"`
}

// at is an entry for something in a place.
func (l location) at(e entry) entry {
	e.API, e.Space, e.In = l.api, l.guid, l.in
	return e
}

// same reports whether two entries of a run speak of the same resource.
func (e entry) same(o entry) bool { return e.ID == o.ID }

// usable reports whether the entry speaks of a resource of the run.
func (e entry) usable(run string) bool {
	return e.Run == run && e.ID > 0 && slices.Contains([]string{kindInstance, kindKey, kindDestination, kindArtifact, kindConfiguration}, e.Kind) && e.Name != "" &&
		slices.Contains([]string{opIntent, opCreated, opRemoved, opKept}, e.Op)
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
	torn bool    // the last line may be incomplete
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
	line = append(line, '\n')
	if j.torn {
		line = append([]byte{'\n'}, line...)
	}
	if _, err = j.file.Write(line); err == nil {
		err = j.file.Sync()
	}
	j.torn = err != nil
	if err != nil {
		return fmt.Errorf("the journal in %s cannot be written: %w", j.folder, plainPathError(err))
	}
	j.open = settle(j.open, e)
	return nil
}

// lockPatience is how long a run waits for a cleanup that looks at its journal
// in the moment in which it is made.
const lockPatience = 5 * time.Second

// ready makes the file.
func (j *journal) ready() error {
	if j.file != nil {
		return nil
	}
	if err := os.MkdirAll(j.folder, 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	for {
		done, err := j.make(ctx, filepath.Join(j.folder, j.run+journalSuffix))
		if err != nil || done {
			return err
		}
	}
}

// make makes the file and locks it. A cleanup may see the file before it is
// locked, and remove it as it is empty: then it is not done.
func (j *journal) make(ctx context.Context, path string) (done bool, err error) {
	lock := flock.New(path, flock.SetPermissions(0o600))
	if ok, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil || !ok {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("somebody else holds %s", filepath.Base(path))
		}
		return false, err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil && !sameFile(lock, file) {
		err = errors.Join(fs.ErrNotExist, file.Close())
	}
	if err != nil {
		err = errors.Join(err, lock.Unlock())
		if errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil {
			return false, nil
		}
		return false, err
	}
	j.file, j.lock = file, lock
	// The name is on disk when the folder is.
	if folder, err := os.Open(j.folder); err == nil {
		_ = folder.Sync()
		_ = folder.Close()
	}
	return true, nil
}

// sameFile reports whether what is locked is what is written to.
func sameFile(lock *flock.Flock, file *os.File) bool {
	locked, err := lock.Stat()
	if err != nil {
		return false
	}
	written, err := file.Stat()
	return err == nil && os.SameFile(locked, written)
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
	// alive says that the run still holds its lock; what it writes is not read.
	alive bool
	// lost counts the lines in its midst that cannot be used, and with each
	// maybe a resource; used those that can. unread says that not even the file
	// could be read.
	lost, used int
	unread     bool
	// half is where a last line begins that was half written when the run
	// ended; 0: there is none, or nothing else.
	half int64
}

// recordedJournals are the journals of a folder.
type recordedJournals struct {
	// all are in the order of their names; the lock of each that belongs to a
	// dead run is held until its end.
	all []*recordedJournal
	// empty are the runs whose journal names nothing, aside those that a
	// damaged one was set aside of.
	empty, aside []string
}

// readJournals reads all journals of a folder. A folder that is not there holds
// none. Only where it may change something does it remove those that name
// nothing.
func readJournals(folder string, change bool) (recordedJournals, error) {
	var found recordedJournals
	names, err := journalNames(folder)
	for _, name := range names {
		if run, aside := strings.CutSuffix(name, journalSuffix+asideSuffix); aside {
			found.aside = append(found.aside, run)
			continue
		}
		j := openJournal(filepath.Join(folder, name))
		if j == nil {
			continue
		}
		if j.blank() {
			j.end(change) // at once: a run may be about to begin with it
			found.empty = append(found.empty, j.run)
			continue
		}
		found.all = append(found.all, j)
	}
	return found, err
}

// journalNames gives the names of the journals of a folder, also of those that
// were set aside, in their order.
func journalNames(folder string) ([]string, error) {
	list, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the journals in %s cannot be read: %w", folder, plainPathError(err))
	}
	var names []string
	for _, n := range list {
		if name := n.Name(); n.Type().IsRegular() && strings.HasSuffix(strings.TrimSuffix(name, asideSuffix), journalSuffix) {
			names = append(names, name)
		}
	}
	return names, nil
}

// unsettled gives what the journals of a folder name of Cloud Integration that
// dead runs have not taken back, nor kept on purpose. A journal that cannot be
// read names nothing.
func unsettled(folder string) []entry {
	if folder == "" {
		return nil
	}
	journals, _ := readJournals(folder, false)
	var all []entry
	for _, j := range journals.all {
		for _, e := range j.open {
			if e.ofIntegration() && e.Op != opKept {
				all = append(all, e)
			}
		}
		j.end(false)
	}
	return all
}

// sameFolder reports whether two paths lead to one folder.
func sameFolder(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// working gives the runs that hold the lock of their journal in a folder.
func working(folder string) ([]string, error) {
	var runs []string
	names, err := journalNames(folder)
	for _, name := range names {
		run, is := strings.CutSuffix(name, journalSuffix)
		if !is {
			continue
		}
		lock := flock.New(filepath.Join(folder, name), flock.SetFlag(os.O_RDONLY))
		free, err := lock.TryLock()
		switch {
		case free:
			_ = lock.Unlock()
		case !errors.Is(err, fs.ErrNotExist):
			runs = append(runs, run)
		}
	}
	return runs, err
}

// openJournal locks and reads the journal of a dead run. One that cannot be
// locked is taken for that of a run that still works; nil is one that its run
// has just removed.
func openJournal(path string) *recordedJournal {
	j := &recordedJournal{path: path, run: strings.TrimSuffix(filepath.Base(path), journalSuffix), lock: flock.New(path, flock.SetFlag(os.O_RDONLY))}
	ok, err := j.lock.TryLock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if j.alive = err != nil || !ok; j.alive {
		if err != nil {
			j.problems = append(j.problems, fmt.Sprintf("%s: cannot be locked: %s; nothing of the run is touched", path, plainPathError(err)))
		}
		return j
	}
	data, same, err := readLocked(j.lock, path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !same:
		_ = j.lock.Unlock()
		return nil
	case err != nil:
		j.unread = true
		j.problems = append(j.problems, fmt.Sprintf("%s: cannot be read: %s", path, plainPathError(err)))
	}
	j.read(data)
	return j
}

// readLocked reads a file, and says whether it is the one that is locked.
func readLocked(lock *flock.Flock, path string) (data []byte, same bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	data, err = io.ReadAll(file)
	return data, sameFile(lock, file), err
}

// longestEntry bounds a line of a journal, in bytes.
const longestEntry = 64 << 10

// mostLost bounds the lines of a journal that are told one by one.
const mostLost = 5

// read takes the lines of a journal. A line that was half written when the run
// was killed, or is corrupt, is told, and the others are used.
func (j *recordedJournal) read(data []byte) {
	size := int64(len(data))
	for line := 1; len(data) > 0; line++ {
		start := size - int64(len(data))
		text, rest, whole := bytes.Cut(data, []byte{'\n'})
		data = rest
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		var e entry
		err := errors.New("too long")
		if len(text) <= longestEntry {
			err = json.Unmarshal(text, &e)
		}
		switch {
		case err != nil && !whole:
			j.half = start
			j.problems = append(j.problems, fmt.Sprintf("%s:%d: the last line was half written when the run ended; the others are used", j.path, line))
		case err != nil:
			j.lose(line, "not a line of a journal")
		case !e.usable(j.run):
			j.lose(line, "this line says nothing of a resource of the run "+j.run)
		default:
			j.used++
			j.open = settle(j.open, e)
		}
	}
	if more := j.lost - mostLost; more > 0 {
		j.problems = append(j.problems, fmt.Sprintf("%s: %d more such lines", j.path, more))
	}
}

// lose tells a line that cannot be used.
func (j *recordedJournal) lose(line int, why string) {
	if j.lost++; j.lost <= mostLost {
		j.problems = append(j.problems, fmt.Sprintf("%s:%d: %s; the others are used", j.path, line, why))
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
	// A half-written last line must neither swallow this one nor be taken for
	// one that was lost later on.
	if j.half > 0 {
		err = f.Truncate(j.half)
		j.half = 0
	}
	if err == nil {
		_, err = f.Write(append([]byte{'\n'}, append(line, '\n')...))
	}
	err = errors.Join(err, f.Sync(), f.Close())
	j.open = settle(j.open, e)
	return err
}

// blank reports whether the journal of a dead run names nothing, and no line of
// it is lost.
func (j *recordedJournal) blank() bool {
	return !j.alive && len(j.open) == 0 && j.lost == 0 && !j.unread && len(j.problems) == 0
}

// end lets go of the lock. Where it may change something, a journal that names
// nothing any more is removed before; one of which a line is lost is set aside,
// which is told. A file of which not one line can be used is somebody else's,
// unless it has the name of a journal.
func (j *recordedJournal) end(change bool) (told string) {
	if j.alive {
		return ""
	}
	switch {
	case !change || len(j.open) > 0 || j.unread:
	case j.used == 0 && len(j.problems) > 0 && !isID(j.run):
		told = fmt.Sprintf("%s: nothing in it is of a run, and it is left alone; delete it, or choose the folder of the journals with --journal", j.path)
	case j.lost > 0:
		told = j.setAside()
	default:
		_ = os.Remove(j.path)
	}
	_ = j.lock.Unlock()
	return told
}

// setAside gives a damaged journal another name, under which no cleanup reads
// it again.
func (j *recordedJournal) setAside() (told string) {
	aside := j.path + asideSuffix
	if _, err := os.Lstat(aside); err == nil {
		return fmt.Sprintf("%s: nothing in it is left to remove, but %s exists already; delete one of the two", j.path, filepath.Base(aside))
	}
	if err := os.Rename(j.path, aside); err != nil {
		return fmt.Sprintf("%s: nothing in it is left to remove, and it cannot be set aside: %s; delete it", j.path, plainPathError(err))
	}
	return fmt.Sprintf("%s: nothing in it is left to remove, and it was set aside as %s. Look for what its lost lines may have named with iflowtest cleanup --run %s, then delete that file", j.path, filepath.Base(aside), j.run)
}

// isID reports whether a text looks like the id of a run.
func isID(text string) bool {
	return len(text) == len(newID()) && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") == ""
}
