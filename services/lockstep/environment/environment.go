// Package environment puts one environment together: its server, registry,
// gate, routes and ledger, and the HTTP interfaces of them.
//
// What each part does belongs in its own package; only how they are wired, and
// in which order they start and stop, belongs here.
package environment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/gate"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/httpapi"
	"github.com/lockstep-mesh/lockstep/registry/nativeapi"
	"github.com/lockstep-mesh/lockstep/registry/presence"
	"github.com/lockstep-mesh/lockstep/services/lockstep/key/custody"
)

// Config says which environment to run, and where.
type Config struct {
	Mesh       *topology.Mesh
	Name       string
	Data       string              // the environment's own directory
	Durability topology.Durability // where mesh.yaml says nothing; default always

	// NATS, Leaf, Registry and HTTP replace the addresses of mesh.yaml where not
	// nil. The zero Address is not served.
	NATS, Leaf, Registry, HTTP *topology.Address

	// HubURL and HubCredentials are how a leaf reaches its hub. Left out, they
	// are what mesh.yaml says and the file that a hub with its data beside this
	// environment's has written.
	HubURL, HubCredentials string

	// MaskKey is where the root keys come from; left out, it is what mesh.yaml says.
	MaskKey topology.KeySource

	// Reload reads mesh.yaml again, for the masking policies of a running
	// environment to be changed; nil if they cannot be.
	Reload func() (*topology.Mesh, error)

	// RegistryPrimary is the URL to which a leaf's registry forwards writes; left
	// out, it refuses them.
	RegistryPrimary string

	Logger zerolog.Logger
}

// Environment is a running environment. It is safe for concurrent use.
type Environment struct {
	config   Config
	is       topology.Environment
	node     *node.Node
	conns    []*nats.Conn
	registry *registry.Registry
	forward  *httpapi.Forwarder
	native   *nativeapi.API
	presence *presence.Book
	reports  *presence.Listener
	primary  *client.Client // of the registry, on a leaf
	sharing  *sharing
	catalog  *catalog.Catalog
	gate     *gate.Gate
	routes   []*route.Route
	desk     *route.Desk
	repairs  *route.RepairDesk
	watch    *watch          // of what is withheld; nil where no route begins
	keys     *custody.Keeper // nil where no route begins
	policies policies
	ledger   *ledger.Desk
	servers  []*server

	closing sync.Once
	closed  error
}

// Start brings the environment up. When it returns, events are taken and
// routed; a leaf whose hub is away starts all the same, and catches up.
func Start(ctx context.Context, c Config) (*Environment, error) {
	is, ok := c.Mesh.Environment(c.Name)
	if !ok {
		return nil, fmt.Errorf("%s declares no environment %q", c.Mesh.File(), c.Name)
	}
	if c.Durability == "" {
		c.Durability = topology.DurabilityAlways
	}
	for _, override := range []struct {
		with *topology.Address
		to   *topology.Address
	}{{c.NATS, &is.Listen.NATS}, {c.Leaf, &is.Listen.Leaf}, {c.Registry, &is.Listen.Registry}, {c.HTTP, &is.Listen.HTTP}} {
		if override.with != nil {
			*override.to = *override.with
		}
	}
	c.Logger = c.Logger.With().Str("environment", c.Name).Logger()
	e := &Environment{config: c, is: is}
	for _, step := range []func(context.Context) error{
		e.startNode, e.startRegistry, e.startPresence, e.startCatalog, e.startGate, e.startRoutes, e.startLedger, e.startHTTP,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, e.abandon(ctx))
		}
	}
	return e, nil
}

// abandon closes what has been started so far.
func (e *Environment) abandon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return e.Close(ctx)
}

func (e *Environment) startNode(ctx context.Context) error {
	config, err := nodeConfig(e.config, e.is)
	if err != nil {
		return err
	}
	e.node, err = node.Start(ctx, config)
	return err
}

// connect opens a connection of Lockstep's own, which Close closes.
func (e *Environment) connect(open func(string, ...nats.Option) (*nats.Conn, error), name string) (*nats.Conn, error) {
	nc, err := open(name)
	if err != nil {
		return nil, err
	}
	e.conns = append(e.conns, nc)
	return nc, nil
}

