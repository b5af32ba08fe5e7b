package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// inside is a connection into the account of a running environment's streams, as an
// operator of its machine has it. The test ends it.
func inside(t *testing.T, data, environment, url string) jetstream.JetStream {
	t.Helper()
	nc, err := node.ConnectOperator(filepath.Join(data, environment), url, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// stored are the messages of a stream whose subjects begin so, in order.
func stored(t *testing.T, js jetstream.JetStream, stream, prefix string) []jetstream.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := js.Stream(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	if s.CachedInfo().State.Msgs == 0 {
		return nil
	}
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	var all []jetstream.Msg
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("read stream %s: %v", stream, err)
		}
		if strings.HasPrefix(m.Subject(), prefix) {
			all = append(all, m)
		}
		if standing(t, m).NumPending == 0 {
			return all
		}
	}
}

// standing is where a message stands in its stream.
func standing(t *testing.T, m jetstream.Msg) *jetstream.MsgMetadata {
	t.Helper()
	at, err := m.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// originSequence is the event's that a message is; 0 if it names none.
func originSequence(m jetstream.Msg) uint64 {
	n, err := strconv.ParseUint(m.Headers().Get(wire.HeaderOriginSequence), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// likeness is all of an event that its origin and its destination must agree on:
// not what the server adds, and not how it came.
func likeness(subject string, m jetstream.Msg) string {
	var all strings.Builder
	fmt.Fprintf(&all, "%s\n", subject)
	for _, name := range slices.Sorted(maps.Keys(m.Headers())) {
		switch name {
		case wire.HeaderRepair, wire.HeaderRestored, wire.HeaderCheckpoint:
			continue
		}
		if !strings.HasPrefix(name, "Nats-") {
			fmt.Fprintf(&all, "%s: %q\n", name, m.Headers()[name])
		}
	}
	fmt.Fprintf(&all, "%s", m.Data())
	return all.String()
}

// offered are the events that production's route of a domain to staging carried, by
// origin sequence.
func offered(t *testing.T, production jetstream.JetStream, domain string) map[uint64]string {
	t.Helper()
	all, prefix := map[uint64]string{}, wire.EgressSubject("staging", "")
	for _, m := range stored(t, production, wire.EgressStream(domain, "staging"), wire.EgressSubject("staging", wire.EventRoot+".")) {
		if m.Headers().Get(wire.HeaderRepair) != "" {
			continue // a copy
		}
		n := originSequence(m)
		if _, twice := all[n]; n == 0 || twice {
			t.Errorf("the route of %s carried event %d twice, or without its sequence", domain, n)
		}
		all[n] = likeness(strings.TrimPrefix(m.Subject(), prefix), m)
	}
	return all
}

// identical checks that staging has exactly those events that production's route of
// a domain carried, each once, and none of those in absent.
func identical(t *testing.T, production, staging jetstream.JetStream, domain string, absent map[uint64]bool) {
	t.Helper()
	want, wrong := offered(t, production, domain), 0
	report := func(format string, args ...any) {
		if wrong++; wrong <= 5 {
			t.Errorf("staging, domain "+domain+": "+format, args...)
		}
	}
	seen := map[uint64]bool{}
	for _, m := range stored(t, staging, wire.DomainStream(domain), wire.EventRoot+".") {
		n, is := originSequence(m), likeness(m.Subject(), m)
		switch {
		case absent[n]:
			report("event %d is here, and was lost: %s", n, is)
		case seen[n]:
			report("event %d is here twice", n)
		case want[n] != is:
			report("event %d is\n%s\nwas sent as\n%s", n, is, want[n])
		}
		seen[n] = true
	}
	for n := range want {
		if !seen[n] && !absent[n] {
			report("event %d is not here", n)
		}
	}
	if wrong > 5 {
		t.Errorf("staging, domain %s: %d differences in all, of %d events", domain, wrong, len(want))
	}
	if len(want) == 0 {
		t.Errorf("domain %s: nothing was carried, so nothing was compared", domain)
	}
}

// begun are the ids of the repairs that were begun in staging, in their order, and
// how many of them came to their end.
func begun(t *testing.T, staging jetstream.JetStream) (ids []uint64, ended int) {
	t.Helper()
	for _, m := range stored(t, staging, wire.AuditStream, wire.AuditSubject("staging", "ledger-repair")) {
		var r ledger.Record
		if err := json.Unmarshal(m.Data(), &r); err != nil {
			t.Fatal(err)
		}
		switch r.Phase {
		case "asked":
			ids = append(ids, standing(t, m).Sequence.Stream)
		case "done":
			ended++
		}
	}
	return ids, ended
}

// begins gives what waits until another repair begins in staging.
func begins(t *testing.T, staging jetstream.JetStream) (wait func()) {
	t.Helper()
	audit, err := staging.Stream(t.Context(), wire.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	before := audit.CachedInfo().State.LastSeq
	return func() {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
			m, err := audit.GetMsg(t.Context(), before+1, jetstream.WithGetMsgSubject(wire.AuditSubject("staging", "ledger-repair")))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			var r ledger.Record
			if err := json.Unmarshal(m.Data, &r); err != nil {
				t.Fatal(err)
			}
			if r.Phase == "asked" {
				return
			}
			before = m.Sequence
		}
		t.Fatal("no repair begins")
	}
}

// alter puts another message in the place of one, as a fault of the store or a hand
// in it would. It stands at the end of the stream then, like all that is published.
func alter(t *testing.T, js jetstream.JetStream, stream jetstream.Stream, m jetstream.Msg, header nats.Header, data []byte) {
	t.Helper()
	lose(t, stream, m)
	if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: wire.RestoreSubject(m.Subject()), Header: header, Data: data}); err != nil {
		t.Fatal(err)
	}
}

func lose(t *testing.T, stream jetstream.Stream, m jetstream.Msg) {
	t.Helper()
	if err := stream.DeleteMsg(t.Context(), standing(t, m).Sequence.Stream); err != nil {
		t.Fatal(err)
	}
}

// own is a message's header without what the server has added.
func own(m jetstream.Msg) nats.Header {
	header := nats.Header{}
	for name, values := range m.Headers() {
		if !strings.HasPrefix(name, "Nats-") {
			header[name] = values
		}
	}
	return header
}

// spoilt is data with a word in it.
func spoilt(data []byte, word string) []byte {
	return bytes.Replace(data, []byte("{"), []byte(`{"altered":"`+word+`",`), 1)
}
