package program

import (
	"math/bits"
	"strconv"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// MaxPaths is how many values Find looks for at most.
const MaxPaths = 64

// Find looks for values in a document that is known to be strict JSON: paths has
// the names (or, for items, indexes) on the way to each. It puts the texts of the
// values, which lie in data, into found, where each has its path's index, and stops
// when it has found all. It reports false if it has not, or if there are more paths
// than MaxPaths.
func Find(data []byte, limits strictjson.Limits, paths [][]string, found [][]byte) bool {
	limits = limits.Resolve()
	if len(data) > limits.MaxBytes || len(paths) > MaxPaths {
		return false
	}
	r := runs.Get().(*run)
	r.begin(&Program{limits: limits}, data)
	f := finding{run: r, paths: paths, found: found, missing: 1<<len(paths) - 1}
	f.value(f.missing, 0)
	r.reset()
	runs.Put(r)
	return f.missing == 0
}

type finding struct {
	*run
	paths   [][]string
	found   [][]byte
	missing uint64 // the paths whose values are not found yet
}

// value goes through a value, to which the paths in the set lead with their
// first level names. It reports whether there is a reason to read on.
func (f *finding) value(paths uint64, level int) bool {
	f.next()
	if f.pos >= len(f.data) {
		return false
	}
	start, here := f.pos, uint64(0)
	for rest := paths; rest != 0; rest &= rest - 1 {
		if i := bits.TrailingZeros64(rest); len(f.paths[i]) == level {
			here |= 1 << i
		}
	}
	deeper, ok := paths&^here, false
	switch c := f.data[start]; {
	case deeper == 0 || c != '{' && c != '[':
		ok = f.skip()
	case f.depth == f.maxDepth:
		return false
	default:
		f.depth++
		if c == '{' {
			ok = f.members(deeper, level)
		} else {
			ok = f.elements(deeper, level)
		}
		f.depth--
	}
	for ; ok && here != 0; here &= here - 1 {
		f.found[bits.TrailingZeros64(here)] = f.data[start:f.pos]
		f.missing &^= here & -here
	}
	return ok && f.missing != 0
}

func (f *finding) members(paths uint64, level int) bool {
	f.pos++
	if f.next() == '}' {
		f.pos++
		return true
	}
	o := f.names.open()
	defer f.names.close(o)
	for {
		text, ok := f.name()
		if !ok || !f.value(f.with(paths, level, text), level+1) {
			return false
		}
		switch f.next() {
		case ',':
			f.pos++
		case '}':
			f.pos++
			return true
		default:
			return false
		}
	}
}

func (f *finding) elements(paths uint64, level int) bool {
	f.pos++
	if f.next() == ']' {
		f.pos++
		return true
	}
	var room [20]byte
	for i := 0; ; i++ {
		if !f.value(f.with(paths, level, strconv.AppendInt(room[:0], int64(i), 10)), level+1) {
			return false
		}
		switch f.next() {
		case ',':
			f.pos++
		case ']':
			f.pos++
			return true
		default:
			return false
		}
	}
}

// with are those of the paths that go on with a name.
func (f *finding) with(paths uint64, level int, name []byte) (on uint64) {
	for ; paths != 0; paths &= paths - 1 {
		if i := bits.TrailingZeros64(paths); f.paths[i][level] == string(name) {
			on |= 1 << i
		}
	}
	return on
}
