package measure_test

import (
	"context"
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/services/internal/measure"
)

// Wrong statistics would make every number that is reported wrong.
func TestStatistics(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"median of an odd number", measure.Median([]float64{9, 1, 5}), 5},
		{"median of an even number", measure.Median([]float64{4, 1, 2, 9}), 3},
		{"p50", measure.Percentile(hundred, 50), 50},
		{"p99", measure.Percentile(hundred, 99), 99},
		{"p100", measure.Percentile(hundred, 100), 100},
		{"p99 of one", measure.Percentile([]float64{7}, 99), 7},
		{"rounded large", measure.Round(123456.7), 123457},
		{"rounded small", measure.Round(0.0123456), 0.0123},
		{"rounded negative", measure.Round(-1.23456), -1.23},
		{"rounded zero", measure.Round(0), 0},
	} {
		if math.Abs(c.got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if low, high := measure.Range([]float64{3, 1, 2}); low != 1 || high != 3 {
		t.Errorf("range %v to %v", low, high)
	}
	low, _ := measure.Range(nil)
	for _, none := range []float64{measure.Median(nil), measure.Percentile(nil, 50), low, measure.Round(math.NaN())} {
		if !math.IsNaN(none) {
			t.Errorf("of nothing: %v", none)
		}
	}
}

// A pace that skips calls or runs ahead would measure another load than it says.
func TestPace(t *testing.T) {
	begin := time.Now()
	next := 0
	n, err := measure.Pace(t.Context(), 2000, 100*time.Millisecond, func(i int, due time.Time) error {
		if i != next || due.After(time.Now()) || due.Before(begin) {
			t.Errorf("call %d is numbered %d, due %s after the beginning", next, i, due.Sub(begin))
		}
		next++
		return nil
	})
	if took := time.Since(begin); err != nil || n != 200 || next != 200 || took < 99*time.Millisecond {
		t.Errorf("%d calls of %d in %s: %v", n, next, took, err)
	}
	failure := errors.New("failed")
	if n, err := measure.Pace(t.Context(), 1000, time.Minute, func(i int, _ time.Time) error {
		if i == 3 {
			return failure
		}
		return nil
	}); n != 3 || !errors.Is(err, failure) {
		t.Errorf("after a failure: %d, %v", n, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := measure.Pace(ended, 1, time.Minute, func(int, time.Time) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// The machine's own numbers must be there, or be said to be missing.
func TestMachine(t *testing.T) {
	m := measure.ThisMachine()
	if m.CPU == "" || m.Cores < 1 || m.OS == "" || m.Go == "" {
		t.Errorf("%+v", m)
	}
	switch bytes, err := measure.ResidentMemory(os.Getpid()); {
	case errors.Is(err, measure.ErrUnavailable):
	case err != nil || bytes < 1<<20:
		t.Errorf("resident memory %d: %v", bytes, err)
	}
	before, ok := measure.CPUTime()
	for begin := time.Now(); time.Since(begin) < 20*time.Millisecond; {
	}
	if after, _ := measure.CPUTime(); ok && after <= before {
		t.Errorf("CPU time %s, then %s", before, after)
	}
	if busy, ok := measure.BusyTime(); ok {
		if own, _ := measure.CPUTime(); busy < own-time.Second {
			t.Errorf("the machine was busy for %s, this process for %s", busy, own)
		}
	}
	if _, err := measure.ResidentMemory(-1); err == nil {
		t.Error("a process that is none has resident memory")
	}
}
