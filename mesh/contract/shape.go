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
	key := fmt.Sprintf("%q %q %d %d %v %q", s.Format, s.Patterns, s.MinLength, s.MaxLength, s.Integer, s.Enum)
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
