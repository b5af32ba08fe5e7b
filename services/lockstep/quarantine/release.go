package quarantine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

// atOnce is how many events are asked for in one request.
const atOnce = 500

// Release has withheld events released, some at a time, until all that were
// chosen are dealt with.
func Release(ctx context.Context, app *cli.App, f ReleaseFlags) error {
	if f.any() == f.All {
		if f.All {
			return cli.Usage("--all means all: leave out what chooses among them")
		}
		return cli.Usage("nothing says which events are meant: choose with --to, --domain, --sequence, --code or --type, or say --all")
	}
	if err := f.check(); err != nil {
		return err
	}
	by, err := f.Who()
	if err != nil {
		return err
	}
	at, err := f.Connect("quarantine")
	if err != nil {
		return err
	}
	defer at.Close()
	a, err := release(ctx, at, f.Filter, by)
	if err != nil {
		return partly(operator.Explain("withheld events cannot be released", err), a)
	}
	if err := app.Answer(a); err != nil {
		return err
	}
	return a.verdict()
}

// partly adds what was done before an error.
func partly(err error, a releaseAnswer) error {
	var ours *cli.Error
	if errors.As(err, &ours) && len(a.Routes) > 0 {
		with := *ours
		with.Partial = a
		return &with
	}
	return err
}

// release releases what the filter chose on each route.
func release(ctx context.Context, at *operator.Environment, f Filter, by string) (releaseAnswer, error) {
	a := releaseAnswer{Environment: at.Name, By: by, Routes: []released{}}
	of, filter := f.route()
	filter.Limit = 1
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	there, err := route.AskWithheld(asking, at.Conn, at.Name, route.WithheldRequest{Of: of, Filter: filter})
	cancel()
	if err != nil {
		return a, err
	}
	filter.Limit = atOnce
	for _, part := range there.Routes {
		done := released{To: part.To, Domain: part.Domain, StillWithheld: []route.Record{}}
		if part.Total > 0 {
			err = done.all(ctx, at, filter, by)
		}
		if done.Released+done.Settled+len(done.StillWithheld) > 0 || part.Total > 0 {
			a.add(done)
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// all asks until nothing is left that was not dealt with.
func (d *released) all(ctx context.Context, at *operator.Environment, f route.Filter, by string) error {
	for {
		result, err := d.some(ctx, at, f, by)
		if err != nil || result.Remaining == 0 {
			return err
		}
		if n := len(result.StillWithheld); n > 0 {
			f.First = result.StillWithheld[n-1].OriginSequence + 1
		} else if result.Released+result.Settled == 0 {
			return &cli.Error{
				Code: "unavailable", What: fmt.Sprintf("the route of %s to %s deals with none of %d events", d.Domain, d.To, result.Remaining), Cure: "see `lockstep status`, and ask again",
			}
		}
	}
}

func (d *released) some(ctx context.Context, at *operator.Environment, f route.Filter, by string) (route.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	got, err := route.AskRelease(ctx, at.Conn, at.Name, route.ReleaseRequest{Of: route.Of{To: d.To, Domain: d.Domain}, Filter: f, By: by})
	var result route.Result
	for _, part := range got.Routes { // one
		result = part.Result
		d.Released += result.Released
		d.Settled += result.Settled
		d.StillWithheld = append(d.StillWithheld, result.StillWithheld...)
	}
	return result, err
}

// releaseAnswer is what became of the events.
type releaseAnswer struct {
	Environment   string     `json:"environment"`
	By            string     `json:"by"`
	Released      int        `json:"released"`
	StillWithheld int        `json:"still_withheld"`
	Routes        []released `json:"routes"`
}

// released is what became of the events of one route.
type released struct {
	To            string         `json:"to"`
	Domain        string         `json:"domain"`
	Released      int            `json:"released"`
	Settled       int            `json:"settled"` // that somebody else had released before
	StillWithheld []route.Record `json:"still_withheld"`
}

func (a *releaseAnswer) add(d released) {
	a.Routes = append(a.Routes, d)
	a.Released += d.Released
	a.StillWithheld += len(d.StillWithheld)
}

func (a releaseAnswer) verdict() error {
	if a.StillWithheld == 0 {
		return nil
	}
	return &cli.Error{
		Exit: cli.ExitFindings, Code: cli.CodeFindings, What: count(a.StillWithheld, "event stays withheld", "events stay withheld"),
		Cure: "mend what is named, and ask again",
	}
}

// Table writes the answer for people.
func (a releaseAnswer) Table(w io.Writer) {
	if len(a.Routes) == 0 {
		fmt.Fprintf(w, "nothing that was chosen is withheld in %s\n", a.Environment)
		return
	}
	var rows [][]string
	for _, d := range a.Routes {
		rows = append(rows, []string{d.To, d.Domain, strconv.Itoa(d.Released), strconv.Itoa(d.Settled), strconv.Itoa(len(d.StillWithheld))})
	}
	cli.Columns(w, []string{"to", "domain", "released", "released before", "still withheld"}, rows)
	if a.StillWithheld == 0 {
		return
	}
	fmt.Fprintln(w)
	cli.Columns(w, []string{"to", "domain", "events", "from", "code", "field", "class", "why", "cure"}, a.reasons())
}

// reasons are why events stay withheld, each once.
func (a releaseAnswer) reasons() [][]string {
	type reason struct{ to, domain, code, pointer, class, why, cure string }
	counts, first := map[reason]int{}, map[reason]uint64{}
	var order []reason
	for _, d := range a.Routes {
		for _, r := range d.StillWithheld {
			k := reason{r.To, r.Domain, r.Code, r.Pointer, r.Class, r.Why, r.Cure}
			if counts[k]++; counts[k] == 1 {
				order, first[k] = append(order, k), r.OriginSequence
			}
		}
	}
	var rows [][]string
	for _, k := range order {
		rows = append(rows, []string{k.to, k.domain, strconv.Itoa(counts[k]), strconv.FormatUint(first[k], 10), k.code, k.pointer, k.class, k.why, k.cure})
	}
	return rows
}

// noRoutes reports whether an environment has no route that was meant, or none
// at all.
func noRoutes(err error) bool {
	var typed *route.Error
	return errors.As(err, &typed) && (typed.Code == route.CodeNoRoute || errors.Is(err, errNobody))
}
