package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/lockstep-mesh/lockstep/services/internal/measure"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Report is what a run of the command has measured.
type Report struct {
	Results  []Result `json:"results"`
	Machine  Machine  `json:"machine"`
	Settings Settings `json:"settings"`
	Seconds  float64  `json:"seconds"` // that it took
}

// Machine is where it was measured, and on which NATS server.
type Machine struct {
	measure.Machine
	NATS string `json:"nats"`
}

// Settings are those of the command.
type Settings struct {
	Runs    int     `json:"runs"`
	Seconds float64 `json:"seconds"` // each side, each run
	Events  int     `json:"events"`  // backlog of the measurement of memory
	Quick   bool    `json:"quick,omitempty"`
}

// Result is one measurement: medians over its runs. What was not measured is
// null.
type Result struct {
	Name string `json:"name"`
	// Ratio is Governed divided by Against, for rates, times and memory alike;
	// Better says which way is better: higher or lower.
	Ratio    *float64 `json:"ratio"`
	Governed *float64 `json:"governed"`
	Against  *float64 `json:"against"`
	Unit     string   `json:"unit"` // of Governed and Against
	Better   string   `json:"better"`
	Runs     int      `json:"runs"`
	// Difference is Governed less Against, where the unit is one of time.
	Difference *float64 `json:"difference,omitempty"`
	Spread     *Spread  `json:"spread,omitempty"`  // over the runs
	Samples    *Samples `json:"samples,omitempty"` // every run
	P50        *Pair    `json:"p50,omitempty"`     // in Unit
	P99        *Pair    `json:"p99,omitempty"`     // in Unit
	CPU        *Pair    `json:"cpu,omitempty"`     // µs of processor time an event, servers and clients together
	Allocs     *Pair    `json:"allocs,omitempty"`  // allocations an event
	// Others is how many processors other programs kept busy meanwhile: the more,
	// the less the absolute numbers say.
	Others  *float64  `json:"others,omitempty"`
	What    string    `json:"what"`             // what Governed is
	Versus  string    `json:"versus,omitempty"` // what Against is
	Targets []Verdict `json:"targets,omitempty"`
	Note    string    `json:"note,omitempty"`
	Skipped string    `json:"skipped,omitempty"` // why there was nothing to measure
	Failed  string    `json:"failed,omitempty"`  // why it could not be measured
}

// Pair is one number of both sides.
type Pair struct {
	Governed   float64  `json:"governed"`
	Against    *float64 `json:"against"`
	Ratio      *float64 `json:"ratio"`
	Difference *float64 `json:"difference,omitempty"`
}

// Spread is the smallest and the largest of the runs.
type Spread struct {
	Ratio    []float64 `json:"ratio,omitempty"` // of a run's own two sides
	Governed []float64 `json:"governed"`
	Against  []float64 `json:"against,omitempty"`
}

// Samples are all runs, in their order.
type Samples struct {
	Governed []float64 `json:"governed"`
	Against  []float64 `json:"against,omitempty"`
}

// target is what a measurement is to reach.
type target struct {
	of      string // ratio, difference, governed, allocs, or p50. or p99. before ratio or difference
	atLeast float64
	atMost  float64
}

// Verdict is a target and whether it is reached.
type Verdict struct {
	Of      string   `json:"of"`
	AtLeast *float64 `json:"at_least,omitempty"`
	AtMost  *float64 `json:"at_most,omitempty"`
	Got     float64  `json:"got"`
	Met     bool     `json:"met"`
}

// atLeast is a target for the ratio, atMost one for anything.
func atLeast(v float64) target { return target{of: "ratio", atLeast: v, atMost: math.Inf(1)} }

func atMost(of string, v float64) target { return target{of: of, atLeast: math.Inf(-1), atMost: v} }

// pair makes a pair of two sides; NaN is a side that was not measured.
func pair(governed, against float64, difference bool) *Pair {
	p := &Pair{Governed: measure.Round(governed)}
	if math.IsNaN(against) {
		return p
	}
	p.Against = number(against)
	p.Ratio = ratio(governed, against)
	if difference {
		p.Difference = number(governed - against)
	}
	return p
}

func ratio(governed, against float64) *float64 {
	if against == 0 {
		return nil
	}
	return number(governed / against)
}

func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	v = measure.Round(v)
	return &v
}

