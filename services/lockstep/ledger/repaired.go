package ledger

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// repaired is what a repair did, or in a dry run would do.
type repaired struct {
	Environment string          `json:"environment"`
	By          string          `json:"by"`
	Dry         bool            `json:"dry,omitempty"`
	Identical   bool            `json:"identical"` // nothing differs afterwards
	Domains     []*repairedPart `json:"domains"`

	after answer // what the destination knows then
}

// repairedPart is that of one domain's events from one origin.
type repairedPart struct {
	Origin    string              `json:"origin"`
	Domain    string              `json:"domain"`
	IDs       []uint64            `json:"ids"`      // by which it can be undone
	Differed  map[string]int      `json:"differed"` // how many, by the kind of the difference or the surplus
	Found     []ledger.Difference `json:"found"`    // the first ones
	Surplus   []ledger.Surplus    `json:"surplus"`  // likewise
	Resent    int                 `json:"resent"`
	Removed   int                 `json:"removed"`
	Remaining int                 `json:"remaining"`
	Beyond    uint64              `json:"beyond"`
	Still     string              `json:"still,omitempty"` // what differs afterwards, in words
}

func newRepaired(environment, by string, dry bool) *repaired {
	return &repaired{Environment: environment, By: by, Dry: dry, Domains: []*repairedPart{}}
}

// take adds an answer, and reports whether anything was done. Only a whole answer
// says what remains of the domains that it doesn't name: nothing.
func (a *repaired) take(got []ledger.Repair, whole bool) (acted bool) {
	if whole {
		for _, p := range a.Domains {
			p.Remaining, p.Beyond = 0, 0
		}
	}
	for _, g := range got {
		p := a.part(g.Origin, g.Domain)
		if g.ID != 0 {
			p.IDs = append(p.IDs, g.ID)
		}
		for _, d := range g.Found {
			p.Differed[d.Kind]++
		}
		for _, s := range g.Surplus {
			p.Differed[s.Kind]++
		}
		p.Found = append(p.Found, g.Found[:min(len(g.Found), ledger.MaxListed-len(p.Found))]...)
		p.Surplus = append(p.Surplus, g.Surplus[:min(len(g.Surplus), ledger.MaxListed-len(p.Surplus))]...)
		p.Resent += g.Resent
		p.Removed += g.Removed
		p.Remaining, p.Beyond = g.Remaining, g.Beyond
		acted = acted || g.Resent+g.Removed > 0
	}
	return acted
}

func (a *repaired) part(origin, domain string) *repairedPart {
	for _, p := range a.Domains {
		if p.Origin == origin && p.Domain == domain {
			return p
		}
	}
	p := &repairedPart{
		Origin: origin, Domain: domain, IDs: []uint64{}, Differed: map[string]int{}, Found: []ledger.Difference{}, Surplus: []ledger.Surplus{},
	}
	a.Domains = append(a.Domains, p)
	return p
}

// sums are over all domains.
type sums struct {
	differed, resent, removed, remaining int
	beyond                               uint64
}

func (a *repaired) sums() (all sums) {
	for _, p := range a.Domains {
		for _, n := range p.Differed {
			all.differed += n
		}
		all.resent += p.Resent
		all.removed += p.Removed
		all.remaining += p.Remaining
		all.beyond += p.Beyond
	}
	return all
}

// look takes in what is known afterwards.
func (a *repaired) look(after answer) {
	a.after, a.Identical = after, after.Healthy
	for _, d := range after.Domains {
		if !d.Healthy() {
			a.part(d.Origin, d.Domain).Still = problem(d.Report)
		}
	}
}

// verdict is nil if nothing differs any more.
func (a *repaired) verdict() error {
	cure := "ask again, which goes on with what came meanwhile; the environment's log says more"
	if a.Dry {
		cure = "without --dry-run it is repaired"
	}
	return a.after.verdict(cli.ExitFindings, cli.CodeFindings, cure)
}

// kinds are those of differences and surplus, in the order of the table.
var kinds = []string{
	ledger.DifferenceMissing, ledger.DifferenceAltered, ledger.DifferenceExtra,
	ledger.SurplusDuplicate, ledger.SurplusMisplaced, ledger.SurplusReplaced, ledger.SurplusSuperseded, ledger.SurplusStray,
}

// Table writes the answer for people.
func (a *repaired) Table(w io.Writer) {
	all := a.sums()
	if a.Identical && all == (sums{}) {
		fmt.Fprintf(w, "nothing that was chosen is known to differ in %s\n", a.Environment)
		return
	}
	heading := append(append([]string{"origin", "domain"}, kinds...), "remaining")
	if !a.Dry {
		heading = append(heading, "sent again", "taken out", "repairs", "differs still")
	}
	var rows [][]string
	for _, p := range a.Domains {
		row := []string{p.Origin, p.Domain}
		for _, kind := range kinds {
			row = append(row, strconv.Itoa(p.Differed[kind]))
		}
		row = append(row, strconv.Itoa(p.Remaining))
		if !a.Dry {
			row = append(row, strconv.Itoa(p.Resent), strconv.Itoa(p.Removed), ids(p.IDs), p.Still)
		}
		rows = append(rows, row)
	}
	cli.Columns(w, heading, rows)
	if a.Dry {
		a.plan(w)
	}
	if n := a.after.unasked(); n > 0 && a.Dry {
		fmt.Fprintf(w, "\n%s: it is not listed yet in which events, and a repair gets to them in turn\n", count(n, "more segment differs", "more segments differ"))
	}
	if all.beyond > 0 {
		fmt.Fprintf(w, "\n%s beyond those that %s holds: a repair audits the domain to find them\n", count(all.beyond, "segment or message lies", "segments and messages lie"), a.Environment)
	}
}

// plan writes what would be done, event by event.
func (a *repaired) plan(w io.Writer) {
	var rows [][]string
	for _, p := range a.Domains {
		for _, d := range p.Found {
			rows = append(rows, []string{p.Origin, p.Domain, number(d.OriginSequence), d.Kind, position(p.Domain, d.At), would(d)})
		}
		for _, s := range p.Surplus {
			rows = append(rows, []string{p.Origin, p.Domain, event(s.OriginSequence), s.Kind, position(p.Domain, s.At), "take it out"})
		}
	}
	list(w, []string{"origin", "domain", "event", "differs", "at", "a repair would"}, rows)
	if all := a.sums().differed; all > len(rows) {
		fmt.Fprintf(w, "of %d in all, the first %d of each domain are listed\n", all, ledger.MaxListed)
	}
}

// would is what a repair does about a difference.
func would(d ledger.Difference) string {
	switch d.Kind {
	case ledger.DifferenceMissing:
		return "have it sent again"
	case ledger.DifferenceExtra:
		return "take it out"
	}
	return "have it sent again, and take this one out"
}

// ids are those of repairs in a table.
func ids(all []uint64) string {
	words := make([]string, len(all))
	for i, id := range all {
		words[i] = number(id)
	}
	return strings.Join(words, ", ")
}
