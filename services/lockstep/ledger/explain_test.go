package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Guards against an error of the ledger that is told as one of the program's own,
// without its code or what mends it.
func TestExplain(t *testing.T) {
	unavailable := func(cause error) error {
		return fmt.Errorf("asked: %w", &ledger.Error{Code: ledger.CodeUnavailable, Op: "ask on a subject", Cause: cause, Cure: "ask again"})
	}
	for name, c := range map[string]struct {
		err              error
		code, said, cure string
	}{
		"nobody verifies": {unavailable(nats.ErrNoResponders), ledger.CodeUnavailable, "it cannot be done: no route ends in that environment", "--env"},
		"no answer":       {unavailable(context.DeadlineExceeded), ledger.CodeUnavailable, "it cannot be done: the environment did not answer in time", "ask again"},
		"interrupted":     {unavailable(context.Canceled), cli.CodeInterrupted, "it cannot be done: interrupted", "ask again"},
		"away":            {unavailable(nats.ErrConnectionClosed), ledger.CodeUnavailable, "ask on a subject: nats: connection closed", "ask again"},
		"a problem": {
			(&ledger.Problem{Code: ledger.CodeBusy, Why: "bob audits", Cure: "wait for bob"}).Err("repair staging"),
			ledger.CodeBusy, "repair staging: bob audits", "wait for bob",
		},
	} {
		var ours *cli.Error
		if err := explain("it cannot be done", c.err); !errors.As(err, &ours) || ours.Code != c.code || !strings.HasPrefix(ours.Error(), c.said) || !strings.Contains(ours.Cure, c.cure) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
