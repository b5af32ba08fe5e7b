package feed

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/services/internal/shop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a server whose stream takes the shop's events from somebody who
// refuses as a gate does: what was spoiled, and types that a test names.
type rig struct {
	conn    *mesh.Conn
	stream  jetstream.Stream
	refused sync.Map // event types
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(5 * time.Second) {
		t.Fatal("the server does not come up")
	}
	r := &rig{}
	if r.conn, err = mesh.Connect(t.Context(), s.ClientURL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.conn.Close(); err != nil {
			t.Error(err)
		}
	})
	r.stream, err = r.conn.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "SHOP", Subjects: []string{"evt.>"}, Duplicates: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Domains() {
		if _, err := r.conn.NATS().Subscribe(d.Name+".>", r.take); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *rig) take(msg *nats.Msg) {
	_, refused := r.refused.Load(msg.Header.Get("ce-type"))
	if refused || strings.HasPrefix(msg.Header.Get("Nats-Msg-Id"), "spoiled-") {
		_ = msg.Respond([]byte(`{"error":{"code":400,"err_code":40011,"description":"no"},"stream":"SHOP","seq":0}`))
		return
	}
	_ = r.conn.NATS().PublishMsg(&nats.Msg{Subject: "evt." + msg.Subject, Reply: msg.Reply, Header: msg.Header, Data: msg.Data})
}

// stored are the stream's messages in their order.
func (r *rig) stored(t *testing.T) []*jetstream.RawStreamMsg {
	t.Helper()
	info, err := r.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []*jetstream.RawStreamMsg
	for i := info.State.FirstSeq; i <= info.State.LastSeq; i++ {
		msg, err := r.stream.GetMsg(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, msg)
	}
	return all
}

// Guards against events that are lost, doubled, changed or swapped on their way
// from the shop into the stream.
func TestRunPublishesTheDomainsPart(t *testing.T) {
	r := newRig(t)
	const events = 500
	for _, domain := range Domains() {
		var mu sync.Mutex
		told := map[string]bool{}
		o := Options{Seed: 4, Events: events, Log: zerolog.Nop(), Stored: func(e shop.Event, receipt mesh.Receipt) {
			mu.Lock()
			defer mu.Unlock()
			told[e.ID] = receipt.Sequence > 0
		}}
		stats, err := Run(t.Context(), r.conn, domain, o)
		if err != nil {
			t.Fatal(err)
		}
		if int(stats.Published) != len(told) || stats.Duplicates != 0 || stats.Refused != 0 {
			t.Errorf("%s: %+v, and %d were told of", domain.Name, stats, len(told))
		}
		o.Stored = nil
		if again, err := Run(t.Context(), r.conn, domain, o); err != nil || again.Duplicates != stats.Published {
			t.Errorf("%s, published again: %+v, %v; want %d duplicates", domain.Name, again, err, stats.Published)
		}
	}

	byID, lastOf := map[string]int{}, map[string]string{}
	for i, msg := range r.stored(t) {
		byID[msg.Header.Get("Nats-Msg-Id")] = i
	}
	messages := r.stored(t)
	n := 0
	for e := range shop.All(4, events) {
		n++
		i, ok := byID[e.ID]
		if !ok {
			t.Fatalf("event %s of type %s is not stored", e.ID, e.Type)
		}
		msg := messages[i]
		if msg.Subject != "evt."+e.Subject() || !bytes.Equal(msg.Data, e.Data()) || msg.Header.Get("ce-source") == "" {
			t.Errorf("event %s is stored on %s as %s with %v", e.ID, msg.Subject, msg.Data, msg.Header)
		}
		if when, err := time.Parse(time.RFC3339Nano, msg.Header.Get("ce-time")); err != nil || !when.Equal(e.Time) {
			t.Errorf("event %s happened at %v, and is stored as of %s", e.ID, e.Time, msg.Header.Get("ce-time"))
		}
		if before, ok := lastOf[e.Key]; ok && byID[before] > i {
			t.Errorf("%s is stored before %s, which came before it", e.ID, before)
		}
		lastOf[e.Key] = e.ID
	}
	if len(messages) != n {
		t.Errorf("%d events are stored, want %d", len(messages), n)
	}
}

