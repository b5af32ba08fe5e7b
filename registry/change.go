package registry

import (
	"context"
	"fmt"
	"time"
)

// ChangeKind says what sort of change it is.
type ChangeKind string

// The kinds of changes. The same words are the second token of the subjects on
// which the records lie in the log.
const (
	VersionRegistered ChangeKind = kindVersion
	StateChanged      ChangeKind = kindState
	AboutChanged      ChangeKind = kindAbout
	ConfigChanged     ChangeKind = kindConfig
	ModeChanged       ChangeKind = kindMode
	VersionsDeleted   ChangeKind = kindDelete
)

// Change is one change of the registry. Which fields are set depends on its kind.
type Change struct {
	Revision uint64
	At       time.Time
	Author   string // as the request said; empty if it did not, and in other environments
	Kind     ChangeKind
	Subject  string // empty for the configuration and the mode of all subjects

	Version, ID int     // of VersionRegistered; StateChanged has the version
	State       State   // of StateChanged, and of VersionRegistered: Draft or Active
	Reason      string  // of StateChanged
	About       *About  // of AboutChanged; nil: removed
	Config      *Config // of ConfigChanged; nil: removed
	Mode        Mode    // of ModeChanged; empty: removed
	Versions    []int   // of VersionsDeleted
	Permanent   bool    // of VersionsDeleted
}

// String is the change in a sentence, without its time and author.
func (c Change) String() string {
	of := fmt.Sprintf("subject %q", c.Subject)
	if c.Subject == "" {
		of = "all subjects"
	}
	switch c.Kind {
	case VersionRegistered:
		what := "version"
		if c.State == Draft {
			what = "draft"
		}
		return fmt.Sprintf("%s %d of %s was registered under id %d", what, c.Version, of, c.ID)
	case StateChanged:
		text := fmt.Sprintf("version %d of %s became %s", c.Version, of, c.State)
		if c.Reason != "" {
			text += ": " + c.Reason
		}
		return text
	case AboutChanged:
		if c.About == nil {
			return "owner and description of " + of + " were removed"
		}
		return "owner and description of " + of + " were set"
	case ConfigChanged:
		if c.Config == nil {
			return "the configuration of " + of + " was removed"
		}
		return fmt.Sprintf("the configuration of %s was set, its compatibility level being %q", of, string(c.Config.Level))
	case ModeChanged:
		if c.Mode == "" {
			return "the mode of " + of + " was removed"
		}
		return "the mode of " + of + " was set to " + string(c.Mode)
	case VersionsDeleted:
		how := "softly"
		if c.Permanent {
			how = "for good"
		}
		return fmt.Sprintf("versions %v of %s were deleted %s", c.Versions, of, how)
	}
	return string(c.Kind) + " of " + of
}

// change is a Change as the view keeps it: small, as there is one for each record.
// A record of another kind than a version's is kept whole.
type change struct {
	at              int64
	subject, author string
	version, id     int32
	draft           bool
	record          *record
}

// keep remembers a record, in the order of revisions.
func (w *view) keep(c *record) {
	author, ok := w.authors[c.Author]
	if !ok {
		author = c.Author
		w.authors[author] = author
	}
	entry := change{at: c.At.UnixNano(), subject: c.Subject, author: author}
	if c.Kind == kindVersion {
		entry.version, entry.id, entry.draft = int32(c.Version), int32(c.ID), c.State == Draft
	} else {
		entry.record = c
	}
	w.changes = append(w.changes, entry)
}

func (e change) expand(revision uint64) Change {
	out := Change{Revision: revision, At: time.Unix(0, e.at).UTC(), Author: e.author, Subject: e.subject}
	if c := e.record; c != nil {
		out.Kind, out.Version, out.State, out.Reason = ChangeKind(c.Kind), c.Version, c.State, c.Reason
		out.About, out.Config, out.Mode, out.Versions, out.Permanent = c.About, c.Config, c.Mode, c.Versions, c.Permanent
		return out
	}
	out.Kind, out.Version, out.ID, out.State = VersionRegistered, int(e.version), int(e.id), Active
	if e.draft {
		out.State = Draft
	}
	return out
}

// Changes are at most limit changes after a revision, in order. Together with
// [Registry.Wait] they are a stream that can be resumed anywhere. What they point
// to must not be changed.
func (r *Registry) Changes(after uint64, limit int) []Change {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	held := uint64(len(r.view.changes))
	if after >= held || limit <= 0 {
		return nil
	}
	entries := r.view.changes[after:min(held, after+uint64(limit))]
	out := make([]Change, len(entries))
	for i, e := range entries {
		out[i] = e.expand(after + uint64(i) + 1)
	}
	return out
}

// History are the changes of one subject, or of all ("") alone, oldest first.
func (r *Registry) History(subject string) []Change {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	var out []Change
	for i, e := range r.view.changes {
		if e.subject == subject {
			out = append(out, e.expand(uint64(i)+1))
		}
	}
	return out
}

// Await waits until there is a change after a revision.
func (r *Registry) Await(ctx context.Context, after uint64) error { return r.Wait(ctx, after+1) }
