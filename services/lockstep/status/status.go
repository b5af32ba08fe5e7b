// Package status is the command `lockstep status`: how the environments of a
// running mesh fare, as they tell it themselves.
package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
	ledgercmd "github.com/lockstep-mesh/lockstep/services/lockstep/ledger"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

const (
	path    = "/api/v1/status"
	timeout = 10 * time.Second // for one environment's answer
	limit   = 8 << 20          // bytes of it
)

// Flags are the command's flags.
type Flags struct {
	target.Flags
	Servers []string
}

// Command is `status`.
func Command(app *cli.App) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use: "status", Short: "Say how the environments of a running mesh fare",
		Long: `Ask each environment of a running mesh for its status, over HTTP: whether it
serves, what its gate has done, where its routes are, and up to which event it
is verified to be complete and identical.

It also tells which events wait in their origin, withheld from a destination, and why.

The exit code is 10 if an environment does not answer, is not ready, holds something
that is missing, doubled or different, or withholds events for another reason than
what a policy decided: a key, a policy or a technique that is or was broken. Such
events are released once that is mended, by lockstep quarantine release. What differs
is repaired by lockstep ledger repair.`,
		Example: "  lockstep status --data ./mesh\n  lockstep status --server http://staging:8180 -o json",
	}
	f.AddMesh(c.Flags())
	c.Flags().StringArrayVar(&f.Servers, "server", nil, "the HTTP `URL` of an environment; may be repeated (default: all, as --data and --mesh say)")
	cli.WithoutVariable(c.Flags(), "server") // LOCKSTEP_SERVER is a NATS URL
	return app.Command(c, func(ctx context.Context) error { return Run(ctx, app, f) })
}

// Run asks all environments at once and answers with what they say.
func Run(ctx context.Context, app *cli.App, f Flags) error {
	servers, err := f.servers()
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: timeout}
	defer client.CloseIdleConnections()
	a := answer{Environments: make([]state, len(servers))}
	var group errgroup.Group
	for i, s := range servers {
		group.Go(func() error {
			a.Environments[i] = ask(ctx, client, s)
			return nil // an environment that is away is part of the answer
		})
	}
	_ = group.Wait() // none of them fails
	if err := ctx.Err(); err != nil {
		return err
	}
	a.judge()
	if err := app.Answer(a); err != nil {
		return err
	}
	return a.verdict()
}

// server is where one environment can be asked.
type server struct{ name, url string }

func (f Flags) servers() ([]server, error) {
	if len(f.Servers) > 0 {
		list := make([]server, len(f.Servers))
		for i, text := range f.Servers {
			u, err := url.Parse(text)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return nil, cli.Usage("--server %q is not the HTTP URL of an environment, such as http://127.0.0.1:8080", text)
			}
			list[i] = server{"", text}
		}
		return list, nil
	}
	all, hub, err := f.All()
	if err != nil {
		return nil, err
	}
	var list []server
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := server{name, all[name].HTTP}
		if name == hub {
			list = slices.Insert(list, 0, s)
		} else {
			list = append(list, s)
		}
	}
	return list, nil
}

// answer is what the command says.
type answer struct {
	Healthy      bool    `json:"healthy"`
	Environments []state `json:"environments"`
}

// state is what one environment says of itself, or why it says nothing.
type state struct {
	Name    string              `json:"name"`
	URL     string              `json:"url"`
	Healthy bool                `json:"healthy"`
	Problem string              `json:"problem,omitempty"`
	Status  *environment.Status `json:"status,omitempty"`
	Routes  []Route             `json:"routes"` // that end there
}

// Route is one domain's way into an environment: what its origin and what it
// itself say of it.
type Route struct {
	Origin       string `json:"origin"`
	Domain       string `json:"domain"`
	State        string `json:"state"`                // of the route; empty where the origin could not be asked
	Generation   uint64 `json:"generation,omitempty"` // of what the route sends, from 2 on: its history was masked anew
	Checkpoint   uint64 `json:"checkpoint"`           // the last event that the route has dealt with
	Delivered    uint64 `json:"delivered"`
	Withheld     uint64 `json:"withheld"`
	VerifiedTo   uint64 `json:"verified_to"`
	Behind       uint64 `json:"behind"` // events that the route has dealt with and that are not verified
	MaskedFields uint64 `json:"masked_fields"`
	Healthy      bool   `json:"healthy"`
	Problem      string `json:"problem,omitempty"`
	Cure         string `json:"cure,omitempty"`
}

// ask asks one environment.
func ask(ctx context.Context, client *http.Client, s server) state {
	st := state{Name: s.name, URL: s.url, Routes: []Route{}}
	if s.url == "" {
		st.Problem = "its HTTP address is not known: mesh.yaml does not serve it, or leaves it to the system"
		return st
	}
	status, err := get(ctx, client, strings.TrimSuffix(s.url, "/")+path)
	if err != nil {
		st.Problem = err.Error()
		return st
	}
	st.Status, st.Healthy = status, status.Healthy()
	st.Name = status.Environment
	if s.name != "" && s.name != st.Name {
		st.Healthy, st.Problem = false, fmt.Sprintf("at the address of %s answers %s", s.name, st.Name)
		st.Name = s.name
	} else {
		st.Problem = status.Problem
	}
	return st
}

func get(ctx context.Context, client *http.Client, address string) (_ *environment.Status, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // the URL stands beside it
			err = wrapped.Err
		}
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", response.Status)
	}
	var status environment.Status
	if err := json.NewDecoder(io.LimitReader(response.Body, limit)).Decode(&status); err != nil {
		return nil, fmt.Errorf("its answer is not a status: %w", err)
	}
	return &status, nil
}

