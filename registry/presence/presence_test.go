package presence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/presence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t *testing.T, js jetstream.JetStream, o presence.Options) *presence.Book {
	t.Helper()
	b, err := presence.Open(t.Context(), js, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// until waits for something that another goroutine does.
func until(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !there(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func written(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), "KV_"+presence.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.LastSeq
}

// Guards against reports that flood the store, a restart that forgets who was
// there, and instances that do not tell each other.
func TestBook(t *testing.T) {
	js := natstest.Start(t).Connect()
	at := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	var passed []string
	var mu sync.Mutex
	one := open(t, js, presence.Options{Environment: "production", Now: at.Now, Pass: func(_ context.Context, s presence.Sighting) error {
		mu.Lock()
		defer mu.Unlock()
		passed = append(passed, fmt.Sprint(s.Name, s.Version))
		return nil
	}})
	two := open(t, js, presence.Options{Environment: "production", Now: at.Now})
	who := presence.Who{Subject: "orders.order.placed", Name: "billing", Version: 1}
	for range 100 {
		if err := one.Report(who); err != nil {
			t.Fatal(err)
		}
		at.forward(time.Second)
	}
	until(t, "the other instance knows", func() bool { return len(two.Of(who.Subject)) == 1 })
	if n := written(t, js); n != 1 {
		t.Errorf("100 reports were written %d times", n)
	}
	got := one.Of(who.Subject)[0]
	if got.Environment != "production" || got.Role != presence.Consumer || got.Last.Sub(got.First) != 99*time.Second {
		t.Errorf("seen as %+v", got)
	}
	at.forward(presence.Every)
	if err := one.Report(who); err != nil {
		t.Fatal(err)
	}
	until(t, "the other instance sees the later time", func() bool { return two.Of(who.Subject)[0].Last.Equal(at.Now()) })
	if n := written(t, js); n != 2 {
		t.Errorf("it was written %d times", n)
	}
	who.Version = 2
	if err := two.Report(who); err != nil {
		t.Fatal(err)
	}
	until(t, "the first instance knows", func() bool { return len(one.Named("billing")) == 2 })
	again := open(t, js, presence.Options{Now: at.Now})
	if list := again.Of(who.Subject); len(list) != 2 || !list[0].First.Equal(got.First) {
		t.Errorf("after a restart: %+v", list)
	}
	at.forward(presence.Forgotten)
	if list := again.Of(who.Subject); len(list) != 0 {
		t.Errorf("not forgotten: %+v", list)
	}
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(passed) != "[billing1 billing1]" {
		t.Errorf("passed on: %v", passed)
	}
}

// Guards against a stop that loses what was taken and acknowledged a moment before.
func TestCloseWritesWhatWasReported(t *testing.T) {
	js := natstest.Start(t).Connect()
	b := open(t, js, presence.Options{Environment: "production"})
	for i := range 300 {
		if err := b.Report(presence.Who{Subject: "s", Name: fmt.Sprint("n", i), Version: 1}); err != nil {
			t.Fatal(err)
		}
	}
	b.Close()
	if again := open(t, js, presence.Options{}); len(again.Of("s")) != 300 {
		t.Errorf("%d of 300 are known after a restart", len(again.Of("s")))
	}
}

// Guards against a stop that waits without a bound for somebody who does not answer.
func TestCloseIsBounded(t *testing.T) {
	js := natstest.Start(t).Connect()
	passing := make(chan struct{}, 3)
	b := open(t, js, presence.Options{Pass: func(ctx context.Context, _ presence.Sighting) error {
		passing <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}})
	for i := range 3 {
		if err := b.Report(presence.Who{Subject: "s", Name: fmt.Sprint("n", i), Version: 1}); err != nil {
			t.Fatal(err)
		}
	}
	b.Close()
	if n := len(passing); n == 0 || n > 2 {
		t.Errorf("%d reports were passed on to somebody who hangs", n)
	}
}

// Guards against a failure to pass on that is never mended.
func TestPassingOnIsRepeated(t *testing.T) {
	js := natstest.Start(t).Connect()
	tries := make(chan struct{}, 10)
	b := open(t, js, presence.Options{Environment: "staging", Pass: func(context.Context, presence.Sighting) error {
		tries <- struct{}{}
		return errors.New("the primary is away")
	}})
	for range 2 {
		until(t, "it is tried", func() bool {
			if err := b.Report(presence.Who{Subject: "s", Name: "n", Version: 1}); err != nil {
				t.Fatal(err)
			}
			return len(tries) > 0
		})
		<-tries
	}
}

// Guards against a stranger who fills the memory with names.
func TestFullBook(t *testing.T) {
	js := natstest.Start(t).Connect()
	b := open(t, js, presence.Options{})
	var err error
	n := 0
	for ; n < 10_000 && err == nil; n++ {
		err = b.Report(presence.Who{Subject: "s", Name: fmt.Sprint("n", n), Version: 1})
	}
	if !errors.Is(err, presence.ErrFull) || n != 501 {
		t.Errorf("after %d: %v", n, err)
	}
	if err := b.Report(presence.Who{Subject: "s", Name: "n1", Version: 1}); err != nil {
		t.Errorf("who is known already: %v", err)
	}
	if err := b.Report(presence.Who{Subject: "t", Name: "n1", Version: 1}); err != nil {
		t.Errorf("another subject: %v", err)
	}
}

// Guards against a report that is misread, or that costs the listener its life.
func TestListener(t *testing.T) {
	js := natstest.Start(t).Connect()
	b := open(t, js, presence.Options{Environment: "production"})
	l, err := presence.Listen(js.Conn(), b, func(subject string, version int) bool { return subject == "s" && version < 3 }, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	many := make([]presence.Seen, 257)
	long, err := json.Marshal(presence.Report{Name: "n", Role: presence.Consumer, Seen: many})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, body, says string }{
		{"well", `{"name":"billing","role":"consumer","seen":[{"subject":"s","version":1},{"subject":"s","version":2}]}`, `"ok"`},
		{"of an unknown version beside a known one", `{"name":"shop","role":"producer","seen":[{"subject":"s","version":9},{"subject":"s","version":1}]}`, "does not know version 9"},
		{"of an unknown subject", `{"name":"shop","role":"producer","seen":[{"subject":"x","version":1}]}`, "does not know"},
		{"no JSON", `{`, "invalid report"},
		{"nothing", ``, "invalid report"},
		{"an unknown field", `{"name":"a","role":"consumer","seen":[],"admin":true}`, "admin"},
		{"a field twice", `{"name":"a","name":"b","role":"consumer","seen":[]}`, "name"},
		{"no name", `{"name":"","role":"consumer","seen":[{"subject":"s","version":1}]}`, "name is empty"},
		{"a long name", `{"name":"` + strings.Repeat("n", 200) + `","role":"consumer","seen":[{"subject":"s","version":1}]}`, "128 bytes"},
		{"a role that there is not", `{"name":"a","role":"admin","seen":[{"subject":"s","version":1}]}`, "admin"},
		{"a control character", `{"name":"a\u0000","role":"consumer","seen":[{"subject":"s","version":1}]}`, "control character"},
		{"a negative version", `{"name":"a","role":"consumer","seen":[{"subject":"s","version":-1}]}`, "no version"},
		{"too much", string(long), "may name 256"},
		{"deep", strings.Repeat(`{"seen":[`, 5000), "invalid report"},
	} {
		answer, err := js.Conn().RequestWithContext(t.Context(), presence.ReportSubject, []byte(c.body))
		if err != nil || !strings.Contains(string(answer.Data), c.says) {
			t.Errorf("%s: %s, %v; want %q", c.name, answer.Data, err, c.says)
		}
	}
	if list := b.Of("s"); len(list) != 3 {
		t.Errorf("taken: %+v", list)
	}
	l.Close()
	if _, err := js.Conn().RequestWithContext(t.Context(), presence.ReportSubject, nil); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("after closing: %v", err)
	}
}
