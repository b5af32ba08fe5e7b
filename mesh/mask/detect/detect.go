// Package detect says what kind of data a text or a field seems to hold, for
// audits and for suggesting classes to people.
//
// It belongs here when it guesses. Nothing here may decide what crosses:
// detectors miss things, and a guarantee rests on classification alone.
package detect

import (
	"cmp"
	"slices"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/scan"
)

// Hit is one identifier in a text: the bytes from Start to End.
type Hit struct {
	Start, End int
	Class      mask.Class
	Confidence float64 // from 0 to 1, by how much its syntax and check sum prove
}

// Text finds e-mail addresses, URLs, UUIDs, IBANs and card numbers, telephone
// numbers, IP addresses and dates in a text, in order and without overlaps: of
// two that overlap, the one that begins first counts, and of two that begin
// together the longer one. Names and postal addresses are not found: they have
// no syntax.
func Text(text string) []Hit {
	found := scan.Text(text)
	slices.SortStableFunc(found, func(a, b scan.Hit) int { return cmp.Or(a.Start-b.Start, b.End-a.End) })
	var hits []Hit
	end := 0
	for _, h := range found {
		if h.Start < end {
			continue
		}
		hits = append(hits, Hit{h.Start, h.End, mask.Class(h.Kind), h.Confidence})
		end = h.End
	}
	return hits
}
