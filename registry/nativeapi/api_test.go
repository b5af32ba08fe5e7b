package nativeapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/nativeapi"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/presence"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a view over the stream that is there, or over a new one.
func open(t testing.TB, js jetstream.JetStream, create bool) *registry.Registry {
	t.Helper()
	if create {
		if err := store.Create(t.Context(), js, store.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	log, err := store.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func book(t testing.TB, js jetstream.JetStream, options presence.Options) *presence.Book {
	t.Helper()
	b, err := presence.Open(t.Context(), js, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// on runs the API over a registry's view.
func on(t testing.TB, r *registry.Registry, options ...nativeapi.Option) (*httptest.Server, *nativeapi.API) {
	t.Helper()
	api, err := nativeapi.New(r, append([]nativeapi.Option{nativeapi.WithVersion("1.2.3")}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(api)
	t.Cleanup(func() {
		api.Close()
		s.Close()
	})
	return s, api
}

// serve runs the API over a registry of its own.
func serve(t testing.TB) (*httptest.Server, *registry.Registry) {
	t.Helper()
	js := natstest.Start(t).Connect()
	r := open(t, js, true)
	s, _ := on(t, r, nativeapi.WithPresence(book(t, js, presence.Options{Environment: "production"})))
	return s, r
}

// send sends a request and reads the answer.
func send(t testing.TB, s *httptest.Server, method, path, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(answer)
}

var changing = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)

// sampled is what package sample makes, which is its own to test.
var sampled = regexp.MustCompile(`"sample":\{[^}]*\}`)

// tidy is an answer without its times, indented.
func tidy(answer string) string {
	answer = sampled.ReplaceAllString(changing.ReplaceAllString(answer, "TIME"), `"sample":"SAMPLE"`)
	var out bytes.Buffer
	if json.Indent(&out, []byte(answer), "", "  ") == nil {
		return strings.TrimSpace(out.String())
	}
	return strings.TrimSpace(answer)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Fatalf("%s differs from line %d on (run with -update, and look at the difference):\n- %s\n+ %s", file, i+1, strings.Join(a[min(i, len(a)):min(i+3, len(a))], "\n- "), strings.Join(b[min(i, len(b)):min(i+3, len(b))], "\n+ "))
		}
	}
}

// story uses every operation, in an order in which each finds what it needs.
const story = `
GET /api/v1/registry
GET /api/v1/subjects
POST /api/v1/subjects/orders.order.placed/versions {"schema":{"type":"object","properties":{"id":{"type":"string"},"total":{"type":"integer","minimum":0}},"required":["id"]},"state":"draft","properties":{"owner":"checkout"}}
GET /api/v1/subjects/orders.order.placed/versions/latest
GET /api/v1/subjects/orders.order.placed/versions/1
PUT /api/v1/subjects/orders.order.placed/versions/1/state {"state":"retired"}
PUT /api/v1/subjects/orders.order.placed/versions/1/state {"state":"active"}
PUT /api/v1/subjects/orders.order.placed/about {"team":"checkout","contact":"#checkout","description":"Somebody ordered."}
POST /api/v1/subjects/orders.order.placed/check {"schema":{"type":"object","properties":{"id":{"type":"string"},"total":{"type":"integer","minimum":1}},"required":["id"]}}
POST /api/v1/subjects/orders.order.placed/versions {"schema":{"type":"object","properties":{"id":{"type":"string"},"total":{"type":"integer","minimum":1}},"required":["id"]}}
POST /api/v1/subjects/orders.order.placed/check {"schema":"{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"total\":{\"type\":\"integer\",\"minimum\":0},\"note\":{\"type\":\"string\"}},\"required\":[\"id\"]}","against":1}
POST /api/v1/subjects/orders.order.placed/versions {"schema":"{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"total\":{\"type\":\"integer\",\"minimum\":0},\"note\":{\"type\":\"string\"}},\"required\":[\"id\"]}"}
GET /api/v1/subjects/orders.order.placed/diff
GET /api/v1/subjects/orders.order.placed/diff?from=2&to=1
GET /api/v1/subjects/orders.order.placed/diff?to=1
GET /api/v1/subjects/orders.order.placed/versions/latest/sample
PUT /api/v1/subjects/orders.order.placed/versions/1/state {"state":"deprecated","reason":"version 2 has a note"}
GET /api/v1/subjects/orders.order.placed
GET /api/v1/subjects/orders.order.placed/versions?state=deprecated
GET /api/v1/subjects?prefix=orders.&team=checkout&state=deprecated&limit=1
PUT /api/v1/subjects/orders.order.placed/consumers/billing {"version":2}
PUT /api/v1/subjects/orders.order.placed/consumers/billing {}
PUT /api/v1/subjects/orders.order.placed/consumers/shop {"version":1,"role":"producer","environment":"edge-berlin"}
PUT /api/v1/subjects/orders.order.placed/consumers/billing {"version":7}
PUT /api/v1/subjects/orders.order.cancelled/consumers/billing {"version":1}
GET /api/v1/subjects/orders.order.placed/consumers
GET /api/v1/subjects/orders.order.placed/consumers?version=2
GET /api/v1/consumers/shop
GET /api/v1/subjects/orders.order.placed/history
DELETE /api/v1/subjects/orders.order.placed/versions/1?permanent=true
DELETE /api/v1/subjects/orders.order.placed/versions/1
DELETE /api/v1/subjects/orders.order.placed/versions/1?permanent=true
GET /api/v1/subjects/orders.order.placed/versions?deleted=true
POST /api/v1/subjects/a%2Fb%20%C3%A9.%2E/versions {"schema":true}
GET /api/v1/subjects/a%2Fb%20%C3%A9.%2E/versions/1
DELETE /api/v1/subjects/orders.order.placed
GET /api/v1/subjects
GET /api/v1/changes?after=0&follow=false&prefix=a
GET /api/v1/registry
`

// Guards against an answer that changes under those who read it, and against an
// operation that nothing tries: each is played, well and wrongly, and the answers
// are compared with those that were looked at and kept.
func TestStory(t *testing.T) {
	s, _ := serve(t)
	var got bytes.Buffer
	tried := map[string]bool{}
	operations := operationsOf(t, s)
	for line := range strings.Lines(story) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		method, rest, _ := strings.Cut(line, " ")
		path, body, _ := strings.Cut(rest, " ")
		status, header, answer := send(t, s, method, path, body, "X-Lockstep-Author", "ada")
		fmt.Fprintf(&got, "> %s\n%d %s\n%s\n", line, status, header.Get("Content-Type"), tidy(answer))
		if status < 300 {
			for id, matches := range operations {
				if matches(method, path) {
					tried[id] = true
				}
			}
		}
		if revision := header.Get("X-Lockstep-Revision"); (status == 200 && method != http.MethodGet && !strings.Contains(path, "/check")) != (revision != "") {
			t.Errorf("%s: status %d with revision %q", line, status, revision)
		}
	}
	for id := range operations {
		if !tried[id] {
			t.Errorf("operation %s is never tried with success", id)
		}
	}
	golden(t, "story.golden", got.Bytes())
}

// operationsOf are the document's operations, each with whether a request is one.
func operationsOf(t *testing.T, s *httptest.Server) map[string]func(method, path string) bool {
	t.Helper()
	_, _, answer := send(t, s, http.MethodGet, "/openapi.json", "")
	var document struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		}
	}
	if err := json.Unmarshal([]byte(answer), &document); err != nil {
		t.Fatal(err)
	}
	out := map[string]func(string, string) bool{}
	for path, methods := range document.Paths {
		pattern := regexp.MustCompile("^" + regexp.MustCompile(`\\\{[^/]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + `(\?.*)?$`)
		for method, op := range methods {
			out[op.ID] = func(m, p string) bool { return strings.EqualFold(m, method) && pattern.MatchString(p) }
		}
	}
	return out
}
