package main

import (
	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/services/lockstep/bench"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/demo"
	"github.com/lockstep-mesh/lockstep/services/lockstep/dev"
	"github.com/lockstep-mesh/lockstep/services/lockstep/event"
	"github.com/lockstep-mesh/lockstep/services/lockstep/key"
	"github.com/lockstep-mesh/lockstep/services/lockstep/ledger"
	"github.com/lockstep-mesh/lockstep/services/lockstep/mask"
	"github.com/lockstep-mesh/lockstep/services/lockstep/plan"
	"github.com/lockstep-mesh/lockstep/services/lockstep/quarantine"
	"github.com/lockstep-mesh/lockstep/services/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/services/lockstep/schema"
	"github.com/lockstep-mesh/lockstep/services/lockstep/serve"
	"github.com/lockstep-mesh/lockstep/services/lockstep/status"
	"github.com/lockstep-mesh/lockstep/services/lockstep/version"
)

// root is the whole command line.
func root(app *cli.App) *cobra.Command {
	masking := mask.Command(app)
	masking.AddCommand(key.RevealCommand(app), key.RenewCommand(app)) // they are about keys
	return cli.Group(
		&cobra.Command{
			Use:   "lockstep",
			Short: "Keep environments in lockstep: the same events everywhere, masked, verified, provably complete",
			Long: `Lockstep keeps environments in lockstep: services publish schema-registered events
in one, and every other one receives the same events, masked, verified and
provably complete, over NATS JetStream.

Flags can be set by environment variables: LOCKSTEP_DATA stands for --data.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 done with findings, 10 unhealthy.`,
			Example: "  lockstep demo\n  lockstep dev --data ./mesh",
		},
		demo.Command(app), dev.Command(app), serve.Command(app), registry.Command(app), plan.Command(app), schema.Command(app), event.Command(app), status.Command(app), key.Command(app), masking, quarantine.Command(app), quarantine.DeadLetterCommand(app), ledger.Command(app), bench.Command(app), version.Command(app),
	)
}
