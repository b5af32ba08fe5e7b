// Package demo is the command `lockstep demo`: the main job from start to end,
// on embedded servers, with a proof of what it claims.
//
// It brings up the sample mesh, publishes a shop's history in production, waits
// until every other environment is verified, and then trusts nobody: it counts
// what arrived, and searches every other environment, through NATS and on disk,
// for the personal values that were published.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/internal/feed"
	"github.com/lockstep-mesh/lockstep/services/internal/shop"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/datadir"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
	"github.com/lockstep-mesh/lockstep/services/lockstep/leak"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

const (
	defaultEvents = 10_000
	readyTimeout  = 60 * time.Second // for all environments to serve
)

// Flags are the command's flags.
type Flags struct {
	Events int
	Seed   uint64
	Data   string
}

// Command is `demo`.
func Command(app *cli.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use: "demo", Short: "Show the main job, start to end, and prove that it is done",
		Long: `Bring up the sample mesh in this process, on free ports: production, staging,
testing and edge-berlin. Publish a shop's history in production, some of it wrong
on purpose. Wait until every other environment is verified, count what arrived
there, and search all of it, through NATS and on disk, for the personal values
that were published.

The exit code is 0 if every event is where it belongs exactly once or withheld
with a reason, all wrong ones were refused, and nothing personal is found; 3 if
not.`,
		Example: "  lockstep demo\n  lockstep demo --events 100000 --seed 7 -o json",
	}
	flags := c.Flags()
	flags.IntVar(&f.Events, "events", defaultEvents, "`how many` events to publish, in all domains together")
	flags.Uint64Var(&f.Seed, "seed", 1, "the `history` to publish: one seed, one history")
	flags.StringVar(&f.Data, "data", "", "an empty `directory` for the stores, to look at them afterwards (default: a temporary one, removed at the end)")
	return app.Command(c, func(ctx context.Context) error { return Run(ctx, app, f) })
}

// Run runs the demonstration and answers with its report. An error with exit
// code 3 says what the report shows to be wrong.
func Run(ctx context.Context, app *cli.App, f Flags) (err error) {
	if f.Events < 1 {
		return cli.Usage("--events %d: there is nothing to publish", f.Events)
	}
	if err := empty(f.Data); err != nil {
		return err
	}
	begin := time.Now()
	d := &demo{flags: f, log: app.Logger(zerolog.ErrorLevel), progress: newProgress(app.Stderr, app.Terminal())}
	defer d.progress.close()
	if err := d.configure(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.data.Close()) }()
	report, err := d.run(ctx)
	if err != nil {
		if ctx.Err() != nil { // what fails then, fails because of it
			return ctx.Err()
		}
		return err
	}
	d.progress.close()
	report.Seconds = seconds(time.Since(begin))
	if err := app.Answer(report); err != nil {
		return err
	}
	return report.verdict()
}

// empty refuses a directory with something in it: its events would be counted
// as this history's.
func empty(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return &cli.Error{Code: "data", What: "the data directory cannot be used", Where: dir, Cause: err, Cure: "name a directory that is empty or does not exist"}
	}
	return &cli.Error{
		Code: "data", What: "the data directory is not empty", Where: dir,
		Why: "the demonstration begins with a new mesh", Cure: "name a directory that is empty or does not exist",
	}
}

// demo is one demonstration.
type demo struct {
	flags    Flags
	log      zerolog.Logger
	progress *progress
	mesh     *topology.Mesh
	data     *datadir.Dir
	all      *environment.All
	routes   []carried
	planted  []string // values to search for beside the history's; for tests
}

// carried is one domain's way from its origin to another environment.
type carried struct{ from, to, domain string }

func (d *demo) configure() (err error) {
	if d.mesh, err = target.LoadMesh(""); err != nil {
		return err
	}
	if d.mesh, err = d.mesh.WithAutoPorts(); err != nil {
		return err
	}
	for _, r := range d.mesh.Routes() {
		for _, domain := range r.Domains {
			d.routes = append(d.routes, carried{r.From, r.To, domain})
		}
	}
	var names []string
	for _, e := range d.mesh.Environments() {
		names = append(names, e.Name)
	}
	d.data, err = datadir.Open(d.flags.Data, "lockstep-demo-", names...)
	return err
}

// run is the whole demonstration, from the first server to the last search.
func (d *demo) run(ctx context.Context) (_ *report, err error) {
	d.progress.phase("starting production, staging, testing and edge-berlin", nil)
	d.all, err = environment.StartAll(ctx, environment.AllConfig{
		Mesh: d.mesh, Data: d.data.Path, Durability: topology.DurabilityInterval, Logger: d.log,
	})
	if err != nil {
		return nil, err
	}
	closed := false
	end := func() error {
		if closed {
			return nil
		}
		closed = true
		closing, cancel := lifecycle.Stopping(ctx)
		defer cancel()
		return d.all.Close(closing)
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := d.ready(ctx); err != nil {
		return nil, err
	}

	stats, err := d.publish(ctx)
	if err != nil {
		return nil, err
	}
	r := d.newReport(stats)
	if err := d.wait(ctx, r); err != nil {
		return nil, err
	}

	values := append(shop.PersonalValues(d.flags.Seed, d.flags.Events), d.planted...)
	searcher, err := leak.Compile(values)
	if err != nil {
		return nil, err
	}
	r.Values = len(values)
	d.progress.phase(fmt.Sprintf("counting events, and searching all messages for %d personal values", len(values)), r.search.progress)
	if err := d.audit(ctx, r, searcher); err != nil {
		return nil, err
	}
	// Closed, everything is on disk.
	if err := end(); err != nil {
		return nil, err
	}
	d.progress.phase("searching every byte on disk", r.search.progress)
	if err := d.searchDisk(ctx, r, searcher); err != nil {
		return nil, err
	}
	r.settle()
	return r, nil
}

// ready waits until all environments serve.
func (d *demo) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, errNotReady)
	defer cancel()
	for {
		why := d.all.Ready()
		if why == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errNotReady) {
				return &cli.Error{Code: "not_ready", What: fmt.Sprintf("the mesh is not ready after %s", readyTimeout), Cause: why, Cure: "run it again with --log-level info to see what it waits for"}
			}
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var errNotReady = errors.New("not ready in time")

// domains are those whose history is published.
func domains() []feed.Domain { return feed.Domains() }

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
