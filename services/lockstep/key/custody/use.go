package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

func isNotFound(err error) bool { return errors.Is(err, jetstream.ErrMsgNotFound) }

// used reports whether anything was offered to a destination already. Without
// the key that masked it, what comes next would not join with it.
func (k *Keeper) used(ctx context.Context) (bool, error) {
	for _, r := range k.config.Routes {
		for _, domain := range r.Domains {
			stream, err := k.js.Stream(ctx, wire.EgressStream(domain, r.To))
			if err != nil {
				return false, fmt.Errorf("find stream %s: %w", wire.EgressStream(domain, r.To), err)
			}
			if stream.CachedInfo().State.LastSeq > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// strange gives the ID of a key that the latest events for a destination were
// masked with, that the ring doesn't know, and that nobody has given up; "" if
// there is none.
func (k *Keeper) strange(ctx context.Context, ring *mask.Ring) (string, error) {
	for _, r := range k.config.Routes {
		for _, domain := range r.Domains {
			name := wire.EgressStream(domain, r.To)
			stream, err := k.js.Stream(ctx, name)
			if err != nil {
				return "", fmt.Errorf("find stream %s: %w", name, err)
			}
			last, err := stream.GetLastMsgForSubject(ctx, wire.EgressRoot+".>")
			if isNotFound(err) {
				continue
			}
			if err != nil {
				return "", fmt.Errorf("read stream %s: %w", name, err)
			}
			id := last.Header.Get(wire.HeaderKeyID)
			if slices.ContainsFunc(ring.Keys(), func(info mask.KeyInfo) bool { return info.ID == id }) {
				continue
			}
			adopted, err := k.adopted(ctx, ring.Active().ID())
			if err != nil || adopted {
				return "", err
			}
			return id, nil
		}
	}
	return "", nil
}

// uses gives, by key ID, what was masked with it. A route writes in one order,
// under one key after the other, so that halving finds where they change.
func (k *Keeper) uses(ctx context.Context) (map[string][]Use, error) {
	found := map[string][]Use{}
	for _, r := range k.config.Routes {
		for _, domain := range r.Domains {
			s, err := k.js.Stream(ctx, wire.EgressStream(domain, r.To))
			if err != nil {
				return nil, fmt.Errorf("find stream %s: %w", wire.EgressStream(domain, r.To), err)
			}
			last, err := s.GetLastMsgForSubject(ctx, wire.EgressRoot+".>")
			if isNotFound(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read stream %s: %w", wire.EgressStream(domain, r.To), err)
			}
			runs, err := runs(ctx, s, last)
			if err != nil {
				return nil, err
			}
			for _, run := range runs {
				found[run.key] = append(found[run.key], Use{To: r.To, Domain: domain, First: run.first, Last: run.last})
			}
		}
	}
	return found, nil
}

// run is a run of events under one key.
type run struct {
	key         string
	first, last uint64
}

func runs(ctx context.Context, s jetstream.Stream, last *jetstream.RawStreamMsg) ([]run, error) {
	at := func(sequence uint64) (*jetstream.RawStreamMsg, error) { // the first event from there on
		m, err := s.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(wire.EgressRoot+".>"))
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", s.CachedInfo().Config.Name, err)
		}
		return m, nil
	}
	key := func(m *jetstream.RawStreamMsg) string { return m.Header.Get(wire.HeaderKeyID) }
	m, err := at(1)
	if err != nil {
		return nil, err
	}
	var found []run
	for {
		current := run{key: key(m), first: m.Sequence}
		if current.key == key(last) {
			current.last = last.Sequence
			return append(found, current), nil
		}
		// From beyond on, the next event is another key's.
		within, beyond := m.Sequence, last.Sequence
		for beyond-within > 1 {
			middle := within + (beyond-within)/2
			next, err := at(middle)
			if err != nil {
				return nil, err
			}
			if key(next) == current.key {
				within = next.Sequence
			} else {
				beyond = middle
			}
		}
		current.last = within
		found = append(found, current)
		if m, err = at(beyond); err != nil {
			return nil, err
		}
	}
}
