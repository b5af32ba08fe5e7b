package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// plainPair is an origin and a destination without Lockstep.
type plainPair struct{ from, to *plainServer }

// pair starts both servers, the destination as a leaf of the origin if asked,
// and the origin's stream.
func (t *trial) pair(ctx context.Context, durability topology.Durability, leaf bool) (_ *plainPair, _ *system, err error) {
	p := &plainPair{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	o := plainOptions(origin, filepath.Join(t.dir, "plain", origin), durability)
	o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", server.RANDOM_PORT
	if p.from, err = startPlain(o); err != nil {
		return nil, nil, err
	}
	hub, err := p.from.leafURL()
	if err != nil {
		return nil, nil, err
	}
	// As in a mesh, the destination syncs at intervals.
	o = plainOptions(destination, filepath.Join(t.dir, "plain", destination), topology.DurabilityInterval)
	if leaf {
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{hub}}}
	}
	if p.to, err = startPlain(o); err != nil {
		return nil, nil, err
	}
	s := p.from.system(t.pending())
	s.destination = p.to.server.ClientURL()
	s.close = func(context.Context) error { p.close(); return nil }
	config := plainStream()
	config.Subjects = []string{wire.StoredSubject(origin, "orders.>")}
	if _, err = p.from.js.CreateStream(ctx, config); err != nil {
		return nil, nil, err
	}
	s.stored, err = countsOf(ctx, p.from.js, config.Name)
	return p, s, err
}

func (p *plainPair) close() {
	for _, s := range []*plainServer{p.to, p.from} {
		if s != nil {
			s.close()
		}
	}
}

// native starts an origin and a destination whose stream sources the origin's,
// over a leaf connection: what JetStream does by itself, with nothing masked.
func (t *trial) native(ctx context.Context, durability topology.Durability) (*system, error) {
	p, s, err := t.pair(ctx, durability, true)
	if err != nil {
		return nil, err
	}
	config := plainStream()
	config.Sources = []*jetstream.StreamSource{{
		Name: config.Name, External: &jetstream.ExternalStream{APIPrefix: "$JS." + origin + ".API"},
	}}
	if _, err = p.to.js.CreateStream(ctx, config); err == nil {
		s.delivered, err = countsOf(ctx, p.to.js, config.Name)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("source a stream over a leaf: %w", err), s.shut(ctx))
	}
	return s, nil
}
