// Package key is the command `lockstep key`: the root keys of a running origin,
// and what follows from changing them. It also has `mask reveal`, which belongs
// to who holds the keys, and `mask renew`, which follows a change of them.
//
// The keys themselves stay in the environment: see package custody.
package key

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/key/custody"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

// Flags are the flags of all commands here.
type Flags struct {
	operator.Flags
	Yes bool
}

// Command is `key`.
func Command(app *cli.App) *cobra.Command {
	return cli.Group(
		&cobra.Command{
			Use: "key", Short: "Look after an origin's root keys, which masking depends on",
			Long: `Every token that an origin makes is derived from its root key, one for each
destination and class. A new key gives new tokens: what is masked after a rotation
doesn't join with what was masked before, unless the tokens are mapped.

These commands work on a running environment, on its own machine, as the user that
it runs as: --data names its data directory. No key is ever shown. Who asked for
what is recorded in stream AUDIT.

Where keys come from is said by mesh.yaml (mask-key) or serve --mask-key: a file,
an environment variable, or a command that asks a KMS or Vault. Only those of a
file can be changed here; after a change elsewhere, run key reload.`,
			Example: "  lockstep key list --data ./mesh\n  lockstep key rotate --data ./mesh --overlap 720h --yes",
		},
		listCommand(app), rotateCommand(app), mapCommand(app), destroyCommand(app), createCommand(app), adoptCommand(app), reloadCommand(app),
	)
}

func listCommand(app *cli.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use: "list", Short: "List the keys: their state, since when, and what was masked with them",
		Long: `List the keys by their IDs: which one is active, which are retiring (kept to map and
to reveal) and which are destroyed, and for each the events of the egress streams
that were masked with it. The exit code is 10 if there is no key, or if a route
withholds every event.`,
		Example: "  lockstep key list --data ./mesh\n  lockstep key list --data ./mesh -o json",
	}
	f.Add(c.Flags())
	return app.Command(c, func(ctx context.Context) error {
		return f.do(ctx, app, func(ctx context.Context, client custody.Client) (custody.State, error) { return client.List(ctx) })
	})
}

// do asks for something that answers with the keys' state.
func (f Flags) do(ctx context.Context, app *cli.App, ask func(context.Context, custody.Client) (custody.State, error)) error {
	client, end, err := f.client()
	if err != nil {
		return err
	}
	defer end()
	state, err := ask(ctx, client)
	if err != nil {
		return operator.Explain("the keys cannot be asked for", err)
	}
	a := stateAnswer{state}
	if err := app.Answer(a); err != nil {
		return err
	}
	return a.verdict()
}

func (f Flags) client() (custody.Client, func(), error) {
	at, err := f.Connect("key")
	if err != nil {
		return custody.Client{}, nil, err
	}
	return custody.Client{Conn: at.Conn, Environment: at.Name}, at.Close, nil
}

// asker is client for what is put on record, with who asks.
func (f Flags) asker() (custody.Client, custody.Who, func(), error) {
	by, err := f.Who()
	if err != nil {
		return custody.Client{}, custody.Who{}, nil, err
	}
	client, end, err := f.client()
	return client, custody.Who{By: by}, end, err
}

// checkClass refuses a class that is none.
func checkClass(class string) error {
	if !mask.Class(class).Known() {
		return cli.Usage("--class %q: there is no such class", class)
	}
	return nil
}

func rotateCommand(app *cli.App) *cobra.Command {
	var f Flags
	var overlap time.Duration
	c := &cobra.Command{
		Use: "rotate", Short: "Make a new key, under which all events from now on are masked",
		Long: `Make a new root key. The running environment takes it on at once: the next event is
masked under it, and says so in its header Lockstep-Key-Id.

This breaks joins: a value's token in events from now on is another than in events
before. Without --yes the command only says which streams that concerns.

The former key stays, as a retiring one. While it does, key map gives, for the
values of a class, the tokens of both keys side by side, for whoever works with the
destination's data; and mask reveal still reads what was encrypted with it.
--overlap says for how long that is promised: until then key destroy refuses.

What a destination has received is not masked anew by itself. mask renew has its
whole history come again under the active key.`,
		Example: "  lockstep key rotate --data ./mesh                # says what it would break\n  lockstep key rotate --data ./mesh --overlap 720h --yes",
	}
	f.Add(c.Flags())
	f.AddBy(c.Flags())
	c.Flags().DurationVar(&overlap, "overlap", 0, "for `how long` the former key is kept at least, as 720h")
	c.Flags().BoolVar(&f.Yes, "yes", false, "do it")
	return app.Command(c, func(ctx context.Context) error {
		if overlap < 0 {
			return cli.Usage("--overlap %s: it cannot be negative", overlap)
		}
		return f.confirmed(ctx, app, foreseeRotation, func(ctx context.Context, client custody.Client, who custody.Who) (custody.State, error) {
			return client.Rotate(ctx, custody.RotateRequest{Who: who, Overlap: overlap})
		})
	})
}

