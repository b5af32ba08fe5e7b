package demo

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/services/internal/feed"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/leak"
)

// report is what the demonstration has shown.
type report struct {
	Published    uint64              `json:"published"`
	Refused      uint64              `json:"refused"`
	Environments map[string]*arrival `json:"environments"`
	Leaks        uint64              `json:"leaks"`
	Converged    bool                `json:"converged"`
	Seconds      float64             `json:"seconds"`
	Values       int                 `json:"personal_values"` // that were searched for
	Searched     int64               `json:"bytes_searched"`
	Problems     []string            `json:"problems"`

	hub    string
	names  []string // of the destinations, as mesh.yaml has them
	search search

	mu   sync.Mutex // of what follows
	ways map[carried]*way
}

// arrival is what one destination holds.
type arrival struct {
	Published    uint64  `json:"published"` // at the origin, of the domains that are routed here
	Delivered    uint64  `json:"delivered"`
	Withheld     uint64  `json:"withheld"`
	MaskedFields uint64  `json:"masked_fields"`
	Duplicates   uint64  `json:"duplicates"`
	Missing      uint64  `json:"missing"`
	Lag50        float64 `json:"lag_p50_ms"`
	Lag99        float64 `json:"lag_p99_ms"`
	Verified     bool    `json:"verified"`
}

// way is what is known of one domain's way.
type way struct {
	published uint64 // events that were acknowledged
	last      uint64 // sequence of the last one in the origin's stream
	ledger    ledger.Report
	route     route.Status

	delivered, withheld, duplicates uint64 // counted by the audit
	outcomes                        []bool // by origin sequence: delivered or withheld
}

func (w *way) verified() bool { return w.ledger.VerifiedTo >= w.last && w.ledger.Healthy() }

// seen takes in that an event is there, or is recorded as withheld.
func (w *way) seen(sequence uint64, withheld bool) {
	if sequence >= uint64(len(w.outcomes)) {
		w.outcomes = slices.Grow(w.outcomes, int(sequence)+1-len(w.outcomes))[:sequence+1]
	}
	switch {
	case w.outcomes[sequence]:
		w.duplicates++
	case withheld:
		w.withheld++
	default:
		w.delivered++
	}
	w.outcomes[sequence] = true
}

// search is the search for leaks, with a line of its progress.
type search struct{ leak.Report }

func (s *search) progress() string {
	text := fmt.Sprintf("%d MB searched", s.Bytes()/1e6)
	if n := s.Found(); n > 0 {
		text += fmt.Sprintf(", %d leaks found", n)
	}
	return text
}

func (d *demo) newReport(stats map[string]feed.Stats) *report {
	r := &report{Environments: map[string]*arrival{}, Problems: []string{}, hub: d.mesh.Hub().Name, ways: map[carried]*way{}}
	for name, s := range stats {
		r.Published += s.Published - s.Duplicates
		r.Refused += s.Refused
		if s.Duplicates > 0 {
			r.problem("%d events of %s were stored before, in an empty stream", s.Duplicates, name)
		}
	}
	if r.Published != uint64(d.flags.Events) {
		r.problem("%d of %d events were published", r.Published, d.flags.Events)
	}
	for _, c := range d.routes {
		r.ways[c] = &way{published: stats[c.domain].Published - stats[c.domain].Duplicates}
		if !slices.Contains(r.names, c.to) {
			r.names = append(r.names, c.to)
		}
	}
	return r
}

func (r *report) way(c carried) *way {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ways[c]
}

func (r *report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// settle draws the conclusions, when all is counted and searched.
func (r *report) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range r.names {
		a := &arrival{Verified: true}
		var lags []time.Duration
		for c, w := range r.ways {
			if c.to != name {
				continue
			}
			a.Published += w.published
			a.Delivered += w.delivered
			a.Withheld += w.withheld
			a.Duplicates += w.duplicates
			a.Missing += w.published - min(w.published, w.delivered+w.withheld)
			a.MaskedFields += w.ledger.MaskedFields
			a.Verified = a.Verified && w.verified()
			lags = append(lags, w.ledger.Lags...)
			r.judge(c, w)
		}
		slices.Sort(lags)
		a.Lag50, a.Lag99 = percentile(lags, 0.50), percentile(lags, 0.99)
		r.Environments[name] = a
	}
	slices.Sort(r.Problems)
	r.Leaks, r.Searched = r.search.Found(), r.search.Bytes()
	r.Converged = len(r.Problems) == 0
}

