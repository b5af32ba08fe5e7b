package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// heartbeat is how often a pre-made consumer shows that it lives while it has
// nothing to deliver.
const heartbeat = time.Second

// inFlight is how many messages a pre-made consumer may have sent that its
// destination has not confirmed. The server's default of 1,000 leaves a
// destination behind, over a distance or under load. What is under way is bounded
// in bytes, too, by the server's flow control.
const inFlight = 8192

// ensureStreams makes the environment's streams and pre-made consumers, and
// brings those that exist into their declared shape.
func (n *Node) ensureStreams(ctx context.Context) error {
	js, err := jetstream.New(n.manage)
	if err != nil {
		return err
	}
	for _, config := range n.streams() {
		if err := ensureStream(ctx, js, config); err != nil {
			return err
		}
	}
	for _, f := range exports(n.config.Feeds, n.config.Environment) {
		if err := ensureConsumer(ctx, js, f); err != nil {
			return err
		}
	}
	return nil
}

// streams is the declared shape of every stream of this environment.
func (n *Node) streams() []jetstream.StreamConfig {
	var configs []jetstream.StreamConfig
	environment := n.config.Environment
	for _, domain := range n.domains() {
		c := base(wire.DomainStream(domain), "events of domain "+domain)
		if slices.Contains(n.config.Origins, domain) {
			c.Subjects = []string{wire.StoredSubject(environment, domain+".>")}
			c.AllowAtomicPublish = true
		}
		configs = append(configs, repairable(n.sourced(c), domain))
	}
	quarantine := base(wire.QuarantineStream, "publishes that the gate refused", wire.QuarantineRoot+".>")
	dead := base(wire.DeadLetterStream, "events that a subscriber gave up", wire.DeadLetterRoot+".>")
	quarantine.AllowAtomicPublish, dead.AllowAtomicPublish = true, true // the gate commits them in groups
	configs = append(
		configs, quarantine, dead,
		n.sourced(base(wire.LedgerStream, "watermarks and withheld markers of the events that arrive here")),
	)
	withheld := base(wire.WithheldStream, "why a route withheld an event", wire.WithheldRoot+".>")
	withheld.MaxMsgsPerSubject = 1 // one record for each event and destination, however often a route reads it
	removed := base(wire.RemovedStream, "what repairs took out of the domains' streams", wire.RemovedRoot+".>")
	configs = append(configs, removed, withheld, base(wire.AuditStream, "what operators did", wire.AuditSubject(environment, ">")))
	if registry := n.sourced(base(RegistryStream, "replica of the schema registry's log")); len(registry.Sources) > 0 {
		configs = append(configs, registry)
	}
	return append(configs, n.egressStreams()...)
}

// repairable lets a stream that receives events from elsewhere be repaired: what
// differs from the origin can be taken out of it, and put back, and what is of an
// earlier generation is taken out. Only the inside of the environment can do that. A stream that receives nothing is the origin of
// what it holds, and loses nothing.
func repairable(c jetstream.StreamConfig, domain string) jetstream.StreamConfig {
	if len(c.Sources) == 0 {
		return c
	}
	c.DenyDelete, c.DenyPurge = false, false
	c.Subjects = append(c.Subjects, wire.RestoreSubject(wire.StoredSubject("*", domain+".>")))
	c.SubjectTransform = &jetstream.SubjectTransformConfig{
		Source:      wire.RestoreSubject(wire.StoredSubject("*", domain+".>")),
		Destination: wire.StoredSubject("{{wildcard(1)}}", domain+".>"),
	}
	return c
}

// egressStreams are the streams that routes write and destinations source.
func (n *Node) egressStreams() []jetstream.StreamConfig {
	var configs []jetstream.StreamConfig
	for _, domain := range n.config.Domains {
		for _, f := range exports(n.config.Feeds, n.config.Environment) {
			if f.Stream != wire.EgressStream(domain, f.To) || f.Consumer != wire.EventConsumer(f.To) {
				continue
			}
			c := base(f.Stream, "events of domain "+domain+" for "+f.To+", masked", egressSubjects(domain, f.To))
			c.SubjectTransform = &jetstream.SubjectTransformConfig{
				Source:      wire.EgressRecordSubject(f.To, "*", domain, "*"),
				Destination: wire.LedgerSubject("{{wildcard(1)}}", domain, "{{wildcard(2)}}"),
			}
			c.AllowAtomicPublish = true
			c.DenyPurge = false // what is of earlier generations is taken out
			configs = append(configs, c)
		}
	}
	return configs
}

// base is what all streams have in common: they keep what they took until
// somebody decides otherwise, and refuse the new when they are full.
func base(name, description string, subjects ...string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: name, Description: description, Subjects: subjects,
		Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		AllowDirect: true, DenyDelete: true, DenyPurge: true,
	}
}