// judge puts together what origins and destinations say of each route.
func (a *answer) judge() {
	routes := map[[3]string]route.Status{}
	for _, e := range a.Environments {
		if e.Status != nil {
			for _, r := range e.Status.Routes {
				routes[[3]string{r.From, r.To, r.Domain}] = r
			}
		}
	}
	a.Healthy = true
	for i := range a.Environments {
		e := &a.Environments[i]
		a.Healthy = a.Healthy && e.Healthy
		if e.Status == nil {
			continue
		}
		for _, l := range e.Status.Ledger {
			origin := routes[[3]string{l.Origin, e.Name, l.Domain}]
			e.Routes = append(e.Routes, combine(l, e.Name, origin))
		}
	}
}

func combine(l ledger.Report, at string, origin route.Status) Route {
	r := Route{
		Origin: l.Origin, Domain: l.Domain, State: string(origin.State), Generation: origin.Generation, Checkpoint: origin.Checkpoint,
		Delivered: l.Delivered, Withheld: l.Withheld, VerifiedTo: l.VerifiedTo, MaskedFields: l.MaskedFields, Healthy: l.Healthy(),
	}
	verified := l.VerifiedTo
	if l.Generation < origin.Generation {
		verified = 0 // that was of an earlier one
	}
	if origin.Checkpoint > verified {
		r.Behind = origin.Checkpoint - verified
	}
	problems := ledgercmd.Differing(l)
	if len(problems) > 0 {
		r.Cure = ledgercmd.RepairCure(at)
	}
	for _, p := range []string{l.Problem, origin.Problem} {
		if p != "" {
			problems = append(problems, p)
		}
	}
	r.Problem = strings.Join(problems, "; ")
	return r
}

// verdict is nil if all is well.
func (a answer) verdict() error {
	if a.Healthy {
		return nil
	}
	e := &cli.Error{Exit: cli.ExitUnhealthy, Code: cli.CodeUnhealthy, What: "not all environments are healthy"}
	for _, s := range a.Environments {
		name := s.Name
		if name == "" {
			name = s.URL
		}
		if s.Problem != "" {
			e.Problems = append(e.Problems, cli.Problem{File: name, What: s.Problem})
		}
		if s.Status != nil {
			for _, w := range s.Status.Waiting {
				if w.Fault {
					e.Problems = append(e.Problems, cli.Problem{
						File: name, What: fmt.Sprintf("%s events of %s are withheld from %s: %s", events(w), w.Domain, w.To, w.Code),
						Cure: "`lockstep quarantine list` says why each is, and how to mend it; `lockstep quarantine release` sends them on then",
					})
				}
			}
		}
		for _, r := range s.Routes {
			if !r.Healthy {
				e.Problems = append(e.Problems, cli.Problem{File: name, What: r.Domain + " of " + r.Origin + ": " + r.Problem, Cure: r.Cure})
			}
		}
	}
	if slices.ContainsFunc(a.Environments, func(s state) bool { return s.Status == nil }) {
		e.Cure = "start the mesh with lockstep dev or serve, and name its data directory with --data or its addresses with --server"
	}
	return e
}

// events is how many events wait.
func events(w environment.Waiting) string {
	if w.AtLeast {
		return "at least " + strconv.Itoa(w.Events)
	}
	return strconv.Itoa(w.Events)
}

// Table writes the answer for people.
func (a answer) Table(w io.Writer) {
	var rows, routes, waiting [][]string
	for _, s := range a.Environments {
		row := []string{s.Name, s.URL, verdictWord(s), "", "", "", "", ""}
		if t := s.Status; t != nil {
			row[3], row[4] = t.Role, strconv.FormatUint(t.RegistryRevision, 10)
			row[5], row[6], row[7] = strconv.FormatUint(t.Gate.Stored, 10), strconv.FormatUint(t.Gate.Refused, 10), strconv.FormatUint(t.Gate.Failed, 10)
		}
		rows = append(rows, row)
		if s.Status != nil {
			for _, w := range s.Status.Waiting {
				verdict := "as the policy decides"
				if w.Fault {
					verdict = "to be mended"
				}
				waiting = append(waiting, []string{s.Name, w.To, w.Domain, events(w), w.Code, verdict})
			}
		}
		for _, r := range s.Routes {
			checkpoint, behind := "", ""
			if r.State != "" {
				checkpoint, behind = strconv.FormatUint(r.Checkpoint, 10), strconv.FormatUint(r.Behind, 10)
			}
			routes = append(routes, []string{
				r.Origin, s.Name, r.Domain, r.State, checkpoint, strconv.FormatUint(r.Delivered, 10), strconv.FormatUint(r.Withheld, 10),
				strconv.FormatUint(r.VerifiedTo, 10), behind, r.Problem,
			})
		}
	}
	cli.Columns(w, []string{"environment", "http", "health", "role", "registry", "stored", "refused", "failed"}, rows)
	if len(routes) > 0 {
		fmt.Fprintln(w)
		cli.Columns(w, []string{"from", "to", "domain", "route", "checkpoint", "delivered", "withheld", "verified to", "behind", "problem"}, routes)
	}
	if len(waiting) > 0 {
		fmt.Fprintln(w)
		cli.Columns(w, []string{"waits in", "for", "domain", "events", "reason", ""}, waiting)
		if slices.ContainsFunc(waiting, func(row []string) bool {
			return row[4] == contract.CodeUnclassified || row[4] == contract.CodeUnclassifiedKey
		}) {
			fmt.Fprintln(w, "\nWhat nobody classified does not cross: lockstep mask coverage lists the fields, lockstep mask suggest proposes classes.")
		}
	}
}

func verdictWord(s state) string {
	switch {
	case s.Status == nil:
		return "no answer"
	case !s.Status.Ready:
		return "not ready"
	case !s.Healthy:
		return "unhealthy"
	}
	return "healthy"
}