// judge notes everything that is wrong with a way.
func (r *report) judge(c carried, w *way) {
	where := fmt.Sprintf("%s in %s", c.domain, c.to)
	if got := w.delivered + w.withheld; got < w.published {
		r.problem("%s: %d of %d events are missing", where, w.published-got, w.published)
	} else if got > w.published {
		r.problem("%s: %d events were published, and %d are accounted for", where, w.published, got)
	}
	if w.duplicates > 0 {
		r.problem("%s: %d events are there more than once", where, w.duplicates)
	}
	if l := w.ledger; !l.Healthy() {
		r.problem("%s: the ledger counts %d missing, %d doubled, %d out of order, %d segments that differ; %s", where, l.Missing, l.Duplicates, l.OutOfOrder, l.Mismatches, l.Problem)
	}
	if !w.verified() {
		r.problem("%s: verified to event %d of %d", where, w.ledger.VerifiedTo, w.last)
	}
	if w.ledger.Delivered != w.delivered {
		r.problem("%s: the ledger counts %d events, the streams hold %d", where, w.ledger.Delivered, w.delivered)
	}
	if w.route.Problem != "" {
		r.problem("%s: the route is %s: %s", where, w.route.State, w.route.Problem)
	}
}

// percentile is the p-th part of sorted durations, in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := max(0, int(math.Ceil(p*float64(len(sorted))))-1)
	return float64(sorted[i].Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// verdict is nil if all is as it should be.
func (r *report) verdict() error {
	if r.Leaks == 0 && r.Converged {
		return nil
	}
	e := &cli.Error{Exit: cli.ExitFindings, Code: cli.CodeFindings, What: "the environments are not in lockstep"}
	if r.Leaks > 0 {
		e.What = fmt.Sprintf("%d personal values were found where they must not be", r.Leaks)
	}
	for _, p := range r.Problems {
		e.Problems = append(e.Problems, cli.Problem{What: p})
	}
	examples := r.search.Examples()
	for _, f := range examples {
		e.Problems = append(e.Problems, cli.Problem{Code: "leak", What: f.String()})
	}
	if more := r.Leaks - uint64(len(examples)); more > 0 {
		e.Problems = append(e.Problems, cli.Problem{Code: "leak", What: fmt.Sprintf("and %d more", more)})
	}
	e.Cure = "run it again with --log-level info and --data DIR, and look at the stores"
	return e
}

// Table writes the report for people.
func (r *report) Table(w io.Writer) {
	rows := [][]string{{r.hub, number(r.Published), "", "", "", "", "", "", "", "origin"}}
	for _, name := range r.names {
		a := r.Environments[name]
		verified := "no"
		if a.Verified {
			verified = "yes"
		}
		rows = append(rows, []string{
			name, number(a.Published), number(a.Delivered), number(a.MaskedFields), number(a.Withheld), number(a.Duplicates), number(a.Missing),
			lag(a.Lag50), lag(a.Lag99), verified,
		})
	}
	cli.Columns(w, []string{"environment", "published", "delivered", "masked fields", "withheld", "doubled", "missing", "lag p50", "lag p99", "verified"}, rows)
	fmt.Fprintf(w, "\n%s events published, %s wrong on purpose and refused.\n", number(r.Published), number(r.Refused))
	fmt.Fprintf(w, "%s personal values searched for in %s MB of messages and files: %s found.\n", number(uint64(r.Values)), number(uint64(r.Searched)/1e6), number(r.Leaks))
	verdict := "Every event is where it belongs, exactly once, masked and verified"
	if r.verdict() != nil {
		verdict = "Not everything is as it should be"
	}
	fmt.Fprintf(w, "%s. %.1f s.\n", verdict, r.Seconds)
}

func lag(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.2f s", ms/1000)
	}
	return fmt.Sprintf("%.1f ms", ms)
}

// number writes 12345 as 12,345.
func number(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
