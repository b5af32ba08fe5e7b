package topology

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
)

func (c *checker) domains() {
	for _, d := range c.mesh.file.Domains {
		c.name("domain", d.Name, c.at.Key("domains", d.Name))
		for i, origin := range d.Origins {
			c.known("environment", origin, c.environmentNames(), c.at.Value("domains", d.Name, "origins", i))
		}
		c.repeated(d.Origins, "domains", d.Name, "origins")
		c.files(d)
	}
}

// files checks that what a domain refers to can be had from the mesh's base.
func (c *checker) files(d Domain) {
	if c.mesh.base.none() {
		return
	}
	if d.Schemas != "" {
		at := c.at.Value("domains", d.Name, "schemas")
		if c.inside(d.Schemas, at) {
			if _, err := c.mesh.base.folder(d.Schemas); err != nil {
				c.unreadable(at, fmt.Sprintf("the schemas of the domain %s cannot be read", d.Name), err,
					"name a folder beside mesh.yaml, or leave the key out and push the schemas")
			}
		}
	}
	if d.Overlay != "" {
		at := c.at.Value("domains", d.Name, "overlay")
		if c.inside(d.Overlay, at) {
			var inside mask.Problems
			if _, err := c.mesh.Overlay(d.Name); errors.As(err, &inside) {
				c.foreign = append(c.foreign, inOverlay(inside)...)
			} else if err != nil {
				c.unreadable(at, fmt.Sprintf("the masking overlay of the domain %s cannot be used", d.Name), err,
					"name an overlay file beside mesh.yaml, and mend what is wrong in it")
			}
		}
	}
}

// inOverlay turns what is wrong in an overlay, which has lines of its own,
// into problems of the mesh.
func inOverlay(found mask.Problems) Problems {
	problems := make(Problems, len(found))
	for i, p := range found {
		problems[i] = Problem{Code: CodeOverlay, File: p.File, Line: p.Line, Column: p.Col, What: p.What, Why: p.Why, Cure: p.Cure}
	}
	return problems
}

// inside reports a path that the base refuses.
func (c *checker) inside(name string, at strictyaml.Position) bool {
	why := c.mesh.base.escapes(name)
	if why != "" {
		c.report(CodeBadValue, at, fmt.Sprintf("the path %q cannot be used", name), why,
			"write a path below the folder of mesh.yaml, separated by /")
	}
	return why == ""
}

func (c *checker) unreadable(at strictyaml.Position, what string, err error, cure string) {
	if c.causes == nil {
		c.causes = map[strictyaml.Position]error{}
	}
	c.causes[at] = err
	c.report(CodeUnreadable, at, what, strings.ReplaceAll(err.Error(), "\n", "; "), cure)
}
