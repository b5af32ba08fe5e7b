package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// joined are the properties by which the shop's three domains are joined, and
// what kind of thing each names.
var joined = map[string]string{
	"customer_id": "customer", "referred_by": "customer", "email": "email", "previous_email": "email", "order_id": "order", "payment_id": "payment",
}

// streamsOf are the streams of the shop's domains.
var streamsOf = map[string]string{"orders": "ORDERS", "customers": "CUSTOMERS", "payments": "PAYMENTS"}

// joinGraph is a bipartite graph: events on one side, what they name on the other.
type joinGraph struct {
	names map[string]int   // what is named, as a node
	nodes []string         // its names, by node
	edges map[string][]int // event -> what it names, in the document's own order of pointers
}

func newJoinGraph() *joinGraph {
	return &joinGraph{names: map[string]int{}, edges: map[string][]int{}}
}

// add adds an event.
func (g *joinGraph) add(event string, document any) {
	switch value := document.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			text, isText := value[name].(string)
			if kind := joined[name]; kind != "" && isText {
				node := kind + " " + text
				if _, known := g.names[node]; !known {
					g.names[node] = len(g.nodes)
					g.nodes = append(g.nodes, node)
				}
				g.edges[event] = append(g.edges[event], g.names[node])
				continue
			}
			g.add(event, value[name])
		}
	case []any:
		for _, item := range value {
			g.add(event, item)
		}
	}
}

// degrees are how many events name each thing, sorted.
func (g *joinGraph) degrees() []int {
	degrees := make([]int, len(g.nodes))
	for _, named := range g.edges {
		for _, n := range named {
			degrees[n]++
		}
	}
	slices.Sort(degrees)
	return degrees
}

// components are the sizes of what hangs together, in things and in events.
func (g *joinGraph) components() []string {
	parent := make([]int, len(g.nodes))
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for _, named := range g.edges {
		for _, n := range named[1:] {
			parent[find(n)] = find(named[0])
		}
	}
	things, events := map[int]int{}, map[int]int{}
	for i := range parent {
		things[find(i)]++
	}
	for _, named := range g.edges {
		events[find(named[0])]++
	}
	var sizes []string
	for root, n := range things {
		sizes = append(sizes, fmt.Sprintf("%d things in %d events", n, events[root]))
	}
	slices.Sort(sizes)
	return sizes
}

// Guards against masking that makes a destination useless: whoever joins orders,
// customers and payments in staging must find exactly what they would find in
// production, under other names.
func TestJoinsHoldAcrossDomains(t *testing.T) {
	d, _ := startDev(t, t.TempDir())
	production, staging := d.Environments["production"], d.Environments["staging"]
	nc := connect(t, production.NATS, production.Credentials)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	events, binaries := number(t, "LOCKSTEP_JOIN_EVENTS", 1500), t.TempDir()
	counts := map[string]int{}
	for domain, stream := range streamsOf {
		service := filepath.Join(binaries, domain)
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", service, "../services/"+domain).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", domain, err, out)
		}
		feed := exec.CommandContext(t.Context(), service, "-url", production.NATS, "-creds", production.Credentials, "-events", strconv.Itoa(events), "-seed", "11", "-rate", "0")
		if out, err := feed.CombinedOutput(); err != nil {
			t.Fatalf("publish as %s: %v\n%s", domain, err, out)
		}
		info, err := js.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		counts[domain] = int(info.CachedInfo().State.Msgs)
	}
	raw, masked := newJoinGraph(), newJoinGraph()
	at := connect(t, staging.NATS, staging.Credentials)
	for _, domain := range slices.Sorted(maps.Keys(counts)) {
		stream := streamsOf[domain]
		here, there := read(t, nc, stream, counts[domain]), read(t, at, stream, counts[domain])
		for i := range here {
			event := fmt.Sprintf("%s %d", domain, i)
			for _, side := range []struct {
				graph *joinGraph
				data  []byte
			}{{raw, here[i].Data()}, {masked, there[i].Data()}} {
				var document any
				if err := json.Unmarshal(side.data, &document); err != nil {
					t.Fatal(err)
				}
				side.graph.add(event, document)
			}
		}
	}
	// The same graph: a thing's name in one is a thing's name in the other, and
	// the other way round, at every place of every event.
	to, from := map[int]int{}, map[int]int{}
	for event, named := range raw.edges {
		other := masked.edges[event]
		if len(other) != len(named) {
			t.Fatalf("%s names %d things in production and %d in staging", event, len(named), len(other))
		}
		for i, n := range named {
			if was, known := to[n]; known && was != other[i] {
				t.Errorf("%s: one thing of production is %q and %q in staging", event, masked.nodes[was], masked.nodes[other[i]])
			}
			if was, known := from[other[i]]; known && was != n {
				t.Errorf("%s: %q of staging is two things in production", event, masked.nodes[other[i]])
			}
			to[n], from[other[i]] = other[i], n
			if raw.nodes[n] == masked.nodes[other[i]] {
				t.Errorf("%s: a thing is named alike in both", event)
			}
		}
	}
	if a, b := raw.degrees(), masked.degrees(); !slices.Equal(a, b) {
		t.Errorf("things are named so often in production: %v; in staging: %v", a, b)
	}
	a, b := raw.components(), masked.components()
	if !slices.Equal(a, b) {
		t.Errorf("in production hang together: %v; in staging: %v", a, b)
	}
	degrees := raw.degrees()
	if len(a) < 2 || degrees[len(degrees)-1] < 3 {
		t.Errorf("the graph is too poor to prove anything: %d components, degrees up to %d", len(a), degrees[len(degrees)-1])
	}
	t.Logf("%d events, %d things, %d components, degrees up to %d: the same in staging", len(raw.edges), len(raw.nodes), len(a), degrees[len(degrees)-1])
}