// sourced adds the sources from which the stream receives.
func (n *Node) sourced(c jetstream.StreamConfig) jetstream.StreamConfig {
	for _, f := range imports(n.config.Feeds, n.config.Environment) {
		if f.Into != c.Name {
			continue
		}
		source := &jetstream.StreamSource{
			Name:     f.Stream,
			External: &jetstream.ExternalStream{APIPrefix: wire.SourcePrefix(f.From)},
			Consumer: &jetstream.StreamConsumerSource{Name: f.Consumer, DeliverSubject: f.deliver()},
		}
		if f.Prefix != "" {
			source.SubjectTransforms = []jetstream.SubjectTransformConfig{{Source: f.Prefix + ">", Destination: ">"}}
		}
		c.Sources = append(c.Sources, source)
	}
	return c
}

func ensureStream(ctx context.Context, js jetstream.JetStream, c jetstream.StreamConfig) error {
	existing, err := js.Stream(ctx, c.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateStream(ctx, c)
	} else if err == nil && !sameShape(existing.CachedInfo().Config, c) {
		// JetStream does not take these back. Such a stream cannot be repaired, or its
		// history be masked anew, which who tries is told.
		c.DenyDelete = c.DenyDelete || existing.CachedInfo().Config.DenyDelete
		c.DenyPurge = c.DenyPurge || existing.CachedInfo().Config.DenyPurge
		_, err = js.UpdateStream(ctx, c)
	}
	if err != nil {
		return &Error{Code: CodeStream, Op: "bring into shape the stream", What: c.Name, Cause: err, Cure: "free space or raise the environment's store limit; a stream of the same name that something else made must be removed first"}
	}
	return nil
}

// sameShape compares what this package declares about a stream, so that a
// restart changes nothing, and sources are not set up afresh without need.
func sameShape(is, want jetstream.StreamConfig) bool {
	source := func(s *jetstream.StreamSource) string {
		key := s.Name
		if s.External != nil {
			key += " " + s.External.APIPrefix
		}
		if s.Consumer != nil {
			key += " " + s.Consumer.Name + " " + s.Consumer.DeliverSubject
		}
		for _, t := range s.SubjectTransforms {
			key += " " + t.Source + " " + t.Destination
		}
		return key
	}
	keys := func(sources []*jetstream.StreamSource) []string {
		out := make([]string, 0, len(sources))
		for _, s := range sources {
			out = append(out, source(s))
		}
		slices.Sort(out)
		return out
	}
	transform := func(t *jetstream.SubjectTransformConfig) jetstream.SubjectTransformConfig {
		if t == nil {
			return jetstream.SubjectTransformConfig{}
		}
		return *t
	}
	perSubject := want.MaxMsgsPerSubject
	if perSubject == 0 {
		perSubject = -1 // how the server says "no limit"
	}
	return slices.Equal(is.Subjects, want.Subjects) &&
		slices.Equal(keys(is.Sources), keys(want.Sources)) &&
		transform(is.SubjectTransform) == transform(want.SubjectTransform) &&
		is.AllowAtomicPublish == want.AllowAtomicPublish &&
		is.AllowBatchPublish == want.AllowBatchPublish &&
		is.MaxMsgsPerSubject == perSubject
}

// ensureConsumer makes the durable through which one destination sources. The
// stream of the registry is made by the registry, and may come later; its
// consumers are made by OfferRegistry.
func ensureConsumer(ctx context.Context, js jetstream.JetStream, f Feed) error {
	if f.Stream == SharedRegistryStream {
		return nil
	}
	return offer(ctx, js, f)
}

// OfferRegistry makes the durables through which leaves replicate the
// registry, once the registry has made its stream.
func (n *Node) OfferRegistry(ctx context.Context) error {
	js, err := jetstream.New(n.manage)
	if err != nil {
		return err
	}
	for _, f := range exports(n.config.Feeds, n.config.Environment) {
		if f.Stream != SharedRegistryStream {
			continue
		}
		if err := offer(ctx, js, f); err != nil {
			return err
		}
	}
	return nil
}

func offer(ctx context.Context, js jetstream.JetStream, f Feed) error {
	_, err := js.CreateOrUpdatePushConsumer(ctx, f.Stream, jetstream.ConsumerConfig{
		Durable: f.Consumer, Description: fmt.Sprintf("feeds %s of %s", f.Into, f.To),
		DeliverSubject: f.deliver(), FilterSubject: f.Filter,
		AckPolicy: jetstream.AckFlowControlPolicy, FlowControl: true, IdleHeartbeat: heartbeat,
		MaxDeliver: -1, DeliverPolicy: jetstream.DeliverAllPolicy, MaxAckPending: inFlight,
	})
	if err != nil {
		return &Error{Code: CodeStream, Op: "make the consumer " + f.Consumer + " of stream", What: f.Stream, Cause: err}
	}
	return nil
}
