package custody

import (
	"context"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// Create makes a key where the file that had it is missing.
func (k *Keeper) Create(ctx context.Context, q Who) (State, error) {
	const op = "make a key"
	return k.change(ctx, Record{Action: verbCreate, By: q.By}, func(*Record) (*mask.Ring, error) {
		path, err := k.file(op)
		if err != nil {
			return nil, err
		}
		if k.ring != nil {
			return nil, &Error{Code: CodeExists, Op: op, Why: "there is one: " + k.ring.Active().ID(), Cure: "`lockstep key rotate` makes another and keeps the former one"}
		}
		return mask.LoadOrCreateRing(path)
	})
}

// Adopt takes on the key that the source gives although events were masked with
// another, which it doesn't know.
func (k *Keeper) Adopt(ctx context.Context, q Who) (State, error) {
	return k.change(ctx, Record{Action: verbAdopt, By: q.By}, func(*Record) (*mask.Ring, error) {
		if k.ring != nil {
			return nil, &Error{Code: CodeExists, Op: "take on another key", Why: "the key is known: " + k.ring.Active().ID(), Cure: "`lockstep key reload` reads the source again"}
		}
		return k.fetch(ctx)
	})
}

// Rotate makes a new key. The former one is kept, and for q.Overlap can only be
// destroyed by somebody who says so.
func (k *Keeper) Rotate(ctx context.Context, q RotateRequest) (State, error) {
	const op = "rotate the key"
	if q.Overlap < 0 {
		return State{}, &Error{Code: CodeRequest, Op: op, Why: "an overlap is not negative", Cure: "give a duration, as 720h"}
	}
	return k.change(ctx, Record{Action: verbRotate, By: q.By}, func(r *Record) (*mask.Ring, error) {
		path, err := k.file(op)
		if err != nil {
			return nil, err
		}
		now := time.Now().UTC().Truncate(time.Second)
		ring, err := mask.RotateRing(path, now)
		if err != nil {
			return nil, err
		}
		for _, info := range ring.Keys() {
			if info.State == mask.KeyRetiring { // the youngest
				r.Key = info.ID
				break
			}
		}
		if q.Overlap > 0 {
			r.KeepUntil = now.Add(q.Overlap)
		}
		return ring, nil
	})
}

// Destroy removes a key that is not the active one. Nothing brings it back.
func (k *Keeper) Destroy(ctx context.Context, q DestroyRequest) (State, error) {
	op := "destroy key " + q.ID
	return k.change(ctx, Record{Action: verbDestroy, By: q.By, Key: q.ID}, func(*Record) (*mask.Ring, error) {
		path, err := k.file(op)
		if err != nil {
			return nil, err
		}
		kept, err := k.promises(ctx)
		if err != nil {
			return nil, errorOf("find for how long keys are to be kept", err)
		}
		if until := kept[q.ID]; time.Now().Before(until) && !q.Early {
			return nil, &Error{
				Code: CodeOverlap, Op: op, Why: "its rotation promised to keep it until " + until.Format(time.RFC3339) + ", for mapping its tokens to the new key's",
				Cure: "wait, or say --early",
			}
		}
		return mask.DestroyKey(path, q.ID, time.Now())
	})
}

// Reload reads the keys and the policies again, and has the routes go on under
// what it finds. What cannot be read has them withhold every event.
func (k *Keeper) Reload(ctx context.Context, q Who) (State, error) {
	err := k.audited(ctx, Record{Action: verbReload, By: q.By}, func(r *Record) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.ring, k.fault = k.load(ctx)
		if k.fault != nil {
			k.log.Error().Err(k.fault).Msg("there is no key: every event is withheld")
		}
		r.Active = k.ring.Active().ID()
		k.apply(ctx, true)
		return nil
	})
	if err != nil {
		return State{}, err
	}
	return k.State(ctx)
}

// change replaces the keys, on record.
func (k *Keeper) change(ctx context.Context, r Record, do func(*Record) (*mask.Ring, error)) (State, error) {
	err := k.audited(ctx, r, func(r *Record) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		ring, err := do(r)
		if err != nil {
			return errorOf(r.Action, err)
		}
		k.ring, k.fault = ring, nil
		r.Active = ring.Active().ID()
		k.apply(ctx, false)
		return nil
	})
	if err != nil {
		return State{}, err
	}
	return k.State(ctx)
}

// clip bounds what is recorded of something that somebody sent.
func clip(text string) string { return text[:min(len(text), 1024)] }

func errorOrNil(op string, err error) error {
	if err == nil {
		return nil
	}
	return errorOf(op, err)
}
