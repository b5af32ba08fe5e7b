package route_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Guards against a destination that holds up the others: while the egress stream
// of one is full, another's gets every event; and once there is room, the one
// that was stuck goes on where it was, in both ways of writing.
func TestStuckDestinationHoldsUpNoOther(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%v", durable), func(t *testing.T) {
			o := newOrigin(t)
			other, err := o.js.Stream(t.Context(), wire.EgressStream("orders", "staging"))
			if err != nil {
				t.Fatal(err)
			}
			stuck := other.CachedInfo().Config
			stuck.Name = wire.EgressStream("orders", "testing")
			for i, subject := range stuck.Subjects {
				stuck.Subjects[i] = strings.Replace(subject, "staging", "testing", 1)
			}
			stuck.SubjectTransform.Source = strings.Replace(stuck.SubjectTransform.Source, "staging", "testing", 1)
			stuck.MaxMsgs, stuck.Discard = 20, jetstream.DiscardNew
			stream, err := o.js.CreateStream(t.Context(), stuck)
			if err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{"testing", "staging"} {
				r, err := route.Start(route.Config{
					From: "production", To: to, Domain: "orders", Policy: "testers@0", Masker: o.masker,
					Catalog: o.catalog, Conn: o.conn, Durable: durable, Logger: zerolog.Nop(),
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(r.Close)
				if to == "testing" {
					defer func() {
						if s := r.Status(); s.State != route.StateRunning {
							t.Errorf("the route that was stuck: %+v", s)
						}
					}()
				}
			}
			var last uint64
			for i := range 300 {
				last = o.put(t, eventType, fmt.Sprintf(`{"order_id":"o-%d","serial":%d}`, i%10, i), nil)
			}
			o.exactly(t, last)
			if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs > 20 {
				t.Fatalf("%+v, %v", info, err)
			}
			stuck.MaxMsgs = -1
			if stream, err = o.js.UpdateStream(t.Context(), stuck); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() string {
				info, err := stream.Info(t.Context())
				if err != nil {
					return err.Error()
				}
				m, err := stream.GetMsg(t.Context(), info.State.LastSeq)
				if err != nil || m.Header.Get(wire.HeaderOriginSequence) != strconv.FormatUint(last, 10) {
					return fmt.Sprintf("the route that was stuck is not through: %+v, %v", m, err)
				}
				return ""
			})
			next := 1
			for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
				m, err := stream.GetMsg(t.Context(), seq)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(m.Subject, wire.KindWatermark) {
					continue
				}
				if m.Header.Get(wire.HeaderOriginSequence) != strconv.Itoa(next) {
					t.Fatalf("message %d is of event %s, not %d", seq, m.Header.Get(wire.HeaderOriginSequence), next)
				}
				next++
			}
			if next != 301 {
				t.Errorf("%d events crossed", next-1)
			}
		})
	}
}
