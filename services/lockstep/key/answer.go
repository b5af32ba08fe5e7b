package key

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/key/custody"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

// stateAnswer is what an environment says of its keys.
type stateAnswer struct{ custody.State }

// Table writes the answer for people.
func (a stateAnswer) Table(w io.Writer) {
	fmt.Fprintf(w, "%s, keys from %s\n", a.Environment, cli.OneLine(a.Source))
	if a.Problem != nil {
		fmt.Fprintf(w, "no key: %s\n", cli.OneLine(a.Problem.Why))
	}
	if len(a.Keys) > 0 {
		fmt.Fprintln(w)
		var rows [][]string
		for _, k := range a.Keys {
			for i, use := range append([]string{""}, used(k.Uses)...) {
				row := []string{k.ID, string(k.State), date(k.Since), date(k.KeepUntil), use}
				switch {
				case i == 0 && len(k.Uses) > 0:
					continue
				case i > 1:
					row = []string{"", "", "", "", use}
				}
				rows = append(rows, row)
			}
		}
		cli.Columns(w, []string{"key", "state", "since", "keep until", "masked with it"}, rows)
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, r := range a.Routes {
		rows = append(rows, []string{r.To, strings.Join(r.Domains, ", "), r.Policy, strings.Join(r.Encrypted, ", "), r.Fault})
	}
	cli.Columns(w, []string{"route to", "domains", "policy", "can be revealed", "withholds everything because"}, rows)
}

// verdict is nil if every route masks.
func (a stateAnswer) verdict() error {
	e := &cli.Error{Exit: cli.ExitUnhealthy, Code: cli.CodeUnhealthy, What: "events are withheld"}
	if a.Problem != nil {
		e.What, e.Code, e.Why, e.Cure = "there is no key, so every event is withheld", a.Problem.Code, a.Problem.Why, a.Problem.Cure
		return e
	}
	for _, r := range a.Routes {
		if r.Fault != "" {
			e.Problems = append(e.Problems, cli.Problem{What: fmt.Sprintf("the route to %s withholds every event: %s", r.To, r.Fault), Cure: "mend it, then run `lockstep key reload` and `lockstep quarantine release`"})
		}
	}
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

func used(uses []custody.Use) []string {
	var lines []string
	for _, u := range uses {
		lines = append(lines, fmt.Sprintf("%s for %s, %d to %d", u.Domain, u.To, u.First, u.Last))
	}
	return lines
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// foresight says what a change would bring.
type foresight struct {
	Environment string   `json:"environment"`
	Key         string   `json:"key,omitempty"` // the one that it is about
	Breaks      []string `json:"breaks"`
	Stays       []string `json:"stays"`
	Offers      []string `json:"offers,omitempty"` // how what breaks can be joined all the same
}

// Table writes the answer for people.
func (f foresight) Table(w io.Writer) {
	for _, part := range []struct {
		heading string
		lines   []string
	}{{"what it breaks", f.Breaks}, {"what stays", f.Stays}, {"what can be done about it", f.Offers}} {
		if len(part.lines) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s:\n", part.heading)
		for _, line := range part.lines {
			fmt.Fprintf(w, "  - %s\n", cli.OneLine(line))
		}
	}
}

// confirmed does something that can't be undone, or says what it would break.
func (f Flags) confirmed(ctx context.Context, app *cli.App, foresee func(custody.State) (foresight, error), do func(context.Context, custody.Client, custody.Who) (custody.State, error)) error {
	client, who, end, err := f.asker()
	if err != nil {
		return err
	}
	defer end()
	state, err := client.List(ctx)
	if err != nil {
		return operator.Explain("the keys cannot be listed", err)
	}
	ahead, err := foresee(state)
	if err != nil {
		return err
	}
	if !f.Yes {
		return &cli.Error{Code: "not_confirmed", What: "nothing was done", Why: "it can't be undone", Cure: "say --yes to do it", Partial: ahead}
	}
	state, err = do(ctx, client, who)
	if err != nil {
		return operator.Explain("the keys cannot be changed", err)
	}
	a := stateAnswer{state}
	if err := app.Answer(a); err != nil {
		return err
	}
	return a.verdict()
}

func foreseeRotation(s custody.State) (foresight, error) {
	f := foresight{Environment: s.Environment, Breaks: []string{}, Stays: []string{
		"the former key, as a retiring one, until it is destroyed",
		"joins among events from before, and among events from then on",
	}}
	for _, k := range s.Keys {
		if k.State != mask.KeyActive {
			continue
		}
		f.Key = k.ID
		for _, u := range k.Uses {
			f.Breaks = append(f.Breaks, fmt.Sprintf("joins in %s of %s: tokens up to message %s of its egress stream are %s's, later ones the new key's", u.To, u.Domain, strconv.FormatUint(u.Last, 10), k.ID))
			f.Offers = append(f.Offers, fmt.Sprintf("map for a while: rotate with --overlap 720h, say, and until then `lockstep key map --class CLASS --to %s --domain %s` gives the tokens of both keys side by side", u.To, u.Domain))
		}
	}
	for i, r := range s.Routes {
		if len(f.Breaks) > 0 && !slices.ContainsFunc(s.Routes[:i], func(other custody.Route) bool { return other.To == r.To }) {
			f.Offers = append(f.Offers, fmt.Sprintf("make the tokens anew: rotate, then `lockstep mask renew --to %s` has its whole history come again under the new key, in the place of what it has now", r.To))
		}
		if len(r.Encrypted) > 0 {
			f.Stays = append(f.Stays, fmt.Sprintf("what was encrypted for %s (%s): the former key still reveals it, until it is destroyed", r.To, strings.Join(r.Encrypted, ", ")))
		}
	}
	return f, nil
}

func foreseeCreation(s custody.State) (foresight, error) {
	f := foresight{Environment: s.Environment, Breaks: []string{}, Stays: []string{}}
	for _, k := range s.Keys {
		if k.State == mask.KeyActive {
			return f, &cli.Error{Code: custody.CodeExists, What: "no other key is taken on", Why: "there is one: " + k.ID, Cure: "`lockstep key rotate` makes another and keeps the former one"}
		}
		for _, u := range k.Uses {
			f.Breaks = append(f.Breaks, fmt.Sprintf("joins in %s of %s with all up to message %d of its egress stream, which was masked with %s", u.To, u.Domain, u.Last, k.ID))
		}
		f.Breaks = append(f.Breaks, "whatever was encrypted with "+k.ID+" can't be revealed, and its tokens can't be mapped, unless its file is found")
	}
	return f, nil
}

func foreseeDestruction(id string) func(custody.State) (foresight, error) {
	return func(s custody.State) (foresight, error) {
		f := foresight{Environment: s.Environment, Key: id, Breaks: []string{}, Stays: []string{"its ID, as a destroyed key", "the tokens that destinations have: they go on joining among themselves"}}
		for _, k := range s.Keys {
			if k.ID != id {
				continue
			}
			if k.State != mask.KeyRetiring {
				return f, &cli.Error{Code: mask.CodeKeyUnknown, What: "key " + id + " is not destroyed", Why: "it is " + string(k.State), Cure: "only a retiring key can be destroyed: rotate first"}
			}
			for _, u := range k.Uses {
				f.Breaks = append(f.Breaks, fmt.Sprintf("mapping the tokens of %s in %s, up to message %d of its egress stream", u.Domain, u.To, u.Last))
				for _, r := range s.Routes {
					if r.To == u.To && len(r.Encrypted) > 0 {
						f.Breaks = append(f.Breaks, fmt.Sprintf("reading again what was encrypted in them (%s)", strings.Join(r.Encrypted, ", ")))
					}
				}
			}
			return f, nil
		}
		return f, &cli.Error{Code: mask.CodeKeyUnknown, What: "there is no key " + strconv.Quote(id), Cure: "`lockstep key list` lists the keys"}
	}
}