func destroyCommand(app *cli.App) *cobra.Command {
	var f Flags
	var id string
	var early bool
	c := &cobra.Command{
		Use: "destroy ID", Short: "Destroy a former key, for ever",
		Long: `Remove a retiring key from the key file; its ID alone stays. What was encrypted with
it can't be read again by anybody, and its tokens can't be mapped to others any
more. Nothing brings it back. Copies of the key file are not known here: destroy
them, too.

The active key is not destroyed: rotate first. Without --yes the command only says
what that would end.`,
		Example: "  lockstep key destroy --data ./mesh k0123456789abcdef --yes",
		Args:    oneArgument("key ID", &id),
	}
	f.Add(c.Flags())
	f.AddBy(c.Flags())
	c.Flags().BoolVar(&early, "early", false, "although its rotation promised to keep it for longer")
	c.Flags().BoolVar(&f.Yes, "yes", false, "do it")
	return app.Command(c, func(ctx context.Context) error {
		return f.confirmed(ctx, app, foreseeDestruction(id), func(ctx context.Context, client custody.Client, who custody.Who) (custody.State, error) {
			return client.Destroy(ctx, custody.DestroyRequest{Who: who, ID: id, Early: early})
		})
	})
}

func createCommand(app *cli.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use: "create", Short: "Make a key where the one that was is lost for good",
		Long: `Make a new key file where the one that events were masked with is missing, and
there is no backup of it. As long as there is no key, every event is withheld.

With another key nothing joins with what was masked before, nothing that was
encrypted can be revealed, and no tokens can be mapped: restore the file, if there
is any copy of it. Without --yes the command only says what that concerns.`,
		Example: "  lockstep key create --data ./mesh --yes\n  lockstep quarantine release --data ./mesh --all",
	}
	f.Add(c.Flags())
	f.AddBy(c.Flags())
	c.Flags().BoolVar(&f.Yes, "yes", false, "do it")
	return app.Command(c, func(ctx context.Context) error {
		return f.confirmed(ctx, app, foreseeCreation, func(ctx context.Context, client custody.Client, who custody.Who) (custody.State, error) {
			return client.Create(ctx, who)
		})
	})
}

func adoptCommand(app *cli.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use: "adopt", Short: "Take on a key that doesn't know the one before it",
		Long: `Take on the key that the source gives, although events were masked with another
that the source doesn't know. Until somebody says so, every event is withheld: a key
that was exchanged by mistake would break every join without a word.

Where a KMS or Vault keeps keys, have it give a key file's content instead, with the
former key as a retiring one: then its tokens can be mapped, what it encrypted can be
revealed, and nothing needs to be adopted. Without --yes the command only says what
that concerns.`,
		Example: "  lockstep key adopt --data ./mesh --yes",
	}
	f.Add(c.Flags())
	f.AddBy(c.Flags())
	c.Flags().BoolVar(&f.Yes, "yes", false, "do it")
	return app.Command(c, func(ctx context.Context) error {
		return f.confirmed(ctx, app, foreseeCreation, func(ctx context.Context, client custody.Client, who custody.Who) (custody.State, error) {
			return client.Adopt(ctx, who)
		})
	})
}

func reloadCommand(app *cli.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use: "reload", Short: "Have an environment read its keys and masking policies again",
		Long: `Have a running environment get its keys from their source and read the masking
policies in mesh.yaml again; from the next event on they count. What cannot be read,
or is not there any more, has its routes withhold every event until it is mended and
loaded again; then quarantine release sends what was withheld. Of mesh.yaml, only
the policies, and which route has which, are taken on: for all else the environment
is started again. Schemas and overlays are not read again either.`,
		Example: "  lockstep key reload --data ./mesh",
	}
	f.Add(c.Flags())
	f.AddBy(c.Flags())
	return app.Command(c, func(ctx context.Context) error {
		by, err := f.Who()
		if err != nil {
			return err
		}
		return f.do(ctx, app, func(ctx context.Context, client custody.Client) (custody.State, error) {
			return client.Reload(ctx, custody.Who{By: by})
		})
	})
}

// oneArgument reads the only argument.
func oneArgument(what string, into *string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return cli.Usage("one %s is needed, and %d arguments were given", what, len(args))
		}
		*into = args[0]
		return nil
	}
}
