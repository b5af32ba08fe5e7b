package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lockstep-mesh/lockstep/registry/store"
)

// view is what the log says, arranged for reading. Reads share a lock; each
// change takes it for a moment.
type view struct {
	revision atomic.Uint64

	mu       sync.RWMutex
	at       store.Position
	subjects map[string][]Version // by version; versions never change
	found    map[subjectSchema]int
	ids      map[string]int  // by GUID
	byID     map[int][]place // where a schema is a version
	nextID   int
	changed  chan struct{} // closed at the next change
	paused   error         // why nothing can be read for now
	ended    error         // why nothing will be read any more
}

type subjectSchema struct{ subject, guid string }

type place struct {
	subject string
	version int
}

func newView() *view {
	return &view{
		subjects: map[string][]Version{}, found: map[subjectSchema]int{}, ids: map[string]int{},
		byID: map[int][]place{}, nextID: 1, changed: make(chan struct{}),
	}
}

// apply takes in the next record of the log.
func (w *view) apply(e store.Entry) error {
	v, err := decode(e.Data)
	if err != nil {
		return fmt.Errorf("record %d of the registry's log cannot be read: %w", e.Position.Revision, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	versions := w.subjects[v.Subject]
	if v.Version != len(versions)+1 {
		return fmt.Errorf("record %d of the registry's log makes version %d of %q, which has %d", e.Position.Revision, v.Version, v.Subject, len(versions))
	}
	if id, ok := w.ids[v.GUID]; (ok && id != v.ID) || (!ok && v.ID != w.nextID) {
		return fmt.Errorf("record %d of the registry's log gives version %d of %q the id %d, which is not its own", e.Position.Revision, v.Version, v.Subject, v.ID)
	}
	w.subjects[v.Subject] = append(versions, v)
	w.found[subjectSchema{v.Subject, v.GUID}] = v.Version
	w.ids[v.GUID] = v.ID
	w.byID[v.ID] = append(w.byID[v.ID], place{v.Subject, v.Version})
	w.nextID = max(w.nextID, v.ID+1)
	w.at = e.Position
	w.revision.Store(e.Position.Revision)
	w.wake()
	return nil
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

func (w *view) find(subject, guid string) (Version, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	n, ok := w.found[subjectSchema{subject, guid}]
	if !ok {
		return Version{}, false
	}
	return w.subjects[subject][n-1], true
}

func (w *view) nextVersion(subject string) int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return len(w.subjects[subject]) + 1
}

func (w *view) idFor(guid string) int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if id, ok := w.ids[guid]; ok {
		return id
	}
	return w.nextID
}

// Versions are the versions of a subject, oldest first; nil if there is no
// such subject. The caller must not change them.
func (r *Registry) Versions(subject string) []Version {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	return slices.Clip(r.view.subjects[subject])
}

// Version is one version of a subject.
func (r *Registry) Version(subject string, number int) (Version, bool) {
	versions := r.Versions(subject)
	if number < 1 || number > len(versions) {
		return Version{}, false
	}
	return versions[number-1], true
}

// Latest is the newest version of a subject.
func (r *Registry) Latest(subject string) (Version, bool) {
	return r.Version(subject, len(r.Versions(subject)))
}

// Subjects are the names of all subjects, sorted.
func (r *Registry) Subjects() []string {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	names := make([]string, 0, len(r.view.subjects))
	for name := range r.view.subjects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ByID are the versions, of any subject, whose schema has the id; the first is
// the one that was registered first.
func (r *Registry) ByID(id int) []Version {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	versions := make([]Version, 0, len(r.view.byID[id]))
	for _, p := range r.view.byID[id] {
		versions = append(versions, r.view.subjects[p.subject][p.version-1])
	}
	return versions
}

// Find is the version of a subject that s is.
func (r *Registry) Find(subject string, s Schema) (Version, error) {
	if len(r.Versions(subject)) == 0 {
		return Version{}, subjectNotFound(subject)
	}
	if v, ok := r.view.find(subject, identity(s)); ok {
		return v, nil
	}
	return Version{}, &Error{Code: CodeSchemaNotFound, Message: fmt.Sprintf("schema not found under subject %q", subject), Cure: "register it, or compare it with the subject's versions"}
}