// judge compares the result with its targets.
func (r *Result) judge(targets []target) {
	if r.Skipped != "" {
		return
	}
	for _, t := range targets {
		got := r.value(t.of)
		if got == nil {
			continue
		}
		v := Verdict{Of: t.of, Got: *got, Met: *got >= t.atLeast && *got <= t.atMost}
		v.AtLeast, v.AtMost = number(t.atLeast), number(t.atMost)
		r.Targets = append(r.Targets, v)
	}
}

// value is the number that a target is about; nil if it was not measured.
func (r *Result) value(of string) *float64 {
	within := func(p *Pair, get func(*Pair) *float64) *float64 {
		if p == nil {
			return nil
		}
		return get(p)
	}
	switch of {
	case "ratio":
		return r.Ratio
	case "difference":
		return r.Difference
	case "governed":
		return r.Governed
	case "allocs":
		return within(r.Allocs, func(p *Pair) *float64 { return &p.Governed })
	case "p99.ratio":
		return within(r.P99, func(p *Pair) *float64 { return p.Ratio })
	case "p50.ratio":
		return within(r.P50, func(p *Pair) *float64 { return p.Ratio })
	case "p50.difference":
		return within(r.P50, func(p *Pair) *float64 { return p.Difference })
	}
	return nil
}

// Table writes the report for people.
func (r Report) Table(w io.Writer) {
	var rows [][]string
	for _, result := range r.Results {
		rows = append(rows, result.row())
	}
	cli.Columns(w, []string{"name", "lockstep", "against", "unit", "ratio", "runs from – to", "better", "p99", "cpu/event", "allocs", "target"}, rows)
	notes := false
	for _, result := range r.Results {
		for _, text := range []string{result.Skipped, result.Failed, result.Note} {
			if text == "" {
				continue
			}
			if !notes {
				fmt.Fprintln(w)
				notes = true
			}
			fmt.Fprintf(w, "%s: %s\n", result.Name, cli.OneLine(text))
		}
	}
	r.busy(w)
	fmt.Fprintf(w, "\n%s, %d cores, %s/%s, %s, nats-server %s; medians of %d runs of %gs\n",
		r.Machine.CPU, r.Machine.Cores, r.Machine.OS, r.Machine.Arch, r.Machine.Go, r.Machine.NATS, r.Settings.Runs, r.Settings.Seconds)
}

// disturbance is how many processors of others are worth mentioning.
const disturbance = 0.25

// busy says whether other programs kept the machine busy.
func (r Report) busy(w io.Writer) {
	most, at := 0.0, ""
	for _, result := range r.Results {
		if result.Others != nil && *result.Others > most {
			most, at = *result.Others, result.Name
		}
	}
	if most > disturbance {
		fmt.Fprintf(w, "\nother programs kept up to %s of %d cores busy meanwhile (%s): compare, and repeat on a quiet machine\n", show(&most), r.Machine.Cores, at)
	}
}

func (r Result) row() []string {
	switch {
	case r.Skipped != "":
		return []string{r.Name, "–", "–", r.Unit, "–", "", r.Better, "", "", "", "skipped"}
	case r.Failed != "":
		return []string{r.Name, "–", "–", r.Unit, "–", "", r.Better, "", "", "", "failed"}
	}
	spread := ""
	if r.Spread != nil && len(r.Spread.Ratio) == 2 {
		spread = show(&r.Spread.Ratio[0]) + " – " + show(&r.Spread.Ratio[1])
	}
	return []string{
		r.Name, show(r.Governed), show(r.Against), r.Unit, show(r.Ratio), spread, r.Better,
		r.P99.text(), r.CPU.text(), r.Allocs.text(), r.verdicts(),
	}
}

func (p *Pair) text() string {
	switch {
	case p == nil:
		return ""
	case p.Against == nil:
		return show(&p.Governed)
	}
	return show(&p.Governed) + " : " + show(p.Against)
}

// verdicts are the targets in short: whether they are reached, and what they are.
func (r Result) verdicts() string {
	text := ""
	for _, v := range r.Targets {
		if text != "" {
			text += ", "
		}
		if !v.Met {
			text += "missed: "
		}
		text += v.Of
		if v.AtLeast != nil {
			text += " ≥ " + show(v.AtLeast)
		}
		if v.AtMost != nil {
			text += " ≤ " + show(v.AtMost)
		}
	}
	return text
}

func show(v *float64) string {
	if v == nil {
		return "–"
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}
