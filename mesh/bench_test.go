package mesh_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// padded is an order of about 500 bytes.
type padded struct {
	ID   string `json:"id"`
	Note string `json:"note"`
}

var event = padded{ID: "o-1", Note: strings.Repeat("x", 470)}

func benchPublisher(b *testing.B, opts ...mesh.PublisherOption) (*mesh.Publisher[padded], jetstream.JetStream) {
	b.Helper()
	s := startServer(b)
	js := s.admin()
	ungoverned(b, js)
	p, err := mesh.NewPublisher[padded](connect(b, s), "orders.order.created", opts...)
	if err != nil {
		b.Fatal(err)
	}
	return p, js
}

func BenchmarkPublish(b *testing.B) {
	p, _ := benchPublisher(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Publish(b.Context(), event); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPublishRaw is what BenchmarkPublish compares to: nats.go alone, with
// the same bytes and a message id.
func BenchmarkPublishRaw(b *testing.B) {
	_, js := benchPublisher(b)
	data := []byte(`{"id":"o-1","note":"` + event.Note + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := js.PublishMsg(b.Context(), rawMsg(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func rawMsg(data []byte) *nats.Msg {
	return &nats.Msg{Subject: "orders.order.created", Data: data, Header: nats.Header{nats.MsgIdHdr: {nats.NewInbox()}}}
}

func BenchmarkPublishAsync(b *testing.B) {
	for _, o := range []mesh.Order{mesh.OrderAll, mesh.OrderAny} {
		b.Run(o.String(), func(b *testing.B) {
			p, _ := benchPublisher(b, mesh.WithMaxInFlight(4096), mesh.WithOrder(o))
			b.ReportAllocs()
			var last *mesh.Future
			for b.Loop() {
				f, err := p.PublishAsync(b.Context(), event)
				if err != nil {
					b.Fatal(err)
				}
				last = f
			}
			if err := p.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			if _, err := last.Receipt(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkPublishAsyncRaw(b *testing.B) {
	s := startServer(b)
	ungoverned(b, s.admin())
	nc, err := nats.Connect(s.url())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		b.Fatal(err)
	}
	data := []byte(`{"id":"o-1","note":"` + event.Note + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := js.PublishMsgAsync(rawMsg(data)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

func BenchmarkSubscribe(b *testing.B) {
	for _, o := range []mesh.Order{mesh.OrderAny, mesh.OrderKey, mesh.OrderAll} {
		b.Run(o.String(), func(b *testing.B) {
			const n = 2000
			s := startServer(b)
			ungoverned(b, s.admin())
			c := connect(b, s)
			store(b, c, n, "a", "b", "c", "d")
			b.ResetTimer()
			for range b.N {
				var handled atomic.Int32
				done := make(chan struct{})
				sub := subscribe(b, c, mesh.SubscribeConfig{Durable: nats.NewInbox()[7:], Order: o}, func(context.Context, mesh.Event[order]) error {
					if handled.Add(1) == n {
						close(done)
					}
					return nil
				})
				<-done
				b.StopTimer()
				_ = sub.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/event")
		})
	}
}
