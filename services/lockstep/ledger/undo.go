package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Undo undoes a repair.
func Undo(ctx context.Context, app *cli.App, f UndoFlags) error {
	by, at, err := f.asked()
	if err != nil {
		return err
	}
	defer at.Close()
	a, err := undo(ctx, desk{at, pollEvery}, f.ID, by)
	if err != nil {
		return err
	}
	return app.Answer(a)
}

func undo(ctx context.Context, d desk, id uint64, by string) (undone, error) {
	got, err := d.undo(ctx, id, by)
	a := undone{Environment: d.at.Name, By: by, ID: id, Origin: got.Origin, Domain: got.Domain, Restored: got.Restored, Removed: got.Removed}
	if err != nil {
		err = explain("the repair cannot be undone", err)
		if a.Restored+a.Removed > 0 {
			err = partly(err, a)
		}
	}
	return a, err
}

// partly adds what was done before an error.
func partly(err error, done cli.Answer) error {
	var ours *cli.Error
	if !errors.As(err, &ours) {
		return err
	}
	with := *ours
	with.Partial = done
	return &with
}

// undone is what became of a repair that was undone.
type undone struct {
	Environment string `json:"environment"`
	By          string `json:"by"`
	ID          uint64 `json:"id"`
	Origin      string `json:"origin"`
	Domain      string `json:"domain"`
	Restored    int    `json:"restored"`
	Removed     int    `json:"removed"`
}

// Table writes the answer for people.
func (a undone) Table(w io.Writer) {
	cli.Fields(
		w,
		[2]string{"repair", number(a.ID) + " of " + a.Domain + " of " + a.Origin + " in " + a.Environment},
		[2]string{"messages put back", strconv.Itoa(a.Restored)},
		[2]string{"messages taken out", strconv.Itoa(a.Removed)},
	)
	if a.Restored+a.Removed == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s differs from its origin again: %s\n", a.Environment, RepairCure(a.Environment))
}
