// Package registry is the schema registry: which versions of which schemas
// exist, under which ids, and what may become a new one.
//
// The log in package store is the truth; a Registry is a view of it in memory,
// from which everything is read. A change is one append that expects the log
// to end where the view does, so any number of instances over one log agree.
// How schemas are compared belongs in compat, how they are parsed in
// jsonschema, how the registry is spoken to over HTTP in httpapi.
package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

// JSON is the type of JSON Schemas.
const JSON = "JSON"

// maxSubject bounds a subject's name, in bytes.
const maxSubject = 255

// maxAttempts bounds how often a write is tried while others write too.
const maxAttempts = 200

// Reference makes another subject's version known to a schema under a name,
// which stands in its "$ref".
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Schema is what is registered.
type Schema struct {
	Type       string // JSON
	Text       string
	References []Reference
	Author     string // who registers it; may be empty
}

// Version is one version of a subject. It never changes.
type Version struct {
	Subject    string
	Version    int    // from 1, without gaps
	ID         int    // the schema's id, the same for the same schema in all subjects
	GUID       string // the schema's identity, derived from its content
	Type       string
	Schema     string
	References []Reference
	Deleted    bool
	At         time.Time
	Author     string
}

// Option changes how a Registry works.
type Option func(*Registry)

// WithLogger sets where the registry logs to.
func WithLogger(log zerolog.Logger) Option {
	return func(r *Registry) { r.logger = log.With().Str("part", "registry").Logger() }
}

// WithPolicy sets under which policy versions of a subject are compared.
// Without it the policy is compat.Gated for all.
func WithPolicy(policy func(subject string) compat.Policy) Option {
	return func(r *Registry) { r.policy = policy }
}

