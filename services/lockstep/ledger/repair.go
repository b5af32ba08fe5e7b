package ledger

import (
	"context"
	"fmt"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Repair has a destination repair what differs, some at a time, until nothing does.
func Repair(ctx context.Context, app *cli.App, f RepairFlags) error {
	by, at, err := f.asked()
	if err != nil {
		return err
	}
	defer at.Close()
	r := &repairing{desk: desk{at, pollEvery}, of: f.of(), by: by, talk: newProgress(app), done: newRepaired(at.Name, by, f.DryRun)}
	if err := r.run(ctx); err != nil {
		if len(r.done.Domains) > 0 {
			return partly(err, r.done)
		}
		return err
	}
	if err := app.Answer(r.done); err != nil {
		return err
	}
	return r.done.verdict()
}

// repairing is one run of the command.
type repairing struct {
	desk desk
	of   ledger.Of
	by   string
	talk *progress
	done *repaired
}

// run repairs all that differs, also what only an audit finds, and asks then what
// differs still. The error is a *cli.Error.
func (r *repairing) run(ctx context.Context) error {
	defer r.talk.close()
	if err := r.all(ctx); err != nil {
		return err
	}
	return r.look(ctx)
}

// all repairs what is known to differ, audits where more differs than that, and
// goes on with what the audit has found.
func (r *repairing) all(ctx context.Context) error {
	for before := uint64(0); ; {
		if err := r.known(ctx); err != nil {
			return err
		}
		beyond := r.done.sums().beyond
		switch {
		case beyond == 0 || r.done.Dry:
			return nil
		case before > 0 && beyond >= before:
			return &cli.Error{
				Code: ledger.CodeUnavailable, What: fmt.Sprintf("%s of %s differ beyond what it holds, no fewer than before the last audit", count(beyond, "segment or message", "segments and messages"), r.done.Environment),
				Cure: "see `lockstep ledger status` and the environment's log, and ask again",
			}
		}
		before = beyond
		for _, d := range r.done.Domains {
			if d.Beyond == 0 {
				continue
			}
			if _, err := r.desk.audit(ctx, ledger.Of{Origin: d.Origin, Domain: d.Domain}, r.by, r.talk); err != nil {
				return err
			}
		}
	}
}

// maxStalled bounds the requests in a row after which as much remains as before,
// although something was sent again or removed.
const maxStalled = 10

// known asks until nothing remains of what is known to differ; for a dry run once,
// as all remains after it.
func (r *repairing) known(ctx context.Context) error {
	least, stalled := -1, 0
	for {
		got, err := r.desk.repair(ctx, ledger.RepairRequest{Of: r.of, By: r.by, Dry: r.done.Dry})
		acted := r.done.take(got, err == nil)
		if err != nil {
			return explain("what differs cannot be repaired", err)
		}
		all := r.done.sums()
		remaining := all.remaining
		stalled++
		if least < 0 || remaining < least {
			least, stalled = remaining, 0
		}
		switch {
		case remaining == 0 || r.done.Dry:
			return nil
		case stalled > 0 && !acted || stalled >= maxStalled:
			return &cli.Error{
				Code: ledger.CodeUnavailable, What: fmt.Sprintf("%s does not get on with %s that differ", r.done.Environment, count(remaining, "segment or message", "segments and messages")),
				Cure: "see `lockstep ledger status` and the environment's log, and ask again",
			}
		}
		r.talk.say(fmt.Sprintf("repair: %d sent again, %d taken out, %d segments and messages to go", all.resent, all.removed, remaining))
	}
}

// look asks what differs still.
func (r *repairing) look(ctx context.Context) error {
	found, err := r.desk.status(ctx, r.of)
	if err != nil {
		return explain("what differs still cannot be told", err)
	}
	r.done.look(newAnswer(r.done.Environment, found))
	return nil
}
