package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Register makes s the newest version of subject, unless it is one of its
// versions already: then that one is returned. It is refused when its
// references do not exist, when it is no schema, and when it is not shown to be
// compatible with the versions before it, as the subject's configuration has it.
func (r *Registry) Register(ctx context.Context, subject string, s Schema) (Version, error) {
	if err := checkSubject(subject); err != nil {
		return Version{}, err
	}
	var registered *Version
	err := r.commit(ctx, func() (*record, error) {
		v, c, err := r.propose(subject, s)
		registered = &v
		return c, err
	})
	if err != nil {
		return Version{}, err
	}
	if v, ok := r.Version(subject, registered.Version); ok {
		return v, nil // with the time that it was given
	}
	return *registered, nil
}

// propose is the version that s is, or that it would become with the record.
func (r *Registry) propose(subject string, s Schema) (Version, *record, error) {
	if _, err := TypeOf(s.Type); err != nil {
		return Version{}, nil, err
	}
	config := r.Effective(subject)
	s, err := r.complete(s, config)
	if err != nil {
		return Version{}, nil, err
	}
	mode := r.EffectiveMode(subject)
	if s.ID > 0 {
		if mode != Import {
			return Version{}, nil, &Error{Code: CodeNotPermitted, Message: fmt.Sprintf("subject %q is not in import mode", subject), Cure: "leave the id out, or set the subject's mode to IMPORT"}
		}
		return r.proposeImport(subject, s)
	}
	if v, ok := r.existing(subject, s, false); ok {
		return v, nil, nil
	}
	if mode == ReadOnly {
		return Version{}, nil, readOnlySubject(subject)
	}
	if mode != ReadWrite {
		return Version{}, nil, &Error{Code: CodeNotPermitted, Message: fmt.Sprintf("subject %q is not in read-write mode", subject), Cure: "send the id that the schema has, as it is imported, or set the subject's mode to READWRITE"}
	}
	s = r.embellish(subject, s, config)
	if v, ok := r.existing(subject, s, false); ok {
		return v, nil, nil
	}
	bundle, err := r.usable(s)
	if err != nil {
		return Version{}, nil, err
	}
	if err := r.admissible(subject, s, bundle, config); err != nil {
		return Version{}, nil, err
	}
	return r.next(subject, s)
}

// admissible is nil when a schema may become a version in use: it is compatible, and
// meets the conditions of this registry (see WithRule).
func (r *Registry) admissible(subject string, s Schema, bundle *jsonschema.Bundle, config Config) error {
	if err := r.compatible(subject, s, bundle, config); err != nil {
		return err
	}
	for _, rule := range r.rules {
		if err := rule(subject, bundle, s.Metadata); err != nil {
			return err
		}
	}
	return nil
}

// next is the version after a subject's last one.
func (r *Registry) next(subject string, s Schema) (Version, *record, error) {
	guid := identity(s)
	r.view.mu.RLock()
	number, id := 1, r.view.nextID
	if of := r.view.subjects[subject]; of != nil {
		number = of.last + 1
	}
	if known, ok := r.view.ids[guid]; ok {
		id = known
	}
	r.view.mu.RUnlock()
	if s.Version > 0 && s.Version != number {
		return Version{}, nil, &Error{Code: CodeInvalidSchema, Message: fmt.Sprintf("version %d is not one more than the previous version, %d", s.Version, number-1), Cure: "leave the version out"}
	}
	c := versionRecord(subject, s, guid)
	c.Version, c.ID = number, id
	return c.asVersion(), c, nil
}

