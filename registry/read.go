package registry

import (
	"fmt"
	"slices"
)

// Versions are the versions of a subject that are neither deleted nor drafts,
// oldest first, retired ones among them; nil if there are none. The caller must not
// change them. [Registry.Admitting] are those that events may be written under.
func (r *Registry) Versions(subject string) []Version {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	if s := r.view.subjects[subject]; s != nil {
		return slices.Clip(s.live)
	}
	return nil
}

// AllVersions are the versions of a subject, drafts and softly deleted ones
// included, oldest first. The caller must not change them.
func (r *Registry) AllVersions(subject string) []Version {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	if s := r.view.subjects[subject]; s != nil {
		return slices.Clip(s.versions)
	}
	return nil
}

// Version is one version of a subject. A softly deleted one is found too, and
// says so, and so is a draft: events that were written under it can still be judged.
func (r *Registry) Version(subject string, number int) (Version, bool) {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	return r.view.get(place{subject, number})
}

// Latest is the newest version of a subject that is neither deleted nor a draft nor
// retired; if all are retired, the newest of those.
func (r *Registry) Latest(subject string) (Version, bool) {
	versions := r.Versions(subject)
	if len(versions) == 0 {
		return Version{}, false
	}
	for _, v := range slices.Backward(versions) {
		if v.State != Retired {
			return v, true
		}
	}
	return versions[len(versions)-1], true
}

// Subjects are the names of all subjects with a version that is neither deleted
// nor a draft, sorted.
func (r *Registry) Subjects() []string {
	return r.subjectsWith(func(s *subject) bool { return len(s.live) > 0 })
}

// AllSubjects are the names of all subjects with a version, drafts and softly
// deleted ones included, sorted.
func (r *Registry) AllSubjects() []string {
	return r.subjectsWith(func(s *subject) bool { return len(s.versions) > 0 })
}

func (r *Registry) subjectsWith(condition func(*subject) bool) []string {
	r.view.mu.RLock()
	names := make([]string, 0, len(r.view.subjects))
	for name, s := range r.view.subjects {
		if condition(s) {
			names = append(names, name)
		}
	}
	r.view.mu.RUnlock()
	slices.Sort(names)
	return names
}

// ByID are the versions, of any subject and softly deleted ones included, whose
// schema has the id; the first is the one that was registered first.
func (r *Registry) ByID(id int) []Version {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	versions := make([]Version, 0, len(r.view.byID[id]))
	for _, p := range r.view.byID[id] {
		if v, ok := r.view.get(p); ok {
			versions = append(versions, v)
		}
	}
	return versions
}

// ByGUID are the same for a schema's identity.
func (r *Registry) ByGUID(guid string) []Version {
	r.view.mu.RLock()
	id, ok := r.view.ids[guid]
	r.view.mu.RUnlock()
	if !ok {
		return nil
	}
	return r.ByID(id)
}

// MaxID is the highest id that was given.
func (r *Registry) MaxID() int {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	return r.view.nextID - 1
}

// Users are the versions that refer to one, softly deleted ones included, in
// the order in which they were registered.
func (r *Registry) Users(subject string, number int) []Version {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	var versions []Version
	for _, p := range r.view.users[place{subject, number}] {
		if v, ok := r.view.get(p); ok {
			versions = append(versions, v)
		}
	}
	return versions
}

// Resolve is the subject that is meant by a name: itself, or what it is an
// alias of.
func (r *Registry) Resolve(subject string) string {
	if c, ok := r.Config(subject); ok && c.Alias != "" {
		return c.Alias
	}
	return subject
}

// Find is the version of a subject that s is, among those that are not deleted.
func (r *Registry) Find(subject string, s Schema) (Version, error) {
	return r.find(subject, s, false)
}

// FindDeleted is Find among softly deleted versions too.
func (r *Registry) FindDeleted(subject string, s Schema) (Version, error) {
	return r.find(subject, s, true)
}

func (r *Registry) find(subject string, s Schema, deleted bool) (Version, error) {
	versions := r.Versions(subject)
	if deleted {
		versions = r.AllVersions(subject)
	}
	if len(versions) == 0 {
		return Version{}, subjectNotFound(subject)
	}
	s, err := r.complete(s, r.Effective(subject))
	if err != nil {
		return Version{}, err
	}
	if v, ok := r.existing(subject, s, deleted); ok {
		return v, nil
	}
	if _, err := r.bundle(s); err != nil {
		return Version{}, err
	}
	return Version{}, &Error{Code: CodeSchemaNotFound, Message: fmt.Sprintf("schema not found under subject %q", subject), Cure: "register it, or compare it with the subject's versions"}
}

// existing is the version of a subject that s is. A schema that says nothing of
// metadata and rules is also the newest version with its text and references,
// whatever metadata that one was given; one in its normal form, what has the same
// normal form.
func (r *Registry) existing(subject string, s Schema, deleted bool) (Version, bool) {
	guid := identity(s)
	r.view.mu.RLock()
	n, ok := r.view.live[subjectSchema{subject, guid}]
	if ok {
		defer r.view.mu.RUnlock()
		return r.view.get(place{subject, n})
	}
	r.view.mu.RUnlock()
	among, bare := r.Versions(subject), s.Metadata.empty() && s.Rules.empty()
	if deleted {
		among = r.AllVersions(subject)
	}
	for _, v := range slices.Backward(among) {
		if v.GUID == guid {
			return v, true
		}
		as := Schema{Type: v.Type, Text: v.Schema, References: v.References, Metadata: v.Metadata, Rules: v.Rules}
		if bare {
			as.Metadata, as.Rules = nil, nil
		}
		if s.Normalize {
			as.Text = normalize(v.Schema)
		}
		if (s.Normalize || bare && !(v.Metadata.empty() && v.Rules.empty())) && identity(as) == guid {
			return v, true
		}
	}
	return Version{}, false
}
