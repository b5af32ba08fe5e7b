package environment

import (
	"fmt"
	"path/filepath"

	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
)

// nodeConfig derives from the mesh what one environment's server must know.
func nodeConfig(c Config, is topology.Environment) (node.Config, error) {
	n := node.Config{
		Environment: is.Name, Address: is.Listen.NATS.String(), LeafAddress: is.Listen.Leaf.String(),
		Data: c.Data, MaxStore: int64(is.Store.Limit),
		Durability: node.Durability(is.DurabilityOr(c.Durability)),
		Feeds:      feeds(c.Mesh, is.Name), Logger: c.Logger,
	}
	for _, d := range c.Mesh.Domains() {
		n.Domains = append(n.Domains, d.Name)
	}
	for _, d := range c.Mesh.DomainsOriginatedBy(is.Name) {
		n.Origins = append(n.Origins, d.Name)
	}
	for _, leaf := range c.Mesh.LeavesOf(is.Name) {
		n.Leaves = append(n.Leaves, leaf.Name)
	}
	if is.Role != topology.RoleLeaf {
		return n, nil
	}
	n.LeafAddress = ""
	n.Upstream = &node.Upstream{URL: c.HubURL, Credentials: c.HubCredentials}
	if n.Upstream.URL == "" {
		n.Upstream.URL = is.Dial
	}
	if n.Upstream.URL == "" {
		hub, ok := c.Mesh.Environment(is.Hub)
		if !ok || hub.Listen.Leaf.IsZero() || hub.Listen.Leaf.Auto() {
			return n, fmt.Errorf("environment %s does not know where to dial its hub %s: set environments.%s.dial in mesh.yaml, or --hub-url", is.Name, is.Hub, is.Name)
		}
		n.Upstream.URL = "nats://" + hub.Listen.Leaf.String()
	}
	if n.Upstream.Credentials == "" {
		n.Upstream.Credentials = node.LeafCredentialsPath(filepath.Join(filepath.Dir(c.Data), is.Hub), is.Name)
	}
	return n, nil
}

// feeds are all feeds that environment exports or imports.
func feeds(m *topology.Mesh, environment string) []node.Feed {
	var all []node.Feed
	for _, r := range m.Routes() {
		if r.From != environment && r.To != environment {
			continue
		}
		for _, d := range r.Domains {
			all = append(all, node.RouteFeeds(r.From, r.To, d)...)
		}
	}
	hub := m.Hub().Name
	for _, leaf := range m.LeavesOf(hub) {
		if environment == hub || environment == leaf.Name {
			all = append(all, node.RegistryFeed(hub, leaf.Name))
		}
	}
	return all
}