// proposeImport takes a schema with the id, and the version if it says one, that
// it has elsewhere.
func (r *Registry) proposeImport(subject string, s Schema) (Version, *record, error) {
	guid := identity(s)
	r.view.mu.RLock()
	known, isKnown := r.view.ids[guid]
	other, isTaken := r.view.guids[s.ID]
	of := r.view.subjects[subject]
	number, free := s.Version, true
	if number <= 0 {
		number = 1
		if of != nil {
			number = of.last + 1
		}
	} else if of != nil {
		free = of.free(number)
	}
	present, there := r.view.get(place{subject, number})
	r.view.mu.RUnlock()
	switch {
	case isTaken && other != guid:
		return Version{}, nil, &Error{Code: CodeNotPermitted, Message: fmt.Sprintf("id %d belongs to another schema", s.ID), Cure: "import into a registry whose ids are free"}
	case isKnown && known != s.ID:
		return Version{}, nil, &Error{Code: CodeIDDoesNotMatch, Message: fmt.Sprintf("the schema has the id %d here, not %d", known, s.ID), Cure: "import it under that id: the same schema has one id"}
	case there && present.GUID == guid && !present.Deleted:
		return present, nil, nil
	case !free:
		return Version{}, nil, &Error{Code: CodeNotPermitted, Message: fmt.Sprintf("version %d of subject %q belongs to another schema, or did", number, subject), Cure: "import into a subject whose versions are free"}
	}
	if s.Version <= 0 {
		if v, ok := r.existing(subject, s, false); ok {
			return v, nil, nil
		}
	}
	if _, err := r.usable(s); err != nil {
		return Version{}, nil, err
	}
	c := versionRecord(subject, s, guid)
	c.Version, c.ID, c.Imported = number, s.ID, true
	return c.asVersion(), c, nil
}

func versionRecord(subject string, s Schema, guid string) *record {
	c := &record{
		Kind: kindVersion, Subject: subject, GUID: guid, Type: s.Type, Schema: s.Text,
		References: slices.Clone(s.References), Author: s.Author,
	}
	if !s.Metadata.empty() {
		c.Metadata = s.Metadata
	}
	if !s.Rules.empty() {
		c.Rules = s.Rules
	}
	return c
}

// complete is a schema with what its sender left to the registry: the numbers
// of the newest versions that it refers to, and its normal form.
func (r *Registry) complete(s Schema, config Config) (Schema, error) {
	if slices.ContainsFunc(s.References, func(ref Reference) bool { return ref.Version == -1 }) {
		s.References = slices.Clone(s.References)
		for i, ref := range s.References {
			if latest, ok := r.Latest(ref.Subject); ok && ref.Version == -1 {
				s.References[i].Version = latest.Version
			}
		}
	}
	if s.Normalize || config.Normalize != nil && *config.Normalize {
		of, err := TypeOf(s.Type)
		if err != nil {
			return s, err
		}
		if s.Text, err = of.Normalize(s.Text); err != nil {
			return s, invalidSchema(err)
		}
		s.Normalize = true
	}
	return s, nil
}

// embellish gives a schema the metadata and rules that the configuration says
// it shall have, and those of the version before it where it has none.
func (r *Registry) embellish(subject string, s Schema, config Config) Schema {
	if previous, ok := r.Latest(subject); ok {
		inherit(&s.Metadata, previous.Metadata)
		inherit(&s.Rules, previous.Rules)
	}
	if config.DefaultMetadata != nil || config.OverrideMetadata != nil {
		s.Metadata = mergeMetadata(config.DefaultMetadata, s.Metadata, config.OverrideMetadata)
	}
	if config.DefaultRules != nil || config.OverrideRules != nil {
		s.Rules = mergeRules(config.DefaultRules, s.Rules, config.OverrideRules)
	}
	return s
}

// usable is a schema's bundle, if it may be registered: what it refers to is
// there and not deleted, each name is given once, and all of it compiles.
func (r *Registry) usable(s Schema) (*jsonschema.Bundle, error) {
	if err := s.Rules.check(); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, ref := range s.References {
		if seen[ref.Name] {
			return nil, &Error{Code: CodeInvalidSchema, Message: fmt.Sprintf("reference %q is given twice", ref.Name), Cure: "give each name once"}
		}
		seen[ref.Name] = true
		if v, ok := r.Version(ref.Subject, ref.Version); !ok || v.Deleted {
			return nil, &Error{
				Code: CodeInvalidSchema, Message: fmt.Sprintf("reference %q", ref.Name),
				Cause: r.missing(ref.Subject, ref.Version), Cure: "register what is referred to first, and refer to a version that is not deleted",
			}
		}
	}
	return r.bundle(s)
}

