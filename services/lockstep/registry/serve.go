// Package registry holds the commands below `lockstep registry`: a schema
// registry of its own, without a mesh around it.
package registry

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/datadir"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
	"github.com/lockstep-mesh/lockstep/services/lockstep/schema/check"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// folder is the registry's own within the data directory, which an environment's
// may lie beside.
const folder = "registry"

// Command is `registry` with its verbs.
func Command(app *cli.App) *cobra.Command {
	return cli.Group(&cobra.Command{Use: "registry", Short: "Run a schema registry alone, without a mesh"}, serveCommand(app))
}

// Flags are the flags of `registry serve`.
type Flags struct {
	HTTP   target.Address
	Data   string
	Level  string
	Policy string
}

func serveCommand(app *cli.App) *cobra.Command {
	f := Flags{HTTP: target.Address{Address: topology.Address{Host: "127.0.0.1", Port: 8081}}}
	c := &cobra.Command{
		Use: "serve --data DIR", Short: "Serve a schema registry until told to stop",
		Long: `Serve a schema registry with the HTTP API of Confluent's, for JSON Schema, until it
is told to stop. It needs no other server: its log is kept in DIR/registry, and a
registration is on disk before it is acknowledged.

A new version is compared with those before it under a level and a policy. What
--compatibility and --compatibility-policy say is recorded at the first start, for
all subjects; PUT /config and PUT /config/SUBJECT change it.

  gated    writers send declared fields only, as a gate enforces: an optional
           field can be added
  strict   plain JSON Schema: an open object may hold anything already
  lenient  as gated, where the schema says additionalProperties true, too

Its own API is served beside it under /api/v1, described at /openapi.json and /docs.
/healthz answers while the process lives, /readyz while the registry serves.`,
		Example: "  lockstep registry serve --http 127.0.0.1:8081 --data /var/lib/lockstep",
	}
	flags := c.Flags()
	flags.Var(&f.HTTP, "http", "the `address` to serve the API on; port 0 takes a free one")
	flags.StringVar(&f.Data, "data", "", "the `directory` for its store")
	flags.StringVar(&f.Level, "compatibility", "", "the `level` for all subjects: NONE, BACKWARD, FORWARD, FULL, or one of the last three with _TRANSITIVE (default: BACKWARD)")
	flags.StringVar(&f.Policy, "compatibility-policy", "", "the `policy` for all subjects: gated, strict or lenient (default: gated)")
	cli.WithoutVariable(flags, "http") // it means an environment's native API elsewhere
	return app.Command(c, func(ctx context.Context) error { return Serve(ctx, app, f) }, "data")
}

// Serve serves the registry until ctx ends.
func Serve(ctx context.Context, app *cli.App, f Flags) (err error) {
	log := app.Logger(zerolog.InfoLevel)
	config := Config{Address: f.HTTP.String(), Logger: log}
	if f.Level != "" {
		if config.Level, err = check.Level(f.Level); err != nil {
			return cli.Usage("--compatibility: %v", err)
		}
	}
	if f.Policy != "" {
		policy, err := check.Policy(f.Policy)
		if err != nil {
			return cli.Usage("--compatibility-policy: %v", err)
		}
		config.Policy = strings.ToUpper(policy.String())
	}
	data, err := datadir.Open(f.Data, "", folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	config.Data = filepath.Join(data.Path, folder)
	s, err := Start(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		log.Info().Msg("stopping")
		closing, cancel := lifecycle.Stopping(ctx)
		defer cancel()
		err = errors.Join(err, s.Close(closing))
	}()
	all, _ := s.Registry().Config("")
	a := answer{Registry: s.URL(), Data: config.Data, Level: string(all.Level), Policy: strings.ToLower(all.Policy)}
	if a.Policy == "" {
		a.Policy = "gated"
	}
	if err := app.Line(a); err != nil {
		return err
	}
	return lifecycle.Watch(ctx, s.Ready, func() error { return nil }, log)
}

// answer is where the registry can be reached, and what holds for all subjects.
type answer struct {
	Registry string `json:"registry"`
	Data     string `json:"data"`
	Level    string `json:"compatibility"`
	Policy   string `json:"compatibility_policy"`
}

// Table writes the answer for people.
func (a answer) Table(w io.Writer) {
	cli.Fields(w, [2]string{"registry", a.Registry}, [2]string{"data", a.Data}, [2]string{"compatibility", a.Level + ", " + a.Policy})
}
