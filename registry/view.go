package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lockstep-mesh/lockstep/registry/store"
)

// remembered is how many of the last records' digests are kept, so that a
// writer whose answer was lost can tell whether its record is in the log.
const remembered = 1024

// view is what the log says, arranged for reading. Reads share a lock; each
// change takes it for a moment.
type view struct {
	revision atomic.Uint64

	mu       sync.RWMutex
	at       store.Position
	subjects map[string]*subject
	live     map[subjectSchema]int // the version that a schema is of a subject, not deleted
	ids      map[string]int        // by GUID; for ever, so that no id is given twice
	guids    map[int]string        // by id
	byID     map[int][]place       // where a schema is a version, softly deleted ones included
	users    map[place][]place     // the versions that refer to one, softly deleted ones included
	nextID   int
	configs  map[string]Config // "" is that of all
	modes    map[string]Mode   // "" is that of all
	abouts   map[string]About
	recent   [remembered][sha256.Size]byte
	changes  []change          // by revision, from 1
	authors  map[string]string // each name once

	changed chan struct{} // closed at the next change
	paused  error         // why nothing can be read for now
	ended   error         // why nothing will be read any more
}

// subject is a subject's history. The lists are replaced or appended to and
// never changed in place: readers hold parts of them.
type subject struct {
	versions []Version // those there are, softly deleted ones included, by number
	live     []Version // those that are neither deleted nor drafts
	last     int       // the highest number that was ever given
	gone     map[int]bool
}

type subjectSchema struct{ subject, guid string }

type place struct {
	subject string
	version int
}

func newView() *view {
	return &view{
		subjects: map[string]*subject{}, live: map[subjectSchema]int{}, ids: map[string]int{}, guids: map[int]string{},
		byID: map[int][]place{}, users: map[place][]place{}, nextID: 1, configs: map[string]Config{}, modes: map[string]Mode{},
		abouts: map[string]About{}, authors: map[string]string{},
		changed: make(chan struct{}),
	}
}

// apply takes in the next record of the log: from its reader, or, sooner, from the
// writer whose record it is. What comes again has to be the same.
func (w *view) apply(e store.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known, err := w.again(e); known || err != nil {
		return err
	}
	c, err := decode(e.Data)
	if err != nil {
		return fmt.Errorf("record %d of the registry's log cannot be read: %w", e.Position.Revision, err)
	}
	switch c.Kind {
	case kindVersion:
		err = w.addVersion(c)
	case kindConfig:
		if c.Config != nil {
			w.configs[c.Subject] = *c.Config
		} else {
			delete(w.configs, c.Subject)
		}
	case kindMode:
		if c.Mode != "" {
			w.modes[c.Subject] = c.Mode
		} else {
			delete(w.modes, c.Subject)
		}
	case kindDelete:
		err = w.deleteVersions(c)
	case kindState:
		err = w.setState(c)
	case kindAbout:
		err = w.setAbout(c)
	}
	if err != nil {
		return fmt.Errorf("record %d of the registry's log %w", e.Position.Revision, err)
	}
	w.recent[e.Position.Revision%remembered] = sha256.Sum256(e.Data)
	w.keep(c)
	w.at = e.Position
	w.revision.Store(e.Position.Revision)
	w.wake()
	return nil
}

// again reports whether a record has been taken in already.
func (w *view) again(e store.Entry) (bool, error) {
	revision := e.Position.Revision
	switch {
	case revision > w.at.Revision:
		return false, nil
	case revision == w.at.Revision && e.Position != w.at,
		w.at.Revision-revision < remembered && w.recent[revision%remembered] != sha256.Sum256(e.Data):
		return true, fmt.Errorf("record %d of the registry's log is not the one that was stored", revision)
	}
	return true, nil
}

func (w *view) addVersion(c *record) error {
	v := c.asVersion()
	s := w.subjects[v.Subject]
	if s == nil {
		s = &subject{}
	}
	if free := v.Version == s.last+1 || c.Imported && s.free(v.Version); !free {
		return fmt.Errorf("makes version %d of %q, whose last one was %d", v.Version, v.Subject, s.last)
	}
	id, known := w.ids[v.GUID]
	_, taken := w.guids[v.ID]
	if known && id != v.ID || !known && (taken || v.ID < 1 || v.ID != w.nextID && !c.Imported) {
		return fmt.Errorf("gives version %d of %q the id %d, which is not its own", v.Version, v.Subject, v.ID)
	}
	for _, p := range w.byID[v.ID] {
		// Many subjects share one text; keep it once.
		if other, ok := w.get(p); ok && other.Schema == v.Schema {
			v.Schema, v.References, v.Metadata, v.Rules = other.Schema, other.References, other.Metadata, other.Rules
			break
		}
	}
	w.subjects[v.Subject] = s
	here := place{v.Subject, v.Version}
	s.last = max(s.last, v.Version)
	switch {
	case v.State == Draft:
		s.live = slices.Clip(s.live) // what is added to it next must not meet the draft
		s.versions = insert(s.versions, v)
	case len(s.live) == len(s.versions):
		s.versions = insert(s.versions, v)
		s.live = s.versions // one list, as long as nothing is deleted and there are no drafts
	default:
		s.versions, s.live = insert(s.versions, v), insert(s.live, v)
	}
	if v.State != Draft {
		w.live[subjectSchema{v.Subject, v.GUID}] = v.Version
	}
	w.ids[v.GUID], w.guids[v.ID] = v.ID, v.GUID
	w.byID[v.ID] = append(w.byID[v.ID], here)
	for _, ref := range v.References {
		to := place{ref.Subject, ref.Version}
		w.users[to] = append(w.users[to], here)
	}
	w.nextID = max(w.nextID, v.ID+1)
	return nil
}

