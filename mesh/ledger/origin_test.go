package ledger_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// repairable gives a destination the streams as they are where events can be
// repaired.
func repairable(t *testing.T) jetstream.JetStream {
	t.Helper()
	js := destination(t)
	for _, c := range []jetstream.StreamConfig{
		{
			Name: "ORDERS", Subjects: []string{"evt.>", "restore.>"},
			SubjectTransform: &jetstream.SubjectTransformConfig{Source: "restore.>", Destination: ">"},
		},
		{Name: wire.RemovedStream, Subjects: []string{wire.RemovedRoot + ".>"}},
		{Name: wire.AuditStream, Subjects: []string{wire.AuditRoot + ".>"}},
	} {
		if _, err := js.CreateOrUpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return js
}

// origin answers as an origin does that has sent messages: what it writes arrives
// in the destination's streams at once.
type origin struct {
	t       *testing.T
	js      jetstream.JetStream
	events  map[uint64]*nats.Msg // by origin sequence; of a released one what was released
	records []*nats.Msg
	sent    int           // how often it was asked for events
	mute    atomic.Bool   // it does not send again what it is asked for
	unheard chan struct{} // gets something for each such request
	twice   bool          // it writes each event twice, as if a repair that was cut had asked, too
}

func newOrigin(t *testing.T, js jetstream.JetStream, sent []*nats.Msg) *origin {
	t.Helper()
	o := &origin{t: t, js: js, unheard: make(chan struct{}, 100)}
	o.renew(sent)
	sub, err := js.Conn().Subscribe(wire.AskSubject("production", "*", "*"), o.answer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	return o
}

// renew has the origin answer as one that has sent other messages.
func (o *origin) renew(sent []*nats.Msg) {
	o.events, o.records = map[uint64]*nats.Msg{}, nil
	for _, m := range sent {
		if strings.HasPrefix(m.Subject, wire.LedgerRoot) {
			o.records = append(o.records, m)
			continue
		}
		o.events[sequenceOf(m)] = m
	}
}

func sequenceOf(m *nats.Msg) uint64 {
	var f wire.Fields
	f.Take(m.Header)
	return f.Number(wire.HeaderOriginSequence)
}

func (o *origin) answer(m *nats.Msg) {
	var written ledger.Written
	switch {
	case strings.HasSuffix(m.Subject, wire.VerbLeaves):
		var q ledger.LeavesRequest
		o.must(json.Unmarshal(m.Data, &q))
		written.To = o.leaves(q)
	case o.mute.Load():
		o.unheard <- struct{}{}
		return
	default:
		var q ledger.ResendRequest
		o.must(json.Unmarshal(m.Data, &q))
		o.sent++
		for _, sequence := range q.Sequences {
			is := o.events[sequence]
			again := &nats.Msg{Subject: is.Subject, Data: is.Data, Header: nats.Header{wire.HeaderRepair: {"2026-01-02T03:04:05Z"}}}
			for name, values := range is.Header {
				again.Header[name] = values
			}
			copies := 1
			if o.twice {
				copies = 2
			}
			for range copies {
				_, err := o.js.PublishMsg(o.t.Context(), again)
				o.must(err)
			}
			written.Sequences = append(written.Sequences, sequence)
		}
	}
	body, err := json.Marshal(written)
	o.must(err)
	o.must(m.Respond(body))
}

func (o *origin) must(err error) {
	if err != nil && o.t.Context().Err() == nil {
		o.t.Error(err)
	}
}

// leaves writes what segments are made of, and says up to where.
func (o *origin) leaves(q ledger.LeavesRequest) uint64 {
	var all []ledger.Leaf
	for sequence, m := range o.events {
		if m.Header.Get(wire.HeaderReleased) == "" {
			all = append(all, ledger.Leaf{Sequence: sequence, Digest: ledger.EventDigest(sequence, m.Subject, m.Header, m.Data)})
		}
	}
	for _, m := range o.records {
		if strings.HasSuffix(m.Subject, wire.KindWithheld) {
			n := sequenceOf(m)
			all = append(all, ledger.Leaf{Sequence: n, Withheld: true, Digest: ledger.EventDigest(n, m.Subject, m.Header, m.Data)})
		}
	}
	slices.SortFunc(all, func(a, b ledger.Leaf) int { return int(a.Sequence) - int(b.Sequence) })
	var releases []ledger.Released
	to, segments := uint64(0), 0
	begun, before := q.After == ledger.Digest{}, ledger.Digest{}
	for _, m := range o.records {
		switch {
		case strings.HasSuffix(m.Subject, wire.KindReleased):
			var r ledger.Released
			o.must(json.Unmarshal(m.Data, &r))
			releases = append(releases, r)
		case strings.HasSuffix(m.Subject, wire.KindWatermark):
			l := ledger.Leaves{Releases: releases}
			releases = nil
			o.must(json.Unmarshal(m.Data, &l.Watermark))
			if begun = begun || q.After == before; !begun || max(l.To, l.From) < q.From || l.From > q.To || segments == 2 { // as if it did only two at once
				before = l.Chain
				continue
			}
			before = l.Chain
			for _, leaf := range all {
				if leaf.Sequence >= l.From && leaf.Sequence <= l.To {
					l.Leaves = append(l.Leaves, leaf)
				}
			}
			body, err := json.Marshal(l)
			o.must(err)
			_, err = o.js.Publish(o.t.Context(), wire.LedgerSubject("production", "orders", wire.KindLeaves), body)
			o.must(err)
			to = l.To
			segments++
		}
	}
	return to
}

// contents are the messages of the domain's stream, in no order, without what
// repairs and undos leave on them.
func contents(t *testing.T, js jetstream.JetStream) []string {
	t.Helper()
	stream, err := js.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for at := uint64(1); at <= stream.CachedInfo().State.LastSeq; at++ {
		m, err := stream.GetMsg(t.Context(), at)
		if err != nil {
			continue
		}
		m.Header.Del(wire.HeaderRepair)
		m.Header.Del(wire.HeaderRestored)
		all = append(all, describe(m.Subject, m.Header, m.Data))
	}
	slices.Sort(all)
	return all
}

// differ says what one of two sorted lists has and the other has not.
func differ(t *testing.T, got, want []string) {
	t.Helper()
	for _, s := range got {
		if i, is := slices.BinarySearch(want, s); is {
			want = slices.Delete(slices.Clone(want), i, i+1)
		} else {
			t.Errorf("the stream holds what it should not: %s", s)
		}
	}
	for _, s := range want {
		t.Errorf("the stream does not hold %s", s)
	}
}

func describe(subject string, header nats.Header, data []byte) string {
	if header == nil {
		header = nats.Header{}
	}
	head, _ := json.Marshal(header)
	return fmt.Sprintf("%s %s %s", subject, head, data)
}

// wanted are the events that an origin has sent, as contents gives them.
func (o *origin) wanted() []string {
	var all []string
	for _, m := range o.events {
		all = append(all, describe(m.Subject, m.Header, m.Data))
	}
	slices.Sort(all)
	return all
}
