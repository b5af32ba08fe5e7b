package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/lockstep-mesh/lockstep/services/internal/measure"
)

// sample is what one run of one side has given. What a side does not measure
// is NaN.
type sample struct {
	value    float64 // the measurement's number
	p50, p99 float64
	cpu      float64 // µs of processor time an event
	allocs   float64 // an event
}

// none is a sample of nothing.
func none() sample {
	return sample{value: math.NaN(), p50: math.NaN(), p99: math.NaN(), cpu: math.NaN(), allocs: math.NaN()}
}

// side measures one side for about as long as d.
type side func(ctx context.Context, d time.Duration) (sample, error)

// warmUp is the part of a run's time for which each side runs beforehand, so
// that what is made once is not measured.
const warmUp = 4

// compare runs both sides in turns, and puts the medians into the result.
func (t *trial) compare(ctx context.Context, governed, against side) error {
	sides := []side{governed, against}
	samples := make([][]sample, len(sides))
	t.progress.run(0, t.flags.Runs)
	for _, s := range sides {
		if _, err := s(ctx, max(t.flags.For/warmUp, minWindow)); err != nil {
			return err
		}
	}
	for run := range t.flags.Runs {
		t.progress.run(run+1, t.flags.Runs)
		for turn := range sides {
			i := (turn + run) % len(sides) // who begins changes
			got, err := sides[i](ctx, t.flags.For)
			if err != nil {
				return fmt.Errorf("run %d of %s: %w", run+1, []string{"the governed side", "the other side"}[i], err)
			}
			samples[i] = append(samples[i], got)
		}
	}
	t.result.summarize(samples[0], samples[1])
	return nil
}

// summarize puts the medians of both sides into the result.
func (r *Result) summarize(governed, against []sample) {
	r.Runs = len(governed)
	median := func(samples []sample, get func(sample) float64) float64 { return measure.Median(column(samples, get)) }
	value := func(s sample) float64 { return s.value }
	g, a := median(governed, value), median(against, value)
	r.Governed, r.Against, r.Ratio = number(g), number(a), ratio(g, a)
	isTime := r.Unit == micros || r.Unit == millis
	if isTime {
		r.Difference = number(g - a)
	}
	r.Samples = &Samples{Governed: rounded(column(governed, value)), Against: rounded(column(against, value))}
	var ratios []float64
	for i := range min(len(governed), len(against)) {
		ratios = append(ratios, governed[i].value/against[i].value)
	}
	r.Spread = &Spread{Ratio: spread(rounded(ratios)), Governed: spread(r.Samples.Governed), Against: spread(r.Samples.Against)}
	for _, of := range []struct {
		to         **Pair
		get        func(sample) float64
		difference bool
	}{
		{&r.P50, func(s sample) float64 { return s.p50 }, isTime},
		{&r.P99, func(s sample) float64 { return s.p99 }, isTime},
		{&r.CPU, func(s sample) float64 { return s.cpu }, false},
		{&r.Allocs, func(s sample) float64 { return s.allocs }, false},
	} {
		if g := median(governed, of.get); !math.IsNaN(g) {
			*of.to = pair(g, median(against, of.get), of.difference)
		}
	}
}

func column(samples []sample, get func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = get(s)
	}
	return values
}

// rounded rounds values, and leaves out what is no number.
func rounded(values []float64) []float64 {
	var numbers []float64
	for _, v := range values {
		if n := number(v); n != nil {
			numbers = append(numbers, *n)
		}
	}
	return numbers
}

// spread is the smallest and the largest value; nil of none.
func spread(values []float64) []float64 {
	if len(values) == 0 {
		return nil
	}
	low, high := measure.Range(values)
	return []float64{low, high}
}

// Units.
const (
	perSecond = "events/s"
	perCore   = "events/s and core"
	micros    = "µs"
	millis    = "ms"
	megabytes = "MB"
)

// stopwatch takes the time and the processors' of what is measured.
type stopwatch struct {
	begin time.Time
	cpu   time.Duration
	known bool          // whether the system tells the processors'
	busy  time.Duration // the whole machine's
}

func start() stopwatch {
	w := stopwatch{}
	w.cpu, w.known = measure.CPUTime()
	w.busy, _ = measure.BusyTime()
	w.begin = time.Now()
	return w
}

// stop gives the seconds since start, and the processor time in µs for each of
// n events; NaN where the system does not tell.
func (w stopwatch) stop(n int) (seconds, cpu float64) {
	seconds = time.Since(w.begin).Seconds()
	now, ok := measure.CPUTime()
	if !ok || !w.known || n == 0 {
		return seconds, math.NaN()
	}
	return seconds, float64(now-w.cpu) / float64(time.Microsecond) / float64(n)
}

// others is how many processors other programs have kept busy since start;
// nil where the system does not tell. Processes that the command has started
// and waited for are not others.
func (w stopwatch) others() *float64 {
	own, ok := measure.CPUTime()
	busy, told := measure.BusyTime()
	if !ok || !told || !w.known {
		return nil
	}
	return number(max(0, float64(busy-w.busy-(own-w.cpu))/float64(time.Since(w.begin))))
}

// rate is the sample of n events since w was started.
func (w stopwatch) rate(n int) sample {
	seconds, cpu := w.stop(n)
	s := none()
	s.value, s.cpu = float64(n)/seconds, cpu
	return s
}