func (e *Environment) startRegistry(ctx context.Context) error {
	nc, err := e.connect(e.node.Connect, "registry")
	if err != nil {
		return err
	}
	primary := e.is.Role == topology.RoleHub
	classes, err := classRule(e.config.Mesh)
	if err != nil {
		return err
	}
	if e.registry, err = openRegistry(ctx, nc, primary, registry.WithLogger(e.config.Logger), registry.WithPolicy(e.config.Mesh.CompatibilityOf), classes); err != nil {
		return err
	}
	if !primary {
		return nil
	}
	if e.sharing, err = shareRegistry(ctx, nc, e.config.Logger); err != nil {
		return err
	}
	if err := e.node.OfferRegistry(ctx); err != nil {
		return err
	}
	return registerFolders(ctx, e.registry, e.config.Mesh, e.config.Logger)
}

func (e *Environment) startCatalog(context.Context) error {
	domains := map[string]catalog.Domain{}
	for _, d := range e.config.Mesh.Domains() {
		entry := catalog.Domain{Open: d.Write == topology.WriteOpen}
		var err error
		if entry.Overlay, err = e.config.Mesh.Overlay(d.Name); err != nil {
			return err
		}
		domains[d.Name] = entry
	}
	e.catalog = catalog.New(e.registry, domains)
	return nil
}

func (e *Environment) startGate(context.Context) error {
	// Through memory on both sides; what that costs and saves is in package gate.
	apps, err := e.connect(func(name string, options ...nats.Option) (*nats.Conn, error) {
		return e.node.ConnectApplications(name, append(options, e.node.Local())...)
	}, "gate")
	if err != nil {
		return err
	}
	store, err := e.connect(func(name string, options ...nats.Option) (*nats.Conn, error) {
		return e.node.Connect(name, append(options, e.node.Local())...)
	}, "gate")
	if err != nil {
		return err
	}
	origins := map[string][]string{}
	for _, d := range e.config.Mesh.Domains() {
		origins[d.Name] = d.Origins
	}
	e.gate, err = gate.Start(gate.Config{
		Environment: e.is.Name, Origins: origins, Catalog: e.catalog,
		Apps: apps, Mesh: store, Inboxes: node.ApplicationInboxes, Logger: e.config.Logger,
		GroupCommit: e.is.DurabilityOr(e.config.Durability) == topology.DurabilityAlways,
	})
	return err
}

func (e *Environment) startRoutes(ctx context.Context) error {
	declared := e.config.Mesh.RoutesFrom(e.is.Name)
	if len(declared) == 0 {
		return nil
	}
	if err := e.openKeys(ctx, declared); err != nil {
		return err
	}
	durable := e.is.DurabilityOr(e.config.Durability) == topology.DurabilityAlways
	for _, d := range declared {
		m := e.masking(d)
		for _, domain := range d.Domains {
			nc, err := e.connect(func(name string, options ...nats.Option) (*nats.Conn, error) {
				return e.node.Connect(name, append(options, e.node.Local())...)
			}, "route "+domain+" to "+d.To)
			if err != nil {
				return err
			}
			r, err := route.Start(route.Config{
				From: d.From, To: d.To, Domain: domain, Policy: m.reference, Masker: m.masker, Fault: m.fault,
				Catalog: e.catalog, Conn: nc, Durable: durable, Logger: e.config.Logger,
			})
			if err != nil {
				return err
			}
			e.routes = append(e.routes, r)
		}
	}
	if err := e.keys.Serve(); err != nil {
		return err
	}
	nc, err := e.connect(e.node.Connect, "desk")
	if err != nil {
		return err
	}
	if e.desk, err = route.Serve(nc, e.is.Name, e.routes, e.config.Logger); err != nil {
		return err
	}
	if e.repairs, err = route.ServeRepairs(nc, e.is.Name, e.routes, e.config.Logger); err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	e.watch = watchWithheld(js, e.config.Logger)
	return nil
}

// Desk answers what operators ask about withheld events; nil where no route
// begins.
func (e *Environment) Desk() *route.Desk { return e.desk }

