package gate_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/node"
)

const benchSchema = `{
	"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["order_id","customer","lines","total","currency","placed_at"],"x-lockstep-key":["/order_id"],
	"properties":{
		"order_id":{"type":"string","format":"uuid","x-lockstep-class":"uuid"},
		"customer":{"type":"object","required":["id","email"],"properties":{
			"id":{"type":"string","pattern":"^cus_[0-9a-z]{10}$","x-lockstep-class":"id"},
			"email":{"type":"string","format":"email","x-lockstep-class":"email"},
			"name":{"type":"string","maxLength":120,"x-lockstep-class":"person-name"},
			"phone":{"type":["string","null"],"x-lockstep-class":"phone"}}},
		"lines":{"type":"array","minItems":1,"items":{"type":"object","required":["sku","quantity","price"],"properties":{
			"sku":{"type":"string","x-lockstep-class":"public"},"quantity":{"type":"integer","minimum":1,"x-lockstep-class":"public"},
			"price":{"type":"number","multipleOf":0.01,"x-lockstep-class":"public"},"gift":{"type":"boolean"}}}},
		"total":{"type":"number","x-lockstep-class":"public"},"currency":{"enum":["EUR","USD","GBP"]},"status":{"enum":["placed","paid","shipped"]},
		"placed_at":{"type":"string","format":"date-time","x-lockstep-class":"internal"},"note":{"type":"string","x-lockstep-class":"text"}}}`

const benchEvent = `{"order_id":"5f2c1c1e-7a8d-4b7e-9d6a-2f8a1f0c9b11","customer":{"id":"cus_8f3k2m9x1a","email":"ada.lovelace@example.org","name":"Ada Lovelace","phone":"+49 30 901820"},` +
	`"lines":[{"sku":"A-1001","quantity":2,"price":19.99,"gift":false},{"sku":"B-7","quantity":1,"price":4.5},{"sku":"C-12-XL","quantity":10,"price":0.35,"gift":true}],` +
	`"total":47.98,"currency":"EUR","status":"placed","placed_at":"2026-03-01T10:15:00Z","note":"Please ring twice; the bell of the third floor is broken."}`

// side is one of the two things that a benchmark compares.
type side struct {
	js      jetstream.JetStream
	subject string
}

// sides are the same client once through the gate and once straight into a
// stream of the same server.
func sides(b *testing.B, durability node.Durability) (governed, raw side) {
	b.Helper()
	const pending = 4096
	e := newBench(b, func(c *node.Config) { c.Durability = durability })
	e.register(b, "orders.order.measured", benchSchema)
	if _, err := e.inside.CreateStream(b.Context(), jetstream.StreamConfig{Name: "RAW", Subjects: []string{"raw.>"}, Storage: jetstream.FileStorage, AllowDirect: true}); err != nil {
		b.Fatal(err)
	}
	open := func(nc *nats.Conn, err error) jetstream.JetStream {
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(nc.Close)
		js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(pending))
		if err != nil {
			b.Fatal(err)
		}
		return js
	}
	governed = side{open(nats.Connect(e.node.ClientURL(), nats.UserCredentials(e.node.ApplicationCredentials()))), "orders.order.measured"}
	raw = side{open(e.node.Connect("raw")), "raw.order.measured"}
	for _, s := range []side{governed, raw} {
		s.async(b, 1000)
	}
	return governed, raw
}

// async publishes n events without waiting for each, and gives events a second.
func (s side) async(b *testing.B, n int) float64 {
	b.Helper()
	data := []byte(benchEvent)
	start := time.Now()
	var last jetstream.PubAckFuture
	for range n {
		f, err := s.js.PublishAsync(s.subject, data, jetstream.WithStallWait(10*time.Second))
		if err != nil {
			b.Fatal(err)
		}
		last = f
	}
	<-s.js.PublishAsyncComplete()
	select {
	case err := <-last.Err():
		b.Fatal(err)
	case <-last.Ok():
	}
	return float64(n) / time.Since(start).Seconds()
}

// sync has each of several publishers wait for its acknowledgement, and gives
// events a second and the times of single publishes.
func (s side) sync(b *testing.B, publishers int, d time.Duration) (float64, []time.Duration) {
	b.Helper()
	data := []byte(benchEvent)
	var all []time.Duration
	var mu sync.Mutex
	var work sync.WaitGroup
	start := time.Now()
	for range publishers {
		work.Go(func() {
			var times []time.Duration
			for time.Since(start) < d {
				t := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				_, err := s.js.Publish(ctx, s.subject, data)
				cancel()
				if err != nil {
					b.Error(err)
					return
				}
				times = append(times, time.Since(t))
			}
			mu.Lock()
			all = append(all, times...)
			mu.Unlock()
		})
	}
	work.Wait()
	return float64(len(all)) / time.Since(start).Seconds(), all
}

func median[T float64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkPublish compares one client that publishes without waiting. Run it
// with -benchtime=5x or more: each iteration is one pair of rounds.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		durability node.Durability
		governed   int
		raw        int
	}{{node.DurabilityInterval, 100_000, 100_000}, {node.DurabilityAlways, 60_000, 8_000}} {
		b.Run(string(c.durability), func(b *testing.B) {
			governed, raw := sides(b, c.durability)
			var g, r, ratio []float64
			for b.Loop() {
				r = append(r, raw.async(b, c.raw))
				g = append(g, governed.async(b, c.governed))
				ratio = append(ratio, g[len(g)-1]/r[len(r)-1])
			}
			b.ReportMetric(median(g), "governed/s")
			b.ReportMetric(median(r), "raw/s")
			b.ReportMetric(median(ratio), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkPublishers compares publishers that wait for each acknowledgement.
func BenchmarkPublishers(b *testing.B) {
	for _, durability := range []node.Durability{node.DurabilityInterval, node.DurabilityAlways} {
		for _, publishers := range []int{1, 8, 64, 512} {
			b.Run(fmt.Sprintf("%s/%d", durability, publishers), func(b *testing.B) {
				governed, raw := sides(b, durability)
				var g, r, ratio []float64
				var gt, rt, g99, r99, more []time.Duration
				for b.Loop() {
					rate, times := raw.sync(b, publishers, time.Second)
					r, rt, r99 = append(r, rate), append(rt, median(times)), append(r99, times[len(times)*99/100])
					rate, times = governed.sync(b, publishers, time.Second)
					g, gt, g99 = append(g, rate), append(gt, median(times)), append(g99, times[len(times)*99/100])
					ratio = append(ratio, g[len(g)-1]/r[len(r)-1])
					more = append(more, gt[len(gt)-1]-rt[len(rt)-1])
				}
				us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
				b.ReportMetric(median(g), "governed/s")
				b.ReportMetric(median(r), "raw/s")
				b.ReportMetric(median(ratio), "ratio")
				b.ReportMetric(us(median(gt)), "governed-p50-µs")
				b.ReportMetric(us(median(rt)), "raw-p50-µs")
				b.ReportMetric(us(median(more)), "more-p50-µs")
				b.ReportMetric(us(median(g99)), "governed-p99-µs")
				b.ReportMetric(us(median(r99)), "raw-p99-µs")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
