package nativeapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/httpapi"
	"github.com/lockstep-mesh/lockstep/registry/nativeapi"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/presence"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

// stream is a stream of changes that is being read.
type stream struct {
	t     *testing.T
	lines chan string
	stop  context.CancelFunc
}

func follow(t *testing.T, s *httptest.Server, query string, headers ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/changes"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.Client().Do(request) //nolint:bodyclose // whoever reads it closes it
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	r := &stream{t: t, lines: make(chan string, 1000), stop: cancel}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(r.lines)
		defer response.Body.Close()
		scanner := bufio.NewScanner(response.Body)
		for scanner.Scan() {
			r.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return r
}

// next is the next event; ok is false at the end of the stream.
func (r *stream) next() (id string, e nativeapi.Event, ok bool) {
	r.t.Helper()
	for {
		select {
		case line, more := <-r.lines:
			if !more {
				return id, e, false
			}
			if value, is := strings.CutPrefix(line, "id: "); is {
				id = value
			}
			if value, is := strings.CutPrefix(line, "data: "); is {
				if err := json.Unmarshal([]byte(value), &e); err != nil {
					r.t.Fatal(err)
				}
				return id, e, true
			}
		case <-time.After(10 * time.Second):
			r.t.Fatal("no event came")
		}
	}
}

func register(t *testing.T, r *registry.Registry, subject string, n int) {
	t.Helper()
	if _, err := r.Register(t.Context(), subject, registry.Schema{Type: registry.JSON, Text: fmt.Sprintf(`{"type":"object","title":"%d"}`, n), Author: "ada"}); err != nil {
		t.Fatal(err)
	}
}

// Guards against a stream that misses a change, or gives one twice, when it is
// connected again; and against one that does not end.
func TestChanges(t *testing.T) {
	js := natstest.Start(t).Connect()
	r := open(t, js, true)
	s, api := on(t, r)
	register(t, r, "orders.a", 1)
	register(t, r, "other.b", 1)
	live := follow(t, s, "")
	all := follow(t, s, "?after=0")
	only := follow(t, s, "?after=0&prefix=orders.")
	again := follow(t, s, "", "Last-Event-ID", "1")
	register(t, r, "orders.a", 2)
	if _, err := r.SetState(t.Context(), "orders.a", 1, registry.Deprecated, "old", "grace"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		stream *stream
		want   []string
	}{
		{"live", live, []string{"3", "4"}},
		{"from the beginning", all, []string{"1", "2", "3", "4"}},
		{"of a domain", only, []string{"1", "3", "4"}},
		{"connected again", again, []string{"2", "3", "4"}},
	} {
		for _, want := range c.want {
			id, e, ok := c.stream.next()
			if !ok || id != want || fmt.Sprint(e.Revision) != want {
				t.Errorf("%s: %q %+v, want %s", c.name, id, e, want)
			}
			if want == "4" && (e.Kind != "state" || e.State != "deprecated" || e.Author != "grace" || e.Reason != "old" || e.Version != 1 || e.Text == "") {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
	}
	api.Close()
	for _, open := range []*stream{live, all, only, again} {
		if _, e, ok := open.next(); ok {
			t.Errorf("after closing came %+v", e)
		}
	}
	if status, header, answer := send(t, s, http.MethodGet, "/api/v1/changes", ""); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("a stream of a closed API: %d %s", status, answer)
	}
}

// Guards against a filtering client that, connected again, begins far back: while
// there is nothing for it, it is told how far all was looked at.
func TestChangesTellHowFar(t *testing.T) {
	js := natstest.Start(t).Connect()
	r := open(t, js, true)
	for i := range 5 {
		register(t, r, "other", i)
	}
	s, _ := on(t, r, nativeapi.WithHeartbeat(5*time.Millisecond))
	f := follow(t, s, "?after=0&subject=mine")
	for line := range f.lines {
		if line == "id: 5" {
			break
		}
	}
	f.stop()
	_, _, answer := send(t, s, http.MethodGet, "/api/v1/changes?after=3&follow=false&subject=mine", "")
	if !strings.HasSuffix(answer, "id: 5\n\n") || strings.Contains(answer, "data:") {
		t.Errorf("without following: %q", answer)
	}
}

// Guards against a stream that is lost to a server's bound on the time of an answer.
func TestChangesOutlastTheWriteTimeout(t *testing.T) {
	js := natstest.Start(t).Connect()
	r := open(t, js, true)
	api, err := nativeapi.New(r, nativeapi.WithHeartbeat(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(api)
	s.Config.WriteTimeout = 50 * time.Millisecond
	s.Start()
	t.Cleanup(func() {
		api.Close()
		s.Close()
	})
	f := follow(t, s, "")
	deadline := time.After(300 * time.Millisecond)
	for lasting := true; lasting; {
		select {
		case _, ok := <-f.lines:
			if !ok {
				t.Fatal("the stream was cut")
			}
		case <-deadline:
			lasting = false
		}
	}
	register(t, r, "s", 1)
	if id, _, ok := f.next(); !ok || id != "1" {
		t.Errorf("%q %v", id, ok)
	}
}

// Guards against a change that nobody who reads the stream of the registry over
// NATS is told of, under the subject that the API's page names.
func TestChangesOverNATS(t *testing.T) {
	js := natstest.Start(t).Connect()
	r := open(t, js, true)
	consumer, err := js.OrderedConsumer(t.Context(), store.Stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"registry.version.orders.>", "registry.state.orders.>"}})
	if err != nil {
		t.Fatal(err)
	}
	register(t, r, "other", 1)
	register(t, r, "orders.a b", 1)
	if _, err := r.SetState(t.Context(), "orders.a b", 1, registry.Retired, "", ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ subject, revision, says string }{
		{"registry.version.orders.a%20b", "2", `"version":1`}, {"registry.state.orders.a%20b", "3", `"state":"retired"`},
	} {
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil || m.Subject() != want.subject || m.Headers().Get(store.HeaderRevision) != want.revision || !strings.Contains(string(m.Data()), want.says) {
			t.Errorf("%v %v, want %+v", m, err, want)
		}
	}
}

// Guards against a replica that takes writes for itself, loses them, names who made
// them, or falls silent without its primary; and against consumers of an
// environment that the primary does not know.
func TestReplica(t *testing.T) {
	hub, leaf := natstest.Environments(t)
	there, here := hub.Connect(), leaf.Connect()
	primary := open(t, there, true)
	if err := store.CreateShared(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	log, err := store.Open(t.Context(), there)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	shared := make(chan error, 1)
	go func() { shared <- log.Share(ctx, registry.Redacted) }()
	t.Cleanup(func() {
		cancel()
		if err := <-shared; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if _, err := here.CreateStream(t.Context(), jetstream.StreamConfig{
		Name:    store.Stream,
		Sources: []*jetstream.StreamSource{{Name: store.SharedStream, External: &jetstream.ExternalStream{APIPrefix: "$JS.production.API"}}},
	}); err != nil {
		t.Fatal(err)
	}
	replica := open(t, here, false)
	ps, _ := on(t, primary, nativeapi.WithPresence(book(t, there, presence.Options{Environment: "production"})))
	forwarder, err := httpapi.NewForwarder(ps.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(forwarder.Close)
	rs, _ := on(t, replica, nativeapi.WithForwarder(forwarder), nativeapi.WithPresence(book(t, here, presence.Options{Environment: "staging"})))
	lone, _ := on(t, replica)

	const subject = "/api/v1/subjects/orders%2Fnew"
	for _, step := range []struct{ method, path, body, read, want string }{
		{"POST", subject + "/versions", `{"schema":{"type":"object"},"state":"draft"}`, subject + "/versions/1", `"state":"draft"`},
		{"PUT", subject + "/versions/1/state", `{"state":"active"}`, subject, `"admitting":[1]`},
		{"PUT", subject + "/versions/1/state", `{"state":"retired","reason":"ada says so"}`, subject, `"admitting":[]`},
		{"PUT", subject + "/about", `{"team":"checkout","contact":"ada@example.com"}`, subject + "/history", `"kind":"about"`},
		{"DELETE", subject + "/versions/1", "", subject + "/versions?deleted=true", `"deleted":true`},
	} {
		status, header, answer := send(t, rs, step.method, step.path, step.body, "X-Lockstep-Author", "ada")
		if status != http.StatusOK || header.Get("X-Lockstep-Revision") == "" {
			t.Fatalf("%s %s: %d %s", step.method, step.path, status, answer)
		}
		_, _, answer = send(t, rs, http.MethodGet, step.read, "")
		if !strings.Contains(answer, step.want) || strings.Contains(answer, "ada") || strings.Contains(answer, "checkout") {
			t.Errorf("%s %s, read at once: %s, want %s and nobody's name", step.method, step.path, answer, step.want)
		}
	}
	if _, _, answer := send(t, ps, http.MethodGet, subject+"/history", ""); strings.Count(answer, `"author":"ada"`) != 5 {
		t.Errorf("the primary's history: %s", answer)
	}
	// What stays at home when schemas are shared stays there in the answer to a write, too.
	const kept = "/api/v1/subjects/orders%2Fkept/versions"
	if status, _, answer := send(t, ps, http.MethodPost, kept, `{"schema":{"type":"object","examples":[{"name":"HOME"}]},"properties":{"for":"HOME"}}`, "X-Lockstep-Author", "HOME"); status != http.StatusOK || strings.Count(answer, "HOME") != 3 {
		t.Fatalf("registered: %d %s", status, answer)
	}
	if status, _, answer := send(t, rs, http.MethodPut, kept+"/1/state", `{"state":"deprecated"}`); status != http.StatusOK || !strings.Contains(answer, `"state":"deprecated"`) || strings.Contains(answer, "HOME") {
		t.Errorf("a write through the replica answers %d %s", status, answer)
	}
	if status, _, answer := send(t, rs, http.MethodPost, subject+"/versions", `{"schema":{"type":"nothing"}}`); status != http.StatusUnprocessableEntity || !strings.Contains(answer, "invalid_schema") {
		t.Errorf("the primary's refusal: %d %s", status, answer)
	}
	if status, _, answer := send(t, rs, http.MethodPut, subject+"/consumers/billing", `{}`); status != http.StatusNoContent {
		t.Errorf("a consumer on the replica: %d %s", status, answer)
	}
	if _, _, answer := send(t, rs, http.MethodGet, subject+"/consumers", ""); !strings.Contains(answer, `"environment":"staging"`) {
		t.Errorf("consumers on the replica: %s", answer)
	}
	for path, want := range map[string]string{subject + "/versions": "replica_read_only", subject + "/check": "result"} {
		status, header, answer := send(t, lone, http.MethodPost, path, `{"schema":{"type":"array"}}`)
		refused := want == "replica_read_only"
		if !strings.Contains(answer, want) || (status == http.StatusServiceUnavailable) != refused || (header.Get("Retry-After") != "") != refused {
			t.Errorf("%s without a primary's address: %d %s", path, status, answer)
		}
	}
	if _, _, answer := send(t, lone, http.MethodGet, subject+"/consumers", ""); !strings.Contains(answer, "no_presence") {
		t.Errorf("consumers without a book: %s", answer)
	}
	ps.Close()
	status, header, answer := send(t, rs, http.MethodPost, subject+"/versions", `{"schema":{"type":"array"}}`)
	if status != http.StatusServiceUnavailable || !strings.Contains(answer, "primary_unreachable") || header.Get("Retry-After") == "" {
		t.Errorf("with the primary gone: %d %s", status, answer)
	}
	if status, _, answer := send(t, rs, http.MethodGet, subject, ""); status != http.StatusOK {
		t.Errorf("reading with the primary gone: %d %s", status, answer)
	}
}

// Guards against a client of the registry's that asks otherwise than the API answers.
func TestClient(t *testing.T) {
	s, r := serve(t)
	c, err := client.New(s.URL, client.WithAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, text := range []string{`{"type":"object","properties":{"a":{"const":"x"}},"required":["a"]}`, `{"type":"object","properties":{"a":{"const":"x"},"b":{"type":"string"}},"required":["a"]}`} {
		if _, err := r.Register(t.Context(), "a/b", registry.Schema{Type: registry.JSON, Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	changes, err := c.Diff(t.Context(), "a/b", 1, 2)
	if err != nil || len(changes) != 1 || changes[0].Kind != "property-added" || changes[0].Pointer != "/b" || len(changes[0].New) == 0 || changes[0].Text == "" {
		t.Errorf("different are %+v, %v", changes, err)
	}
	sample, err := c.Sample(t.Context(), "a/b", "1")
	var document map[string]any
	if err != nil || json.Unmarshal(sample, &document) != nil || document["a"] != "x" {
		t.Errorf("a sample is %s, %v", sample, err)
	}
	if _, err := c.Sample(t.Context(), "a/b", "3"); client.NameOf(err) != "version_not_found" {
		t.Errorf("a sample of nothing: %v", err)
	}
}
