package program

import (
	"bytes"
	"hash/maphash"
)

// names remembers the names of the objects that are open, to find duplicates
// among those that no table knows. It is a stack: an object's names lie on top
// whenever one is added, because those of the objects inside it are gone again.
// Few names are compared one by one; for more there is a hash table, likewise
// on a stack.
type names struct {
	seed  maphash.Seed
	list  []name
	bytes []byte  // names that had to be unescaped
	table []int32 // slots of hash tables: index into list, plus one
}

type name struct {
	hash uint64
	text []byte
}

// object is where an object's names begin.
type object struct {
	list, bytes, table int
	slots              int // of its hash table; a power of two, or none
}

// manyNames is from how many names on an object has a hash table.
const manyNames = 12

func (n *names) open() object {
	return object{list: len(n.list), bytes: len(n.bytes), table: len(n.table)}
}

func (n *names) close(o object) {
	clear(n.list[o.list:]) // they lead into documents
	n.list, n.bytes, n.table = n.list[:o.list], n.bytes[:o.bytes], n.table[:o.table]
}

// add adds a name to o, and reports false if it is there already. The text must
// stay as it is until o is closed.
func (n *names) add(o *object, text []byte) bool {
	own := n.list[o.list:]
	if len(own) < manyNames {
		hash := quickHash(text)
		for i := range own {
			if own[i].hash == hash && bytes.Equal(own[i].text, text) {
				return false
			}
		}
		n.list = append(n.list, name{hash, text})
		return true
	}
	if len(own) == manyNames || 2*len(own) >= o.slots {
		n.rebuild(o)
	}
	hash := maphash.Bytes(n.seed, text)
	slots := n.table[o.table : o.table+o.slots]
	mask := uint64(o.slots - 1)
	i := hash & mask
	for ; slots[i] != 0; i = (i + 1) & mask {
		if known := &own[slots[i]-1]; known.hash == hash && bytes.Equal(known.text, text) {
			return false
		}
	}
	n.list = append(n.list, name{hash, text})
	slots[i] = int32(len(own) + 1)
	return true
}

// rebuild makes o's hash table anew with room for twice the names.
func (n *names) rebuild(o *object) {
	own := n.list[o.list:]
	if o.slots == 0 {
		if n.seed == (maphash.Seed{}) {
			n.seed = maphash.MakeSeed()
		}
		for i := range own {
			own[i].hash = maphash.Bytes(n.seed, own[i].text)
		}
	}
	for o.slots = max(64, o.slots); o.slots <= 2*len(own); {
		o.slots *= 2
	}
	n.table = append(n.table[:o.table], make([]int32, o.slots)...)
	slots := n.table[o.table:]
	mask := uint64(o.slots - 1)
	for at := range own {
		i := own[at].hash & mask
		for slots[i] != 0 {
			i = (i + 1) & mask
		}
		slots[i] = int32(at + 1)
	}
}

// quickHash tells most names apart; it need not withstand an adversary, because
// it is used among a dozen only.
func quickHash(text []byte) uint64 {
	k := keyOf(text)
	return k.first ^ k.last<<1 ^ uint64(len(text))<<56
}
