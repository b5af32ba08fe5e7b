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
	"fmt"
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

const (
	// maxAttempts bounds how often a write is tried while others write too, and
	// writeTimeout how long.
	maxAttempts  = 200
	writeTimeout = 20 * time.Second

	// How many bytes of each are kept at least, of what was used lately; at most it is
	// twice as many.
	cachedBundles  = 16 << 20
	cachedLinked   = 32 << 20
	cachedVerdicts = 4 << 20
)

// Reference makes another subject's version known to a schema under a name,
// which stands in its "$ref".
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"` // -1 where it is registered: the newest one
}

// Schema is what is registered.
type Schema struct {
	Type       string // JSON
	Text       string
	References []Reference
	Metadata   *Metadata
	Rules      *RuleSet
	Author     string // who registers it; may be empty

	// Normalize puts the text into a form that does not depend on how it was
	// written, the order of its keys, before it is registered or looked up.
	Normalize bool
	// ID and Version are what an imported schema brings along; 0 for others.
	ID, Version int
}

// Version is one version of a subject. It never changes, but for its state and for
// being deleted.
type Version struct {
	Subject    string
	Version    int    // from 1, without gaps but for imports
	ID         int    // the schema's id, the same for the same schema in all subjects
	GUID       string // the schema's identity, derived from its content
	Type       string
	Schema     string
	References []Reference
	Metadata   *Metadata
	Rules      *RuleSet
	Deleted    bool // softly: it is still known by its id
	// State is where it is in its life, StateAt since when, if that is not since At,
	// and StateReason why, if that was said.
	State       State
	StateAt     time.Time
	StateReason string
	At          time.Time
	Author      string
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

// WithRule adds a condition that every new version has to meet which is registered
// here, and a draft when it becomes active; what others have written is not asked
// again, and neither is what is imported. The error of rule is the answer to who registers, so it should be an
// *Error. Rules must be safe for concurrent use.
func WithRule(rule Condition) Option {
	return func(r *Registry) { r.rules = append(r.rules, rule) }
}

// Condition looks at a schema, with all that it refers to and the metadata that it
// would be registered with, and says why it is refused.
type Condition func(subject string, b *jsonschema.Bundle, m *Metadata) error

// Registry is a view of the registry's log. It is safe for concurrent use.
type Registry struct {
	log    *store.Log
	logger zerolog.Logger
	policy func(string) compat.Policy
	rules  []Condition
	view   *view

	bundles  *cache[string, *jsonschema.Bundle] // by the schema's identity
	linked   *cache[string, *jsonschema.Linked]
	verdicts *cache[pair, compat.Verdict]
	effort   *effort

	write  sync.Mutex // one write of this instance at a time
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// Open reads the log to its present end and follows it from there. The context
// bounds the opening only; the view lives until Close.
func Open(ctx context.Context, log *store.Log, options ...Option) (*Registry, error) {
	r := &Registry{
		log: log, logger: zerolog.Nop(), policy: func(string) compat.Policy { return compat.Gated }, view: newView(),
		bundles: newCache[string, *jsonschema.Bundle](cachedBundles), linked: newCache[string, *jsonschema.Linked](cachedLinked),
		verdicts: newCache[pair, compat.Verdict](cachedVerdicts), effort: newEffort(),
	}
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

// commit makes the change that propose answers with, which is nil when there
// is nothing to do. Others may write meanwhile: then propose is asked again, with
// the view as it is by then. A refusal is only final once the view holds all that
// the log did when the change was asked for.
func (r *Registry) commit(ctx context.Context, propose func() (*record, error)) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	// Outside the lock first: what is refused, or there already, holds up nobody,
	// and what has to be compiled is ready when it is asked for again.
	before := r.view.position()
	if c, err := propose(); err == nil && c == nil {
		return nil
	} else if !r.log.Writable() {
		return &Error{Code: CodeReadOnly, Message: "this registry is a replica and takes no writes", Cure: "write to the primary; reading goes on here"}
	} else if err != nil && (r.catchUp(ctx) != nil || r.view.position() == before) {
		return err // to refuse is safe where nobody can say what the log holds
	}
	r.write.Lock()
	defer r.write.Unlock()
	for range maxAttempts {
		at := r.view.position()
		c, err := propose()
		if err != nil || c == nil {
			return err
		}
		c.At = time.Now().UTC()
		data, err := c.encode()
		if err != nil {
			return fmt.Errorf("encode a record of the registry: %w", err)
		}
		after, err := r.log.Append(ctx, at, store.Subject(c.Kind, c.Subject), data)
		switch {
		case err == nil:
			// It is the next one, as nothing was stored in between.
			if err := r.view.apply(store.Entry{Position: after, Data: data}); err != nil {
				return err
			}
			return r.settle(ctx, after.Revision)
		case store.Conflict.Is(err):
			// Somebody was first: see what it was, and decide anew.
			if err := r.view.wait(ctx, func(p store.Position) bool { return p.Sequence > at.Sequence }); err != nil {
				return storeError(err)
			}
		case store.Uncertain.Is(err) && ctx.Err() == nil:
			if err := r.catchUp(ctx); err != nil {
				return err
			}
			if r.view.holds(at.Revision+1, data) {
				return nil
			}
		default:
			return storeError(err)
		}
	}
	return &Error{Code: CodeTimeout, Message: fmt.Sprintf("others changed the registry %d times meanwhile", maxAttempts), Cure: "repeat the request"}
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
