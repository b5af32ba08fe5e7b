package measure

import (
	"context"
	"time"
)

// tick is how often a pace is kept: systems wake sleepers hardly more precisely.
const tick = time.Millisecond

// late is from when on something counts as behind its schedule.
const late = 5 * time.Millisecond

// Pace calls do at a steady rate a second for as long as d, with the number of
// the call from 0, and the time at which it was due: now, or, where do has
// held the pace up, when it should have been called, so that a delay counts
// for all that wait behind it. It ends early with ctx or an error of do, and
// returns how often do was called.
func Pace(ctx context.Context, rate int, d time.Duration, do func(i int, due time.Time) error) (int, error) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	total := int(float64(rate) * d.Seconds())
	interval := time.Second / time.Duration(rate)
	begin := time.Now()
	for i := 0; i < total; {
		select {
		case <-ctx.Done():
			return i, ctx.Err()
		case <-ticker.C:
		}
		now := time.Now()
		for i < total {
			due := begin.Add(time.Duration(i) * interval)
			if due.After(now) {
				break
			}
			if now.Sub(due) < late {
				due = now
			}
			if err := do(i, due); err != nil {
				return i, err
			}
			i++
		}
	}
	return total, nil
}
