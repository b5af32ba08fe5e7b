// Package dev is the command `lockstep dev`: a whole mesh in one process, with
// a webhook ingress, kept running.
package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/datadir"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
	"github.com/lockstep-mesh/lockstep/services/webhooks/ingress"
)

const (
	secretVariable = "LOCKSTEP_WEBHOOK_SECRET"
	defaultSecret  = "dev-secret" // for trying things out, and said so
)

var (
	defaultHTTP     = topology.Address{Host: "127.0.0.1", Port: 8080}
	defaultWebhooks = topology.Address{Host: "127.0.0.1", Port: 8090}
	anyPort         = topology.Address{Host: "127.0.0.1", Port: topology.AutoPort}
)

// Flags are the command's flags.
type Flags struct {
	NATS, Registry, HTTP, Webhooks target.Address
	Data                           string
	Mesh                           string
}

// Command is `dev`.
func Command(app *cli.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use: "dev", Short: "Run a whole mesh in this process, for trying things out",
		Long: `Run every environment of a mesh in this process until it is told to stop, with
schema registry, console and a webhook ingress at POST /hooks/github. GET /readyz
on the HTTP address answers 200 once all of it serves.

The addresses are those of the hub; its leaves' come from mesh.yaml. With port 0
in --nats everything that no flag places takes any free port. Webhook deliveries
are signed under ` + secretVariable + `, or else ` + defaultSecret + `.

Events are acknowledged before they are on disk (durability interval), unless
mesh.yaml says otherwise.`,
		Example: "  lockstep dev --data ./mesh\n  lockstep event tail --data ./mesh --env staging --follow",
	}
	flags := c.Flags()
	flags.Var(&f.NATS, "nats", "the hub's `address` for applications (default: as mesh.yaml says, in the sample 127.0.0.1:4222)")
	flags.Var(&f.Registry, "registry", "the `address` of the schema registry (default: as mesh.yaml says, in the sample 127.0.0.1:8081)")
	cli.WithoutVariable(flags, "registry") // LOCKSTEP_REGISTRY is a URL
	flags.Var(&f.HTTP, "http", "the `address` of console and native API (default: as mesh.yaml says, in the sample 127.0.0.1:8080)")
	flags.Var(&f.Webhooks, "webhooks", "the `address` of the webhook ingress (default 127.0.0.1:8090)")
	flags.StringVar(&f.Data, "data", "", "the `directory` for the stores, a folder for each environment (default: a temporary one, removed at the end)")
	target.MeshFlag(flags, &f.Mesh)
	return app.Command(c, func(ctx context.Context) error { return Run(ctx, app, f) })
}

// Run runs the mesh until ctx ends.
func Run(ctx context.Context, app *cli.App, f Flags) (err error) {
	r := &running{app: app, log: app.Logger(zerolog.InfoLevel)}
	if err := r.configure(f); err != nil {
		return err
	}
	// Everything that was begun is ended in the opposite order.
	defer func() {
		slices.Reverse(r.closers)
		for _, end := range r.closers {
			err = errors.Join(err, end())
		}
	}()
	for _, step := range []func(context.Context) error{r.openData, r.listen, r.startEnvironments, r.startWebhooks} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil { // stopped before it began
				return nil
			}
			return err
		}
	}
	return r.serve(ctx)
}

// running is a mesh on its way up, or up.
type running struct {
	app     *cli.App
	log     zerolog.Logger
	flags   Flags
	mesh    *topology.Mesh
	auto    bool // everything that no flag places takes a free port
	closers []func() error

	data      *datadir.Dir
	front     *front
	http      net.Listener
	webhooks  net.Listener
	all       *environment.All
	addresses target.Addresses
	publisher *mesh.Conn
	ingress   http.Handler
}

func (r *running) atEnd(end func() error) { r.closers = append(r.closers, end) }

// configure settles where everything listens.
func (r *running) configure(f Flags) (err error) {
	if r.mesh, err = target.LoadMesh(f.Mesh); err != nil {
		return err
	}
	for _, w := range r.mesh.Warnings() {
		r.log.Warn().Msg(w.Error())
	}
	if r.auto = f.NATS.Auto(); r.auto {
		if r.mesh, err = r.mesh.WithAutoPorts(); err != nil {
			return err
		}
	}
	listen := r.mesh.Hub().Listen
	for _, a := range []struct {
		flag     *target.Address
		declared topology.Address
		fallback topology.Address
	}{
		{&f.HTTP, listen.HTTP, defaultHTTP},
		{&f.Webhooks, topology.Address{}, defaultWebhooks},
	} {
		switch {
		case !a.flag.IsZero():
		case r.auto:
			a.flag.Address = anyPort
		case !a.declared.IsZero():
			a.flag.Address = a.declared
		default:
			a.flag.Address = a.fallback
		}
	}
	r.flags = f
	return nil
}

func (r *running) openData(context.Context) (err error) {
	var names []string
	for _, e := range r.mesh.Environments() {
		names = append(names, e.Name)
	}
	if r.data, err = datadir.Open(r.flags.Data, "lockstep-dev-", names...); err != nil {
		return err
	}
	r.atEnd(r.data.Close)
	if r.data.Temporary {
		r.log.Info().Str("directory", r.data.Path).Msg("without --data the stores are temporary: they are removed at the end")
	}
	return nil
}

