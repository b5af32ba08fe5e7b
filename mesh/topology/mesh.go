// Package topology is the mesh as mesh.yaml declares it: environments,
// domains, routes and policies.
//
// It reads the file, reports every problem in it at once with file, line and
// column, and offers what was declared as a Mesh, which is immutable and so
// safe for concurrent use. It also knows where the files that a mesh names
// are, on disk or embedded.
//
// What a mesh says belongs here. How a server, a gate or a route is made of
// it does not, and nothing here needs NATS.
package topology

import (
	"slices"
)

// Mesh is a sound mesh.yaml with its defaults applied. Make one with Load,
// LoadFS or Parse. Its methods return copies, in the order of declaration.
type Mesh struct {
	name     string // the file's name, for messages
	file     file
	base     base
	warnings Problems
}

// File is the name of the file that the mesh was read from.
func (m *Mesh) File() string { return m.name }

// Warnings are findings that keep nothing from running: what is declared and
// used by nothing.
func (m *Mesh) Warnings() Problems { return slices.Clone(m.warnings) }

// Environments lists all environments.
func (m *Mesh) Environments() []Environment { return slices.Clone(m.file.Environments) }

// Environment returns an environment by name.
func (m *Mesh) Environment(name string) (Environment, bool) {
	return find(m.file.Environments, func(e Environment) bool { return e.Name == name })
}

// Hub returns the mesh's hub.
func (m *Mesh) Hub() Environment {
	hub, _ := find(m.file.Environments, func(e Environment) bool { return e.Role == RoleHub })
	return hub
}

// LeavesOf lists the environments that dial hub.
func (m *Mesh) LeavesOf(hub string) []Environment {
	return filter(m.file.Environments, func(e Environment) bool { return e.Role == RoleLeaf && e.Hub == hub })
}

// Domains lists all domains.
func (m *Mesh) Domains() []Domain { return cloned(m.file.Domains, Domain.clone) }

// Domain returns a domain by name.
func (m *Mesh) Domain(name string) (Domain, bool) {
	d, ok := find(m.file.Domains, func(d Domain) bool { return d.Name == name })
	return d.clone(), ok
}

// DomainsOriginatedBy lists the domains whose events may be published in env.
func (m *Mesh) DomainsOriginatedBy(env string) []Domain {
	return cloned(filter(m.file.Domains, func(d Domain) bool { return slices.Contains(d.Origins, env) }), Domain.clone)
}

// DomainsAt lists the domains whose events are stored in env: those that
// originate there and those that a route carries there.
func (m *Mesh) DomainsAt(env string) []Domain {
	return cloned(filter(m.file.Domains, func(d Domain) bool {
		return slices.Contains(d.Origins, env) || slices.ContainsFunc(m.file.Routes, func(r Route) bool {
			return r.To == env && slices.Contains(r.Domains, d.Name)
		})
	}), Domain.clone)
}

// Routes lists all routes.
func (m *Mesh) Routes() []Route { return cloned(m.file.Routes, Route.clone) }

// RoutesFrom lists the routes that begin in env.
func (m *Mesh) RoutesFrom(env string) []Route {
	return cloned(filter(m.file.Routes, func(r Route) bool { return r.From == env }), Route.clone)
}

// RoutesTo lists the routes that end in env.
func (m *Mesh) RoutesTo(env string) []Route {
	return cloned(filter(m.file.Routes, func(r Route) bool { return r.To == env }), Route.clone)
}

// Policies lists all policies.
func (m *Mesh) Policies() []Policy { return cloned(m.file.Policies, Policy.clone) }

// Policy returns a policy by name.
func (m *Mesh) Policy(name string) (Policy, bool) {
	p, ok := find(m.file.Policies, func(p Policy) bool { return p.Name == name })
	return p.clone(), ok
}

func (d Domain) clone() Domain {
	d.Origins = slices.Clone(d.Origins)
	return d
}

func (r Route) clone() Route {
	r.Domains = slices.Clone(r.Domains)
	return r
}

// cloned copies what a caller could otherwise change inside the mesh.
func cloned[T any](list []T, clone func(T) T) []T {
	copies := make([]T, len(list))
	for i, element := range list {
		copies[i] = clone(element)
	}
	return copies
}

func find[T any](list []T, is func(T) bool) (T, bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	var none T
	return none, false
}

func filter[T any](list []T, is func(T) bool) []T {
	var kept []T
	for _, element := range list {
		if is(element) {
			kept = append(kept, element)
		}
	}
	return kept
}
