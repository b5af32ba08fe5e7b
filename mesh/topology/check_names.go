package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// maxName is the longest name. A name is a token of subjects and a part of
// stream and file names, two of them in an egress stream's.
const maxName = 48

var nameSyntax = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// reservedRoots are the first tokens of subjects that are Lockstep's own.
var reservedRoots = []string{
	wire.EventRoot, wire.EgressRoot, wire.LedgerRoot, wire.QuarantineRoot, wire.WithheldRoot,
	wire.DeadLetterRoot, "registry", "mesh", "lockstep",
}

// ownStreams are the streams that an environment has beside its domains'.
var ownStreams = []string{
	"REGISTRY", "TOPOLOGY", "AUDIT",
	wire.QuarantineStream, wire.WithheldStream, wire.DeadLetterStream, wire.LedgerStream,
}

// name checks the syntax of a declared name.
func (c *checker) name(kind, name string, at strictyaml.Position) {
	const why = "a name is lower case letters, digits and hyphens, begins with a letter, and has no underscore, since stream names are made of it"
	switch {
	case strings.HasPrefix(name, "$") || strings.HasPrefix(name, "_"):
		c.report(CodeReservedName, at, fmt.Sprintf("the %s name %q is reserved", kind, name),
			"subjects that begin with $ or _ are NATS's own", suggestName(kind, name))
	case len(name) > maxName:
		c.report(CodeBadName, at, fmt.Sprintf("the %s name %q is too long", kind, name),
			fmt.Sprintf("it has %d characters; %d are the most", len(name), maxName), "choose a shorter one")
	case !nameSyntax.MatchString(name):
		c.report(CodeBadName, at, fmt.Sprintf("%q cannot be the name of %s %s", name, articleOf(kind), kind), why, suggestName(kind, name))
	case kind != "policy" && slices.Contains(reservedRoots, name):
		c.report(CodeReservedName, at, fmt.Sprintf("the %s name %q is reserved", kind, name),
			"Lockstep's own subjects begin with it", fmt.Sprintf("choose another, such as %s-events", name))
	}
}

func articleOf(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an"
	}
	return "a"
}

// exampleNames are those of the sample mesh.
var exampleNames = map[string]string{"environment": "edge-berlin", "domain": "orders", "policy": "testers"}

// plainText is what a name can be made of by changing case and marks only.
var plainText = regexp.MustCompile(`^[\x20-\x7e]+$`)

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// suggestName makes a name of what was written, as a cure.
func suggestName(kind, written string) string {
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(written), "-"), "-")
	if !plainText.MatchString(written) || !nameSyntax.MatchString(name) || len(name) > maxName || slices.Contains(reservedRoots, name) {
		return "for example " + exampleNames[kind]
	}
	return "write " + name
}

// streams reports names that become the same stream. Egress streams are
// counted for every pair of domain and environment, so that a route added
// later cannot run into one either.
func (c *checker) streams() {
	type use struct {
		what  string
		owner string // the domain whose name makes the stream
	}
	taken := map[string]use{}
	for _, stream := range ownStreams {
		taken[stream] = use{what: "a stream of Lockstep's own"}
	}
	for _, d := range c.mesh.file.Domains {
		if !sound(d.Name) {
			continue
		}
		if stream := wire.DomainStream(d.Name); taken[stream].what == "" {
			taken[stream] = use{"the stream of the domain " + d.Name, d.Name}
		} else {
			c.report(CodeCollision, c.at.Key("domains", d.Name),
				fmt.Sprintf("the stream of the domain %s would be %s", d.Name, stream),
				fmt.Sprintf("that is %s", taken[stream].what), "choose another name for the domain")
		}
	}
	for _, d := range c.mesh.file.Domains {
		for _, e := range c.mesh.file.Environments {
			if !sound(d.Name) || !sound(e.Name) {
				continue
			}
			stream := wire.EgressStream(d.Name, e.Name)
			other := taken[stream]
			if other.what == "" {
				taken[stream] = use{fmt.Sprintf("the egress stream of the domain %s to %s", d.Name, e.Name), d.Name}
				continue
			}
			at := c.at.Key("domains", d.Name)
			if later := c.at.Key("domains", other.owner); other.owner != "" && later.Line > at.Line {
				at = later
			}
			c.report(CodeCollision, at,
				fmt.Sprintf("the egress stream of the domain %s to %s would be %s", d.Name, e.Name, stream),
				fmt.Sprintf("that is %s", other.what), "choose another name for one of them")
		}
	}
}

// sound reports, silently, whether name has nothing to say against a name.
func sound(name string) bool {
	return len(name) <= maxName && nameSyntax.MatchString(name) && !slices.Contains(reservedRoots, name)
}
