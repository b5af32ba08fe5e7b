package ledger_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// destination is a server with the streams of a destination, into which a test
// puts what would arrive there.
func destination(t *testing.T) jetstream.JetStream {
	t.Helper()
	s, err := server.NewServer(&server.Options{Port: -1, Host: "127.0.0.1", JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"ORDERS": "evt.>", wire.LedgerStream: "ledger.>"} {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	return js
}

// sent is what a route writes for the events from 1 to n, one in five of them
// withheld, with a watermark after every ten.
func sent(n uint64) []*nats.Msg { return more(1, n, ledger.Digest{}) }

// more is the same for the events from one to another, behind a chain.
func more(from, to uint64, chain ledger.Digest) []*nats.Msg {
	const stream = "ORDERS@1"
	var messages []*nats.Msg
	segment := ledger.NewSegment(stream, from, chain)
	for seq := from; seq <= to; seq++ {
		m := &nats.Msg{
			Subject: wire.StoredSubject("production", "orders.order.placed"), Data: fmt.Appendf(nil, `{"n":%d}`, seq),
			Header: nats.Header{
				wire.HeaderOriginSequence: {strconv.FormatUint(seq, 10)}, wire.HeaderMasked: {"2"},
				wire.HeaderStoredAt: {time.Now().Add(-time.Millisecond).UTC().Format(time.RFC3339Nano)},
			},
		}
		if seq%5 == 0 {
			m.Subject = wire.LedgerSubject("production", "orders", wire.KindWithheld)
			m.Data, _ = ledger.Encode(ledger.Withheld{OriginSequence: seq, Code: "policy"})
		}
		segment.Add(seq, m.Subject, m.Header, m.Data)
		messages = append(messages, m)
		if (seq-from)%10 == 9 {
			w := segment.Watermark()
			body, _ := ledger.Encode(w)
			messages = append(messages, &nats.Msg{Subject: wire.LedgerSubject("production", "orders", wire.KindWatermark), Data: body})
			segment = ledger.NewSegment(stream, seq+1, w.Chain)
		}
	}
	return messages
}

func isEvent(m *nats.Msg, seq uint64) bool {
	return m.Header.Get(wire.HeaderOriginSequence) == strconv.FormatUint(seq, 10)
}

// Guards against a destination that calls itself complete when it is not, and
// against one that cries wolf: each way in which what arrived can differ from
// what was sent must be found, in its own count.
func TestVerifierFindsEveryDifference(t *testing.T) {
	index := func(messages []*nats.Msg, seq uint64) int {
		return slices.IndexFunc(messages, func(m *nats.Msg) bool { return isEvent(m, seq) })
	}
	cases := []struct {
		name   string
		change func([]*nats.Msg) []*nats.Msg
		want   ledger.Report
	}{
		{
			"identical", func(m []*nats.Msg) []*nats.Msg { return m },
			ledger.Report{VerifiedTo: 100, Delivered: 80, Withheld: 20, MaskedFields: 160},
		},
		{
			"an event is missing", func(m []*nats.Msg) []*nats.Msg { return slices.Delete(m, index(m, 42), index(m, 42)+1) },
			ledger.Report{VerifiedTo: 40, Delivered: 79, Withheld: 20, MaskedFields: 158, Missing: 1, Mismatches: 1},
		},
		{
			"an event is altered", func(m []*nats.Msg) []*nats.Msg {
				m[index(m, 42)].Data = []byte(`{"n":43}`)
				return m
			},
			ledger.Report{VerifiedTo: 40, Delivered: 80, Withheld: 20, MaskedFields: 160, Mismatches: 1},
		},
		{
			"a header is altered", func(m []*nats.Msg) []*nats.Msg {
				m[index(m, 42)].Header.Set(wire.HeaderCEID, "other")
				return m
			},
			ledger.Report{VerifiedTo: 40, Delivered: 80, Withheld: 20, MaskedFields: 160, Mismatches: 1},
		},
		{
			"an event comes twice", func(m []*nats.Msg) []*nats.Msg { return slices.Insert(m, index(m, 43), m[index(m, 42)]) },
			ledger.Report{VerifiedTo: 100, Delivered: 80, Withheld: 20, MaskedFields: 160, Duplicates: 1},
		},
		{
			"an old event comes again at the end", func(m []*nats.Msg) []*nats.Msg { return append(m, m[index(m, 1)]) },
			ledger.Report{VerifiedTo: 100, Delivered: 80, Withheld: 20, MaskedFields: 160, Duplicates: 1},
		},
		{
			"two events change places", func(m []*nats.Msg) []*nats.Msg {
				i, j := index(m, 42), index(m, 43)
				m[i], m[j] = m[j], m[i]
				return m
			},
			ledger.Report{VerifiedTo: 40, Delivered: 79, Withheld: 20, MaskedFields: 158, OutOfOrder: 1, Missing: 1, Mismatches: 1},
		},
		{
			"a marker is forged away", func(m []*nats.Msg) []*nats.Msg { return slices.Delete(m, index(m, 45), index(m, 45)+1) },
			ledger.Report{VerifiedTo: 40, Delivered: 80, Withheld: 19, MaskedFields: 160, Mismatches: 1},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			js := destination(t)
			v := ledger.Verify(js, "production", "orders", zerolog.Nop())
			defer v.Close()
			for _, m := range c.change(sent(100)) {
				if _, err := js.PublishMsg(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			c.want.Origin, c.want.Domain = "production", "orders"
			var got ledger.Report
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				got = v.Report()
				got.Lags = nil
				if equal(got, c.want) {
					return
				}
			}
			t.Errorf("reported %+v\n     not %+v", got, c.want)
		})
	}
}

func equal(a, b ledger.Report) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// Guards against a digest that two different segments share: every part of a
// message counts, and none can be moved into its neighbour.
func TestDigestCoversEverything(t *testing.T) {
	digest := func(seq uint64, subject string, h nats.Header, data string) ledger.Digest {
		s := ledger.NewSegment("ORDERS@1", 1, ledger.Digest{})
		s.Add(seq, subject, h, []byte(data))
		return s.Watermark().Digest
	}
	const subject = "evt.production.orders.order.placed"
	seen := map[ledger.Digest]string{}
	for name, d := range map[string]ledger.Digest{
		"plain":          digest(1, subject, nil, "ab"),
		"sequence":       digest(2, subject, nil, "ab"),
		"subject":        digest(1, subject+".a", nil, "b"),
		"data":           digest(1, subject, nil, "abc"),
		"header":         digest(1, subject, nats.Header{wire.HeaderCEID: {"x"}}, "ab"),
		"another header": digest(1, subject, nats.Header{wire.HeaderCESource: {"x"}}, "ab"),
		"empty":          digest(1, subject, nil, ""),
	} {
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[d] = name
	}
}
