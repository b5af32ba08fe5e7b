package topology

import (
	"net/url"
	"slices"
)

// ensureDefaults fills in what mesh.yaml may leave out. Two things stay open
// on purpose: a durability, which is the command's to choose, and the URL of a
// hub whose address is not known before it runs.
func (f *file) ensureDefaults() {
	for i := range f.Domains {
		if f.Domains[i].Write == "" {
			f.Domains[i].Write = WriteClosed
		}
	}
	for i := range f.Routes {
		if f.Routes[i].Mode == "" {
			f.Routes[i].Mode = ModeRealtime
		}
	}
	for i := range f.Environments {
		e := &f.Environments[i]
		if e.Role != RoleLeaf || e.Dial != "" {
			continue
		}
		h := slices.IndexFunc(f.Environments, func(h Environment) bool { return h.Name == e.Hub && h.Role == RoleHub })
		if h < 0 {
			continue
		}
		e.Dial = dialOf(f.Environments[h])
	}
}

// dialOf is the URL at which leaves on the hub's machine dial it; "" where its
// address is no one place or not known before it runs.
func dialOf(hub Environment) string {
	leaf := hub.Listen.Leaf
	if leaf.IsZero() || leaf.Auto() || leaf.EveryInterface() {
		return ""
	}
	return (&url.URL{Scheme: "nats", Host: leaf.String()}).String()
}
