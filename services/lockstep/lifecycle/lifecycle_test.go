package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// Scripts would be told twice that a mesh is ready, or people never that it
// ceased to be.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin, calls := time.Now(), 0
		ready := func() error {
			since := time.Since(begin)
			if since < 15*time.Second || since > 30*time.Second && since < 40*time.Second {
				return errors.New("the leaf is away")
			}
			return nil
		}
		if err := Watch(ctx, ready, func() error { calls++; return nil }, zerolog.New(&out)); err != nil {
			t.Fatal(err)
		}
		if calls != 1 || strings.Count(out.String(), `"ready"`) != 2 || strings.Count(out.String(), "the leaf is away") != 2 {
			t.Errorf("%d calls, log\n%s", calls, out.String())
		}
		failure := errors.New("nobody reads stdout")
		if err := Watch(t.Context(), func() error { return nil }, func() error { return failure }, zerolog.Nop()); !errors.Is(err, failure) {
			t.Errorf("%v", err)
		}
	})
}