// listen takes the addresses of this package's own servers, and begins to
// answer on the HTTP address: that the process lives, and that it is not ready.
func (r *running) listen(ctx context.Context) (err error) {
	if r.http, err = listen(ctx, "http", r.flags.HTTP.Address); err != nil {
		return err
	}
	r.front = newFront(r.http, r.log)
	r.atEnd(func() error {
		closing, cancel := lifecycle.Stopping(ctx)
		defer cancel()
		return r.front.close(closing)
	})
	if r.webhooks, err = listen(ctx, "webhooks", r.flags.Webhooks.Address); err != nil {
		return err
	}
	r.atEnd(func() error {
		if err := r.webhooks.Close(); !errors.Is(err, net.ErrClosed) { // it is closed when it has been served
			return err
		}
		return nil
	})
	return nil
}

func listen(ctx context.Context, name string, a topology.Address) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.String())
	if err != nil {
		return nil, &cli.Error{
			Code: "listen", What: "cannot listen for " + name, Where: a.String(), Cause: err,
			Cure: "stop what uses the address, or choose another with --" + name,
		}
	}
	return listener, nil
}

func (r *running) startEnvironments(ctx context.Context) (err error) {
	hub := r.mesh.Hub().Name
	r.all, err = environment.StartAll(ctx, environment.AllConfig{
		Mesh: r.mesh, Data: r.data.Path, Durability: topology.DurabilityInterval, Logger: r.log,
		Override: func(name string, c *environment.Config) {
			c.Reload = func() (*topology.Mesh, error) { return target.LoadMesh(r.flags.Mesh) }
			if name == hub {
				// The hub's own API stands behind this process's, which adds what it knows.
				c.NATS, c.Registry, c.HTTP = r.flags.NATS.Override(), r.flags.Registry.Override(), &anyPort
			}
		},
	})
	if err != nil {
		return err
	}
	r.atEnd(func() error {
		closing, cancel := lifecycle.Stopping(ctx)
		defer cancel()
		return r.all.Close(closing)
	})
	return r.front.behind(r.all.Get(hub).HTTPURL())
}

// startWebhooks connects the ingress to the hub, as any application.
func (r *running) startWebhooks(ctx context.Context) (err error) {
	secret := r.app.Getenv(secretVariable)
	if secret == "" {
		secret = defaultSecret
		r.log.Warn().Msgf("%s is not set: webhook deliveries are to be signed under %q, which everybody knows", secretVariable, defaultSecret)
	}
	hub := r.all.Get(r.mesh.Hub().Name)
	log := r.log.With().Str("part", "webhooks").Logger()
	r.publisher, err = mesh.Connect(ctx, hub.NATSURL(), mesh.WithCredentials(hub.ApplicationCredentials()), mesh.WithName("webhooks"),
		// A sender waits for the answer: better to let it come back soon.
		mesh.WithRetry(mesh.Retry{Attempts: 4, AckWait: 3 * time.Second, Max: 500 * time.Millisecond}), mesh.WithLogger(log))
	if err != nil {
		return fmt.Errorf("connect the webhook ingress: %w", err)
	}
	r.atEnd(r.publisher.Close)
	r.ingress, err = ingress.NewHandler(ingress.Options{Secret: []byte(secret), Publisher: r.publisher, Log: log})
	return err
}

// serve announces the mesh once it is ready, and serves until ctx ends.
func (r *running) serve(ctx context.Context) error {
	r.addresses = r.describe()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return ingress.Serve(ctx, r.webhooks, r.ingress, r.log.With().Str("part", "webhooks").Logger())
	})
	group.Go(func() error { return lifecycle.Watch(ctx, r.ready, r.announce, r.log) })
	r.front.watch(r.ready)
	err := group.Wait()
	r.log.Info().Msg("stopping")
	r.front.watch(nil)
	return errors.Join(err, target.Forget(r.data.Path))
}

func (r *running) ready() error {
	if !r.publisher.NATS().IsConnected() {
		return errors.Join(r.all.Ready(), errors.New("the webhook ingress is not connected"))
	}
	return r.all.Ready()
}

func (r *running) announce() error {
	if err := r.addresses.Save(r.data.Path); err != nil {
		return err
	}
	return r.app.Line(banner{Addresses: r.addresses, hub: r.mesh.Hub().Name, data: r.data})
}

func (r *running) describe() target.Addresses {
	a := target.Addresses{
		Environments: map[string]target.Environment{},
		Console:      "http://" + r.http.Addr().String(),
		Webhooks:     "http://" + r.webhooks.Addr().String() + ingress.Path,
		Registry:     r.all.Get(r.mesh.Hub().Name).RegistryURL(),
	}
	for _, e := range r.all.Environments() {
		a.Environments[e.Name()] = target.Environment{
			NATS: e.NATSURL(), Credentials: e.ApplicationCredentials(), Registry: e.RegistryURL(), HTTP: e.HTTPURL(),
		}
	}
	hub := a.Environments[r.mesh.Hub().Name]
	hub.HTTP = a.Console
	a.Environments[r.mesh.Hub().Name] = hub
	return a
}
