package mask

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// KeyState is what a root key of a ring is used for.
type KeyState string

// The states of a root key.
const (
	// KeyActive is the one key that tokens are made with.
	KeyActive KeyState = "active"
	// KeyRetiring is a former one, kept to reveal what was encrypted with it and
	// to map tokens of both keys onto each other.
	KeyRetiring KeyState = "retiring"
	// KeyDestroyed is one of which only the ID is left. What was encrypted with
	// it can't be read any more, by anybody.
	KeyDestroyed KeyState = "destroyed"
)

// KeyInfo describes a root key without any of it.
type KeyInfo struct {
	ID    string    `json:"id" yaml:"id"`
	State KeyState  `json:"state" yaml:"state"`
	Since time.Time `json:"since,omitzero" yaml:"since,omitempty"` // when it got the state; zero for a key file of one key
}

// Ring is an origin's root keys: the active one, and those that were before. It
// is immutable and safe for concurrent use, and can't be printed or marshalled
// but for its keys' IDs and states.
//
// A rotation breaks joins: what is masked afterwards has other tokens than what
// was masked before. Until the destination's stream is masked anew, who has the
// origin's ring can make both tokens of a value, with a Masker for each key.
type Ring struct{ entries []ringEntry } // the active one last

type ringEntry struct {
	info KeyInfo
	key  Key // the zero one if it is destroyed
}

// newRing makes keys of what a file or source holds.
func newRing(path string, found []rawKey) (*Ring, error) {
	r := &Ring{}
	for _, raw := range found {
		entry := ringEntry{info: raw.info}
		if raw.root != nil {
			key, err := NewKey(raw.root)
			if err != nil {
				return nil, damagedKey(path)
			}
			if entry.info.ID == "" {
				entry.info.ID = key.ID()
			}
			if entry.info.ID != key.ID() {
				return nil, damagedKey(path)
			}
			entry.key = key
		}
		r.entries = append(r.entries, entry)
	}
	actives := 0
	slices.SortStableFunc(r.entries, func(a, b ringEntry) int { return rank(a.info.State) - rank(b.info.State) })
	for i, entry := range r.entries {
		if entry.info.State == KeyActive {
			actives++
		}
		for _, other := range r.entries[:i] {
			if other.info.ID == entry.info.ID {
				return nil, damagedKey(path)
			}
		}
	}
	if actives != 1 {
		return nil, damagedKey(path)
	}
	return r, nil
}

// rank orders keys: destroyed ones, retiring ones, the active one.
func rank(state KeyState) int {
	return slices.Index([]KeyState{KeyDestroyed, KeyRetiring, KeyActive}, state)
}

// Active is the key that tokens are made with; the zero Key for a nil ring.
func (r *Ring) Active() Key {
	if r == nil || len(r.entries) == 0 {
		return Key{}
	}
	return r.entries[len(r.entries)-1].key
}

// Key is the active or retiring key of that ID; false if there is none.
func (r *Ring) Key(id string) (Key, bool) {
	if r == nil {
		return Key{}, false
	}
	for _, e := range r.entries {
		if e.info.ID == id && !e.key.IsZero() {
			return e.key, true
		}
	}
	return Key{}, false
}

// Keys describes the keys, the active one first, then the others from the
// youngest.
func (r *Ring) Keys() []KeyInfo {
	if r == nil {
		return nil
	}
	infos := make([]KeyInfo, 0, len(r.entries))
	for _, e := range slices.Backward(r.entries) {
		infos = append(infos, e.info)
	}
	return infos
}

// String names the keys and their states.
func (r *Ring) String() string {
	return fmt.Sprintf("mask.Ring(%d keys, active %s)", len(r.Keys()), r.Active().ID())
}

// Format prints String, whatever the verb.
func (r *Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalJSON gives the keys' IDs and states; a ring can't be read back from it.
func (r *Ring) MarshalJSON() ([]byte, error) { return json.Marshal(r.Keys()) }
