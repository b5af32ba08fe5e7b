package ledger

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// maxRows bounds each list in a table; JSON and YAML hold all that is known.
const maxRows = 50

// Status says what a destination has verified.
func Status(ctx context.Context, app *cli.App, f StatusFlags) error {
	at, err := f.connect()
	if err != nil {
		return err
	}
	defer at.Close()
	found, err := desk{at, pollEvery}.status(ctx, f.of())
	if err != nil {
		return explain("what "+at.Name+" has verified cannot be told", err)
	}
	return tell(app, newAnswer(at.Name, found))
}

// tell writes the answer, and fails if anything differs.
func tell(app *cli.App, a answer) error {
	if err := app.Answer(a); err != nil {
		return err
	}
	return a.verdict(cli.ExitUnhealthy, cli.CodeUnhealthy, RepairCure(a.Environment))
}

// answer is what a destination knows of itself.
type answer struct {
	Environment string            `json:"environment"`
	Healthy     bool              `json:"healthy"`
	Domains     []ledger.Findings `json:"domains"`
}

func newAnswer(environment string, found []ledger.Findings) answer {
	a := answer{Environment: environment, Healthy: true, Domains: sorted(append([]ledger.Findings{}, found...))}
	for i := range a.Domains {
		d := &a.Domains[i]
		d.Segments, d.Surplus = append([]ledger.Disputed{}, d.Segments...), append([]ledger.Surplus{}, d.Surplus...)
		a.Healthy = a.Healthy && d.Healthy()
	}
	return a
}

// verdict is nil if nothing differs; cure says how what differs is mended.
func (a answer) verdict(exit int, code, cure string) error {
	if a.Healthy {
		return nil
	}
	e := &cli.Error{Exit: exit, Code: code, What: a.Environment + " differs from its origin"}
	for _, d := range a.Domains {
		if d.Healthy() {
			continue
		}
		p := cli.Problem{File: d.Domain + " of " + d.Origin, What: problem(d.Report), Cure: cure}
		if len(Differing(d.Report)) == 0 {
			p.Cure = auditCure(a.Environment)
		}
		e.Problems = append(e.Problems, p)
	}
	return e
}

// problem is all that is wrong, in words.
func problem(r ledger.Report) string {
	words := Differing(r)
	if r.Problem != "" {
		words = append(words, r.Problem)
	}
	return strings.Join(words, "; ")
}

// Table writes the answer for people.
func (a answer) Table(w io.Writer) {
	if len(a.Domains) == 0 {
		fmt.Fprintf(w, "%s verifies nothing that was chosen\n", a.Environment)
		return
	}
	differ := 0
	var rows, audits [][]string
	for _, d := range a.Domains {
		if !d.Healthy() {
			differ++
		}
		row := []string{d.Origin, d.Domain}
		for _, n := range []uint64{d.VerifiedTo, d.Delivered, d.Withheld, d.Released, d.Repaired, d.Missing, d.Duplicates, d.OutOfOrder, d.Strays, d.Replaced, d.Mismatches} {
			row = append(row, number(n))
		}
		rows = append(rows, append(row, d.Problem))
		if p := d.Audit; p != nil {
			state := "goes on"
			if !p.Ended.IsZero() {
				state = "ended " + stamp(p.Ended)
			}
			if p.Unjudged > 0 {
				state += ", " + count(p.Unjudged, "segment not judged", "segments not judged")
			}
			audits = append(audits, []string{d.Origin, d.Domain, p.By, stamp(p.Started), state, number(p.Read) + " of " + number(p.Of)})
		}
	}
	fmt.Fprintf(w, "%s, verified: %s, %s\n\n", a.Environment, count(len(a.Domains), "domain", "domains"), count(differ, "differs", "differ"))
	cli.Columns(w, []string{
		"origin", "domain", "verified to", "delivered", "withheld", "released", "repaired", "missing", "duplicates", "out of order", "strays", "replaced", "segments that differ", "problem",
	}, rows)
	a.segments(w)
	a.surplus(w)
	if len(audits) > 0 {
		fmt.Fprintln(w)
		cli.Columns(w, []string{"audit of", "domain", "by", "started", "state", "read"}, audits)
	}
}

// segments writes those that differ, event by event where that is known.
func (a answer) segments(w io.Writer) {
	var rows [][]string
	var unlisted uint64
	for _, d := range a.Domains {
		if n := uint64(len(d.Segments)); d.Mismatches > n {
			unlisted += d.Mismatches - n
		}
		for _, s := range d.Segments {
			for _, difference := range s.Differences {
				kind := difference.Kind
				if difference.Released {
					kind += ", released"
				}
				rows = append(rows, []string{d.Origin, d.Domain, number(s.From), number(s.To), number(difference.OriginSequence), kind, position(d.Domain, difference.At)})
			}
			switch {
			case !s.Known:
				rows = append(rows, []string{d.Origin, d.Domain, number(s.From), number(s.To), "", "the origin was not asked yet", ""})
			case len(s.Differences) == 0:
				rows = append(rows, []string{d.Origin, d.Domain, number(s.From), number(s.To), "", "the segment as a whole", ""})
			}
		}
	}
	list(w, []string{"origin", "domain", "from", "to", "event", "difference", "at"}, rows)
	if unlisted > 0 {
		fmt.Fprintf(w, "%s, which %s does not list here\n", count(unlisted, "more segment differs", "more segments differ"), a.Environment)
	}
}

// unasked is in how many segments it is not known which events differ.
func (a answer) unasked() (n uint64) {
	for _, d := range a.Domains {
		n += d.Mismatches
		for _, s := range d.Segments {
			if s.Known {
				n--
			}
		}
	}
	return n
}

// surplus writes the messages that stand for no event.
func (a answer) surplus(w io.Writer) {
	var rows [][]string
	var unlisted uint64
	for _, d := range a.Domains {
		if n, all := uint64(len(d.Surplus)), d.Duplicates+d.OutOfOrder+d.Strays+d.Replaced+d.Superseded; all > n {
			unlisted += all - n
		}
		for _, s := range d.Surplus {
			rows = append(rows, []string{d.Origin, d.Domain, position(d.Domain, s.At), s.Kind, event(s.OriginSequence)})
		}
	}
	list(w, []string{"origin", "domain", "message at", "surplus", "event"}, rows)
	if unlisted > 0 {
		fmt.Fprintf(w, "%s, which %s does not list here\n", count(unlisted, "more message is surplus", "more messages are surplus"), a.Environment)
	}
}

// list writes rows below what stands there already, not too many of them.
func list(w io.Writer, heading []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(w)
	cli.Columns(w, heading, rows[:min(len(rows), maxRows)])
	if more := len(rows) - maxRows; more > 0 {
		fmt.Fprintf(w, "and %s, which -o json lists\n", count(more, "more line", "more lines"))
	}
}

// position is where a message stands in its domain's stream, as STREAM:SEQUENCE.
func position(domain string, at uint64) string {
	if at == 0 {
		return ""
	}
	return wire.DomainStream(domain) + ":" + number(at)
}

// event is an origin sequence; "" for none.
func event(sequence uint64) string {
	if sequence == 0 {
		return ""
	}
	return number(sequence)
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// chosen finds one domain's findings.
func chosen(found []ledger.Findings, of ledger.Of) (ledger.Findings, bool) {
	i := slices.IndexFunc(found, func(d ledger.Findings) bool { return d.Origin == of.Origin && d.Domain == of.Domain })
	if i < 0 {
		return ledger.Findings{}, false
	}
	return found[i], true
}
