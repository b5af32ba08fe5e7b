package topology

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// environments checks each environment's name and what its role allows.
func (c *checker) environments() {
	var firstHub string
	leaves := map[string]bool{} // hubs that have leaves
	for _, e := range c.mesh.file.Environments {
		leaves[e.Hub] = leaves[e.Hub] || e.Role == RoleLeaf
	}
	for _, e := range c.mesh.file.Environments {
		at := c.at.Key("environments", e.Name)
		c.name("environment", e.Name, at)
		switch e.Role {
		case RoleHub:
			if firstHub != "" {
				c.report(CodeRole, c.at.Value("environments", e.Name, "role"),
					fmt.Sprintf("%s is a second hub beside %s", e.Name, firstHub),
					"the hub holds the registry's primary, of which there is one", fmt.Sprintf("make it a leaf: `role: leaf` and `hub: %s`", firstHub))
			} else {
				firstHub = e.Name
			}
			c.hub(e, leaves[e.Name])
		case RoleLeaf:
			c.leaf(e)
		}
	}
	if firstHub == "" && len(c.mesh.file.Environments) > 0 && !c.rolesBroken() {
		c.report(CodeRole, c.at.Key("environments"), "no environment is the hub",
			"leaves dial it, and it holds the registry's primary", "give one environment `role: hub`")
	}
}

// rolesBroken reports whether some environment's role could not be read, so
// that it might have been meant as the hub.
func (c *checker) rolesBroken() bool {
	for _, e := range c.mesh.file.Environments {
		if e.Role == "" {
			return true
		}
	}
	return false
}

func (c *checker) hub(e Environment, hasLeaves bool) {
	for _, key := range []string{"hub", "dial"} {
		if c.at.Stands("environments", e.Name, key) {
			c.report(CodeRole, c.at.Key("environments", e.Name, key), fmt.Sprintf("%s is the hub and has %q", e.Name, key),
				"a hub dials nobody", "remove it, or make the environment a leaf")
		}
	}
	if hasLeaves && e.Listen.Leaf.IsZero() && c.at.Stands("environments", e.Name, "listen") && !c.at.Broken("environments", e.Name, "listen") && !c.at.Broken("environments", e.Name, "listen", "leaf") {
		c.report(CodeMissing, c.at.Key("environments", e.Name, "listen"), fmt.Sprintf("the hub %s has no address for its leaves", e.Name),
			"they could not dial it", "add `leaf:` to its addresses, for example `leaf: 127.0.0.1:7422`")
	}
}

func (c *checker) leaf(e Environment) {
	if c.at.Stands("environments", e.Name, "listen", "leaf") {
		c.report(CodeRole, c.at.Key("environments", e.Name, "listen", "leaf"), fmt.Sprintf("%s is a leaf and listens for leaves", e.Name),
			"leaves meet at the hub only", "remove the address, or make the environment the hub")
	}
	if e.Hub == "" && !c.at.Stands("environments", e.Name, "hub") && !c.at.Broken("environments", e.Name, "hub") {
		cure := "add `hub:` with the name of the hub"
		if hub := c.mesh.Hub(); hub.Name != "" {
			cure = fmt.Sprintf("add `hub: %s`", hub.Name)
		}
		c.report(CodeMissing, c.at.Key("environments", e.Name), fmt.Sprintf("the leaf %s has no hub", e.Name), "a leaf dials its hub", cure)
	}
}

// links checks that each leaf's hub is one, and can be dialled.
func (c *checker) links() {
	for _, e := range c.mesh.file.Environments {
		if e.Role != RoleLeaf || e.Hub == "" {
			continue
		}
		at := c.at.Value("environments", e.Name, "hub")
		if !c.known("environment", e.Hub, c.environmentNames(), at) {
			continue
		}
		hub, _ := c.mesh.Environment(e.Hub)
		if hub.Role == RoleLeaf {
			what, cure := fmt.Sprintf("%s has the leaf %s as its hub", e.Name, e.Hub), "name the hub"
			if e.Hub == e.Name {
				what = fmt.Sprintf("%s is its own hub", e.Name)
			}
			if real := c.mesh.Hub(); real.Name != "" {
				cure = fmt.Sprintf("write `hub: %s`", real.Name)
			}
			c.report(CodeRole, at, what, "leaves meet at the hub only", cure)
			continue
		}
		if hub.Role == RoleHub {
			c.dial(e, hub)
		}
	}
}

