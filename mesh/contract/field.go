package contract

import (
	"github.com/lockstep-mesh/lockstep/mesh/internal/intern"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

type fieldKey struct {
	masker     *mask.Masker
	class      mask.Class
	shape      *mask.Shape
	enumerated bool
	kind       mask.Kind
}

// fields are what makes new values, of all contracts: one for all places of which the
// schemas say the same.
var fields = intern.New[fieldKey](func(*mask.Field) int { return 512 })

// field is what makes new values of a kind at s.
func (g *Masking) field(s *spot, kind mask.Kind) *mask.Field {
	key := fieldKey{g.masker, s.class, s.shape(), s.enumerated, kind}
	return fields.Get(key, func() *mask.Field { return g.masker.Field(key.class, key.shape, key.enumerated, kind) })
}
