package topology

import (
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/compat"
)

// Compatibility is the policy under which the versions of the domain's schemas are
// compared, and why it is that one.
func (d Domain) Compatibility() (policy compat.Policy, why string) {
	if d.Write == WriteOpen {
		return compat.Strict, "write: open lets fields in that no schema declares, so that a stored event may hold anything under the name of a field that is added later"
	}
	return compat.Gated, "the gate refuses fields that a schema neither declares nor explicitly allows, so that no stored event holds the name of a field that is added later"
}

// CompatibilityOf is the policy for a registry's subject: that of the domain that
// it begins with, and the default for one of no domain of the mesh.
func (m *Mesh) CompatibilityOf(subject string) compat.Policy {
	name, _, _ := strings.Cut(subject, ".")
	d, ok := m.Domain(name)
	if !ok {
		return compat.Gated
	}
	policy, _ := d.Compatibility()
	return policy
}