// dial checks the URL at which a leaf dials its hub.
func (c *checker) dial(e, hub Environment) {
	if !c.at.Stands("environments", e.Name, "dial") {
		if hub.Listen.Leaf.EveryInterface() && !hub.Listen.Leaf.Auto() {
			c.report(CodeMissing, c.at.Key("environments", e.Name), fmt.Sprintf("nothing says where %s dials its hub", e.Name),
				fmt.Sprintf("%s listens for leaves on every interface, and that is no address to dial", hub.Name),
				fmt.Sprintf("add `dial: nats://HOST:%d` with the host at which %s is reached", hub.Listen.Leaf.Port, hub.Name))
		}
		return
	}
	if e.Dial == "" {
		return
	}
	if why := badDial(e.Dial); why != "" {
		c.report(CodeBadValue, c.at.Value("environments", e.Name, "dial"), fmt.Sprintf("%s cannot dial %q", e.Name, withoutPassword(e.Dial)), why,
			"write nats://HOST:PORT or tls://HOST:PORT")
	}
}

func badDial(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Opaque != "", u.Scheme == "", u.Host == "":
		return "it is not a URL with a host and a port"
	case u.User != nil:
		return "credentials do not belong in mesh.yaml, which many may read"
	}
	switch u.Scheme {
	case "nats", "nats-leaf", "tls", "ws", "wss":
	default:
		return fmt.Sprintf("the scheme %q is none of nats, nats-leaf, tls, ws, wss", u.Scheme)
	}
	if u.Path != "" && !strings.HasPrefix(u.Scheme, "ws") || u.RawQuery != "" || u.Fragment != "" {
		return "it has more than a host and a port"
	}
	address, err := ParseAddress(u.Host)
	if err != nil || address.Auto() {
		return "it needs a host and the port that the hub listens on for leaves"
	}
	if address.EveryInterface() {
		return "every interface is no address to dial"
	}
	return ""
}

// withoutPassword keeps what somebody mistook for a place of secrets out of
// messages.
func withoutPassword(text string) string {
	scheme, rest, ok := strings.Cut(text, "//")
	if at := strings.LastIndexByte(rest, '@'); ok && at >= 0 {
		return scheme + "//…@" + rest[at+1:]
	}
	return text
}

// listener is one address of an environment.
type listener struct {
	environment, key string
	address          Address
}

func (l Listen) all(environment string) []listener {
	return []listener{
		{environment, "nats", l.NATS},
		{environment, "leaf", l.Leaf},
		{environment, "registry", l.Registry},
		{environment, "http", l.HTTP},
	}
}

// listeners reports addresses that two would listen on. Within an environment
// every interface includes each; of two environments, which may be on two
// machines, only the same address counts.
func (c *checker) listeners() {
	var before []listener
	for _, e := range c.mesh.file.Environments {
		for _, l := range e.Listen.all(e.Name) {
			if l.address.IsZero() || l.address.Auto() {
				continue
			}
			for _, other := range before {
				if c.clash(l, other) {
					break
				}
			}
			before = append(before, l)
		}
	}
}

func (c *checker) clash(l, other listener) bool {
	if l.address.Port != other.address.Port {
		return false
	}
	here, there := interfaceOf(l.address), interfaceOf(other.address)
	if here != there && (l.environment != other.environment || (here != "" && there != "")) {
		return false
	}
	cure := "give each a port of its own"
	if l.environment != other.environment {
		cure = "give each a port of its own, or name the address of the machine that each runs on"
	}
	c.report(CodeCollision, c.at.Value("environments", l.environment, "listen", l.key),
		fmt.Sprintf("%s of %s listens on %s", l.key, l.environment, l.address),
		fmt.Sprintf("%s of %s does so already", other.key, other.environment), cure)
	return true
}

// interfaceOf is an address's host in one spelling; "" is every interface.
func interfaceOf(a Address) string {
	if a.EveryInterface() {
		return ""
	}
	if strings.EqualFold(a.Host, "localhost") {
		return "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(a.Host)
}
