package environment

import (
	"github.com/lockstep-mesh/lockstep/mesh/coverage"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry"
)

// classRule has the registry refuse schemas that leave fields without a masking
// class, in the domains that the mesh requires it of.
func classRule(m *topology.Mesh) (registry.Option, error) {
	required := map[string]coverage.Requirement{}
	for _, d := range m.Domains() {
		if !d.RequiresClasses() {
			continue
		}
		overlay, err := m.Overlay(d.Name)
		if err != nil {
			return nil, err
		}
		required[d.Name] = coverage.Requirement{Overlay: overlay}
	}
	return registry.WithRule(coverage.Rule(func(domain string) (coverage.Requirement, bool) {
		r, ok := required[domain]
		return r, ok
	})), nil
}
