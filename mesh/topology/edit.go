package topology

import (
	"errors"
	"slices"

	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
)

// YAML is the mesh as mesh.yaml would declare it, with its defaults written
// out. Parse gives the same mesh again.
func (m *Mesh) YAML() ([]byte, error) { return strictyaml.Encode(m.file) }

// WithEnvironment is the mesh with the environment of e's name replaced by e,
// checked like a file; it is how a command puts its flags over mesh.yaml. Leaf
// URLs that mesh.yaml leaves open follow the hub's address. An error is
// Problems, without lines.
func (m *Mesh) WithEnvironment(e Environment) (*Mesh, error) {
	changed := m.file
	changed.Environments = slices.Clone(m.file.Environments)
	i := slices.IndexFunc(changed.Environments, func(other Environment) bool { return other.Name == e.Name })
	if i < 0 {
		return nil, Problems{{
			Code: CodeUnknownName, File: m.name, What: "there is no environment " + e.Name,
			Cure: strictyaml.Suggest(e.Name, (&checker{mesh: m}).environmentNames()),
		}}
	}
	before := changed.Environments[i]
	changed.Environments[i] = e
	if before.Role == RoleHub {
		followHub(changed.Environments, before)
	}
	return m.changed(changed)
}

// WithAutoPorts is the mesh with every address on a free port of the loopback
// interface, and no URL for leaves to dial: that is known once the hub runs.
// It is for tests, and for several meshes on one machine.
func (m *Mesh) WithAutoPorts() (*Mesh, error) {
	changed := m.file
	changed.Environments = slices.Clone(m.file.Environments)
	for i := range changed.Environments {
		e := &changed.Environments[i]
		for _, a := range []*Address{&e.Listen.NATS, &e.Listen.Leaf, &e.Listen.Registry, &e.Listen.HTTP} {
			if !a.IsZero() {
				*a = Address{Host: "127.0.0.1", Port: AutoPort}
			}
		}
		e.Dial = ""
	}
	return m.changed(changed)
}

// followHub clears the leaves' URLs that were derived from the hub's address.
func followHub(environments []Environment, hub Environment) {
	derived := dialOf(hub)
	for i := range environments {
		if e := &environments[i]; e.Hub == hub.Name && derived != "" && e.Dial == derived {
			e.Dial = ""
		}
	}
}

// changed checks a changed file the way a read one is: by reading it.
func (m *Mesh) changed(f file) (*Mesh, error) {
	text, err := strictyaml.Encode(f)
	if err != nil {
		return nil, Problems{{Code: CodeUnreadable, File: m.name, What: "the changed mesh cannot be written", Why: err.Error(), cause: err}}
	}
	changed, err := parse(m.name, text, m.base)
	var problems Problems
	if !errors.As(err, &problems) {
		return changed, err
	}
	for i := range problems {
		if problems[i].File == m.name {
			problems[i].Line, problems[i].Column = 0, 0
		}
	}
	return nil, problems
}
