package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/registry"
)

// connections is how many clients ask at once, each on a connection of its own.
const connections = 16

// event is a schema of the size that events have, about 600 bytes; each n makes
// another one.
func event(n int) string {
	return fmt.Sprintf(`{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Order %d","type":"object",`+
		`"properties":{"order_id":{"type":"string","minLength":1},"customer":{"type":"object","properties":{"id":{"type":"string"},"email":{"type":"string","format":"email"}},"required":["id"]},`+
		`"lines":{"type":"array","items":{"type":"object","properties":{"sku":{"type":"string"},"quantity":{"type":"integer","minimum":1},"price":{"type":"number"}},"required":["sku","quantity"]}},`+
		`"status":{"enum":["new","paid","sent"]},"at":{"type":"string","format":"date-time"}},"required":["order_id","lines"]}`, n)
}

// BenchmarkAPI measures requests a second over HTTP, with the 50th and 99th
// percentile of how long one takes.
func BenchmarkAPI(b *testing.B) {
	s, r := serve(b)
	const subjects = 1000
	for i := range subjects {
		if _, err := r.Register(b.Context(), fmt.Sprintf("orders.order.s%d", i), registry.Schema{Type: registry.JSON, Text: event(i)}); err != nil {
			b.Fatal(err)
		}
	}
	var fresh atomic.Int64
	registration := func(n int) []byte {
		data, err := json.Marshal(map[string]string{"schemaType": "JSON", "schema": event(n)})
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	registrations := make([][]byte, subjects)
	for i := range registrations {
		registrations[i] = registration(i)
	}
	transport := &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, c := range []struct {
		name    string
		request func(i int) (method, path string, body []byte)
	}{
		{"ByID", func(i int) (string, string, []byte) {
			return http.MethodGet, fmt.Sprintf("/schemas/ids/%d", i%subjects+1), nil
		}},
		{"Latest", func(i int) (string, string, []byte) {
			return http.MethodGet, fmt.Sprintf("/subjects/orders.order.s%d/versions/latest", i%subjects), nil
		}},
		{"RegisterAgain", func(i int) (string, string, []byte) {
			return http.MethodPost, fmt.Sprintf("/subjects/orders.order.s%d/versions", i%subjects), registrations[i%subjects]
		}},
		{"RegisterNew", func(int) (string, string, []byte) {
			n := int(fresh.Add(1)) + subjects
			return http.MethodPost, fmt.Sprintf("/subjects/orders.order.n%d/versions", n), registration(n)
		}},
		{"CompatibilityAgain", func(i int) (string, string, []byte) {
			return http.MethodPost, fmt.Sprintf("/compatibility/subjects/orders.order.s%d/versions/latest", i%subjects), registrations[(i+1)%subjects]
		}},
		{"CompatibilityNew", func(i int) (string, string, []byte) {
			return http.MethodPost, fmt.Sprintf("/compatibility/subjects/orders.order.s%d/versions/latest", i%subjects), registration(int(fresh.Add(1)) + subjects)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var next atomic.Int64
			took := make([]time.Duration, b.N)
			var work sync.WaitGroup
			b.ResetTimer()
			for range connections {
				work.Go(func() {
					for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
						method, path, body := c.request(i)
						began := time.Now()
						request, err := http.NewRequestWithContext(b.Context(), method, s.URL+path, bytes.NewReader(body))
						if err != nil {
							b.Error(err)
							return
						}
						response, err := client.Do(request)
						if err != nil {
							b.Error(err)
							return
						}
						answer, err := io.ReadAll(response.Body)
						_ = response.Body.Close()
						if err != nil || response.StatusCode != http.StatusOK {
							b.Errorf("%s %s: %d %s %v", method, path, response.StatusCode, answer, err)
							return
						}
						took[i] = time.Since(began)
					}
				})
			}
			work.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
