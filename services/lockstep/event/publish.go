// Package event holds the commands `lockstep event publish` and `event tail`.
package event

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// maxEvent is the largest event that is read; the gate's own limit is below it.
const maxEvent = 4 << 20

// connectTimeout is how long somebody at a terminal waits for a server that is
// not there.
const connectTimeout = 3 * time.Second

// Command is `event` with its verbs.
func Command(app *cli.App) *cobra.Command {
	return cli.Group(
		&cobra.Command{Use: "event", Short: "Publish events, and see them come"},
		publishCommand(app), tailCommand(app),
	)
}

// PublishFlags are the flags of `event publish`.
type PublishFlags struct {
	target.Flags
	Type    string
	Keys    []string
	File    string
	ID      string
	Version int
}

func publishCommand(app *cli.App) *cobra.Command {
	var f PublishFlags
	c := &cobra.Command{
		Use: "publish --type TYPE", Short: "Publish one event",
		Long: `Publish one event, as any application would, and say where it is stored. What the
gate refuses is an error with the gate's reason.`,
		Example: "  lockstep event publish --data ./mesh --type orders.order.created --key 0b9bd1c5 --file order.json\n" +
			`  echo '{…}' | lockstep event publish --data ./mesh --type github.push`,
	}
	flags := c.Flags()
	flags.StringVar(&f.Type, "type", "", "the event's `type`, domain.entity.action")
	flags.StringArrayVar(&f.Keys, "key", nil, "a key `token` for its subject; may be repeated")
	flags.StringVar(&f.File, "file", "-", "the `file` with its JSON; - is standard input")
	flags.StringVar(&f.ID, "id", "", "its `identity`: the same published twice is stored once (default: a new one)")
	flags.IntVar(&f.Version, "schema-version", 0, "the `version` of its schema that must admit it (default: the newest that does)")
	f.AddServer(flags)
	return app.Command(c, func(ctx context.Context) error { return Publish(ctx, app, f) }, "type")
}

// Publish publishes one event and answers with its receipt.
func Publish(ctx context.Context, app *cli.App, f PublishFlags) (err error) {
	data, err := read(app, f.File)
	if err != nil {
		return err
	}
	conn, at, err := connect(ctx, app, f.Flags)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drain(ctx, conn)) }()
	r, err := conn.Publish(ctx, mesh.Envelope{Type: f.Type, Keys: f.Keys, Data: data, ID: f.ID, SchemaVersion: f.Version})
	if err != nil {
		return err
	}
	if r.Environment == "" {
		r.Environment = at.Environment
	}
	return app.Answer(receipt{
		Environment: r.Environment, Stream: r.Stream, Sequence: r.Sequence, Type: f.Type, ID: r.ID, Duplicate: r.Duplicate,
	})
}

func read(app *cli.App, name string) (_ []byte, err error) {
	from, where := app.Stdin, "standard input"
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, &cli.Error{Code: "file", What: "the event cannot be read", Where: name, Cause: err, Cure: "check the path and its permissions"}
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		from, where = file, name
	}
	data, err := io.ReadAll(io.LimitReader(from, maxEvent+1))
	switch {
	case err != nil:
		return nil, &cli.Error{Code: "file", What: "the event cannot be read", Where: where, Cause: err}
	case len(data) > maxEvent:
		return nil, &cli.Error{Code: "file", What: fmt.Sprintf("the event is larger than %d MiB", maxEvent>>20), Where: where, Cure: "keep large content elsewhere, and let the event refer to it"}
	}
	return data, nil
}

// connect connects to the environment that the flags mean.
func connect(ctx context.Context, app *cli.App, f target.Flags) (*mesh.Conn, target.Server, error) {
	at, err := f.Find()
	if err != nil {
		return nil, at, err
	}
	conn, err := mesh.Connect(ctx, at.URL, mesh.WithCredentials(at.Credentials), mesh.WithConnectTimeout(connectTimeout),
		mesh.WithName("lockstep"), mesh.WithLogger(app.Logger(zerolog.ErrorLevel)))
	return conn, at, err
}

func drain(ctx context.Context, conn *mesh.Conn) error {
	closing, cancel := lifecycle.Stopping(ctx)
	defer cancel()
	return conn.Drain(closing)
}

// receipt is where an event is stored.
type receipt struct {
	Environment string `json:"environment"`
	Stream      string `json:"stream"`
	Sequence    uint64 `json:"sequence"`
	Type        string `json:"type"`
	ID          string `json:"id"`
	Duplicate   bool   `json:"duplicate"` // it was stored before
}

// Table writes the receipt for people.
func (r receipt) Table(w io.Writer) {
	stored := "stored"
	if r.Duplicate {
		stored = "stored before"
	}
	cli.Fields(
		w, [2]string{"event", r.Type}, [2]string{"id", r.ID},
		[2]string{stored, r.Stream + " " + strconv.FormatUint(r.Sequence, 10) + " in " + r.Environment},
	)
}
