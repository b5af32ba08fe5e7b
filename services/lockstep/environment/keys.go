package environment

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/lockstep/key/custody"
)

// policies are the masking policies as they were read last.
type policies struct {
	mu    sync.Mutex
	mesh  *topology.Mesh
	fault error // why they cannot be read; then no route masks
}

// openKeys opens the keys for the routes that begin here.
func (e *Environment) openKeys(ctx context.Context, declared []topology.Route) error {
	e.policies.mesh = e.config.Mesh
	nc, err := e.connect(e.node.Connect, "keys")
	if err != nil {
		return err
	}
	from := e.config.MaskKey
	if from == "" {
		from = e.is.MaskKey
	}
	source, fault := from.Source(e.config.Data)
	config := custody.Config{
		Environment: e.is.Name, Source: source, SourceFault: fault, Catalog: e.catalog, Conn: nc, Logger: e.config.Logger,
		Apply: func(_ context.Context, keys *mask.Ring, fault error, reread bool) []custody.Applied {
			if reread {
				e.rereadPolicies()
			}
			return e.applyKeys(declared, keys, fault)
		},
	}
	for _, d := range declared {
		config.Routes = append(config.Routes, custody.RouteConfig{To: d.To, Domains: d.Domains})
	}
	e.keys, err = custody.Open(ctx, config)
	return err
}

// masking is how the events of a route are masked.
type masking struct {
	reference string // of the policy, NAME@DIGEST
	policy    mask.Policy
	masker    *mask.Masker
	fault     error // why there is no masker
}

// masking is what a route starts with.
func (e *Environment) masking(d topology.Route) masking {
	keys, fault := e.keys.Keys()
	return e.maskingUnder(d, keys, fault)
}

// maskingUnder compiles the policy of a route. With a fault there is none, and
// the route withholds every event until it is mended; the environment runs on.
func (e *Environment) maskingUnder(d topology.Route, keys *mask.Ring, keyFault error) masking {
	e.policies.mu.Lock()
	mesh, fault := e.policies.mesh, e.policies.fault
	e.policies.mu.Unlock()
	m := masking{reference: d.Policy}
	if fault != nil {
		m.fault = fault
		return m
	}
	now := slices.IndexFunc(mesh.RoutesFrom(d.From), func(r topology.Route) bool {
		return r.To == d.To && slices.Equal(r.Domains, d.Domains)
	})
	if now < 0 {
		m.fault = fmt.Errorf("%s declares no route %s of %v any more: the environment was started with it", mesh.File(), d, d.Domains)
		return m
	}
	name := mesh.RoutesFrom(d.From)[now].Policy
	m.reference = name
	policy, ok := mesh.Policy(name)
	if !ok {
		m.fault = fmt.Errorf("route %s names policy %q, which is not declared", d, name)
		return m
	}
	m.policy = policy.Policy
	digest, err := policy.Digest()
	if err != nil {
		m.fault = fmt.Errorf("policy %q: %w", name, err)
		return m
	}
	m.reference = name + "@" + digest
	if keyFault != nil {
		m.fault = &mask.Refusal{Code: mask.CodeNoKey, Why: keyFault.Error(), Cure: "then run `lockstep key reload` and `lockstep quarantine release`"}
		return m
	}
	m.masker, m.fault = mask.New(policy.Name, policy.Policy, d.To, keys.Active())
	return m
}

// applyKeys has the routes go on under keys and the policies as they were read
// last.
func (e *Environment) applyKeys(declared []topology.Route, keys *mask.Ring, fault error) []custody.Applied {
	applied := make([]custody.Applied, len(declared))
	for i, d := range declared {
		m := e.maskingUnder(d, keys, fault)
		applied[i] = custody.Applied{Name: m.reference, Policy: m.policy, Fault: m.fault}
		for _, r := range e.routes {
			if s := r.Status(); s.To == d.To && slices.Contains(d.Domains, s.Domain) {
				r.Apply(m.reference, m.masker, m.fault)
			}
		}
	}
	return applied
}

// rereadPolicies reads mesh.yaml again. Of what it says, the policies count, and
// which route has which; all else needs a start.
func (e *Environment) rereadPolicies() {
	if e.config.Reload == nil {
		return
	}
	mesh, err := e.config.Reload()
	if err == nil {
		if _, ok := mesh.Environment(e.is.Name); !ok {
			err = fmt.Errorf("%s declares no environment %s", mesh.File(), e.is.Name)
		}
	}
	e.policies.mu.Lock()
	defer e.policies.mu.Unlock()
	e.policies.mesh, e.policies.fault = mesh, nil
	if err != nil {
		e.policies.fault = fmt.Errorf("the masking policies cannot be read: %w", err)
		e.config.Logger.Error().Err(err).Msg("the masking policies cannot be read: every event is withheld")
	}
}