// Registry is a view of the registry's log. It is safe for concurrent use.
type Registry struct {
	log    *store.Log
	logger zerolog.Logger
	policy func(string) compat.Policy
	view   *view

	write  sync.Mutex // one write of this instance at a time
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// Open reads the log to its present end and follows it from there. The context
// bounds the opening only; the view lives until Close.
func Open(ctx context.Context, log *store.Log, options ...Option) (*Registry, error) {
	r := &Registry{log: log, logger: zerolog.Nop(), policy: func(string) compat.Policy { return compat.Gated }, view: newView()}
	for _, o := range options {
		o(r)
	}
	last, err := log.Last(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	following, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.work.Go(func() {
		err := log.Tail(following, store.Position{}, store.Reader{Deliver: r.view.apply, Interrupted: r.view.interrupted})
		if following.Err() == nil {
			r.logger.Error().Err(err).Msg("the registry's view has ended; it answers from what it knew")
		}
		r.view.end(err)
	})
	if err := r.view.wait(ctx, func(p store.Position) bool { return p.Sequence >= last }); err != nil {
		r.Close()
		return nil, storeError(err)
	}
	return r, nil
}

// Close ends the view and waits until it has ended. It may be called more than
// once.
func (r *Registry) Close() {
	r.cancel()
	r.work.Wait()
}

// Err says why the view is not up to date, or may not be: nil while it follows
// the log.
func (r *Registry) Err() error { return r.view.err() }

// Writable reports whether changes can be made here; a replica takes none.
func (r *Registry) Writable() bool { return r.log.Writable() }

// Revision is the number of changes that the view holds; it is the same for
// the same history in every environment.
func (r *Registry) Revision() uint64 { return r.view.revision.Load() }

// Wait waits until the view holds that many changes.
func (r *Registry) Wait(ctx context.Context, revision uint64) error {
	return r.view.wait(ctx, func(p store.Position) bool { return p.Revision >= revision })
}

// Register makes s the newest version of subject, unless it is one of its
// versions already: then that one is returned. It is refused when its
// references do not exist, when it is no schema, and when it is not shown that
// it can read what was written under the newest version so far.
func (r *Registry) Register(ctx context.Context, subject string, s Schema) (Version, error) {
	if err := checkSubject(subject); err != nil {
		return Version{}, err
	}
	r.write.Lock()
	defer r.write.Unlock()
	for range maxAttempts {
		at := r.view.position()
		v, exists, err := r.propose(subject, s)
		if err != nil || exists {
			return v, err
		}
		data, err := encode(v)
		if err != nil {
			return Version{}, err
		}
		after, err := r.log.Append(ctx, at, store.Subject(kindVersion, subject), data)
		switch {
		case err == nil:
			return v, r.settle(ctx, after.Revision)
		case store.Conflict.Is(err), store.Uncertain.Is(err) && ctx.Err() == nil:
			// Somebody was first, which may have been this very request: see what the
			// log holds now, and decide anew.
			if err := r.catchUp(ctx); err != nil {
				return Version{}, err
			}
		default:
			return Version{}, storeError(err)
		}
	}
	return Version{}, &Error{Code: CodeTimeout, Message: fmt.Sprintf("others changed the registry %d times meanwhile", maxAttempts), Cure: "repeat the request"}
}

// settle waits until the view holds what was just written.
func (r *Registry) settle(ctx context.Context, revision uint64) error {
	if err := r.Wait(ctx, revision); err != nil {
		return storeError(err)
	}
	return nil
}

// catchUp waits until the view holds all that the log holds now.
func (r *Registry) catchUp(ctx context.Context) error {
	last, err := r.log.Last(ctx)
	if err != nil {
		return storeError(err)
	}
	if err := r.view.wait(ctx, func(p store.Position) bool { return p.Sequence >= last }); err != nil {
		return storeError(err)
	}
	return nil
}

// propose is the version that s would become, or that it is.
func (r *Registry) propose(subject string, s Schema) (v Version, exists bool, err error) {
	if s.Type != JSON {
		return v, false, &Error{Code: CodeInvalidSchema, Message: fmt.Sprintf("schema type %q is not supported", s.Type), Cure: `send "schemaType":"JSON"`}
	}
	guid := identity(s)
	if v, ok := r.view.find(subject, guid); ok {
		return v, true, nil
	}
	bundle, err := r.bundle(s)
	if err != nil {
		return v, false, err
	}
	versions := r.Versions(subject)
	if len(versions) > 0 {
		if err := r.compatible(subject, bundle, versions[len(versions)-1]); err != nil {
			return v, false, err
		}
	}
	v = Version{
		Subject: subject, Version: r.view.nextVersion(subject), ID: r.view.idFor(guid), GUID: guid, Type: s.Type,
		Schema: s.Text, References: slices.Clone(s.References), At: time.Now().UTC(), Author: s.Author,
	}
	return v, false, nil
}

// compatible is nil when the new schema can read what the old version admits.
func (r *Registry) compatible(subject string, reader *jsonschema.Bundle, old Version) error {
	writer, err := r.Bundle(old)
	if err != nil {
		return err
	}
	verdict := compat.Check(reader, writer, r.policy(subject))
	if verdict.Result == compat.Compatible {
		return nil
	}
	return &Error{
		Code:    CodeIncompatible,
		Message: fmt.Sprintf("schema being registered is incompatible with version %d of subject %q", old.Version, subject),
		Cause:   &IncompatibleError{Verdict: verdict},
		Cure:    "change the schema as the findings say, or register it under a new subject",
	}
}

// IncompatibleError carries the verdict of a refused change.
type IncompatibleError struct{ Verdict compat.Verdict }

// Error is the verdict's findings.
func (e *IncompatibleError) Error() string {
	lines := make([]string, len(e.Verdict.Findings))
	for i, f := range e.Verdict.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "; ")
}

// Check compares s with one version of subject, changing nothing.
func (r *Registry) Check(subject string, version int, s Schema) (compat.Verdict, error) {
	old, ok := r.Version(subject, version)
	if !ok {
		return compat.Verdict{}, r.missing(subject, version)
	}
	reader, err := r.bundle(s)
	if err != nil {
		return compat.Verdict{}, err
	}
	writer, err := r.Bundle(old)
	if err != nil {
		return compat.Verdict{}, err
	}
	return compat.Check(reader, writer, r.policy(subject)), nil
}

// Bundle is a version's schema with all that it refers to.
func (r *Registry) Bundle(v Version) (*jsonschema.Bundle, error) {
	return r.bundle(Schema{Type: v.Type, Text: v.Schema, References: v.References})
}

func (r *Registry) bundle(s Schema) (*jsonschema.Bundle, error) {
	b, err := r.gather(s, map[string]*jsonschema.Bundle{})
	if err != nil {
		return nil, err
	}
	if _, err := b.Compile(); err != nil {
		return nil, invalidSchema(err)
	}
	return b, nil
}

func (r *Registry) gather(s Schema, known map[string]*jsonschema.Bundle) (*jsonschema.Bundle, error) {
	document, err := jsonschema.Parse([]byte(s.Text))
	if err != nil {
		return nil, invalidSchema(err)
	}
	b := &jsonschema.Bundle{Document: document, References: make(map[string]*jsonschema.Bundle, len(s.References))}
	for _, ref := range s.References {
		key := fmt.Sprintf("%s@%d", ref.Subject, ref.Version)
		if known[key] == nil {
			v, ok := r.Version(ref.Subject, ref.Version)
			if !ok {
				return nil, &Error{
					Code: CodeInvalidSchema, Message: fmt.Sprintf("reference %q", ref.Name),
					Cause: r.missing(ref.Subject, ref.Version), Cure: "register what is referred to first",
				}
			}
			if known[key], err = r.gather(Schema{Type: v.Type, Text: v.Schema, References: v.References}, known); err != nil {
				return nil, err
			}
		}
		b.References[ref.Name] = known[key]
	}
	return b, nil
}

func invalidSchema(err error) *Error {
	return &Error{Code: CodeInvalidSchema, Message: "invalid schema", Cause: err}
}

// missing says which of subject and version does not exist.
func (r *Registry) missing(subject string, version int) *Error {
	if len(r.Versions(subject)) == 0 {
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

// errEnded is why nothing more can be waited for.
var errEnded = errors.New("the view of the registry has ended")
