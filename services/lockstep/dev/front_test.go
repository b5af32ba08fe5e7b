package dev

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/datadir"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A supervisor would send work to a mesh that is not ready, or restart one that
// is only starting.
func TestFront(t *testing.T) {
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "the hub's "+r.URL.Path)
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(listener, zerolog.Nop())
	client := &http.Client{Timeout: 10 * time.Second}
	check := func(path string, status int, says string) {
		t.Helper()
		response, err := client.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status || !strings.Contains(string(body), says) {
			t.Errorf("%s: %d %s, %v; want %d %s", path, response.StatusCode, body, err, status, says)
		}
	}
	check("/healthz", 200, "alive")
	check("/readyz", 503, "starting or stopping")
	check("/api/v1/status", 503, "the mesh is starting")
	if err := f.behind(hub.URL); err != nil {
		t.Fatal(err)
	}
	why := errors.New("the leaf is away")
	f.watch(func() error { return why })
	check("/readyz", 503, "the leaf is away")
	why = nil
	check("/readyz", 200, "ready")
	check("/api/v1/status", 200, "the hub's /api/v1/status")
	f.watch(nil)
	check("/readyz", 503, "starting or stopping")
	hub.Close()
	check("/api/v1/status", 502, "did not answer")
	check("/healthz", 200, "alive")
	client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.close(ctx); err != nil {
		t.Error(err)
	}
}

// A script that reads the addresses would break on a changed key.
func TestGolden(t *testing.T) {
	clitest.Golden(t, "banner", banner{
		hub: "production", data: &datadir.Dir{Path: "/tmp/lockstep-dev-1", Temporary: true},
		Addresses: target.Addresses{
			Environments: map[string]target.Environment{
				"edge-berlin": {NATS: "nats://127.0.0.1:4522", Credentials: "/tmp/lockstep-dev-1/edge-berlin/credentials/application.creds", Registry: "http://127.0.0.1:8381", HTTP: "http://127.0.0.1:8380"},
				"production":  {NATS: "nats://127.0.0.1:4222", Credentials: "/tmp/lockstep-dev-1/production/credentials/application.creds", Registry: "http://127.0.0.1:8081", HTTP: "http://127.0.0.1:8080"},
			},
			Registry: "http://127.0.0.1:8081", Console: "http://127.0.0.1:8080", Webhooks: "http://127.0.0.1:8090/hooks/github",
		},
	})
}

// A stream of changes would be held back until it ends, or cut when an answer has
// to be written.
func TestFrontPassesStreamsOn(t *testing.T) {
	more := make(chan struct{})
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 2 {
			_, _ = io.WriteString(w, "data: x\n\n")
			_ = http.NewResponseController(w).Flush()
			<-more
		}
	}))
	defer hub.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFrontWithin(listener, 50*time.Millisecond, zerolog.Nop())
	if err := f.behind(hub.URL); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	response, err := client.Get("http://" + listener.Addr().String() + "/api/v1/changes")
	if err != nil {
		t.Fatal(err)
	}
	read := make([]byte, len("data: x\n\n"))
	for i := range 2 {
		if _, err := io.ReadFull(response.Body, read); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		time.Sleep(60 * time.Millisecond) // longer than an answer may take
		more <- struct{}{}
	}
	_ = response.Body.Close()
	client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.close(ctx); err != nil {
		t.Error(err)
	}
}
