package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// losses are the events that a vandal took out of staging.
type losses struct {
	mu      sync.Mutex
	certain map[uint64]bool // by origin sequence
	perhaps map[uint64]bool // the environment ended before it answered
}

// vandal takes a few events out of staging every so often, wherever they came from,
// but none of the last ones: those the server gets again itself when it is restarted.
func (l *losses) vandal(ctx context.Context, m *twoOf) {
	for ctx.Err() == nil {
		l.vandalise(ctx, m)
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// vandalise does so once, unless staging is away.
func (l *losses) vandalise(ctx context.Context, m *twoOf) {
	nc, err := node.ConnectOperator(filepath.Join(m.data, "staging"), "nats://"+m.staging, "test")
	if err != nil {
		return
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, wire.DomainStream("orders"))
	if err != nil || stream.CachedInfo().State.LastSeq < 100 {
		return
	}
	for range 1 + rand.IntN(6) {
		at := 1 + rand.Uint64N(stream.CachedInfo().State.LastSeq-50)
		message, err := stream.GetMsg(ctx, at)
		if err != nil {
			continue // it is lost already
		}
		n, err := strconv.ParseUint(message.Header.Get(wire.HeaderOriginSequence), 10, 64)
		if err != nil {
			continue
		}
		err = stream.DeleteMsg(ctx, at)
		l.mu.Lock()
		if err == nil {
			l.certain[n] = true
		} else {
			l.perhaps[n] = true
		}
		l.mu.Unlock()
	}
}

// flow publishes events until ctx ends, trying each until it is acknowledged, and
// gives how many there were.
func (m *twoOf) flow(ctx context.Context, t *testing.T, first int) int {
	conn, err := mesh.Connect(t.Context(), "nats://"+m.nats, mesh.WithCredentials(filepath.Join(m.data, "production", "credentials", "application.creds")))
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = conn.Close() }()
	publisher, err := mesh.NewPublisher[noted](conn, "orders.order.placed", mesh.WithKey(func(o noted) []string { return []string{o.OrderID} }))
	if err != nil {
		t.Error(err)
		return 0
	}
	n := 0
	for ; ctx.Err() == nil; n++ {
		o := noted{OrderID: fmt.Sprintf("order-%d", n%10), Serial: first + n, Email: fmt.Sprintf("person%d@corp.test", n%10)}
		for {
			_, err := publisher.Publish(t.Context(), o, mesh.WithID(fmt.Sprintf("serial-%d", o.Serial)))
			if err == nil {
				break
			}
			if mesh.CodeOf(err) == mesh.CodeRefused || t.Context().Err() != nil {
				t.Errorf("event %d: %v", o.Serial, err)
				return n
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	return n
}

// ask runs a command on staging's ledger, and gives what went wrong.
func (m *twoOf) ask(t *testing.T, args ...string) error {
	_, err := run(t, append(append([]string{"ledger"}, args...), "--data", m.data, "--mesh", m.file, "--by", "ann", "-o", "json")...)
	return err
}

// whole has staging repaired until an audit finds nothing.
func (m *twoOf) whole(t *testing.T) {
	t.Helper()
	var err error
	for range 10 {
		if err = m.ask(t, "repair"); err == nil {
			if err = m.ask(t, "audit"); err == nil {
				return
			}
		}
	}
	t.Fatalf("staging is not repaired: %v\nproduction:\n%s\nstaging:\n%s", err, tail(m.processes["production"].log()), tail(m.processes["staging"].log()))
}

// Guards against a repair that the end of a process leaves half done for good, done
// twice, or past undoing: events flow, some of them are lost in staging again and
// again, and it is repaired while production and staging are killed in turns. Then
// it can be made whole, and all of it can be undone, back to what was lost alone.
// LOCKSTEP_REPAIR_ROUNDS makes it longer.
func TestKilledWhileRepairing(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	rounds := number(t, "LOCKSTEP_REPAIR_ROUNDS", 4)
	m := startTwo(t, ruleOfNotes)
	m.publish(t, 0, 300, "")
	m.verified(t, 300, 0)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	lost := &losses{certain: map[uint64]bool{}, perhaps: map[uint64]bool{}}
	var work sync.WaitGroup
	var published int
	var repairs, cut atomic.Int64
	work.Go(func() { published = m.flow(ctx, t, 300) })
	work.Go(func() { lost.vandal(ctx, m) })
	work.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if i%2 == 0 { // or what a repair that was cut has left is taken up at once
				_ = m.ask(t, "audit") // it says so if anything differs, and fails with staging
			}
			if err := m.ask(t, "repair"); err != nil {
				cut.Add(1)
			}
			repairs.Add(1)
		}
	})
	for round := 0; round < rounds || cut.Load() == 0 && round < 5*rounds; round++ {
		begins(t, inside(t, m.data, "staging", "nats://"+m.staging))()
		time.Sleep(rand.N(30 * time.Millisecond)) // each at a moment of its own
		victim := []string{"production", "staging"}[round%2]
		m.processes[victim].kill(t)
		m.start(t, victim)
	}
	stop()
	work.Wait()
	if t.Failed() {
		return
	}
	m.whole(t)
	all := uint64(300 + published)
	m.verified(t, all, 0)
	production, staging := inside(t, m.data, "production", "nats://"+m.nats), inside(t, m.data, "staging", "nats://"+m.staging)
	identical(t, production, staging, "orders", nil)
	ids, ended := begun(t, staging)
	t.Logf("%d events, %d lost, %d repairs asked for, of which %d failed; %d begun, %d ended", all, len(lost.certain), repairs.Load(), cut.Load(), len(ids), ended)
	if len(ids) == 0 || cut.Load() == 0 || len(lost.certain) == 0 {
		t.Fatal("nothing was lost, or no repair was cut: the test proves nothing")
	}

	slices.Reverse(ids)
	for _, id := range ids {
		m.run(t, 0, nil, "ledger", "undo", strconv.FormatUint(id, 10), "--by", "ann")
	}
	// What was perhaps lost is lost, or not.
	here := map[uint64]bool{}
	for _, e := range stored(t, staging, wire.DomainStream("orders"), wire.EventRoot+".") {
		here[originSequence(e)] = true
	}
	for n := range lost.perhaps {
		if !here[n] {
			lost.certain[n] = true
		}
	}
	identical(t, production, staging, "orders", lost.certain)
	var found struct {
		Domains []ledger.Findings `json:"domains"`
	}
	m.run(t, 10, &found, "ledger", "audit", "--by", "ann")
	if r := found.Domains[0].Report; r.Missing != uint64(len(lost.certain)) || r.Duplicates+r.OutOfOrder+r.Strays+r.Replaced != 0 || r.Problem != "" {
		t.Errorf("%d events are missing, and the audit says %+v", len(lost.certain), r)
	}
	m.whole(t)
	m.verified(t, all, 0)
	identical(t, production, staging, "orders", nil)
}
