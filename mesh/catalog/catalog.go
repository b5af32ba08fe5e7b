// Package catalog gives the gate and the routes the contracts they apply: the
// schema versions of the registry's view, compiled once and shared.
//
// How a contract validates and masks belongs in mesh/contract; what versions
// exist, in registry. This package only decides which of them apply.
package catalog

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// ErrUnknownType says that no schema is registered for an event type.
var ErrUnknownType = errors.New("no schema is registered for the event type")

// ErrUnknownVersion says that a subject has no such version.
var ErrUnknownVersion = errors.New("no such schema version")

// Domain is what the mesh's configuration says about one domain's contracts.
type Domain struct {
	Overlay *mask.Overlay // classes for schemas that carry none; may be nil
	Open    bool          // admits fields that a schema does not declare
}

// Catalog compiles contracts on demand and keeps them, within MemoryBudget. It is
// safe for concurrent use.
type Catalog struct {
	registry *registry.Registry
	domains  map[string]Domain

	compiled cache
	types    sync.Map     // event type -> *candidates
	known    atomic.Int64 // how many types
}

// maxTypes bounds how many event types are remembered: any action of an entity
// that has a schema is one, and publishers choose it.
const maxTypes = 1 << 16

// candidates are the versions for one event type, as of one revision.
type candidates struct {
	revision uint64
	versions []registry.Version // active ones first, each newest first
}

// New makes a catalog over a registry's view.
func New(r *registry.Registry, domains map[string]Domain) *Catalog {
	return &Catalog{registry: r, domains: domains, compiled: cache{budget: MemoryBudget}}
}

// Revision changes whenever Candidates may answer otherwise than before. Who
// remembers an answer asks for it first.
func (c *Catalog) Revision() uint64 { return c.registry.Revision() }

// Candidates are the versions under which an event may be admitted, in the order in
// which they are to be tried: active ones, then deprecated ones, each newest first.
// They are those of its own type, or of its whole entity when its type has none. A
// type whose versions are all retired admits nothing: its entity's schema does not
// take its place. The error wraps ErrUnknownType when there are none.
func (c *Catalog) Candidates(s wire.Subject) ([]registry.Version, error) {
	revision := c.registry.Revision()
	eventType := s.Type()
	if known, ok := c.types.Load(eventType); ok {
		if k := known.(*candidates); k.revision == revision { //nolint:forcetypeassert // the map holds nothing else
			return k.versions, nil
		}
	}
	if s.Entity == wire.SharedEntity {
		return nil, fmt.Errorf("%s: %w: %q holds shared definitions, not events", eventType, ErrUnknownType, s.EntityType())
	}
	subject := eventType
	if len(c.registry.Versions(subject)) == 0 && s.Action != "" {
		subject = s.EntityType()
	}
	versions := c.registry.Admitting(subject)
	switch {
	case len(versions) > 0:
	case len(c.registry.Versions(subject)) > 0:
		return nil, fmt.Errorf("%s: %w: all versions of %s are retired", eventType, ErrUnknownType, subject)
	case len(c.registry.AllVersions(subject)) > 0 || len(c.registry.AllVersions(eventType)) > 0:
		return nil, fmt.Errorf("%s: %w that is in use: there are drafts or deleted versions only", eventType, ErrUnknownType)
	default:
		return nil, fmt.Errorf("%s: %w", eventType, ErrUnknownType)
	}
	if _, known := c.types.Swap(eventType, &candidates{revision: revision, versions: versions}); !known && c.known.Add(1) > maxTypes {
		c.known.Store(0)
		c.types.Clear()
	}
	return versions, nil
}

// Contract is the compiled contract of a version.
func (c *Catalog) Contract(v registry.Version) (*contract.Contract, error) {
	return c.compiled.get(versionKey{v.Subject, v.Version}, func() (*contract.Contract, error) { return c.compile(v) })
}

// Version is the compiled contract of a subject's version by number. The error
// wraps ErrUnknownVersion when the view does not hold it.
func (c *Catalog) Version(subject string, number int) (*contract.Contract, error) {
	v, ok := c.registry.Version(subject, number)
	if !ok {
		return nil, fmt.Errorf("%s version %d: %w", subject, number, ErrUnknownVersion)
	}
	return c.Contract(v)
}

func (c *Catalog) compile(v registry.Version) (*contract.Contract, error) {
	bundle, err := c.registry.Bundle(v)
	if err != nil {
		return nil, fmt.Errorf("gather the references of %s version %d: %w", v.Subject, v.Version, err)
	}
	options := contract.Options{
		Subject: v.Subject, Version: v.Version, ID: v.ID,
		Gather: func() (*jsonschema.Bundle, error) { return c.registry.Bundle(v) },
	}
	if s, err := wire.ParseSubject(v.Subject); err == nil {
		d := c.domains[s.Domain]
		options.Overlay, options.Open = d.Overlay, d.Open
	}
	compiled, err := contract.CompileTagged(bundle, options, v.Metadata.TagsByPath())
	if err != nil {
		return nil, fmt.Errorf("compile %s version %d: %w", v.Subject, v.Version, err)
	}
	return compiled, nil
}
