package demo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/services/internal/feed"
	"github.com/lockstep-mesh/lockstep/services/internal/shop"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
)

// publish publishes the history, each domain as the service of its name would:
// on a connection of its own, with an application's credentials.
func (d *demo) publish(ctx context.Context) (map[string]feed.Stats, error) {
	var stored atomic.Int64
	d.progress.phase(fmt.Sprintf("publishing %d events", d.flags.Events), func() string { return fmt.Sprintf("%d stored", stored.Load()) })
	all := domains()
	stats := make([]feed.Stats, len(all))
	group, feeding := errgroup.WithContext(ctx)
	for i, domain := range all {
		group.Go(func() (err error) {
			conn, err := d.connect(feeding, domain.Name)
			if err != nil {
				return err
			}
			defer func() {
				closing, cancel := lifecycle.Stopping(ctx)
				defer cancel()
				err = errors.Join(err, conn.Drain(closing))
			}()
			stats[i], err = feed.Run(feeding, conn, domain, feed.Options{
				Seed: d.flags.Seed, Events: d.flags.Events, FaultEvery: d.faultEvery(), Log: d.log,
				Stored: func(shop.Event, mesh.Receipt) { stored.Add(1) },
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	byName := map[string]feed.Stats{}
	for i, domain := range all {
		byName[domain.Name] = stats[i]
	}
	return byName, nil
}

// connect connects to the origin of a domain.
func (d *demo) connect(ctx context.Context, domain string) (*mesh.Conn, error) {
	declared, ok := d.mesh.Domain(domain)
	if !ok {
		return nil, &cli.Error{Code: "mesh", What: "the mesh has no domain " + domain, Where: d.mesh.File(), Cure: "run the demonstration with the sample mesh"}
	}
	origin := d.all.Get(declared.Origins[0])
	return mesh.Connect(ctx, origin.NATSURL(), mesh.WithCredentials(origin.ApplicationCredentials()),
		mesh.WithName(domain), mesh.WithSource("/services/"+domain), mesh.WithLogger(d.log))
}

// faultEvery is how many good events of a domain are published to one that
// must be refused: some are, however short the history.
func (d *demo) faultEvery() int { return min(250, 1+d.flags.Events/25) }
