package node

import (
	"slices"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// The streams of the schema registry's log: its own, and the form of it that
// leaves receive. The registry owns their content; the node only carries it.
const (
	RegistryStream       = "REGISTRY"
	SharedRegistryStream = "REGISTRY_SHARED"
)

// Feed is one stream, or a part of one, that an environment sources from
// another. The exporter makes a durable consumer for it in advance; the
// importer may reset that consumer and do nothing else.
type Feed struct {
	From     string // environment that exports
	To       string // environment that imports
	Stream   string // stream at the exporter
	Consumer string // durable on that stream
	Filter   string // what of the stream crosses; empty means all
	Prefix   string // of the subjects at the exporter, which the importer takes away
	Into     string // stream at the importer
}

// deliver is the subject on which the feed's messages arrive.
func (f Feed) deliver() string { return wire.DeliverSubject(f.To, f.Stream, f.Consumer) }

// RouteFeeds are the feeds of one route for one domain: its events, and the
// ledger's records about them.
//
// The filter for events is, to the letter, the only subject of the egress stream:
// then the server takes one message after the other. Otherwise it would search a
// block's subjects for each message as soon as the destination is behind (measured
// with 512 subjects: 4.5 µs of CPU an event, a twelfth of all).
func RouteFeeds(from, to, domain string) []Feed {
	egress := wire.EgressStream(domain, to)
	return []Feed{
		{
			From: from, To: to, Stream: egress, Consumer: wire.EventConsumer(to), Filter: egressSubjects(domain, to),
			Prefix: wire.EgressSubject(to, ""), Into: wire.DomainStream(domain),
		},
		{From: from, To: to, Stream: egress, Consumer: wire.LedgerConsumer(to), Filter: wire.LedgerRoot + ".>", Into: wire.LedgerStream},
	}
}

// egressSubjects are the subjects of an egress stream.
func egressSubjects(domain, to string) string {
	return wire.EgressSubject(to, wire.StoredSubject("*", domain+".>"))
}

// RegistryFeed is the feed by which a leaf replicates the registry.
func RegistryFeed(from, to string) Feed {
	return Feed{From: from, To: to, Stream: SharedRegistryStream, Consumer: wire.EventConsumer(to), Into: RegistryStream}
}

// exports are the feeds that environment offers, imports those it takes.
func exports(feeds []Feed, environment string) []Feed {
	return slices.DeleteFunc(slices.Clone(feeds), func(f Feed) bool { return f.From != environment })
}

func imports(feeds []Feed, environment string) []Feed {
	return slices.DeleteFunc(slices.Clone(feeds), func(f Feed) bool { return f.To != environment })
}
