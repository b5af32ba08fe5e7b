package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"
)

const byHandText = "decode + jsonschema v5"

func engines() []measurement {
	var list []measurement
	for _, v := range []struct {
		name, what         string
		documents          func() ([]document, error)
		validating, masked []target
	}{
		{
			"order", "496 B orders", func() ([]document, error) { return orderDocuments(false) },
			[]target{atLeast(25), atMost("allocs", 0)},
			[]target{atLeast(12)},
		},
		{
			"4k", "4 KB orders", func() ([]document, error) { return orderDocuments(true) },
			[]target{atMost("allocs", 0)},
			nil,
		},
		{
			"github", "GitHub's events of the corpus", github,
			[]target{atLeast(15), atMost("allocs", 0)},
			nil,
		},
	} {
		list = append(list, measurement{
			name: "engine/validate-" + v.name, unit: perCore, better: higher, targets: v.validating,
			what: "validate " + v.what, versus: byHandText,
			run: func(ctx context.Context, t *trial) error { return t.engine(ctx, v.documents, validating) },
		}, measurement{
			name: "engine/mask-" + v.name, unit: perCore, better: higher, targets: v.masked,
			what: "validate, mask and revalidate " + v.what, versus: byHandText + " + mask in maps + marshal",
			run: func(ctx context.Context, t *trial) error { return t.engine(ctx, v.documents, masking) },
		})
	}
	return append(list, profiles())
}

// onEach is what is done with one document.
type onEach func(document) error

// engine compares two ways to do something with documents.
func (t *trial) engine(ctx context.Context, load func() ([]document, error), ways func() (governed, against onEach, err error)) error {
	documents, err := load()
	if errors.Is(err, errNoCorpus) {
		t.skip("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	governed, against, err := ways()
	if err != nil {
		return err
	}
	return t.compare(ctx, through(documents, governed), through(documents, against))
}

// validating are the two ways to validate.
func validating() (governed, against onEach, err error) {
	h := newByHand()
	return func(d document) error { return d.contract.Validate(d.data) },
		func(d document) error { return h.validate(d.schema, d.data) }, nil
}

// masking are the two ways to validate and mask.
func masking() (governed, against onEach, err error) {
	masker, err := samplePolicy()
	if err != nil {
		return nil, nil, err
	}
	governed, against = maskingBy(masker)
	return governed, against, nil
}

// through goes through the documents, again and again, for as long as asked:
// at least once through all of them.
func through(documents []document, do onEach) side {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		runtime.GC() // who went before has left garbage, and would have it collected at the cost of this side
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := 0
		watch := start()
		for end := time.Now().Add(d); n < len(documents) || time.Now().Before(end); {
			for range 16 {
				if err := do(documents[n%len(documents)]); err != nil {
					return sample{}, fmt.Errorf("document %d: %w", n%len(documents), err)
				}
				n++
			}
			if ctx.Err() != nil {
				return sample{}, ctx.Err()
			}
		}
		s := watch.rate(n)
		runtime.ReadMemStats(&after)
		s.allocs = allocations(after.Mallocs-before.Mallocs, n)
		if !math.IsNaN(s.cpu) { // of one core, whoever else uses the machine
			s.value = 1e6 / s.cpu
		}
		return s, nil
	}
}

// allocations is how many an event costs. What the runtime itself allocates
// now and then is not an event's.
func allocations(total uint64, events int) float64 {
	each := float64(total) / float64(events)
	if each < 0.05 {
		return 0
	}
	return each
}
