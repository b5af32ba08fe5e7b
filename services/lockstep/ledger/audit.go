package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Audit has a destination verify again all that it has stored.
func Audit(ctx context.Context, app *cli.App, f AuditFlags) error {
	by, at, err := f.asked()
	if err != nil {
		return err
	}
	defer at.Close()
	d, talk := desk{at, pollEvery}, newProgress(app)
	if f.NoWait {
		begun, err := d.startAudit(ctx, f.of(), by)
		if err != nil {
			return explain("the audit cannot be started", err)
		}
		return app.Answer(newAnswer(at.Name, begun))
	}
	found, err := d.audit(ctx, f.of(), by, talk)
	if err != nil {
		return err
	}
	if err := tell(app, newAnswer(at.Name, found)); err != nil {
		return err
	}
	return judged(found)
}

// judged is nil if an audit could judge all that it found.
func judged(found []ledger.Findings) error {
	e := &cli.Error{Exit: cli.ExitUnhealthy, Code: cli.CodeUnhealthy, What: "the end of what has arrived cannot be judged"}
	for _, d := range found {
		if p := d.Audit; p != nil && p.Unjudged > 0 {
			e.Problems = append(e.Problems, cli.Problem{
				File: d.Domain + " of " + d.Origin,
				What: count(p.Unjudged, "segment waits", "segments wait") + " for events that may be on their way, and the line to " + d.Origin + " does not stand",
				Cure: "see that " + d.Origin + " runs and is reached (`lockstep status`), and audit again",
			})
		}
	}
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

// audit starts an audit and waits until it has ended. The error is a *cli.Error.
func (d desk) audit(ctx context.Context, of ledger.Of, by string, talk *progress) ([]ledger.Findings, error) {
	begun, err := d.startAudit(ctx, of, by)
	if err != nil {
		return nil, explain("the audit cannot be started", err)
	}
	defer talk.close()
	for {
		select {
		case <-ctx.Done():
			return nil, followed(ctx.Err())
		case <-time.After(d.every):
		}
		found, err := d.status(ctx, of)
		if err != nil {
			return nil, followed(err)
		}
		ended, err := d.ended(begun, found)
		if err != nil || ended {
			return found, err
		}
		talk.say(progressOf(found))
	}
}

// followed is why an audit that goes on is not waited for any more.
func followed(err error) error {
	e := &cli.Error{
		Code: ledger.CodeUnavailable, What: "the audit is not waited for any more", Cause: err,
		Cure: "it goes on as long as the environment runs: `lockstep ledger status` tells how far it is",
	}
	if errors.Is(err, context.Canceled) {
		e.Code, e.Why = cli.CodeInterrupted, "interrupted before its end"
	}
	return e
}

// ended reports whether all passes that have begun are over. One that somebody has
// begun since stands for it as well.
func (d desk) ended(begun, found []ledger.Findings) (bool, error) {
	for _, b := range begun {
		f, ok := chosen(found, ledger.Of{Origin: b.Origin, Domain: b.Domain})
		if !ok || f.Audit == nil || (b.Audit != nil && f.Audit.Started.Before(b.Audit.Started)) {
			return false, &cli.Error{
				Code: ledger.CodeUnavailable, What: "the audit of " + b.Domain + " of " + b.Origin + " did not come to its end",
				Why: d.at.Name + " does not know of it any more; it was restarted, perhaps", Cure: "start it again",
			}
		}
		if f.Audit.Ended.IsZero() {
			return false, nil
		}
	}
	return true, nil
}

// progressOf says how far audits are.
func progressOf(found []ledger.Findings) string {
	var read, of uint64
	domains := 0
	for _, f := range found {
		if p := f.Audit; p != nil && p.Ended.IsZero() {
			read, of, domains = read+p.Read, of+p.Of, domains+1
		}
	}
	return fmt.Sprintf("audit: read %d of %d messages, %s to go", read, of, count(domains, "domain", "domains"))
}

// progress tells people how far something is: on a terminal in one line that
// changes, else in a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	last     time.Time // when a line was written
	drawn    bool      // a line on the terminal is to be ended
}

// talkEvery is how often progress is told where that takes a line each.
const talkEvery = 10 * time.Second

func newProgress(app *cli.App) *progress {
	return &progress{w: app.Stderr, terminal: app.Terminal(), last: time.Now()}
}

func (p *progress) say(text string) {
	switch {
	case p.terminal:
		fmt.Fprint(p.w, "\r\x1b[K"+cli.OneLine(text))
		p.drawn = true
	case time.Since(p.last) >= talkEvery:
		fmt.Fprintln(p.w, cli.OneLine(text))
		p.last = time.Now()
	}
}

// close ends the line that is drawn.
func (p *progress) close() {
	if p.drawn {
		fmt.Fprintln(p.w)
		p.drawn = false
	}
}
