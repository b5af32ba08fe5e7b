package gate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/gate"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

func always(c *node.Config) { c.Durability = node.DurabilityAlways }

var durabilities = map[string]func(*node.Config){"always": always, "interval": nil}

// order is an event that says who published it, and as which of its own.
func order(who string, n int) []byte {
	return fmt.Appendf(nil, `{"order_id":%q,"total":%d}`, who, n)
}

// stored are the events of a stream, by sequence.
func (b *bench) stored(t testing.TB) map[uint64]jetstream.RawStreamMsg {
	t.Helper()
	s, err := b.inside.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint64]jetstream.RawStreamMsg{}
	consumer, err := b.inside.OrderedConsumer(t.Context(), "ORDERS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for n := int(s.CachedInfo().State.Msgs); len(out) < n; {
		batch, err := consumer.Fetch(min(n-len(out), 1000), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				t.Fatal(err)
			}
			out[meta.Sequence.Stream] = jetstream.RawStreamMsg{Subject: m.Subject(), Header: m.Headers(), Data: m.Data()}
		}
		if batch.Error() != nil {
			t.Fatal(batch.Error())
		}
	}
	return out
}

func (b *bench) async(t testing.TB, pending int) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(b.app, jetstream.WithPublishAsyncMaxPending(pending))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// outcome waits for the answer to one asynchronous publish.
func outcome(t testing.TB, f jetstream.PubAckFuture) (*jetstream.PubAck, error) {
	t.Helper()
	select {
	case ack := <-f.Ok():
		return ack, nil
	case err := <-f.Err():
		return nil, err
	case <-time.After(30 * time.Second):
		t.Fatal("a publish was never answered")
		return nil, nil
	}
}

// Guards against acknowledgements of a batch that get to the wrong publishers,
// and against order lost between single messages and batches: each event must
// be where its acknowledgement says.
func TestGroupCommitAcknowledgesEachEventWithItsOwnSequence(t *testing.T) {
	b := newBench(t, always)
	const n = 5000
	js := b.async(t, n)
	futures := make([]jetstream.PubAckFuture, n)
	for i := range n {
		var err error
		if futures[i], err = js.PublishAsync("orders.order.placed", order("o", i), jetstream.WithMsgID(fmt.Sprint("m", i))); err != nil {
			t.Fatal(err)
		}
		if i == n/2 { // a pause, so that singles follow batches
			<-js.PublishAsyncComplete()
		}
	}
	<-js.PublishAsyncComplete()
	stored, last := b.stored(t), uint64(0)
	for i, f := range futures {
		ack, err := outcome(t, f)
		if err != nil {
			t.Fatal(err)
		}
		if ack.Stream != "ORDERS" || ack.Domain != "production" || ack.Duplicate || ack.Sequence <= last {
			t.Fatalf("event %d, after sequence %d, is acknowledged as %+v", i, last, ack)
		}
		last = ack.Sequence
		if m := stored[ack.Sequence]; !bytes.Equal(m.Data, order("o", i)) || m.Header.Get(wire.HeaderMsgID) != fmt.Sprint("m", i) {
			t.Fatalf("at sequence %d, that of event %d, is %s", ack.Sequence, i, m.Data)
		}
	}
	if s := b.gate.Stats(); len(stored) != n || s.Stored != n || s.Batched < n/2 || s.Batches == 0 || s.Waiting != 0 {
		t.Errorf("%d stored, counted %+v", len(stored), s)
	}
}

