// Package serve is the command `lockstep serve`: one environment, for real.
package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/datadir"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// Flags are the command's flags.
type Flags struct {
	Env             string
	Data            string
	Mesh            string
	HubURL          string
	HubCredentials  string
	RegistryPrimary string
	MaskKey         topology.KeySource
}

// Command is `serve`.
func Command(app *cli.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use: "serve --env NAME --data DIR", Short: "Run one environment of a mesh",
		Long: `Run one environment of a mesh until it is told to stop: its NATS server, gate,
routes, ledger and registry. Its store is kept in DIR/NAME.

An event is on disk before it is acknowledged, unless mesh.yaml sets the
environment's durability to interval.

A leaf finds its hub at the address that mesh.yaml gives, with the credentials
that the hub has written to credentials/leaf-NAME.creds in its own folder: where
both share DIR, they find each other by themselves.`,
		Example: "  lockstep serve --env production --data /var/lib/lockstep --mesh mesh.yaml",
	}
	flags := c.Flags()
	flags.StringVar(&f.Env, "env", "", "the environment's `name`")
	flags.StringVar(&f.Data, "data", "", "the `directory` for its store, in a folder of its name")
	target.MeshFlag(flags, &f.Mesh)
	flags.StringVar(&f.HubURL, "hub-url", "", "a leaf's hub, nats://host:port of its leaf address (default: as mesh.yaml says)")
	flags.StringVar(&f.HubCredentials, "hub-credentials", "", "the credentials `file` that the hub has issued for a leaf (default: in the hub's folder, beside this one)")
	flags.StringVar(&f.RegistryPrimary, "registry-primary", "", "the `URL` to which a leaf's registry passes on writes (default: as mesh.yaml says)")
	flags.TextVar(&f.MaskKey, "mask-key", topology.KeySource(""), "where the root key for masking comes from: file:PATH, env:NAME or command:PROGRAM ARGUMENTS (`source`; default: as mesh.yaml says, else keys/mask.key in its store)")
	return app.Command(c, func(ctx context.Context) error { return Run(ctx, app, f) }, "env", "data")
}

// Run serves the environment until ctx ends.
func Run(ctx context.Context, app *cli.App, f Flags) (err error) {
	log := app.Logger(zerolog.InfoLevel)
	mesh, err := target.LoadMesh(f.Mesh)
	if err != nil {
		return err
	}
	is, ok := mesh.Environment(f.Env)
	if !ok {
		return unknownEnvironment(mesh, f.Env)
	}
	if is.Role == topology.RoleHub && (f.HubURL != "" || f.HubCredentials != "" || f.RegistryPrimary != "") {
		return cli.Usage("%s is the hub of %s: --hub-url, --hub-credentials and --registry-primary are for its leaves", f.Env, mesh.File())
	}
	warn(log, mesh)
	data, err := datadir.Open(f.Data, "", f.Env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()

	if is.Role == topology.RoleLeaf {
		environment.BoundMemory() // edge sites are small; a hub needs its processors for events
	}
	e, err := environment.Start(ctx, environment.Config{
		Mesh: mesh, Name: f.Env, Data: filepath.Join(data.Path, f.Env), Durability: topology.DurabilityAlways,
		HubURL: f.HubURL, HubCredentials: f.HubCredentials, RegistryPrimary: primary(mesh, is, f), Logger: log,
		MaskKey: f.MaskKey, Reload: func() (*topology.Mesh, error) { return target.LoadMesh(f.Mesh) },
	})
	if err != nil {
		return err
	}
	defer func() {
		log.Info().Msg("stopping")
		closing, cancel := lifecycle.Stopping(ctx)
		defer cancel()
		err = errors.Join(err, e.Close(closing))
	}()
	// A leaf whose hub is away serves all the same: readiness is for /readyz to tell.
	if err := app.Line(describe(e, mesh)); err != nil {
		return err
	}
	return lifecycle.Watch(ctx, e.Ready, func() error { return nil }, log)
}

func unknownEnvironment(mesh *topology.Mesh, name string) error {
	var names []string
	for _, e := range mesh.Environments() {
		names = append(names, e.Name)
	}
	return cli.Usage("%s declares no environment %q; there are %s", mesh.File(), name, strings.Join(names, ", "))
}

func warn(log zerolog.Logger, mesh *topology.Mesh) {
	for _, w := range mesh.Warnings() {
		log.Warn().Msg(w.Error())
	}
}

// primary is where a leaf's registry passes on writes: on the machine on which
// it reaches its hub.
func primary(mesh *topology.Mesh, is topology.Environment, f Flags) string {
	if f.RegistryPrimary != "" || is.Role == topology.RoleHub {
		return f.RegistryPrimary
	}
	dial := f.HubURL
	if dial == "" {
		dial = is.Dial
	}
	hub := mesh.Hub().Listen.Registry
	at, err := url.Parse(dial)
	if err != nil || at.Hostname() == "" || hub.IsZero() || hub.Auto() {
		return ""
	}
	return "http://" + net.JoinHostPort(at.Hostname(), strconv.Itoa(hub.Port))
}

// answer is where the environment can be reached.
type answer struct {
	Environment     string            `json:"environment"`
	Role            string            `json:"role"`
	NATS            string            `json:"nats"`
	Credentials     string            `json:"credentials"`
	Leaf            string            `json:"leaf,omitempty"`
	LeafCredentials map[string]string `json:"leaf_credentials,omitempty"` // by environment
	Registry        string            `json:"registry,omitempty"`
	HTTP            string            `json:"http,omitempty"`
}

func describe(e *environment.Environment, mesh *topology.Mesh) answer {
	a := answer{
		Environment: e.Name(), NATS: e.NATSURL(), Credentials: e.ApplicationCredentials(),
		Leaf: e.LeafURL(), Registry: e.RegistryURL(), HTTP: e.HTTPURL(), LeafCredentials: map[string]string{},
	}
	if is, ok := mesh.Environment(e.Name()); ok {
		a.Role = string(is.Role)
	}
	for _, leaf := range mesh.LeavesOf(e.Name()) {
		a.LeafCredentials[leaf.Name] = e.LeafCredentials(leaf.Name)
	}
	return a
}

// Table writes the answer for people.
func (a answer) Table(w io.Writer) {
	pairs := [][2]string{{"environment", a.Environment + " (" + a.Role + ")"}, {"NATS", a.NATS}, {"credentials", a.Credentials}}
	for _, p := range [][2]string{{"leaves", a.Leaf}, {"registry", a.Registry}, {"HTTP", a.HTTP}} {
		if p[1] != "" {
			pairs = append(pairs, p)
		}
	}
	leaves := make([]string, 0, len(a.LeafCredentials))
	for leaf := range a.LeafCredentials {
		leaves = append(leaves, leaf)
	}
	slices.Sort(leaves)
	for _, leaf := range leaves {
		pairs = append(pairs, [2]string{"credentials of " + leaf, a.LeafCredentials[leaf]})
	}
	cli.Fields(w, pairs...)
}