// Bundle is a version's schema with all that it refers to.
func (r *Registry) Bundle(v Version) (*jsonschema.Bundle, error) {
	return r.known(v)
}

func (r *Registry) known(v Version) (*jsonschema.Bundle, error) {
	if b, ok := r.bundles.get(v.GUID); ok {
		return b, nil
	}
	b, err := r.gather(Schema{Type: v.Type, Text: v.Schema, References: v.References})
	if err != nil {
		return nil, err
	}
	r.bundles.put(v.GUID, b, b.Document.Size())
	return b, nil
}

// bundle is a schema, that may be registered or not, with all that it refers to;
// it compiles.
func (r *Registry) bundle(s Schema) (*jsonschema.Bundle, error) {
	guid := identity(s)
	if b, ok := r.bundles.get(guid); ok {
		return b, nil
	}
	b, err := r.gather(s)
	if err != nil {
		return nil, err
	}
	if _, err := r.link(guid, b); err != nil {
		return nil, err
	}
	r.bundles.put(guid, b, b.Document.Size())
	return b, nil
}

// link compiles a bundle, whose schema has the identity.
func (r *Registry) link(guid string, b *jsonschema.Bundle) (*jsonschema.Linked, error) {
	if l, ok := r.linked.get(guid); ok {
		return l, nil
	}
	var l *jsonschema.Linked
	var err error
	size := len(b.Document.Text())
	for _, reference := range b.References {
		size += len(reference.Document.Text())
	}
	if !r.effort.spend(size, func() { l, err = b.Link() }) {
		return nil, busy()
	}
	if err != nil {
		return nil, invalidSchema(err)
	}
	r.linked.put(guid, l, l.Size())
	return l, nil
}

// gather parses a schema and ties it to what it refers to. What is registered
// refers only to what was there before it, so this ends.
func (r *Registry) gather(s Schema) (*jsonschema.Bundle, error) {
	of, err := TypeOf(s.Type)
	if err != nil {
		return nil, err
	}
	references := make(map[string]*jsonschema.Bundle, len(s.References))
	for _, ref := range s.References {
		v, ok := r.Version(ref.Subject, ref.Version)
		if !ok {
			return nil, &Error{
				Code: CodeInvalidSchema, Message: fmt.Sprintf("reference %q", ref.Name),
				Cause: r.missing(ref.Subject, ref.Version), Cure: "register what is referred to first",
			}
		}
		if references[ref.Name], err = r.known(v); err != nil {
			return nil, err
		}
	}
	var b *jsonschema.Bundle
	if !r.effort.spend(len(s.Text), func() { b, err = of.Gather(s.Text, references) }) {
		return nil, busy()
	}
	if err != nil {
		return nil, invalidSchema(err)
	}
	return b, nil
}

func invalidSchema(err error) *Error {
	return &Error{Code: CodeInvalidSchema, Message: "invalid schema", Cause: err}
}

// missing says which of subject and version does not exist.
func (r *Registry) missing(subject string, version int) *Error {
	if len(r.AllVersions(subject)) == 0 {
		return subjectNotFound(subject)
	}
	return versionNotFound(subject, version)
}

func checkSubject(subject string) error {
	problem := ""
	switch {
	case subject == "":
		problem = "is empty"
	case len(subject) > maxSubject:
		problem = fmt.Sprintf("has more than %d bytes", maxSubject)
	case strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
		problem = "holds a control character or no UTF-8"
	default:
		return nil
	}
	return &Error{Code: CodeInvalidSubject, Message: "the subject's name " + problem, Cure: "name it <domain>.<entity>.<action>"}
}
