package contract

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/internal/intern"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// shapes are the shapes in use, of all contracts, by what they demand: most places
// demand nothing, or one of a few formats and patterns.
var shapes = intern.New[string](func(s *mask.Shape) int {
	n := 512
	for _, pattern := range s.Patterns {
		n += patternBytes + 40*len(pattern)
	}
	for _, text := range s.Enum {
		n += 32 + len(text)
	}
	return n
})

// patternBytes is about what a pattern takes that values are made after.
const patternBytes = 4096

// sharedShape is the shape in use that equals s, or s compiled.
func sharedShape(s *mask.Shape) *mask.Shape {
	key := fmt.Sprintf("%q %q %d %d %v %q %q", s.Format, s.Patterns, s.MinLength, s.MaxLength, s.Integer, s.Enum, s.Like)
	for _, r := range [...]*big.Rat{s.Minimum, s.Maximum, s.Above, s.Below, s.MultipleOf} {
		key += " "
		if r != nil {
			key += r.RatString()
		}
	}
	return shapes.Get(key, s.Compile)
}

// newShape gathers what subschemas demand of a value that is no container.
func newShape(nodes []*node) *mask.Shape {
	shape := &mask.Shape{}
	for _, n := range nodes {
		s := n.schema
		if s.Format != "" && shape.Format == "" {
			shape.Format = s.Format
		}
		if s.Pattern != nil {
			shape.Patterns = append(shape.Patterns, s.Pattern.String())
		}
		shape.Patterns = append(shape.Patterns, contentPatterns(s)...)
		shape.MinLength = max(shape.MinLength, s.MinLength)
		if s.MaxLength >= 0 && (shape.MaxLength == 0 || s.MaxLength < shape.MaxLength) {
			shape.MaxLength = s.MaxLength
		}
		shape.Integer = shape.Integer || slices.Contains(s.Types, "integer") && !slices.Contains(s.Types, "number")
		boundShape(shape, s)
		enum := s.Enum
		if len(s.Constant) > 0 {
			enum = s.Constant
		}
		if len(enum) > 0 && len(shape.Enum) == 0 {
			for _, value := range enum {
				if text, err := json.Marshal(value); err == nil {
					shape.Enum = append(shape.Enum, string(text))
				}
			}
		}
	}
	return shape
}

// contentPatterns are what new strings are made after where the schema says what
// strings hold there, which up to draft 7 is a demand: base64 without an end that
// depends on the length, and a number for any other JSON.
func contentPatterns(s *v5.Schema) []string {
	switch {
	case s.ContentEncoding == "base64":
		return []string{`^(?:[A-Za-z0-9+/]{4})+$`}
	case s.ContentEncoding == "" && s.ContentMediaType == "application/json":
		return []string{`^[1-9][0-9]+$`}
	}
	return nil
}

// names is what a new name must be like that stands in a map in place of name: as
// "propertyNames" demands, and of the patterns by which the schema admits this one. It
// is nil where nothing is demanded.
func (s *spot) names(name string) *mask.Shape {
	var patterns []string
	for _, n := range s.nodes {
		for _, p := range n.patterns {
			if p.pattern.MatchString(name) {
				patterns = append(patterns, p.pattern.String())
			}
		}
	}
	return s.namesOf(patterns)
}

// nameShapes are what names returns for some names or other, as far as one pattern
// each admits them; nil among them where others are admitted, too.
func (s *spot) nameShapes() []*mask.Shape {
	var ways [][]string
	admitted := !s.closed
	for _, n := range s.nodes {
		admitted = admitted || n.additional != nil && !never(n.additional) || n.unevaluated != nil && !never(n.unevaluated)
		for _, p := range n.patterns {
			ways = append(ways, []string{p.pattern.String()})
		}
	}
	if admitted {
		ways = append(ways, nil)
	}
	var shapes []*mask.Shape
	for _, patterns := range ways {
		shapes = append(shapes, s.namesOf(patterns))
	}
	return shapes
}

func (s *spot) namesOf(patterns []string) *mask.Shape {
	var nodes []*node
	for _, n := range s.nodes {
		if n.names != nil {
			nodes = append(nodes, n.names)
		}
	}
	if len(nodes)+len(patterns) == 0 {
		return nil
	}
	shape := newShape(applied(nodes))
	shape.Patterns = append(shape.Patterns, patterns...)
	return sharedShape(shape)
}

// applied are nodes and what they apply to the same value in any case.
func applied(nodes []*node) []*node {
	for i := 0; i < len(nodes); i++ {
		for _, e := range nodes[i].always {
			if !slices.Contains(nodes, e.to) {
				nodes = append(nodes, e.to)
			}
		}
	}
	return nodes
}

// boundShape takes the tighter of each bound.
func boundShape(shape *mask.Shape, s *v5.Schema) {
	if s.Minimum != nil && (shape.Minimum == nil || s.Minimum.Cmp(shape.Minimum) > 0) {
		shape.Minimum = s.Minimum
	}
	if s.Maximum != nil && (shape.Maximum == nil || s.Maximum.Cmp(shape.Maximum) < 0) {
		shape.Maximum = s.Maximum
	}
	if s.ExclusiveMinimum != nil && (shape.Above == nil || s.ExclusiveMinimum.Cmp(shape.Above) > 0) {
		shape.Above = s.ExclusiveMinimum
	}
	if s.ExclusiveMaximum != nil && (shape.Below == nil || s.ExclusiveMaximum.Cmp(shape.Below) < 0) {
		shape.Below = s.ExclusiveMaximum
	}
	if s.MultipleOf != nil {
		shape.MultipleOf = s.MultipleOf
	}
}
