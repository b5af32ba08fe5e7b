package ledger

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// explain makes the one kind of error that is told of those that a destination
// answers with. What says what could not be done where the error doesn't.
func explain(what string, err error) error {
	var typed *ledger.Error
	if !errors.As(err, &typed) {
		return err
	}
	e := &cli.Error{Code: typed.Code, What: what, Cure: typed.Cure, Cause: typed}
	switch {
	case errors.Is(typed, nats.ErrNoResponders):
		e.Why, e.Cure = "no route ends in that environment, so that it verifies nothing", "name with --env an environment that events are carried to"
	case errors.Is(typed, context.DeadlineExceeded):
		e.Why = "the environment did not answer in time"
	case errors.Is(typed, context.Canceled):
		e.Code, e.Why = cli.CodeInterrupted, "interrupted before the answer came"
	default:
		e.What, e.Cause = typed.Op, typed.Cause
	}
	return e
}
