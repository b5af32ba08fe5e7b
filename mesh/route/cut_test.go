package route_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// config is a route's configuration with a connection of its own, which the
// test may cut.
func (o *origin) config(t *testing.T, durable bool) (route.Config, *nats.Conn) {
	t.Helper()
	nc, err := o.node.Connect("cut", nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return route.Config{
		From: "production", To: "staging", Domain: "orders", Policy: "testers@0", Masker: o.masker,
		Catalog: o.catalog, Conn: nc, Durable: durable, Logger: zerolog.Nop(),
	}, nc
}

// cutter cuts a connection before the n-th step of a route, which ends that
// route as the end of its process would: what it has handed to the connection
// is on its way, and it does nothing more.
type cutter struct {
	nc *nats.Conn
	at int
	n  int
}

func (c *cutter) observe() {
	if c.n++; c.n == c.at {
		c.nc.Close()
	}
}

// Guards against loss and doubling when a route ends at any step of what it
// does, in both ways of writing: another route goes on from what stands in the
// egress stream.
func TestExactlyOnceWhicheverStepIsCut(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%v", durable), func(t *testing.T) {
			o := newOrigin(t)
			var last uint64
			for at := 1; ; at++ {
				for i := range 12 {
					data := fmt.Sprintf(`{"order_id":"o-%d","serial":%d}`, i, i)
					if i%5 == 4 {
						data = `{"serial":"no"}`
					}
					last = o.put(t, eventType, data, nil)
				}
				config, nc := o.config(t, durable)
				cut := &cutter{nc: nc, at: at}
				r, err := route.StartObserved(config, cut.observe)
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, func() string {
					if s := r.Status(); s.Checkpoint < last && !nc.IsClosed() {
						return fmt.Sprintf("cut at step %d: %+v", at, s)
					}
					return ""
				})
				r.Close()
				if !nc.IsClosed() {
					break // it got to the end of its work
				}
			}
			o.start(t)
			o.exactly(t, last)
			o.marked(t, 1)
		})
	}
}

// exactly waits for the egress stream to deal with all events, and fails if
// one is missing, doubled or out of place.
func (o *origin) exactly(t *testing.T, last uint64) {
	t.Helper()
	for i, m := range o.egress(t, last) {
		if m.Header.Get(wire.HeaderOriginSequence) != strconv.Itoa(i+1) {
			t.Fatalf("message %d is of event %s", i+1, m.Header.Get(wire.HeaderOriginSequence))
		}
	}
}

// Guards against a route that writes behind what another one wrote: of many
// routes that start at once, all alive, each event must come from one.
func TestRivalsWriteEachEventOnce(t *testing.T) {
	o := newOrigin(t)
	for _, durable := range []bool{false, true, false} {
		config, _ := o.config(t, durable)
		r, err := route.Start(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
	}
	var last uint64
	for i := range 1500 {
		last = o.put(t, eventType, fmt.Sprintf(`{"order_id":"o-%d","serial":%d}`, i%10, i), nil)
	}
	o.exactly(t, last)
	o.marked(t, 2)
}

// marked waits until the last message is a watermark, and checks all of them.
func (o *origin) marked(t *testing.T, least int) {
	t.Helper()
	eventually(t, func() string {
		messages := o.all(t)
		if n := len(messages); !strings.HasSuffix(messages[n-1].Subject, wire.KindWatermark) {
			return "the last message is no watermark"
		}
		return ""
	})
	checkChain(t, o.all(t), least)
}

// Guards against an event that waits for others: into an idle route, one alone
// must cross at once.
func TestOneEventAloneCrossesAtOnce(t *testing.T) {
	o := newOrigin(t)
	o.start(t)
	last := o.put(t, eventType, `{"order_id":"o","serial":0}`, nil)
	o.egress(t, last)
	var lags []time.Duration
	sub, err := o.conn.SubscribeSync("egress.staging.evt.>")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		time.Sleep(3 * time.Millisecond) // idle
		begin := time.Now()
		o.put(t, eventType, fmt.Sprintf(`{"order_id":"o","serial":%d}`, i), nil)
		if _, err := sub.NextMsg(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		lags = append(lags, time.Since(begin))
	}
	slices.Sort(lags)
	// A timer would hold up every event; a busy machine holds up some.
	if quick := lags[len(lags)/4]; quick > 15*time.Millisecond {
		t.Errorf("an event alone takes %s", quick)
	}
}
