package contract

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// Mask appends to dst the document in data, masked by m, and returns it with
// the counts of what was done. Properties keep their order, numbers that pass
// their exact text; white space between values goes. The result is valid under
// the contract. The error is a *Withheld; then nothing of the result may be
// used, and the room behind dst is cleared. dst must not overlap data.
//
// Mask doesn't ask whether data itself is valid: what was stored is. What is
// valid, and whose classes follow from where a value stands, of which type it
// is and which alternatives hold for it, is masked in a pass or two over the
// bytes; all else goes through the slow engine, with the same outcome.
func (c *Contract) Mask(dst, data []byte, m *mask.Masker) (masked []byte, stats Stats, err error) {
	return c.For(m).Mask(dst, data)
}

// For is the contract compiled for m. The last few of these are kept; a caller
// that masks many documents may keep its own, too.
func (c *Contract) For(m *mask.Masker) *Masking { return c.maskings.get(c, m) }

// Mask is Contract.Mask for the masking's masker.
func (g *Masking) Mask(dst, data []byte) (masked []byte, stats Stats, err error) {
	start := len(dst)
	masked = dst
	defer func() {
		if r := recover(); r != nil {
			// What was panicked with may hold a value, so it is not shown.
			err = &Withheld{
				Code: CodeFault, Why: fmt.Sprintf("masking broke down (%T)", r),
				Cure: "report this as a defect, with the schema and the policy; release the event once it is mended",
			}
		}
		if err != nil {
			clear(dst[start:cap(dst)])
			masked, stats = dst, Stats{}
		}
	}()
	if g.root != nil {
		if out, stats, ok := g.rewrite(dst, data); ok {
			return out, stats, nil
		}
		g.slow.Add(1)
	}
	return g.walk(dst, data)
}

// rewrite masks a document in one pass, or in two where a technique looks at the
// whole event. It reports false to leave the document to the slow engine.
func (g *Masking) rewrite(dst, data []byte) (masked []byte, stats Stats, ok bool) {
	scratch := g.masker.Scratch()
	defer scratch.Release()
	if !g.needsEvent.Load() {
		out, counts, ok := g.contract.program.Rewrite(dst, data, g.root, scratch, nil)
		if ok || !g.needsEvent.Load() {
			return out, Stats(counts), ok
		} // that was the first document with such a value
	}
	c := collections.Get().(*collected)
	defer c.release()
	if !g.collect(data, c) {
		return dst, Stats{}, false
	}
	out, counts, ok := g.contract.program.Rewrite(dst, data, g.root, scratch, &c.event)
	return out, Stats(counts), ok
}

// walk leaves a document to the slow engine: a second time with different constants
// for the items of an array, where the schema lets none of them be alike.
func (g *Masking) walk(dst, data []byte) (masked []byte, stats Stats, err error) {
	masked, alike, err := g.checked(dst, data, &stats, false)
	if alike {
		stats = Stats{}
		masked, _, err = g.checked(dst, data, &stats, true)
	}
	return masked, stats, err
}

// checked masks a document, and sees that what becomes of it is valid. Where it isn't,
// alike says that items of an array are alike that the schema wants to differ.
func (g *Masking) checked(dst, data []byte, stats *Stats, apart bool) (masked []byte, alike bool, err error) {
	c, start := g.contract, len(dst)
	if masked, err = c.slow().mask(dst, data, g, stats, apart); err != nil {
		return masked, false, err
	}
	verdict := c.program.Check(masked[start:])
	if verdict == program.Valid {
		return masked, false, nil
	}
	found, err := c.slow().validate(masked[start:], verdict)
	if err == nil && !found.costly && len(found.violations) == 0 {
		return masked, false, nil
	}
	alike = slices.ContainsFunc(found.violations, func(v Violation) bool { return v.Keyword == "uniqueItems" })
	return masked, alike, c.invalidMasked(masked[start:], found, err)
}

// maskingCache remembers the maskings of a contract by masker, the one made
// last first. A mesh has few routes; a policy that is changed makes new maskers,
// and those in use push the old ones, with their keys, out.
type maskingCache struct {
	mu    sync.Mutex
	known atomic.Pointer[[]*Masking]
}

// maxMaskings bounds for how many maskers a contract is kept compiled.
const maxMaskings = 64

func (h *maskingCache) get(c *Contract, m *mask.Masker) *Masking {
	if known := h.find(m); known != nil {
		return known
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if known := h.find(m); known != nil {
		return known
	}
	made := newMasking(c, m)
	if made.root == nil {
		return made // there is no engine now, or no masker
	}
	list := []*Masking{made}
	if old := h.known.Load(); old != nil {
		list = append(list, (*old)[:min(len(*old), maxMaskings-1)]...)
	}
	h.known.Store(&list)
	return made
}

// size is roughly how many bytes of memory the maskings take.
func (h *maskingCache) size() (n int) {
	if list := h.known.Load(); list != nil {
		for _, g := range *list {
			n += int(g.bytes.Load())
		}
	}
	return n
}

func (h *maskingCache) find(m *mask.Masker) *Masking {
	list := h.known.Load()
	if list == nil {
		return nil
	}
	i := slices.IndexFunc(*list, func(g *Masking) bool { return g.masker == m })
	if i < 0 {
		return nil
	}
	return (*list)[i]
}
