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
			found, err := runs(ctx, stream)
			if err != nil {
				return "", err
			}
			if len(found) == 0 {
				continue
			}
			id := found[len(found)-1].key
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

// uses gives, by key ID, what was masked with it.
func (k *Keeper) uses(ctx context.Context) (map[string][]Use, error) {
	found := map[string][]Use{}
	for _, r := range k.config.Routes {
		for _, domain := range r.Domains {
			s, err := k.js.Stream(ctx, wire.EgressStream(domain, r.To))
			if err != nil {
				return nil, fmt.Errorf("find stream %s: %w", wire.EgressStream(domain, r.To), err)
			}
			runs, err := runs(ctx, s)
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

// runs finds where the key changes. A route writes in one order, under one key after
// the other, so that halving does. Copies for repairs are under the keys of their
// originals, and don't count.
func runs(ctx context.Context, s jetstream.Stream) ([]run, error) {
	end := s.CachedInfo().State.LastSeq + 1
	m, err := original(ctx, s, 1, end)
	if err != nil || m == nil {
		return nil, err
	}
	key := func(m *jetstream.RawStreamMsg) string { return m.Header.Get(wire.HeaderKeyID) }
	var found []run
	for m != nil {
		// From beyond on, the next event is another key's, or there is none.
		within, beyond, after := m.Sequence, end, (*jetstream.RawStreamMsg)(nil)
		for beyond-within > 1 {
			middle := within + (beyond-within)/2
			next, err := original(ctx, s, middle, beyond)
			if err != nil {
				return nil, err
			}
			switch {
			case next == nil:
				beyond = middle
			case key(next) == key(m):
				within = next.Sequence
			default:
				beyond, after = middle, next
			}
		}
		found = append(found, run{key: key(m), first: m.Sequence, last: within})
		m = after
	}
	return found, nil
}

// original is the first event from a sequence on, and before end, that is no copy
// for a repair; nil if there is none.
func original(ctx context.Context, s jetstream.Stream, from, end uint64) (*jetstream.RawStreamMsg, error) {
	for from < end {
		m, err := next(ctx, s, from, wire.EgressRoot+".>")
		if err != nil || m == nil || m.Sequence >= end {
			return nil, err
		}
		if m.Header.Get(wire.HeaderRepair) == "" {
			return m, nil
		}
		if from, err = behindCopies(ctx, s, m.Sequence+1, end); err != nil {
			return nil, err
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

// behindCopies is the sequence from which on, after a message for a repair, others
// stand again, or end. Between two watermarks, what is for repairs comes first, and
// there may be much of it.
func behindCopies(ctx context.Context, s jetstream.Stream, from, end uint64) (uint64, error) {
	mark, err := next(ctx, s, from, wire.LedgerSubject("*", "*", wire.KindWatermark))
	if err != nil {
		return 0, err
	}
	if mark != nil {
		end = min(end, mark.Sequence)
	}
	for from < end {
		middle := from + (end-from)/2
		m, err := s.GetMsg(ctx, middle)
		if err != nil {
			return 0, fmt.Errorf("read stream %s: %w", s.CachedInfo().Config.Name, err)
		}
		if m.Header.Get(wire.HeaderRepair) != "" {
			from = middle + 1
		} else {
			end = middle
		}
	}
	return from, nil
}

// next is the first message from a sequence on under some subjects; nil if there is
// none.
func next(ctx context.Context, s jetstream.Stream, from uint64, subjects string) (*jetstream.RawStreamMsg, error) {
	m, err := s.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subjects))
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", s.CachedInfo().Config.Name, err)
	}
	return m, nil
}