// free reports whether a number was never given.
func (s *subject) free(number int) bool {
	if number < 1 || s.gone[number] {
		return false
	}
	_, found := search(s.versions, number)
	return !found
}

func (w *view) deleteVersions(c *record) error {
	s := w.subjects[c.Subject]
	for _, n := range c.Versions {
		if s == nil {
			return fmt.Errorf("deletes version %d of %q, which has none", n, c.Subject)
		}
		i, found := search(s.versions, n)
		if !found || s.versions[i].Deleted != c.Permanent {
			return fmt.Errorf("deletes version %d of %q, which is not there or not in a state for it", n, c.Subject)
		}
		v := s.versions[i]
		if c.Permanent {
			w.forget(s, v)
			s.versions = slices.Concat(s.versions[:i], s.versions[i+1:])
			continue
		}
		v.Deleted = true
		s.versions = slices.Concat(s.versions[:i], []Version{v}, s.versions[i+1:])
		if key := (subjectSchema{v.Subject, v.GUID}); w.live[key] == n {
			delete(w.live, key)
		}
	}
	if s != nil {
		s.refresh()
	}
	if c.Whole {
		delete(w.abouts, c.Subject)
		delete(w.configs, c.Subject)
		delete(w.modes, c.Subject)
	}
	return nil
}

// forget drops a version that is deleted for good; its number and its id stay
// given.
func (w *view) forget(s *subject, v Version) {
	here := place{v.Subject, v.Version}
	if s.gone == nil {
		s.gone = map[int]bool{}
	}
	s.gone[v.Version] = true
	without := func(list []place) []place {
		return slices.DeleteFunc(slices.Clone(list), func(p place) bool { return p == here })
	}
	w.byID[v.ID] = without(w.byID[v.ID])
	for _, ref := range v.References {
		to := place{ref.Subject, ref.Version}
		if w.users[to] = without(w.users[to]); len(w.users[to]) == 0 {
			delete(w.users, to)
		}
	}
}

// insert adds a version where its number belongs, which is the end unless it
// is imported.
func insert(versions []Version, v Version) []Version {
	i, _ := search(versions, v.Version)
	if i == len(versions) {
		return append(versions, v)
	}
	return slices.Concat(versions[:i], []Version{v}, versions[i:])
}

func search(versions []Version, number int) (int, bool) {
	return slices.BinarySearchFunc(versions, number, func(v Version, n int) int { return v.Version - n })
}

// get is the version at a place, softly deleted or not.
func (w *view) get(p place) (Version, bool) {
	s := w.subjects[p.subject]
	if s == nil {
		return Version{}, false
	}
	i, ok := search(s.versions, p.version)
	if !ok {
		return Version{}, false
	}
	return s.versions[i], true
}

// holds reports whether the log's record of a revision has these bytes.
func (w *view) holds(revision uint64, data []byte) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return revision <= w.at.Revision && w.at.Revision-revision < remembered && w.recent[revision%remembered] == sha256.Sum256(data)
}

func (w *view) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *view) interrupted(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = err
}

func (w *view) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = errors.Join(errEnded, err)
	w.wake()
}

func (w *view) err() error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.ended != nil {
		return w.ended
	}
	return w.paused
}

// errEnded is why nothing more can be waited for.
var errEnded = errors.New("the view of the registry has ended")

// wait waits until the view is where the caller wants it.
func (w *view) wait(ctx context.Context, there func(store.Position) bool) error {
	for {
		w.mu.RLock()
		ok, changed, ended := there(w.at), w.changed, w.ended
		w.mu.RUnlock()
		if ok {
			return nil
		}
		if ended != nil {
			return ended
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the registry's view: %w", context.Cause(ctx))
		}
	}
}

func (w *view) position() store.Position {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.at
}
