package topology

import (
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
)

// policies checks names, and has package mask check what the policies say.
func (c *checker) policies() {
	for _, p := range c.mesh.file.Policies {
		at := c.at.Key("policies", p.Name)
		c.name("policy", p.Name, at)
		if c.at.Broken("policies", p.Name) {
			continue
		}
		for _, problem := range p.Validate() {
			path := []any{"policies", p.Name}
			for step := range strings.SplitSeq(problem.Path, ".") {
				path = append(path, step)
			}
			if c.brokenAround(path) {
				continue
			}
			cure := problem.Cure
			if class := strings.TrimPrefix(problem.Path, "classes."); class != problem.Path && !strings.Contains(class, ".") && !mask.Class(class).Known() {
				cure = strictyaml.Suggest(class, classNames())
			}
			where := c.at.Key(path...)
			if !c.at.Stands(path[:3]...) {
				where = at
			} else if c.at.Stands(path...) && len(path) > 4 {
				where = c.at.Value(path...)
			}
			c.report(CodePolicy, where, "policy "+p.Name+": "+problem.What, problem.Why, cure)
		}
	}
}

// brokenAround reports whether decoding refused the value at path or one that
// it is in.
func (c *checker) brokenAround(path []any) bool {
	for n := 3; n <= len(path); n++ {
		if c.at.Broken(path[:n]...) {
			return true
		}
	}
	return false
}

func classNames() []string {
	var names []string
	for _, class := range mask.Classes() {
		names = append(names, string(class))
	}
	return names
}
