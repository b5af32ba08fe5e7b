package contract

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"sync"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// shapes remembers shapes by what they demand: most places demand nothing, or
// one of a few formats.
type shapes struct {
	mu    sync.Mutex
	known map[string]*mask.Shape
}

// maxShapes bounds how many shapes are remembered.
const maxShapes = 1 << 12

// intern is the remembered shape that equals s, or s compiled.
func (m *shapes) intern(s *mask.Shape) *mask.Shape {
	key := fmt.Sprintf("%q %q %d %d %v %q", s.Format, s.Patterns, s.MinLength, s.MaxLength, s.Integer, s.Enum)
	for _, r := range [...]*big.Rat{s.Minimum, s.Maximum, s.Above, s.Below, s.MultipleOf} {
		key += " "
		if r != nil {
			key += r.RatString()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.known[key]; known != nil {
		return known
	}
	s.Compile()
	if len(m.known) < maxShapes {
		m.known[key] = s
	}
	return s
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