// Guards against an acknowledgement out of a batch that another client reads
// otherwise than JetStream's own: it must be the same to the byte.
func TestAcknowledgementIsJetStreamsToTheByte(t *testing.T) {
	b := newBench(t, always)
	inbox := b.app.NewInbox()
	answers, err := b.app.SubscribeSync(inbox + ".*")
	if err != nil {
		t.Fatal(err)
	}
	const n = 500
	for i := range n {
		if err := b.app.PublishRequest("orders.order.placed", fmt.Sprint(inbox, ".", i), order("o", i)); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		m, err := answers.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var ack jetstream.PubAck
		if err := json.Unmarshal(m.Data, &ack); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"stream":"ORDERS","domain":"production","seq":%d}`, ack.Sequence); string(m.Data) != want {
			t.Fatalf("the answer is %s, not %s", m.Data, want)
		}
	}
	if b.gate.Stats().Batches == 0 {
		t.Error("nothing was committed as a batch")
	}
}

// Guards against a duplicate, for which the server refuses a batch whole,
// taking its neighbours with it or being stored again, also when the gate
// cannot know of it because another one stored the first.
func TestDuplicatesDoNotHurtTheirNeighbours(t *testing.T) {
	b := newBench(t, always)
	first := map[string]uint64{}
	publish := func(js jetstream.JetStream, ids []string) {
		t.Helper()
		futures := make([]jetstream.PubAckFuture, len(ids))
		for i, id := range ids {
			var err error
			if futures[i], err = js.PublishAsync("orders.order.placed", order(id, i), jetstream.WithMsgID(id)); err != nil {
				t.Fatal(err)
			}
		}
		for i, f := range futures {
			ack, err := outcome(t, f)
			if err != nil {
				t.Fatalf("%s: %v", ids[i], err)
			}
			before, again := first[ids[i]]
			if ack.Duplicate != again || again && ack.Sequence != before {
				t.Fatalf("%s, first at %d, is acknowledged as %+v", ids[i], before, ack)
			}
			if !again {
				first[ids[i]] = ack.Sequence
			}
		}
	}
	ids := func(from, to, every int) []string {
		var out []string
		for i := from; i < to; i++ {
			out = append(out, fmt.Sprint("m", i))
			if every > 0 && i%every == 0 {
				out = append(out, fmt.Sprint("m", i), fmt.Sprint("m", i/2))
			}
		}
		return out
	}
	js := b.async(t, 4000)
	publish(js, ids(0, 1500, 100))
	if err := b.gate.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.gate = b.startGate(t, b.config)
	publish(js, append(append(ids(1500, 2100, 0), "m7", "m1400"), ids(2100, 2600, 0)...))
	if stored := b.stored(t); len(stored) != 2600 {
		t.Errorf("%d events stored, not 2600", len(stored))
	}
}

// Guards against everything at once: many publishers, some that wait and some
// that don't, with refusals, duplicates, expectations and headers among valid
// events, over both durabilities. Whatever is acknowledged is stored once, where
// the acknowledgement says; what is refused is not; each publisher's order stays.
func TestManyPublishers(t *testing.T) {
	for name, change := range durabilities {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, change)
			round := 0
			rapid.Check(t, func(rt *rapid.T) {
				round++
				publishers := rapid.IntRange(1, 40).Draw(rt, "publishers")
				sizes := rapid.SliceOfN(rapid.IntRange(1, 120), publishers, publishers).Draw(rt, "sizes")
				waits := rapid.SliceOfN(rapid.IntRange(0, 30), publishers, publishers).Draw(rt, "waits")
				kinds := rapid.SliceOfN(rapid.IntRange(0, 40), 50, 50).Draw(rt, "kinds")
				var work sync.WaitGroup
				results := make([]error, publishers)
				acks := make([]map[uint64]int, publishers)
				for p := range publishers {
					work.Go(func() {
						acks[p], results[p] = publishSome(t, b, fmt.Sprintf("r%d-p%d", round, p), sizes[p], waits[p], kinds)
					})
				}
				work.Wait()
				stored := b.stored(t)
				mine := 0
				for p := range publishers {
					if results[p] != nil {
						rt.Fatal(results[p])
					}
					for sequence, n := range acks[p] {
						if m := stored[sequence]; !bytes.Equal(m.Data, order(fmt.Sprintf("r%d-p%d", round, p), n)) {
							rt.Fatalf("at sequence %d, that of event %d of publisher %d, is %s", sequence, n, p, m.Data)
						}
					}
					mine += len(acks[p])
				}
				there, highest := 0, map[string]int{}
				for sequence := uint64(1); sequence <= uint64(len(stored)); sequence++ {
					var o struct {
						ID    string `json:"order_id"`
						Total int
					}
					if err := json.Unmarshal(stored[sequence].Data, &o); err != nil {
						rt.Fatal(err)
					}
					if !bytes.HasPrefix([]byte(o.ID), fmt.Appendf(nil, "r%d-", round)) {
						continue
					}
					there++
					if before, ok := highest[o.ID]; ok && o.Total <= before {
						rt.Fatalf("event %d of %s is stored after event %d", o.Total, o.ID, before)
					}
					highest[o.ID] = o.Total
				}
				if there != mine {
					rt.Fatalf("%d events stored, %d acknowledged", there, mine)
				}
			})
		})
	}
}

// publishSome publishes n events, of kinds, waiting after every wait-th (never
// if zero), and gives the sequences under which they were acknowledged.
func publishSome(t *testing.T, b *bench, who string, n, wait int, kinds []int) (map[uint64]int, error) {
	js := b.async(t, 200)
	type sent struct {
		n      int
		kind   int
		future jetstream.PubAckFuture
	}
	acks, ids := map[uint64]int{}, map[string]uint64{}
	var open []sent
	settle := func() error {
		for _, s := range open {
			ack, err := outcome(t, s.future)
			switch {
			case s.kind <= 2: // not valid, or expects what is not
				var api *jetstream.APIError
				if !errors.As(err, &api) {
					return fmt.Errorf("event %d of %s should have been refused: %+v, %w", s.n, who, ack, err)
				}
			case err != nil:
				return fmt.Errorf("event %d of %s: %w", s.n, who, err)
			case s.kind == 3: // again with the id of event 0
				if first, ok := ids[who]; ok != ack.Duplicate || ok && first != ack.Sequence {
					return fmt.Errorf("event %d of %s, published first as %d: %+v", s.n, who, first, ack)
				}
				if !ack.Duplicate {
					ids[who] = ack.Sequence
					acks[ack.Sequence] = s.n
				}
			case ack.Duplicate:
				return fmt.Errorf("event %d of %s is taken for a duplicate", s.n, who)
			default:
				acks[ack.Sequence] = s.n
			}
		}
		open = open[:0]
		return nil
	}
	for i := range n {
		m := &nats.Msg{Subject: "orders.order.placed", Data: order(who, i), Header: nats.Header{}}
		kind := kinds[i%len(kinds)]
		switch kind {
		case 0:
			m.Data = []byte(`{"bad":true}`)
		case 1:
			m.Header.Set("Nats-Expected-Last-Sequence", "1099511627776")
		case 2:
			m.Header.Set("Nats-Expected-Stream", "PAYMENTS")
		case 3:
			m.Header.Set(wire.HeaderMsgID, who)
		case 4:
			m.Header.Set("Nats-Expected-Stream", "ORDERS")
		case 5, 6:
			m.Header.Set(wire.HeaderMsgID, fmt.Sprint(who, "-", i))
		case 7:
			m.Subject += "." + who
		}
		f, err := js.PublishMsgAsync(m, jetstream.WithStallWait(20*time.Second), jetstream.WithRetryAttempts(0))
		if err != nil {
			return nil, err
		}
		open = append(open, sent{i, kind, f})
		if wait > 0 && i%wait == 0 {
			if err := settle(); err != nil {
				return nil, err
			}
		}
	}
	return acks, settle()
}

// Guards against a stream that takes no batches bringing the gate to a halt.
func TestStreamThatRefusesBatches(t *testing.T) {
	b := newBench(t, always)
	s, err := b.inside.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	config := s.CachedInfo().Config
	config.AllowAtomicPublish = false
	if _, err := b.inside.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	const n = 300
	js := b.async(t, n)
	for i := range n {
		if _, err := js.PublishAsync("orders.order.placed", order("o", i)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	stored := b.stored(t)
	for i := range n {
		if m := stored[uint64(i+1)]; !bytes.Equal(m.Data, order("o", i)) {
			t.Fatalf("at sequence %d is %s", i+1, m.Data)
		}
	}
	if b.gate.Stats().Batches != 0 {
		t.Error("a batch was committed")
	}
}

// Guards against publishers that hang, or events that are acknowledged and lost,
// when the stream goes away under the gate, and against a gate that does not
// recover when it is back.
func TestStreamThatGoesAway(t *testing.T) {
	for name, change := range durabilities {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, change)
			s, err := b.inside.Stream(t.Context(), "ORDERS")
			if err != nil {
				t.Fatal(err)
			}
			config := s.CachedInfo().Config
			js := b.async(t, 2000)
			var futures []jetstream.PubAckFuture
			for i := range 2000 {
				f, err := js.PublishAsync("orders.order.placed", order("o", i), jetstream.WithRetryAttempts(0))
				if err != nil {
					t.Fatal(err)
				}
				futures = append(futures, f)
				if i == 1000 {
					if err := b.inside.DeleteStream(t.Context(), "ORDERS"); err != nil {
						t.Fatal(err)
					}
				}
			}
			failed := 0
			for _, f := range futures {
				if _, err := outcome(t, f); err != nil {
					failed++
				}
			}
			if failed == 0 {
				t.Error("all events were acknowledged")
			}
			if _, err := b.inside.CreateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			if _, err := b.js.Publish(t.Context(), "orders.order.placed", order("o", 1)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Guards against a gate that hangs, or keeps goroutines, when the server ends
// under it in the middle of batches.
func TestServerThatStops(t *testing.T) {
	b := newBench(t, always)
	js := b.async(t, 5000)
	for i := range 5000 {
		if _, err := js.PublishAsync("orders.order.placed", order("o", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.node.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := b.gate.Close(ctx); err != nil {
		t.Errorf("with nobody to answer: %v", err)
	}
}

// Guards against Close losing what it has taken: every publish must be answered,
// by an acknowledgement that holds or by there being no gate.
func TestCloseAnswersWhatItTook(t *testing.T) {
	for name, change := range durabilities {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, change)
			js := b.async(t, 10_000)
			var futures []jetstream.PubAckFuture
			for i := range 6000 {
				f, err := js.PublishAsync("orders.order.placed", order("o", i), jetstream.WithRetryAttempts(0))
				if err != nil {
					t.Fatal(err)
				}
				futures = append(futures, f)
				if i == 3000 {
					go func() { _ = b.gate.Close(context.Background()) }()
				}
			}
			var sequences []uint64
			for _, f := range futures {
				ack, err := outcome(t, f)
				if err == nil {
					sequences = append(sequences, ack.Sequence)
				} else if !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, nats.ErrNoResponders) {
					t.Fatal(err)
				}
			}
			stored := b.stored(t)
			if len(stored) != len(sequences) {
				t.Errorf("%d acknowledged, %d stored", len(sequences), len(stored))
			}
			if s := b.gate.Stats(); s.Stored != uint64(len(stored)) || s.Waiting != 0 {
				t.Errorf("counted %+v with %d stored", s, len(stored))
			}
		})
	}
}

// Guards against two gates of one environment that store an event twice or lose
// one, or reorder those of a publisher that waits.
func TestTwoGatesShareTheLoad(t *testing.T) {
	for name, change := range durabilities {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, change)
			second := b.startGate(t, b.config)
			const publishers, each = 40, 25
			var work sync.WaitGroup
			for p := range publishers {
				work.Go(func() {
					last := uint64(0)
					for i := range each {
						id := fmt.Sprintf("p%d-%d", p, i)
						for again := range 2 { // the second time, perhaps to the other gate
							ack, err := b.js.Publish(t.Context(), "orders.order.placed", order(fmt.Sprint("p", p), i), jetstream.WithMsgID(id))
							if err != nil {
								t.Error(err)
								return
							}
							if ack.Duplicate != (again == 1) || again == 0 && ack.Sequence <= last {
								t.Errorf("%s after sequence %d: %+v", id, last, ack)
								return
							}
							last = ack.Sequence
						}
					}
				})
			}
			work.Wait()
			if stored := b.stored(t); len(stored) != publishers*each {
				t.Errorf("%d events stored, not %d", len(stored), publishers*each)
			}
			deadline := time.Now().Add(5 * time.Second)
			for b.gate.Stats().Waiting+second.Stats().Waiting > 0 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			one, two := b.gate.Stats().Stored, second.Stats().Stored
			if one == 0 || two == 0 || one+two != 2*publishers*each {
				t.Errorf("one gate took %d, the other %d", one, two)
			}
		})
	}
}

// Guards against many refused events slowing or hurting valid ones, and against
// refusals that are not kept in quarantine.
func TestRefusedEventsDoNotHurtTheirNeighbours(t *testing.T) {
	b := newBench(t, always)
	const n = 3000
	js := b.async(t, n)
	var futures []jetstream.PubAckFuture
	for i := range n {
		data := order("o", i)
		if i%3 != 0 {
			data = fmt.Appendf(nil, `{"order_id":"o","total":-%d}`, i)
		}
		f, err := js.PublishAsync("orders.order.placed", data)
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
	}
	for i, f := range futures {
		_, err := outcome(t, f)
		if i%3 == 0 {
			if err != nil {
				t.Fatalf("event %d: %v", i, err)
			}
		} else if api := refusal(t, err); int(api.ErrorCode) != gate.CodeInvalid {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	if stored, kept := b.count(t, "ORDERS"), b.count(t, wire.QuarantineStream); stored != n/3 || kept != n-n/3 {
		t.Errorf("%d stored, %d in quarantine", stored, kept)
	}
}
