package quarantine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/gate"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

// List lists what did not get on.
func List(ctx context.Context, app *cli.App, f ListFlags) error {
	kinds, err := f.kinds()
	if err != nil {
		return err
	}
	at, err := f.Connect("quarantine")
	if err != nil {
		return err
	}
	defer at.Close()
	a := listAnswer{Environment: at.Name, settled: f.Settled}
	if slices.Contains(kinds, kindWithheld) {
		if a.Withheld, err = withheld(ctx, at, f, f.Kind == kindWithheld || len(kinds) == 1); err != nil {
			return err
		}
	}
	if slices.Contains(kinds, kindRefused) {
		if a.Refused, err = refused(ctx, at, f); err != nil {
			return err
		}
	}
	return app.Answer(a)
}

type listAnswer struct {
	Environment string        `json:"environment"`
	Withheld    *withheldList `json:"withheld,omitempty"`
	Refused     *refusedList  `json:"refused,omitempty"`
	settled     bool
}

type withheldList struct {
	Total  int            `json:"total"`
	Events []route.Record `json:"events"`
}

type refusedList struct {
	Total  int       `json:"total"`
	Events []refusal `json:"events"`
}

// refusal is an event that the gate refused.
type refusal struct {
	Sequence uint64    `json:"sequence"` // in stream QUARANTINE
	At       time.Time `json:"at"`
	Type     string    `json:"type"`
	Code     string    `json:"code"`
	Why      string    `json:"why"`
}

// withheld asks what routes withhold. Where nobody asked for that alone, an
// environment in which no route begins has nothing to say.
func withheld(ctx context.Context, at *operator.Environment, f ListFlags, asked bool) (*withheldList, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	of, filter := f.route()
	filter.Limit, filter.Settled = f.Limit, f.Settled
	got, err := route.AskWithheld(ctx, at.Conn, at.Name, route.WithheldRequest{Of: of, Filter: filter})
	if err != nil {
		if !asked && noRoutes(err) {
			return nil, nil
		}
		return nil, operator.Explain("what is withheld cannot be listed", err)
	}
	list := &withheldList{Events: []route.Record{}}
	for _, part := range got.Routes {
		list.Total += part.Total
		list.Events = append(list.Events, part.Records...)
	}
	return list, nil
}

func refused(ctx context.Context, at *operator.Environment, f ListFlags) (*refusedList, error) {
	subject := wire.QuarantineRoot + ".>"
	if f.Domain != "" {
		subject = wire.QuarantineRoot + "." + f.Domain + ".>"
	}
	list := &refusedList{Events: []refusal{}}
	found, total, err := latest(ctx, at, wire.QuarantineStream, subject, f.Limit, func(e entry) bool {
		r := refusalOf(e)
		return (len(f.Codes) == 0 || slices.Contains(f.Codes, r.Code)) && (len(f.Types) == 0 || slices.Contains(f.Types, r.Type))
	})
	if err != nil {
		return nil, err
	}
	list.Total = total
	for _, e := range found {
		list.Events = append(list.Events, refusalOf(e))
	}
	return list, nil
}

// refusalOf reads what the gate wrote about a refusal. The type leaves out the
// key tokens, in which anything may stand.
func refusalOf(e entry) refusal {
	published := strings.TrimPrefix(e.subject, wire.QuarantineRoot+".")
	if s, err := wire.ParseSubject(published); err == nil {
		published = s.Type()
	}
	at := e.at
	if said, err := time.Parse(time.RFC3339Nano, e.header.Get(gate.HeaderRefusedAt)); err == nil {
		at = said
	}
	return refusal{Sequence: e.sequence, At: at, Type: published, Code: e.header.Get(wire.HeaderReason), Why: e.header.Get(gate.HeaderRefusal)}
}

// Table writes the answer for people.
func (a listAnswer) Table(w io.Writer) {
	if a.Withheld != nil {
		verb := "withheld"
		if a.settled {
			verb = "not withheld any more"
		}
		fmt.Fprintf(w, "%s, %s: %s\n", a.Environment, verb, shown(len(a.Withheld.Events), a.Withheld.Total))
		if len(a.Withheld.Events) > 0 {
			fmt.Fprintln(w)
			a.Withheld.table(w, a.settled)
		}
	}
	if a.Refused != nil {
		if a.Withheld != nil {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s, refused by the gate: %s\n", a.Environment, shown(len(a.Refused.Events), a.Refused.Total))
		if len(a.Refused.Events) > 0 {
			fmt.Fprintln(w)
			var rows [][]string
			for _, r := range a.Refused.Events {
				rows = append(rows, []string{strconv.FormatUint(r.Sequence, 10), stamp(r.At), r.Type, r.Code, r.Why})
			}
			cli.Columns(w, []string{"sequence", "at", "type", "code", "why"}, rows)
		}
	}
}

func (l withheldList) table(w io.Writer, settled bool) {
	heading := []string{"to", "domain", "sequence", "type", "code", "field", "class", "why", "cure"}
	if settled {
		heading = []string{"to", "domain", "sequence", "type", "code", "released", "by", "policy"}
	}
	var rows [][]string
	for _, r := range l.Events {
		row := []string{r.To, r.Domain, strconv.FormatUint(r.OriginSequence, 10), r.Type, r.Code}
		switch {
		case !settled:
			row = append(row, r.Pointer, r.Class, r.Why, r.Cure)
		case r.Released != nil:
			row = append(row, stamp(r.Released.At), r.Released.By, r.Released.Policy)
		default:
			row = append(row, "crossed before it was withheld", "", "")
		}
		rows = append(rows, row)
	}
	cli.Columns(w, heading, rows)
}

func shown(here, total int) string {
	if here == total {
		return count(total, "event", "events")
	}
	return fmt.Sprintf("%d of %s", here, count(total, "event", "events"))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
