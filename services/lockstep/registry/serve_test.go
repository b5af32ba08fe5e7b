package registry

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	schemas "github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, c Config) *Server {
	t.Helper()
	c.Address, c.Logger = "127.0.0.1:0", zerolog.New(natstest.Output(t)).Level(zerolog.WarnLevel)
	s, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func open(t *testing.T, s *Server) *client.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(s.URL(), client.WithHTTPClient(&http.Client{Transport: transport, Timeout: time.Minute}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A restart would lose what was acknowledged, or what was configured.
func TestRestart(t *testing.T) {
	data := t.TempDir()
	s := start(t, Config{Data: data, Level: schemas.FullTransitive, Policy: "STRICT"})
	c := open(t, s)
	first, err := c.Register(t.Context(), "a.b", client.Schema{Type: "JSON", Schema: `{"type":"string"}`})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ReportConsumer(t.Context(), client.Consumer{Subject: "a.b", Name: "billing", Version: 1}); err != nil {
		t.Fatal(err)
	}
	before := s.Registry().Revision()
	c.Close()
	stop(t, s)

	s = start(t, Config{Data: data, Level: schemas.Backward, Policy: "GATED"})
	c = open(t, s)
	found, err := c.Latest(t.Context(), "a.b")
	if err != nil || found.ID != first.ID || found.Version != 1 {
		t.Errorf("%+v, %v; want what was registered: %+v", found, err, first)
	}
	if seen, err := c.Consumers(t.Context(), "a.b"); err != nil || len(seen) != 1 || seen[0].Name != "billing" {
		t.Errorf("consumers %+v, %v", seen, err)
	}
	config, err := c.Config(t.Context(), "a.b")
	if err != nil || config.Level != "FULL_TRANSITIVE" || config.Policy != "STRICT" {
		t.Errorf("%+v, %v; want what was configured", config, err)
	}
	if after := s.Registry().Revision(); after != before {
		t.Errorf("a restart made %d changes", after-before)
	}
}

// The default would not be what the documentation says: an optional field can be
// added.
func TestDefaultPolicy(t *testing.T) {
	for policy, compatible := range map[string]bool{"": true, "GATED": true, "STRICT": false} {
		c := open(t, start(t, Config{Data: t.TempDir(), Policy: policy}))
		if _, err := c.Register(t.Context(), "a.b", client.Schema{Type: "JSON", Schema: `{"type":"object","properties":{"a":{"type":"string"}}}`}); err != nil {
			t.Fatal(err)
		}
		_, err := c.Register(t.Context(), "a.b", client.Schema{Type: "JSON", Schema: `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}}`})
		if compatible != (err == nil) {
			t.Errorf("%q: %v", policy, err)
		}
	}
}

// Whoever runs the process could not tell whether it serves.
func TestHealth(t *testing.T) {
	s := start(t, Config{Data: t.TempDir()})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for path, want := range map[string]string{
		"/healthz": "{\"status\":\"alive\"}\n", "/readyz": "{\"status\":\"ready\"}\n", "/subjects": "[]\n",
		"/api/v1/subjects": "{", "/openapi.json": "{", "/docs": "<!doctype html>",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || !strings.HasPrefix(strings.ToLower(string(body)), want) {
			t.Errorf("%s: %d %q, %v; want %q", path, response.StatusCode, body, err, want)
		}
		response.Body.Close()
	}
}

// A script that waits for the address would break on a changed key.
func TestGolden(t *testing.T) {
	clitest.Golden(t, "serve", answer{Registry: "http://127.0.0.1:8081", Data: "/var/lib/lockstep/registry", Level: "BACKWARD", Policy: "gated"})
}
