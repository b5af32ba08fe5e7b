// Package bench is the command `lockstep bench`: what governing events costs,
// measured against doing without.
//
// Every measurement brings up real servers, embedded, on the loopback interface
// and in a temporary directory, and runs both sides in turns, several times, in
// one run of the command: what a busy machine does to one side it does to the
// other. What medians and percentiles are belongs in measure; what is measured
// belongs to its own package, and is used here as an environment uses it.
package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/services/internal/measure"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/datadir"
)

const (
	defaultRuns    = 5
	defaultWindow  = 2 * time.Second
	defaultEvents  = 1_000_000
	quickWindow    = 150 * time.Millisecond
	quickEvents    = 2_000
	minWindow      = 10 * time.Millisecond
	maxWindow      = 10 * time.Minute
	maxRuns        = 1000
	readyTimeout   = 60 * time.Second
	stalledAfter   = 30 * time.Second // without progress, what is missing does not come any more
	asyncPending   = 4096             // publishes of an asynchronous client that wait for their acknowledgement
	quickPending   = 256              // the same in a quick run
	patientStall   = time.Minute      // how long an asynchronous publish may wait for its turn
	connectTimeout = 10 * time.Second
)

// Flags are the command's flags.
type Flags struct {
	Only    string
	Runs    int
	For     time.Duration
	Events  int
	Quick   bool
	Benthos string
}

// Command is `bench`.
func Command(app *cli.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use: "bench", Short: "Measure what governing events costs, against doing without",
		Long: `Bring up real servers on free ports of this machine, and measure Lockstep against
the same without it, in turns, several times: publishing, latency, delivery to
another environment, validating and masking, memory, and how cost grows with
event types and routes.

A ratio is what Lockstep does divided by what it is compared with. Of rates,
larger is better; of times and memory, smaller. The column BETTER says which.

Measurements:
` + describeAll(),
		Example: "  lockstep bench --quick\n  lockstep bench --only publish-durable\n  lockstep bench --only deliver/interval --runs 9 -o json",
	}
	flags := c.Flags()
	flags.StringVar(&f.Only, "only", "", "these measurements by their `names`, separated by commas; the beginning of a name up to a slash or hyphen means all that begin so")
	flags.IntVar(&f.Runs, "runs", defaultRuns, "`how many` times each side is measured")
	flags.DurationVar(&f.For, "for", defaultWindow, "`how long` each side is measured each time")
	flags.IntVar(&f.Events, "events", defaultEvents, "the backlog of the measurement of memory, `in events`")
	flags.BoolVar(&f.Quick, "quick", false, fmt.Sprintf("only see that everything works: 1 run of %s, a backlog of %d", quickWindow, quickEvents))
	flags.StringVar(&f.Benthos, "benthos", "", "the `folder` scripts/benthos of a checkout, for the measurements engine/benthos-… (needs Go)")
	return app.Command(c, func(ctx context.Context) error {
		if f.Quick {
			f.quicken(c.Flags().Changed)
		}
		return Run(ctx, app, f)
	})
}

// quicken shortens what the user has not set.
func (f *Flags) quicken(changed func(string) bool) {
	if !changed("runs") {
		f.Runs = 1
	}
	if !changed("for") {
		f.For = quickWindow
	}
	if !changed("events") {
		f.Events = quickEvents
	}
}

func (f Flags) check() error {
	var problems []string
	if f.Runs < 1 || f.Runs > maxRuns {
		problems = append(problems, fmt.Sprintf("--runs %d is not from 1 to %d", f.Runs, maxRuns))
	}
	if f.For < minWindow || f.For > maxWindow {
		problems = append(problems, fmt.Sprintf("--for %s is not from %s to %s", f.For, minWindow, maxWindow))
	}
	if f.Events < 10 {
		problems = append(problems, fmt.Sprintf("--events %d: a backlog is 10 events at least", f.Events))
	}
	if len(problems) > 0 {
		return cli.Usage("%s", strings.Join(problems, "; "))
	}
	return nil
}

// Run measures, and answers with the report.
func Run(ctx context.Context, app *cli.App, f Flags) error {
	if err := f.check(); err != nil {
		return err
	}
	chosen, err := choose(f.Only)
	if err != nil {
		return err
	}
	b := &bench{
		flags: f, log: app.Logger(zerolog.ErrorLevel),
		progress: newProgress(app.Stderr, app.Terminal(), len(chosen)),
	}
	defer b.progress.close()
	begin := time.Now()
	var failed []cli.Problem
	report := Report{Machine: machine(), Settings: Settings{Runs: f.Runs, Seconds: f.For.Seconds(), Events: f.Events, Quick: f.Quick}}
	for _, m := range chosen {
		result, err := b.measure(ctx, m)
		if ctx.Err() != nil { // what fails then, fails because of it
			return ctx.Err()
		}
		if err != nil { // the others are worth having all the same
			result.Failed = err.Error()
			failed = append(failed, failure(m.name, err))
		}
		b.progress.done(result)
		report.Results = append(report.Results, result)
	}
	b.progress.close()
	report.Seconds = measure.Round(time.Since(begin).Seconds())
	return errors.Join(app.Answer(report), notMeasured(failed))
}

// notMeasured is the error of the measurements that failed, if any did.
func notMeasured(failed []cli.Problem) error {
	if len(failed) == 0 {
		return nil
	}
	return &cli.Error{Code: codeMeasurement, What: fmt.Sprintf("%d measurements failed", len(failed)), Problems: failed}
}

func failure(name string, err error) cli.Problem {
	return cli.Problem{
		Code: codeMeasurement, What: name + ": " + err.Error(),
		Cure: "run it alone with --only " + name + " --log-level info to see what happens",
	}
}

// codeMeasurement is the error's code when something could not be measured.
const codeMeasurement = "measurement"

func machine() Machine {
	return Machine{Machine: measure.ThisMachine(), NATS: server.VERSION}
}

// bench is one run of the command.
type bench struct {
	flags    Flags
	log      zerolog.Logger
	progress *progress
}

// measure makes one measurement with everything that it needs, in a directory
// of its own, which is gone afterwards.
func (b *bench) measure(ctx context.Context, m measurement) (r Result, err error) {
	b.progress.begin(m.name)
	r = Result{Name: m.name, Unit: m.unit, Better: m.better, What: m.what, Versus: m.versus}
	data, err := datadir.Open("", "lockstep-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	runtime.GC() // what an earlier measurement has left is not this one's
	t := &trial{bench: b, result: &r, dir: data.Path}
	watch := start()
	if err = m.run(ctx, t); err == nil {
		r.judge(m.targets)
		r.Others = watch.others()
	}
	return r, err
}

// trial is one measurement under way.
type trial struct {
	*bench
	result *Result
	dir    string // the measurement's own directory
}

// skip says why there is nothing to measure.
func (t *trial) skip(format string, args ...any) {
	t.result.Skipped = fmt.Sprintf(format, args...)
	t.result.Runs = 0
}
