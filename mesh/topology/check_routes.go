package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
)

func (c *checker) routes() {
	type carried struct{ domain, from, to string }
	first := map[carried]int{}
	for i, r := range c.mesh.file.Routes {
		fromKnown := c.known("environment", r.From, c.environmentNames(), c.at.Value("routes", i, "from"))
		toKnown := c.known("environment", r.To, c.environmentNames(), c.at.Value("routes", i, "to"))
		if fromKnown && toKnown {
			c.link(i, r)
		}
		c.known("policy", r.Policy, c.policyNames(), c.at.Value("routes", i, "policy"))
		c.mode(i, r)
		c.repeated(r.Domains, "routes", i, "domains")
		for j, name := range r.Domains {
			at := c.at.Value("routes", i, "domains", j)
			if !c.known("domain", name, c.domainNames(), at) || slices.Index(r.Domains, name) < j {
				continue
			}
			if fromKnown {
				c.origin(r, name, at)
			}
			events := carried{name, r.From, r.To}
			if other, twice := first[events]; !twice {
				first[events] = i
			} else if fromKnown && toKnown {
				c.report(CodeTwoRoutes, at, fmt.Sprintf("a second route carries %s from %s to %s", name, r.From, r.To),
					fmt.Sprintf("the route of line %d does so already, and its events would arrive twice", c.at.Value("routes", other).Line),
					"take the domain out of one of the two")
			}
		}
	}
}

// link reports a route whose ends do not meet: one of them is the hub and the
// other a leaf of it.
func (c *checker) link(i int, r Route) {
	from, _ := c.mesh.Environment(r.From)
	to, _ := c.mesh.Environment(r.To)
	at := c.at.Value("routes", i, "to")
	switch {
	case r.From == r.To:
		c.report(CodeNoLink, at, fmt.Sprintf("the route from %s leads to itself", r.From),
			"an environment has its own events already", "name another environment, or remove the route")
	case from.Role == RoleLeaf && to.Role == RoleLeaf:
		cure := "route between the hub and one of its leaves"
		if hub := c.mesh.Hub(); hub.Name != "" {
			cure = fmt.Sprintf("route from %s to %s instead, with %s as the domains' origin, or from %s to %s", hub.Name, r.To, hub.Name, r.From, hub.Name)
		}
		c.report(CodeNoLink, at, fmt.Sprintf("%s and %s are both leaves", r.From, r.To),
			"leaves have no connection to one another; they meet at the hub", cure)
	case from.Role == RoleHub && to.Role == RoleLeaf && to.Hub != "" && to.Hub != from.Name,
		to.Role == RoleHub && from.Role == RoleLeaf && from.Hub != "" && from.Hub != to.Name:
		c.report(CodeNoLink, at, fmt.Sprintf("%s and %s do not meet", r.From, r.To),
			"the leaf has another hub", "route between the leaf and its own hub")
	}
}

// origin reports a route that begins where a domain's events are not published.
func (c *checker) origin(r Route, domain string, at strictyaml.Position) {
	d, _ := c.mesh.Domain(domain)
	if slices.Contains(d.Origins, r.From) || len(d.Origins) == 0 {
		return
	}
	c.report(CodeNotOrigin, at, fmt.Sprintf("%s is not an origin of %s", r.From, domain),
		fmt.Sprintf("its events are published in %s, and a route carries an environment's own events only", strings.Join(d.Origins, ", ")),
		fmt.Sprintf("route from %s, or add %s to the origins of %s", strings.Join(d.Origins, " or "), r.From, domain))
}

// mode reports what this version does not execute, and parameters of another
// mode than the route's.
func (c *checker) mode(i int, r Route) {
	if r.Mode != ModeRealtime {
		c.report(CodeNotAvailable, c.at.Value("routes", i, "mode"), fmt.Sprintf("the mode %s is not available in this version", r.Mode),
			"only realtime routes are executed", "write `mode: realtime`, or leave it out")
	}
	for _, mode := range []Mode{ModeBatch, ModeCanary} {
		if c.at.Stands("routes", i, string(mode)) && r.Mode != mode && !c.at.Broken("routes", i, "mode") {
			c.report(CodeBadValue, c.at.Key("routes", i, string(mode)), fmt.Sprintf("the route has parameters of mode %s, and its mode is %s", mode, r.Mode),
				"they would be silently without effect", "remove them")
		}
	}
}

// cycles reports routes that carry a domain in a circle, each at the route
// that closes it.
func (c *checker) cycles() {
	for _, d := range c.mesh.file.Domains {
		onward := map[string][]string{}
		for i, r := range c.mesh.file.Routes {
			j := slices.Index(r.Domains, d.Name)
			if j < 0 || r.From == "" || r.To == "" || r.From == r.To {
				continue
			}
			if back := way(onward, r.To, r.From); back != nil {
				c.report(CodeCycle, c.at.Value("routes", i, "domains", j),
					fmt.Sprintf("the routes of %s form a circle: %s", d.Name, strings.Join(append([]string{r.From}, back...), " → ")),
					"an event that is carried on could come back to where it was published", "take the domain out of one of these routes")
				continue
			}
			onward[r.From] = append(onward[r.From], r.To)
		}
	}
}

// way is the shortest way from one environment to another, both included; nil
// if there is none.
func way(onward map[string][]string, from, to string) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		here := queue[0]
		if here == to {
			var path []string
			for ; here != ""; here = cameFrom[here] {
				path = append(path, here)
			}
			slices.Reverse(path)
			return path
		}
		for _, next := range onward[here] {
			if _, seen := cameFrom[next]; !seen {
				cameFrom[next] = here
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// unused warns of what is declared and used by no route: it may be meant for
// later, so it keeps nothing from running.
func (c *checker) unused() {
	for _, p := range c.mesh.file.Policies {
		if !slices.ContainsFunc(c.mesh.file.Routes, func(r Route) bool { return r.Policy == p.Name }) {
			c.warn(c.at.Key("policies", p.Name), fmt.Sprintf("no route uses the policy %s", p.Name), "", "give it to a route, or remove it")
		}
	}
	for _, e := range c.mesh.file.Environments {
		if e.Role == RoleLeaf && len(c.mesh.RoutesFrom(e.Name))+len(c.mesh.RoutesTo(e.Name)) == 0 {
			c.warn(c.at.Key("environments", e.Name), fmt.Sprintf("no route leads to %s or from it", e.Name),
				"it receives no events", "add a route, or remove the environment")
		}
	}
}
