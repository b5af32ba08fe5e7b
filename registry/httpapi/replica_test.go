package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/httpapi"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

// replicate makes the primary's registry, shared as it is between environments,
// and a replica of it on the leaf.
func replicate(t *testing.T, hub, leaf *natstest.Server) (primary, replica *registry.Registry) {
	t.Helper()
	js := hub.Connect()
	primary = open(t, js, true)
	if err := store.CreateShared(t.Context(), js); err != nil {
		t.Fatal(err)
	}
	log, err := store.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	shared := make(chan error, 1)
	go func() { shared <- log.Share(ctx, registry.Redacted) }()
	t.Cleanup(func() {
		cancel()
		if err := <-shared; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	there := leaf.Connect()
	if _, err := there.CreateStream(t.Context(), jetstream.StreamConfig{
		Name:    store.Stream,
		Sources: []*jetstream.StreamSource{{Name: store.SharedStream, External: &jetstream.ExternalStream{APIPrefix: "$JS.production.API"}}},
	}); err != nil {
		t.Fatal(err)
	}
	return primary, open(t, there, false)
}

// Guards against a replica that shows its clients something else than the
// primary does, loses a write on the way, tells other environments who changed
// what, or falls silent when the primary is gone.
func TestReplica(t *testing.T) {
	t.Parallel()
	hub, leaf := natstest.Environments(t)
	primary, replica := replicate(t, hub, leaf)
	var authors []string
	api := httpapi.New(primary)
	ps := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authors = append(authors, r.Header.Get("X-Lockstep-Author"))
		if _, _, ok := r.BasicAuth(); ok {
			t.Error("the client's password was passed on")
		}
		api.ServeHTTP(w, r)
	}))
	forwarder, err := httpapi.NewForwarder(ps.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer forwarder.Close()
	rs := httptest.NewServer(httpapi.New(replica, httpapi.WithForwarder(forwarder)))
	defer rs.Close()
	lone := httptest.NewServer(httpapi.New(replica))
	defer lone.Close()

	header := http.Header{}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, rs.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("ada@example.com", "secret")
	header.Set("Authorization", request.Header.Get("Authorization"))
	schema := string(body(t, `{"type":"object","properties":{"a/b":{"type":"string","examples":["Ada"]}}}`))
	tagged := strings.TrimSuffix(schema, "}") + `,"metadata":{"properties":{"owner":"ada@example.com"},"tags":{"a":["PII"]}},"ruleSet":{"domainRules":[{"name":"r","type":"CEL","expr":"ada"}]}}`

	// Each is written through the replica and read there at once.
	for _, step := range []struct{ method, path, body, read, want string }{
		{http.MethodPost, "/subjects/orders%2Fnew/versions", schema, "/subjects/orders%2Fnew/versions", `[1]`},
		{http.MethodPost, "/subjects/tagged/versions", tagged, "/subjects/tagged/versions/1", `"metadata":{"tags":{"a":["PII"]}}`},
		{http.MethodPut, "/config/orders%2Fnew", `{"compatibility":"FULL"}`, "/config/orders%2Fnew", `"FULL"`},
		{http.MethodPut, "/mode", `{"mode":"READONLY"}`, "/mode", `READONLY`},
		{http.MethodDelete, "/mode", "", "/mode", `READWRITE`},
		{http.MethodDelete, "/config/orders%2Fnew", "", "/config", `BACKWARD`},
		{http.MethodDelete, "/subjects/orders%2Fnew", "", "/subjects?deletedOnly=true", `["orders/new"]`},
	} {
		if status, _, answer := send(t, rs, step.method, step.path, header.Clone(), []byte(step.body)); status != http.StatusOK {
			t.Fatalf("%s %s: %d %s", step.method, step.path, status, answer)
		}
		status, _, answer := send(t, rs, http.MethodGet, step.read, http.Header{}, nil)
		if status != http.StatusOK || !strings.Contains(answer, step.want) {
			t.Errorf("after %s %s, %s is %d %s", step.method, step.path, step.read, status, answer)
		}
	}
	for _, author := range authors {
		if author != "ada@example.com" {
			t.Errorf("forwarded as written by %q", author)
		}
	}
	// Nothing of who and of whom crossed, but the primary knows it.
	for _, v := range replica.AllVersions("orders/new") {
		if v.Author != "" || strings.Contains(v.Schema, "Ada") {
			t.Errorf("crossed: %+v", v)
		}
	}
	if all, err := json.Marshal(replica.AllVersions("tagged")); err != nil || strings.Contains(string(all), "ada@") || strings.Contains(string(all), "CEL") {
		t.Errorf("crossed: %s %v", all, err)
	}
	if v, _ := primary.Version("tagged", 1); v.Author != "ada@example.com" || v.Rules == nil || v.Metadata.Properties["owner"] == "" {
		t.Errorf("the primary lost %+v", v)
	}

	ps.Close()
	primary.Close()
	hub.Stop()
	for _, c := range []struct {
		server       *httptest.Server
		method, path string
		body         string
		status       int
		want         string
	}{
		{rs, http.MethodGet, "/subjects", "", 200, `["tagged"]`},
		{rs, http.MethodGet, "/subjects/tagged/versions/latest", "", 200, `"version":1`},
		{rs, http.MethodPost, "/compatibility/subjects/tagged/versions/latest", schema, 200, "is_compatible"},
		{rs, http.MethodPost, "/subjects/tagged", tagged, 200, `"version":1`},
		// What changes nothing is answered.
		{rs, http.MethodPost, "/subjects/tagged/versions", tagged, 200, `"id":2`},
		{rs, http.MethodPost, "/subjects/other/versions", schema, 503, `"error_code":50003`},
		{rs, http.MethodDelete, "/subjects/tagged", "", 503, "primary cannot be reached"},
		{rs, http.MethodPut, "/config", `{"compatibility":"NONE"}`, 503, `"error_code":50003`},
		{lone, http.MethodPost, "/subjects/other/versions", schema, 503, `"error_code":50004`},
		{lone, http.MethodDelete, "/subjects/tagged", "", 503, "is a replica"},
		{lone, http.MethodGet, "/mode", "", 200, "READONLY"},
	} {
		if status, _, answer := send(t, c.server, c.method, c.path, http.Header{}, []byte(c.body)); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, answer, c.status, c.want)
		}
	}

	// The primary comes back, and the replica catches up by itself. Mostly at once, as
	// it is started anew; but where its stream asks for its origin a moment before the
	// leaf is connected, it waits half a minute for the answer before it asks again.
	leaf.Stop()
	hub.Start()
	leaf.Start()
	again := open(t, hub.Connect(), false)
	v, err := again.Register(t.Context(), "later", registry.Schema{Type: registry.JSON, Text: `{"const":1}`})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := replica.Wait(ctx, again.Revision()); err != nil {
		t.Fatal(err)
	}
	if got, ok := replica.Latest("later"); !ok || got.ID != v.ID {
		t.Errorf("the replica has %+v", got)
	}
}

// Guards against two replicas that send a write round between them for ever.
func TestReplicasThatNameEachOther(t *testing.T) {
	hub, leaf := natstest.Environments(t)
	_, replica := replicate(t, hub, leaf)
	var handler http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer s.Close()
	forwarder, err := httpapi.NewForwarder(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer forwarder.Close()
	handler = httpapi.New(replica, httpapi.WithForwarder(forwarder))
	status, _, answer := send(t, s, http.MethodPost, "/subjects/a/versions", http.Header{}, body(t, `{}`))
	if status != http.StatusServiceUnavailable || !strings.Contains(answer, "is a replica itself") {
		t.Errorf("%d %s", status, answer)
	}
}
