// Package plan is the command `lockstep plan`: what a mesh.yaml means, before
// anything runs.
//
// It reads the file and nothing else. What runs is for package status to ask, and
// what is set up on a server belongs in package node.
package plan

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// Command is `plan`.
func Command(app *cli.App) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "plan", Short: "Show what a mesh.yaml sets up",
		Long: `Show what a mesh.yaml sets up: per environment its addresses and streams, per domain
where its events are published and under which policy its schemas may change, per
route what it carries into which stream. Notes say what is worth knowing before it
runs. Nothing is changed, and nothing that runs is asked.`,
		Example: "  lockstep plan -f mesh.yaml",
	}
	flags := c.Flags()
	flags.StringVarP(&file, "file", "f", "", "the mesh's `file`, mesh.yaml (default: the sample that comes with the program)")
	return app.Command(c, func(context.Context) error { return Run(app, file) })
}

// Run answers with the plan.
func Run(app *cli.App, file string) error {
	mesh, err := target.LoadMesh(file)
	if err != nil {
		return err
	}
	p, err := Of(mesh)
	if err != nil {
		return err
	}
	return app.Answer(p)
}

// Plan is what a mesh sets up.
type Plan struct {
	Mesh         string        `json:"mesh"`
	Environments []Environment `json:"environments"`
	Domains      []Domain      `json:"domains"`
	Routes       []Route       `json:"routes"`
	Notes        []string      `json:"notes"`
}

// Environment is one server.
type Environment struct {
	Name       string            `json:"name"`
	Role       string            `json:"role"`
	Hub        string            `json:"hub,omitempty"`
	Durability string            `json:"durability"`
	Listen     map[string]string `json:"listen"`
	// Streams are those with events; each environment has some of Lockstep's own beside.
	Streams []string `json:"streams"`
}

// Domain is one domain.
type Domain struct {
	Name    string   `json:"name"`
	Owner   string   `json:"owner"`
	Origins []string `json:"origins"`
	Subject string   `json:"subject"` // where applications publish
	Schemas int      `json:"schemas"` // that come with the mesh
	Write   string   `json:"write"`
	Policy  string   `json:"compatibility_policy"`
	Why     string   `json:"compatibility_why"`
}

// Route is what is carried of one domain.
type Route struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Domain string `json:"domain"`
	Policy string `json:"policy"` // name@digest
	Mode   string `json:"mode"`
	Stream string `json:"stream"` // at the origin, that the destination reads
}

// Of makes the plan of a mesh.
func Of(m *topology.Mesh) (Plan, error) {
	p := Plan{Mesh: m.File(), Environments: []Environment{}, Domains: []Domain{}, Routes: []Route{}, Notes: []string{}}
	for _, e := range m.Environments() {
		p.Environments = append(p.Environments, environment(m, e))
	}
	for _, d := range m.Domains() {
		planned, err := p.domain(m, d)
		if err != nil {
			return Plan{}, err
		}
		p.Domains = append(p.Domains, planned)
	}
	for _, r := range m.Routes() {
		policy, _ := m.Policy(r.Policy)
		digest, err := policy.Digest()
		if err != nil {
			return Plan{}, err
		}
		for _, d := range r.Domains {
			p.Routes = append(p.Routes, Route{
				From: r.From, To: r.To, Domain: d, Policy: r.Policy + "@" + digest, Mode: string(r.Mode), Stream: wire.EgressStream(d, r.To),
			})
		}
	}
	for _, w := range m.Warnings() {
		p.Notes = append(p.Notes, w.Error())
	}
	return p, nil
}

func environment(m *topology.Mesh, e topology.Environment) Environment {
	out := Environment{
		Name: e.Name, Role: string(e.Role), Hub: e.Hub, Durability: string(e.DurabilityOr(topology.DurabilityAlways)),
		Listen: map[string]string{}, Streams: []string{},
	}
	for name, address := range map[string]topology.Address{"nats": e.Listen.NATS, "leaf": e.Listen.Leaf, "registry": e.Listen.Registry, "http": e.Listen.HTTP} {
		if !address.IsZero() {
			out.Listen[name] = address.String()
		}
	}
	for _, d := range m.DomainsAt(e.Name) {
		out.Streams = append(out.Streams, wire.DomainStream(d.Name))
	}
	for _, r := range m.RoutesFrom(e.Name) {
		for _, d := range r.Domains {
			out.Streams = append(out.Streams, wire.EgressStream(d, r.To))
		}
	}
	return out
}

// domain plans a domain, and notes what is unusual in it.
func (p *Plan) domain(m *topology.Mesh, d topology.Domain) (Domain, error) {
	policy, why := d.Compatibility()
	out := Domain{
		Name: d.Name, Owner: d.Owner, Origins: d.Origins, Subject: d.Name + ".<entity>.<action>", Write: string(d.Write), Policy: policy.String(), Why: why,
	}
	if out.Write == "" {
		out.Write = string(topology.WriteClosed)
	}
	if policy == compat.Strict {
		p.Notes = append(p.Notes, fmt.Sprintf("domain %s: its schemas are compared under the policy strict: %s. Adding an optional field to an open object is incompatible there; leave write out, or declare it closed, to have it gated.", d.Name, why))
	}
	fsys, ok, err := m.Schemas(d.Name)
	if err != nil {
		return out, err
	}
	if !ok {
		p.Notes = append(p.Notes, fmt.Sprintf("domain %s: no schemas come with the mesh: until some are registered (lockstep schema push), its events are refused.", d.Name))
	} else {
		files, err := folder.Read(d.Name, fsys)
		if err != nil {
			return out, err
		}
		out.Schemas = len(files)
	}
	routed := map[string]bool{}
	for _, r := range m.Routes() {
		for _, name := range r.Domains {
			routed[name] = true
		}
	}
	if !routed[d.Name] {
		p.Notes = append(p.Notes, fmt.Sprintf("domain %s: no route carries its events: they stay where they are published.", d.Name))
	}
	return out, nil
}

// Table writes the plan for people.
func (p Plan) Table(w io.Writer) {
	var rows [][]string
	for _, e := range p.Environments {
		role := e.Role
		if e.Hub != "" {
			role += " of " + e.Hub
		}
		rows = append(rows, []string{e.Name, role, e.Durability, e.Listen["nats"], e.Listen["registry"], e.Listen["http"], strings.Join(e.Streams, " ")})
	}
	cli.Columns(w, []string{"environment", "role", "durability", "nats", "registry", "http", "streams"}, rows)
	rows = nil
	for _, d := range p.Domains {
		rows = append(rows, []string{d.Name, d.Owner, strings.Join(d.Origins, " "), strconv.Itoa(d.Schemas), d.Write, d.Policy})
	}
	fmt.Fprintln(w)
	cli.Columns(w, []string{"domain", "owner", "origins", "schemas", "write", "compatibility"}, rows)
	rows = nil
	for _, r := range p.Routes {
		rows = append(rows, []string{r.From + " → " + r.To, r.Domain, r.Policy, r.Mode, r.Stream})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		cli.Columns(w, []string{"route", "domain", "policy", "mode", "into"}, rows)
	}
	if len(p.Notes) > 0 {
		fmt.Fprintln(w)
	}
	for _, note := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}