// Guards against faults that are not provoked, or that are taken for failures.
func TestRunProvokesRefusals(t *testing.T) {
	r := newRig(t)
	stats, err := Run(t.Context(), r.conn, Orders, Options{Seed: 1, Events: 300, FaultEvery: 10, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if stats.Refused != stats.Published/10 || stats.Refused == 0 {
		t.Errorf("%+v, want every tenth provoked", stats)
	}
	if got := uint64(len(r.stored(t))); got != stats.Published {
		t.Errorf("%d events are stored, want %d", got, stats.Published)
	}
}

// Guards against a service that goes on as if nothing were wrong while its
// events are refused, and against a fault that is stored unnoticed.
func TestRunFailsWhenRefused(t *testing.T) {
	r := newRig(t)
	r.refused.Store("payments.payment.captured", true)
	stats, err := Run(t.Context(), r.conn, Payments, Options{Seed: 1, Events: 2000, Log: zerolog.Nop()})
	var failed *mesh.Error
	if !errors.As(err, &failed) || failed.Code != mesh.CodeRefused {
		t.Errorf("%v, want the refusal", err)
	}
	if stats.Published > 200 {
		t.Errorf("%d events were published after the first refusal", stats.Published)
	}
	for _, o := range []Options{{Rate: -1}, {Events: -1}, {FaultEvery: -1}} {
		if _, err := Run(t.Context(), r.conn, Payments, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// Guards against events that are cut off when a service stops, and against a
// service that does not stop.
func TestRunStopsGracefully(t *testing.T) {
	r := newRig(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	told := map[uint64]bool{}
	stats, err := Run(ctx, r.conn, Customers, Options{Seed: 1, Rate: 2000, Log: zerolog.Nop(), Stored: func(_ shop.Event, receipt mesh.Receipt) {
		mu.Lock()
		defer mu.Unlock()
		told[receipt.Sequence] = true
		if len(told) == 50 {
			stop()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if stored := len(r.stored(t)); stored != len(told) || int(stats.Published) != stored {
		t.Errorf("%d events are stored, %d were acknowledged, %+v", stored, len(told), stats)
	}
}

// Guards against a rate that is not kept.
func TestRunKeepsTheRate(t *testing.T) {
	r := newRig(t)
	began := time.Now()
	stats, err := Run(t.Context(), r.conn, Orders, Options{Seed: 1, Events: 60, Rate: 200, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if took, least := time.Since(began), time.Duration(stats.Published-1)*time.Second/200; took < least {
		t.Errorf("%d events took %v, at 200 a second it has to be %v", stats.Published, took, least)
	}
}

// Guards against domains that miss one of the shop's event types: such an event
// would end the service that meets it.
func TestDomainsKnowAllTypes(t *testing.T) {
	known := map[string]bool{}
	for _, d := range Domains() {
		for _, e := range d.types {
			if !strings.HasPrefix(e.name, d.Name+".") {
				t.Errorf("%s has the type %s", d.Name, e.name)
			}
			known[e.name] = true
		}
	}
	for e := range shop.All(1, 3000) {
		if !known[e.Type] {
			t.Fatalf("no domain has %s", e.Type)
		}
	}
}

// Guards against a command line that is misunderstood without a word.
func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		code int
		says string
	}{
		{"unknown flag", []string{"--speed", "1"}, nil, exitUsage, "speed"},
		{"argument", []string{"serve"}, nil, exitUsage, "serve"},
		{"negative", []string{"--rate", "-1"}, nil, exitUsage, "--rate -1"},
		{"bad variable", nil, map[string]string{"LOCKSTEP_SEED": "one"}, exitUsage, "LOCKSTEP_SEED"},
		{"help", []string{"--help"}, nil, 0, "LOCKSTEP_URL"},
		{"no such file", []string{"--creds", "/does/not/exist.creds"}, nil, exitFailed, "exist.creds"},
	} {
		var stderr bytes.Buffer
		code := Main(Orders, c.args, func(name string) string { return c.env[name] }, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%s: exit code %d, want %d, and %q in\n%s", c.name, code, c.code, c.says, stderr.String())
		}
	}
	s, err := parse(Orders, []string{"--seed", "9"}, func(name string) string {
		return map[string]string{"LOCKSTEP_SEED": "7", "LOCKSTEP_RATE": "2.5", "LOCKSTEP_EVENTS": "12", "LOCKSTEP_URL": "nats://h:1", "LOCKSTEP_CREDS": "f"}[name]
	}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if s.options.Seed != 9 || s.options.Rate != 2.5 || s.options.Events != 12 || s.url != "nats://h:1" || s.creds != "f" {
		t.Errorf("settings are %+v: flags come before variables, variables before defaults", s)
	}
}
