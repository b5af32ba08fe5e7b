package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// killMesh is two environments that run as processes of their own, under
// addresses that stay the same when they are started again.
const killMesh = `environments:
  production:
    role: hub
    listen: {nats: "%s", leaf: "%s", registry: "127.0.0.1:0", http: "127.0.0.1:0"}
  staging:
    role: leaf
    hub: production
    listen: {nats: "%s", registry: "127.0.0.1:0", http: "127.0.0.1:0"}
domains:
  orders:
    owner: team-orders
    origins: [production]
    schemas: orders
routes:
  - {from: production, to: staging, domains: [orders], policy: testers}
policies:
  testers:
    classes:
      public: {technique: pass}
      email: {technique: token}
      id: {technique: token}
`

const killSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "x-lockstep-key": ["/order_id"],
  "properties": {
    "order_id": {"type": "string", "x-lockstep-class": "id"},
    "serial": {"type": "integer", "x-lockstep-class": "public"},
    "step": {"type": "integer", "x-lockstep-class": "public"},
    "email": {"type": "string", "format": "email", "x-lockstep-class": "email"}
  },
  "required": ["order_id", "serial", "step", "email"]
}`

// order is the event of this test: serial names it, step counts within a key.
type order struct {
	OrderID string `json:"order_id"`
	Serial  int    `json:"serial"`
	Step    int    `json:"step"`
	Email   string `json:"email"`
}

// number is an environment variable that makes the test longer, or its default.
func number(t *testing.T, name string, short int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Guards against loss, doubling and disorder when processes are killed between
// any two steps: whatever was acknowledged must reach staging once, in order.
// LOCKSTEP_KILL_EVENTS and LOCKSTEP_KILL_ROUNDS make it longer.
func TestKilledProcessesLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	events, rounds := number(t, "LOCKSTEP_KILL_EVENTS", 8000), number(t, "LOCKSTEP_KILL_ROUNDS", 4)
	const publishers = 4
	dir := t.TempDir()
	file := filepath.Join(dir, "mesh.yaml")
	natsProduction, natsStaging := freeAddress(t), freeAddress(t)
	write(t, file, fmt.Sprintf(killMesh, natsProduction, freeAddress(t), natsStaging))
	write(t, filepath.Join(dir, "orders", "order", "placed.schema.json"), killSchema)
	data := filepath.Join(dir, "data")
	start := func(environment string) *process {
		p, _ := serve(t, environment, file, data)
		return p
	}
	processes := map[string]*process{"production": start("production")}
	processes["staging"] = start("staging")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	credentials := filepath.Join(data, "production", "credentials", "application.creds")
	var acknowledged sync.Map
	var published, failed atomic.Int64
	var work sync.WaitGroup
	for worker := range publishers {
		work.Go(func() {
			conn, err := mesh.Connect(ctx, "nats://"+natsProduction, mesh.WithCredentials(credentials))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			publisher, err := mesh.NewPublisher[order](conn, "orders.order.placed", mesh.WithKey(func(o order) []string { return []string{o.OrderID} }))
			if err != nil {
				t.Error(err)
				return
			}
			for i := range events / publishers {
				key := i % 25
				o := order{OrderID: fmt.Sprintf("order-%d-%d", worker, key), Serial: worker*events + i, Step: i / 25, Email: fmt.Sprintf("p%d@corp.test", i)}
				for ctx.Err() == nil {
					if _, err = publisher.Publish(ctx, o, mesh.WithID(fmt.Sprintf("serial-%d", o.Serial))); err == nil {
						break
					}
					failed.Add(1)
					if mesh.CodeOf(err) == mesh.CodeRefused {
						t.Errorf("event %d was refused: %v", o.Serial, err)
						return
					}
				}
				acknowledged.Store(o.Serial, true)
				published.Add(1)
			}
		})
	}
	finished := make(chan struct{})
	go func() { work.Wait(); close(finished) }()
	for round := range rounds {
		victim := []string{"production", "staging"}[round%2]
		// Rounds are spread over the publishing, each at a moment of its own.
		threshold := int64((float64(round) + rand.Float64()) / float64(rounds) * float64(events))
		for published.Load() < threshold {
			select {
			case <-finished:
				threshold = 0
			case <-time.After(time.Millisecond):
			}
		}
		processes[victim].kill(t)
		processes[victim] = start(victim)
		t.Logf("round %d: %s was killed at %d events and is back", round+1, victim, published.Load())
	}
	<-finished
	if t.Failed() {
		return
	}
	t.Logf("%d events acknowledged, %d publishes tried again", published.Load(), failed.Load())

	nc := connect(t, "nats://"+natsStaging, filepath.Join(data, "staging", "credentials", "application.creds"))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.OrderedConsumer(ctx, "ORDERS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	seen, steps := map[int]bool{}, map[string]int{}
	deadline, stop := context.WithTimeout(ctx, 4*time.Minute)
	defer stop()
	for len(seen) < int(published.Load()) {
		m, err := messages.Next(jetstream.NextContext(deadline))
		if err != nil {
			t.Fatalf("%d of %d events are in staging: %v\nproduction:\n%s\nstaging:\n%s", len(seen), published.Load(), err, tail(processes["production"].log()), tail(processes["staging"].log()))
		}
		var o order
		if err := json.Unmarshal(m.Data(), &o); err != nil {
			t.Fatal(err)
		}
		if seen[o.Serial] {
			t.Errorf("event %d is in staging twice", o.Serial)
		}
		seen[o.Serial] = true
		if want := steps[o.OrderID]; o.Step != want {
			t.Errorf("key %s: step %d follows step %d", o.OrderID, o.Step, want-1)
		}
		steps[o.OrderID] = o.Step + 1
	}
	if m, err := messages.Next(jetstream.NextMaxWait(3 * time.Second)); err == nil {
		t.Errorf("more arrives than was acknowledged: %s", m.Data())
	}
	acknowledged.Range(func(serial, _ any) bool {
		if !seen[serial.(int)] { //nolint:forcetypeassert // the map holds nothing else
			t.Errorf("event %d was acknowledged and is not in staging", serial)
		}
		return true
	})
	if len(steps) != publishers*25 {
		t.Errorf("%d keys in staging, not %d: two keys became one, or one two", len(steps), publishers*25)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tail is the end of a log.
func tail(log string) string {
	return log[max(0, len(log)-4000):]
}
