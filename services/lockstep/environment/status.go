package environment

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lockstep-mesh/lockstep/mesh/gate"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/route"
)

// Status is what an environment knows of itself.
type Status struct {
	Environment      string          `json:"environment"`
	Role             string          `json:"role"`
	Ready            bool            `json:"ready"`
	Problem          string          `json:"problem,omitempty"`
	LeafConnected    bool            `json:"leaf_connected"`
	RegistryRevision uint64          `json:"registry_revision"`
	Gate             gate.Stats      `json:"gate"`
	Routes           []route.Status  `json:"routes"`
	Ledger           []ledger.Report `json:"ledger"`
	// Waiting is what its routes withhold.
	Waiting []Waiting `json:"waiting"`
}

// Healthy reports whether the environment is ready, nothing that it verifies is
// missing, doubled or different, and nothing is withheld but by a policy's decision.
func (s Status) Healthy() bool {
	if slices.ContainsFunc(s.Waiting, func(w Waiting) bool { return w.Fault }) {
		return false
	}
	for _, r := range s.Ledger {
		if !r.Healthy() {
			return false
		}
	}
	return s.Ready
}

// Status is what is known now.
func (e *Environment) Status() Status {
	s := Status{
		Environment: e.is.Name, Role: string(e.is.Role), LeafConnected: e.node.LeafConnected(),
		RegistryRevision: e.registry.Revision(), Gate: e.gate.Stats(),
		Routes: []route.Status{}, Ledger: e.ledger.Reports(), Waiting: e.watch.waiting(),
	}
	for _, r := range e.routes {
		s.Routes = append(s.Routes, r.Status())
	}
	err := e.Ready()
	if s.Ready = err == nil; err != nil {
		s.Problem = err.Error()
	}
	return s
}

// Ready is nil when the environment takes and routes events, or says what is
// not ready.
func (e *Environment) Ready() error {
	var problems []error
	if !e.node.LeafConnected() {
		problems = append(problems, fmt.Errorf("the leaf connection to %s does not stand", e.is.Hub))
	}
	if err := e.registry.Err(); err != nil {
		problems = append(problems, fmt.Errorf("the registry's view is not complete: %w", err))
	}
	if e.sharing != nil && e.sharing.err() != nil {
		problems = append(problems, fmt.Errorf("the registry is not shared with the leaves: %w", e.sharing.err()))
	}
	for _, r := range e.routes {
		if s := r.Status(); s.State != route.StateRunning {
			problems = append(problems, fmt.Errorf("the route of %s to %s is %s: %s", s.Domain, s.To, s.State, s.Problem))
		} else if s.PolicyFault != "" {
			problems = append(problems, fmt.Errorf("the route of %s to %s withholds every event: %s", s.Domain, s.To, s.PolicyFault))
		}
	}
	return errors.Join(problems...)
}
