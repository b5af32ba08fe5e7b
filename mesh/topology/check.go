package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
)

// checker looks for what is wrong with a decoded file beyond its syntax. It
// goes on after each problem, and says nothing of a value that decoding has
// refused already.
type checker struct {
	mesh     *Mesh
	at       *strictyaml.Positions
	problems []strictyaml.Problem
	causes   map[strictyaml.Position]error // errors beneath problems, by place
	foreign  Problems                      // in files that the mesh names
	warnings []strictyaml.Problem
}

// unparsed reports whether the file is not YAML at all, so that nothing in it
// can be checked.
func (c *checker) unparsed() bool {
	return !c.at.Stands("environments") && !c.at.Stands("domains") && !c.at.Stands("routes") && !c.at.Stands("policies")
}

func (c *checker) check() {
	c.environments()
	c.links()
	c.listeners()
	c.domains()
	c.streams()
	c.policies()
	c.routes()
	c.cycles()
	c.unused()
	strictyaml.Sort(c.problems)
	strictyaml.Sort(c.warnings)
}

// report adds a problem. The sentences are what, why and cure.
func (c *checker) report(code string, at strictyaml.Position, what, why, cure string) {
	c.problems = append(c.problems, strictyaml.Problem{Code: code, Position: at, What: what, Why: why, Cure: cure})
}

func (c *checker) warn(at strictyaml.Position, what, why, cure string) {
	c.warnings = append(c.warnings, strictyaml.Problem{Code: CodeUnused, Position: at, What: what, Why: why, Cure: cure})
}

// located gives problems the file's name.
func located(name string, found []strictyaml.Problem, causes map[strictyaml.Position]error) Problems {
	if len(found) == 0 {
		return nil
	}
	problems := make(Problems, len(found))
	for i, p := range found {
		problems[i] = Problem{Code: p.Code, File: name, Line: p.Line, Column: p.Column, What: p.What, Why: p.Why, Cure: p.Cure}
		if p.Code == CodeUnreadable {
			problems[i].cause = causes[p.Position]
		}
	}
	return problems
}

func (c *checker) environmentNames() []string {
	var names []string
	for _, e := range c.mesh.file.Environments {
		names = append(names, e.Name)
	}
	return names
}

func (c *checker) domainNames() []string {
	var names []string
	for _, d := range c.mesh.file.Domains {
		names = append(names, d.Name)
	}
	return names
}

func (c *checker) policyNames() []string {
	var names []string
	for _, p := range c.mesh.file.Policies {
		names = append(names, p.Name)
	}
	return names
}

// known reports a name that is none of the declared ones. An empty name was
// reported when it was decoded.
func (c *checker) known(kind, name string, declared []string, at strictyaml.Position) bool {
	if name == "" {
		return false
	}
	if slices.Contains(declared, name) {
		return true
	}
	cure := strictyaml.Suggest(name, declared)
	if cure == "" {
		cure = fmt.Sprintf("declare it among the %s", plural(kind))
	}
	c.report(CodeUnknownName, at, fmt.Sprintf("there is no %s %q", kind, name), "", cure)
	return false
}

func plural(kind string) string {
	if stem, ok := strings.CutSuffix(kind, "y"); ok {
		return stem + "ies"
	}
	return kind + "s"
}

// repeated reports elements of a list that stand in it twice.
func (c *checker) repeated(list []string, path ...any) {
	for i, element := range list {
		if element != "" && slices.Index(list, element) < i {
			c.report(CodeDuplicate, c.at.Value(append(path, i)...),
				fmt.Sprintf("%s is listed twice", element), "", "remove one of the two")
		}
	}
}