func (e *Environment) startLedger(context.Context) error {
	nc, err := e.connect(e.node.Connect, "ledger")
	if err != nil {
		return err
	}
	var sources []ledger.Source
	for _, r := range e.config.Mesh.RoutesTo(e.is.Name) {
		for _, domain := range r.Domains {
			sources = append(sources, ledger.Source{Origin: r.From, Domain: domain})
		}
	}
	e.ledger, err = ledger.Serve(nc, e.is.Name, sources, e.config.Logger)
	return err
}

func (e *Environment) startHTTP(ctx context.Context) error {
	options := []httpapi.Option{httpapi.WithLogger(e.config.Logger)}
	if e.config.RegistryPrimary != "" && !e.registry.Writable() {
		var err error
		if e.forward, err = httpapi.NewForwarder(e.config.RegistryPrimary); err != nil {
			return err
		}
		options = append(options, httpapi.WithForwarder(e.forward))
	}
	native := []nativeapi.Option{nativeapi.WithLogger(e.config.Logger), nativeapi.WithPresence(e.presence), nativeapi.WithForwarder(e.forward)}
	var err error
	if e.native, err = nativeapi.New(e.registry, native...); err != nil {
		return err
	}
	for _, s := range []struct {
		name    string
		address topology.Address
		handler http.Handler
	}{
		{"registry", e.is.Listen.Registry, e.native.Beside(httpapi.New(e.registry, options...))},
		{"http", e.is.Listen.HTTP, e.handler()},
	} {
		if s.address.IsZero() {
			e.servers = append(e.servers, nil)
			continue
		}
		running, err := serve(ctx, s.name, s.address.String(), s.handler, e.config.Logger)
		if err != nil {
			return err
		}
		e.servers = append(e.servers, running)
	}
	return nil
}

// Name is the environment's name.
func (e *Environment) Name() string { return e.is.Name }

// NATSURL is where applications connect.
func (e *Environment) NATSURL() string { return e.node.ClientURL() }

// LeafURL is where leaves connect; empty when none may.
func (e *Environment) LeafURL() string { return e.node.LeafURL() }

// RegistryURL is where the schema registry's API is served; empty if it is not.
func (e *Environment) RegistryURL() string { return e.url(0) }

// HTTPURL is where the native API is served; empty if it is not.
func (e *Environment) HTTPURL() string { return e.url(1) }

func (e *Environment) url(i int) string {
	if i >= len(e.servers) || e.servers[i] == nil {
		return ""
	}
	return e.servers[i].url
}

// ApplicationCredentials is the path of the credentials file of applications.
func (e *Environment) ApplicationCredentials() string { return e.node.ApplicationCredentials() }

// LeafCredentials is the path of the credentials file of a leaf.
func (e *Environment) LeafCredentials(leaf string) string { return e.node.LeafCredentials(leaf) }

// JetStream gives full access to the account of the streams.
func (e *Environment) JetStream() (jetstream.JetStream, error) {
	if len(e.conns) == 0 {
		return nil, errors.New("the environment is not running")
	}
	return jetstream.New(e.conns[0])
}

// Close stops everything in the opposite order: first no event is taken any
// more, those under way are answered, then routes end between two batches,
// then the server writes its store. It may be called more than once.
func (e *Environment) Close(ctx context.Context) error {
	e.closing.Do(func() {
		if e.native != nil {
			e.native.Close() // its streams would keep the servers
		}
		for _, s := range e.servers {
			if s != nil {
				e.closed = errors.Join(e.closed, s.close(ctx))
			}
		}
		if e.gate != nil {
			e.closed = errors.Join(e.closed, e.gate.Close(ctx))
		}
		if e.watch != nil {
			e.watch.close()
		}
		if e.desk != nil {
			e.desk.Close()
		}
		if e.repairs != nil {
			e.repairs.Close()
		}
		if e.keys != nil {
			e.keys.Close()
		}
		for _, r := range e.routes {
			r.Close()
		}
		if e.ledger != nil {
			e.ledger.Close()
		}
		if e.forward != nil {
			e.forward.Close()
		}
		e.closePresence()
		if e.sharing != nil {
			e.sharing.close()
		}
		if e.registry != nil {
			e.registry.Close()
		}
		for _, nc := range e.conns {
			nc.Close()
		}
		if e.node != nil {
			e.closed = errors.Join(e.closed, e.node.Close())
		}
	})
	return e.closed
}
