package ledger_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// withReleases is what a route writes for 20 events, one in five withheld, that
// releases the events 10 and 5 later, and one more event.
func withReleases(t *testing.T) []*nats.Msg {
	t.Helper()
	messages := sent(20)
	var last ledger.Watermark
	if err := json.Unmarshal(messages[len(messages)-1].Data, &last); err != nil {
		t.Fatal(err)
	}
	segment := ledger.NewSegment("ORDERS@1", 21, last.Chain)
	for _, sequence := range []uint64{10, 5} {
		messages = append(messages, release(t, segment, sequence)...)
	}
	next := &nats.Msg{
		Subject: wire.StoredSubject("production", "orders.order.placed"),
		Header:  nats.Header{wire.HeaderOriginSequence: {"21"}, wire.HeaderMasked: {"2"}}, Data: []byte(`{"n":21}`),
	}
	segment.Add(21, next.Subject, next.Header, next.Data)
	return append(messages, next, closing(t, segment))
}

// release is what a route writes when it releases an event.
func release(t *testing.T, segment *ledger.Segment, sequence uint64) []*nats.Msg {
	t.Helper()
	subject := wire.StoredSubject("production", "orders.order.placed")
	h := nats.Header{
		wire.HeaderOriginSequence: {strconv.FormatUint(sequence, 10)}, wire.HeaderMasked: {"2"},
		wire.HeaderReleased: {"2026-01-02T03:04:05Z"}, wire.HeaderCheckpoint: {"20"},
	}
	data := fmt.Appendf(nil, `{"n":%d}`, sequence)
	r := ledger.Released{OriginSequence: sequence, Digest: ledger.EventDigest(sequence, subject, h, data)}
	segment.AddRelease(r)
	body, err := ledger.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return []*nats.Msg{
		{Subject: subject, Header: h, Data: data},
		{Subject: wire.LedgerSubject("production", "orders", wire.KindReleased), Header: nats.Header{wire.HeaderOriginSequence: h[wire.HeaderOriginSequence]}, Data: body},
	}
}

// closing is the watermark that a route writes behind a segment.
func closing(t *testing.T, segment *ledger.Segment) *nats.Msg {
	t.Helper()
	body, err := ledger.Encode(segment.Watermark())
	if err != nil {
		t.Fatal(err)
	}
	return &nats.Msg{Subject: wire.LedgerSubject("production", "orders", wire.KindWatermark), Data: body}
}

// Guards against a released event that is taken for a duplicate, or that counts
// without being the one that was sent, once, and withheld before.
func TestVerifierAcceptsAReleaseOnce(t *testing.T) {
	event := func(messages []*nats.Msg, sequence uint64) int {
		return slices.IndexFunc(messages, func(m *nats.Msg) bool {
			return isEvent(m, sequence) && m.Header.Get(wire.HeaderReleased) != ""
		})
	}
	for _, c := range []struct {
		name   string
		change func([]*nats.Msg) []*nats.Msg
		want   ledger.Report
	}{
		{
			"as sent", func(m []*nats.Msg) []*nats.Msg { return m },
			ledger.Report{VerifiedTo: 21, Delivered: 19, Withheld: 2, Released: 2, MaskedFields: 38},
		},
		{
			"the ledger's records come first", func(m []*nats.Msg) []*nats.Msg {
				slices.SortStableFunc(m, func(a, b *nats.Msg) int {
					return strings.Compare(b.Subject[:3], a.Subject[:3]) // led before evt
				})
				return m
			},
			ledger.Report{VerifiedTo: 21, Delivered: 19, Withheld: 2, Released: 2, MaskedFields: 38},
		},
		{
			"a released event comes twice", func(m []*nats.Msg) []*nats.Msg { return slices.Insert(m, event(m, 5), m[event(m, 5)]) },
			ledger.Report{VerifiedTo: 21, Delivered: 19, Withheld: 2, Released: 2, MaskedFields: 38, Duplicates: 1},
		},
		{
			"a released event comes again at the end", func(m []*nats.Msg) []*nats.Msg { return append(m, m[event(m, 5)]) },
			ledger.Report{VerifiedTo: 21, Delivered: 19, Withheld: 2, Released: 2, MaskedFields: 38, Duplicates: 1},
		},
		{
			"another comes again in the place of a released event that is sound", func(m []*nats.Msg) []*nats.Msg {
				is := m[event(m, 5)]
				other := &nats.Msg{Subject: is.Subject, Header: nats.Header{wire.HeaderRepair: {"2026-01-02T03:04:05Z"}}, Data: []byte(`{}`)}
				maps.Copy(other.Header, is.Header)
				next := &nats.Msg{Subject: is.Subject, Header: nats.Header{wire.HeaderOriginSequence: {"22"}}, Data: []byte(`{"n":22}`)}
				return append(m, next, other)
			},
			ledger.Report{VerifiedTo: 21, Delivered: 20, Withheld: 2, Released: 2, MaskedFields: 38, Duplicates: 1},
		},
		{
			"a released event is altered", func(m []*nats.Msg) []*nats.Msg { m[event(m, 5)].Data = []byte(`{}`); return m },
			ledger.Report{VerifiedTo: 20, Delivered: 19, Withheld: 2, Released: 2, MaskedFields: 38, Mismatches: 1},
		},
		{
			"a released event is missing", func(m []*nats.Msg) []*nats.Msg {
				later := &nats.Msg{Subject: m[0].Subject, Header: nats.Header{wire.HeaderOriginSequence: {"22"}}, Data: []byte(`{"n":22}`)}
				return append(slices.Delete(m, event(m, 5), event(m, 5)+1), later)
			},
			ledger.Report{VerifiedTo: 20, Delivered: 19, Withheld: 3, Released: 1, MaskedFields: 36, Missing: 1, Mismatches: 1},
		},
		{
			"the record of a release is forged away", func(m []*nats.Msg) []*nats.Msg { return slices.Delete(m, event(m, 5)+1, event(m, 5)+2) },
			ledger.Report{VerifiedTo: 20, Delivered: 18, Withheld: 3, Released: 1, MaskedFields: 38, Mismatches: 1},
		},
		{
			"what was not withheld is released", func(m []*nats.Msg) []*nats.Msg {
				return slices.DeleteFunc(m, func(m *nats.Msg) bool {
					return m.Subject == wire.LedgerSubject("production", "orders", wire.KindWithheld) && isEvent(m, 5)
				})
			},
			ledger.Report{VerifiedTo: 0, Delivered: 18, Withheld: 2, Released: 1, MaskedFields: 38, Mismatches: 2},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			js := destination(t)
			v := ledger.Verify(js, "production", "orders", zerolog.Nop())
			defer v.Close()
			for _, m := range c.change(withReleases(t)) {
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
