// Package version is the command `lockstep version`.
package version

import (
	"context"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// answer is what the command says.
type answer struct {
	Version     string `json:"version"`      // of the module; (devel) when built from a working tree
	Commit      string `json:"commit"`       // empty when built outside of a repository
	Modified    bool   `json:"modified"`     // the working tree differed from the commit
	Go          string `json:"go"`           // the compiler
	Platform    string `json:"platform"`     // operating system and processor
	NATSServer  string `json:"nats_server"`  // the embedded server's module version
	JSONSchema  string `json:"json_schema"`  // the validator's
	NATSLibrary string `json:"nats_library"` // the client's
}

// Table writes the answer for people.
func (v answer) Table(w io.Writer) {
	commit := v.Commit
	if v.Modified {
		commit += " (modified)"
	}
	cli.Fields(
		w, [2]string{"lockstep", v.Version}, [2]string{"commit", commit}, [2]string{"go", v.Go}, [2]string{"platform", v.Platform},
		[2]string{"nats-server", v.NATSServer}, [2]string{"nats.go", v.NATSLibrary}, [2]string{"jsonschema", v.JSONSchema},
	)
}

// Command is `version`.
func Command(app *cli.App) *cobra.Command {
	return app.Command(&cobra.Command{
		Use: "version", Short: "Say which version this is, and what it was built with",
	}, func(ctx context.Context) error { return Run(ctx, app) })
}

// Run answers with the version of the running program.
func Run(_ context.Context, app *cli.App) error {
	v := answer{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return app.Answer(v)
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	modules := map[string]*string{
		"github.com/nats-io/nats-server/v2":        &v.NATSServer,
		"github.com/nats-io/nats.go":               &v.NATSLibrary,
		"github.com/santhosh-tekuri/jsonschema/v5": &v.JSONSchema,
	}
	for _, m := range info.Deps {
		if to := modules[m.Path]; to != nil {
			*to = m.Version
		}
	}
	return app.Answer(v)
}
