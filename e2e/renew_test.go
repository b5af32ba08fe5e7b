package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// take has a durable consumer give all that is there for it, by origin sequence, each
// with the key that it was last masked with.
func take(t *testing.T, c jetstream.Consumer) map[uint64]string {
	t.Helper()
	keys := map[uint64]string{}
	for {
		batch, err := c.Fetch(500, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for msg := range batch.Messages() {
			keys[originSequence(msg)] = msg.Headers().Get(wire.HeaderKeyID)
			if err := msg.Ack(); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			t.Fatal(err)
		}
		if n == 0 {
			return keys
		}
	}
}

// Guards against a rotation after which a destination's history cannot be brought
// under the new key, wholly and once: keys are rotated and the history is masked anew,
// again and again, while events flow and production and staging are killed in turns.
// At the end staging holds every event once, all under the last key, verified, and a
// consumer of before has met them all again. LOCKSTEP_RENEW_ROUNDS makes it longer.
func TestKilledWhileRenewing(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	rounds := number(t, "LOCKSTEP_RENEW_ROUNDS", 4)
	m := startTwo(t, "")
	m.publish(t, 0, 200, "")
	m.publish(t, 200, 100, "private") // no rule for it: these are withheld
	m.verified(t, 300, 100)
	staging := inside(t, m.data, "staging", "nats://"+m.staging)
	durable, err := staging.CreateConsumer(t.Context(), wire.DomainStream("orders"), jetstream.ConsumerConfig{Durable: "billing", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	if met := take(t, durable); len(met) != 200 {
		t.Fatalf("the consumer met %d events", len(met))
	}
	write(t, m.file, m.text+ruleOfNotes)
	m.run(t, 0, nil, "key", "reload")
	m.run(t, 1, nil, "mask", "renew", "--to", "staging") // it says what it would do
	m.run(t, 1, nil, "mask", "renew", "--to", "testing", "--yes")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work sync.WaitGroup
	var published int
	work.Go(func() { published = m.flow(ctx, t, 300) })
	var keys struct {
		Keys []struct{ ID, State string } `json:"keys"`
	}
	var answer struct {
		Routes []struct {
			Generation uint64 `json:"generation"`
			Key        string `json:"key"`
		} `json:"routes"`
	}
	for round := range rounds {
		m.run(t, 0, &keys, "key", "rotate", "--yes")
		m.run(t, 0, &answer, "mask", "renew", "--to", "staging", "--yes", "--by", "ann")
		if len(answer.Routes) != 1 || answer.Routes[0].Generation != uint64(round)+2 || answer.Routes[0].Key != keys.Keys[0].ID {
			t.Fatalf("the renewal: %+v; the keys: %+v", answer, keys)
		}
		time.Sleep(rand.N(200 * time.Millisecond)) // each at a moment of its own
		victim := []string{"production", "staging"}[round%2]
		m.processes[victim].kill(t)
		m.start(t, victim)
	}
	stop()
	work.Wait()
	if t.Failed() {
		return
	}
	all := 300 + published
	m.verifiedIn(t, uint64(rounds)+1, uint64(all), 0)
	for person, tokens := range m.exactlyOnce(t, all) {
		if len(tokens) != 1 {
			t.Errorf("person %s has %d tokens: some are of a former key", person, len(tokens))
		}
	}
	production := inside(t, m.data, "production", "nats://"+m.nats)
	staging = inside(t, m.data, "staging", "nats://"+m.staging)
	identical(t, production, staging, "orders", nil)
	for _, e := range stored(t, staging, wire.DomainStream("orders"), wire.EventRoot+".") {
		if e.Headers().Get(wire.HeaderKeyID) != keys.Keys[0].ID {
			t.Fatalf("event %d is under key %s, not %s", originSequence(e), e.Headers().Get(wire.HeaderKeyID), keys.Keys[0].ID)
		}
	}
	if durable, err = staging.Consumer(t.Context(), wire.DomainStream("orders"), "billing"); err != nil {
		t.Fatal(err)
	}
	met := take(t, durable)
	for n, key := range met {
		if key != keys.Keys[0].ID {
			t.Errorf("the consumer met event %d under key %s last", n, key)
			break
		}
	}
	if len(met) != all {
		t.Errorf("the consumer met %d of %d events again", len(met), all)
	}
	var waiting struct {
		Withheld struct{ Total int } `json:"withheld"`
	}
	m.run(t, 0, &waiting, "quarantine", "list")
	if waiting.Withheld.Total != 0 {
		t.Errorf("%d events are said to be withheld still", waiting.Withheld.Total)
	}
	for _, key := range keys.Keys[1:] {
		if key.State == "retiring" {
			m.run(t, 0, nil, "key", "destroy", key.ID, "--yes")
		}
	}
	m.run(t, 0, nil, "ledger", "audit", "--env", "staging", "--by", "ann")
	t.Logf("%d events, masked %d times", all, rounds+1)
}
