package custody

import (
	"context"
	"fmt"
	"slices"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const opReveal = "reveal a value"

// Reveal gives the value that technique encrypt or fpe made a token of. It is
// recorded before and after, and without a record it shows nothing.
func (k *Keeper) Reveal(ctx context.Context, q RevealRequest) (Revealed, error) {
	var shown Revealed
	asked := Record{Action: verbReveal, By: q.By, To: q.To, Class: q.Class, Token: clip(q.Token), Type: clip(q.Type), Field: clip(q.Field), Key: clip(q.Key)}
	err := k.audited(ctx, asked, func(r *Record) (err error) {
		shown, err = k.reveal(q)
		if shown.Key != "" {
			r.Key = shown.Key
		}
		return errorOrNil(opReveal, err)
	})
	if err != nil {
		return Revealed{}, err
	}
	return shown, nil
}

func (k *Keeper) reveal(q RevealRequest) (Revealed, error) {
	if !mask.Class(q.Class).Known() {
		return Revealed{}, refuseReveal("there is no such class", "name the class of the field that the value stands in")
	}
	k.mu.Lock()
	ring, fault, applied := k.ring, k.fault, k.applied
	k.mu.Unlock()
	if fault != nil {
		return Revealed{}, fault
	}
	if q.Type != "" || q.Field != "" || q.Key != "" {
		return k.revealFPE(q, ring, applied)
	}
	shown := Revealed{Technique: mask.Encrypt}
	var err error
	if shown.Value, shown.Key, err = ring.Reveal(q.To, mask.Class(q.Class), q.Token); err != nil {
		for i, r := range k.config.Routes {
			if r.To == q.To && applied[i].Policy.Classes[q.Class].Technique == mask.FPE {
				return Revealed{}, refuseReveal(fmt.Sprintf("the class is masked by fpe for %s, whose results don't show what they were made of", q.To),
					"name the event's type, the field, and the key that the event's header "+wire.HeaderKeyID+" names")
			}
		}
		return Revealed{}, err
	}
	return shown, nil
}

func (k *Keeper) revealFPE(q RevealRequest, ring *mask.Ring, applied []Applied) (Revealed, error) {
	subject, err := wire.ParseSubject(q.Type)
	if err != nil {
		return Revealed{}, refuseReveal("no event has such a type", "name the event's type and the field")
	}
	i := slices.IndexFunc(k.config.Routes, func(r RouteConfig) bool { return r.To == q.To && slices.Contains(r.Domains, subject.Domain) })
	if i < 0 {
		return Revealed{}, refuseReveal(fmt.Sprintf("no route carries domain %q to %q from here", subject.Domain, q.To), "name a route's destination, and a type of its domains")
	}
	if applied[i].Fault != nil {
		return Revealed{}, applied[i].Fault
	}
	if q.Key == "" {
		q.Key = ring.Active().ID()
	}
	key, ok := ring.Key(q.Key)
	if !ok {
		return Revealed{}, refuseReveal("there is no such key, or it is destroyed", "`lockstep key list` lists the keys")
	}
	place, kind, err := k.place(subject, q)
	if err != nil {
		return Revealed{}, err
	}
	masker, err := mask.New(applied[i].Name, applied[i].Policy, q.To, key)
	if err != nil {
		return Revealed{}, err
	}
	value, err := masker.RevealFPE(place.Class, place.Shape, kind, q.Token)
	return Revealed{Value: value, Key: q.Key, Technique: mask.FPE}, err
}

// place is where the value stands: fpe walks on until the schema admits what it has.
func (k *Keeper) place(subject wire.Subject, q RevealRequest) (contract.Place, mask.Kind, error) {
	versions, err := k.config.Catalog.Candidates(subject)
	if err != nil {
		return contract.Place{}, 0, refuseReveal(err.Error(), "name the type of an event that is registered")
	}
	c, err := k.config.Catalog.Contract(versions[0])
	if err != nil {
		return contract.Place{}, 0, err
	}
	found, err := c.Classify()
	if err != nil {
		return contract.Place{}, 0, err
	}
	for _, p := range found.Places {
		if p.Pointer != q.Field || p.Names || string(p.Class) != q.Class || p.Shape == nil {
			continue
		}
		text, number := slices.Contains(p.Kinds, mask.String.String()), slices.Contains(p.Kinds, mask.Number.String())
		switch {
		case text && !number:
			return p, mask.String, nil
		case number && !text:
			return p, mask.Number, nil
		}
	}
	return contract.Place{}, 0, refuseReveal(fmt.Sprintf("the newest schema of %s has no texts there, or no numbers, of the class", subject.Type()),
		"`lockstep mask explain` lists the fields and their classes")
}

func refuseReveal(why, cure string) *Error {
	return &Error{Code: CodeRequest, Op: opReveal, Why: why, Cure: cure}
}
