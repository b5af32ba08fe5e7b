package environment_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/services/internal/shop"
)

// Guards against a registry that does not know who reads what: a subscriber in one
// environment has to be seen in that one and at the primary. And against a native
// API that is missing on a port, or does not stop the gate from admitting events of
// a version that was retired.
func TestRegistryKnowsItsConsumers(t *testing.T) {
	all := sample(t, t.TempDir())
	production, staging := all.Get("production"), all.Get("staging")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, address := range []string{production.RegistryURL(), production.HTTPURL(), staging.RegistryURL(), staging.HTTPURL()} {
		for _, path := range []string{"/api/v1/registry", "/openapi.json", "/docs"} {
			response := get(ctx, t, address+path)
			if response.Body.Close(); response.StatusCode != http.StatusOK {
				t.Errorf("%s%s: %d", address, path, response.StatusCode)
			}
		}
	}
	event := shop.New(7).Next()
	replica, err := client.New(staging.RegistryURL())
	if err != nil {
		t.Fatal(err)
	}
	defer replica.Close()
	// A report of a subject that the replica does not know yet is not taken down.
	for {
		if _, err = replica.Latest(ctx, event.Type); err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	conn, err := mesh.Connect(ctx, staging.NATSURL(), mesh.WithCredentials(staging.ApplicationCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	handled := make(chan mesh.Metadata, 100)
	if _, err := mesh.Subscribe(ctx, conn, mesh.SubscribeConfig{Durable: "billing", Domain: event.Domain}, func(_ context.Context, e mesh.Event[json.RawMessage]) error {
		handled <- e.Metadata
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(production.NATSURL(), nats.UserCredentials(production.ApplicationCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, event.Subject(), event.Data()); err != nil {
		t.Fatal(err)
	}
	var seen mesh.Metadata
	select {
	case seen = <-handled:
	case <-ctx.Done():
		t.Fatal("the event did not arrive")
	}
	for _, address := range []string{staging.RegistryURL(), production.RegistryURL()} {
		c, err := client.New(address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for known := false; !known; {
			consumers, err := c.Consumers(ctx, seen.SchemaSubject)
			if err != nil {
				t.Fatal(err)
			}
			for _, who := range consumers {
				known = known || who.Name == "billing" && who.Environment == "staging" && who.Version == seen.SchemaVersion && who.Role == "consumer"
			}
			time.Sleep(10 * time.Millisecond)
		}
	}

	// The primary is told through the replica, everybody is told of the change, and the gate heeds it.
	changes := get(ctx, t, production.HTTPURL()+"/api/v1/changes")
	defer changes.Body.Close()
	c, err := client.New(staging.RegistryURL(), client.WithAuthor("ada"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetState(ctx, seen.SchemaSubject, seen.SchemaVersion, "retired", "it is over"); err != nil {
		t.Fatal(err)
	}
	for scanner := bufio.NewScanner(changes.Body); scanner.Scan(); {
		if line := scanner.Text(); strings.HasPrefix(line, "data: ") {
			if !strings.Contains(line, `"author":"ada"`) || !strings.Contains(line, "it is over") {
				t.Errorf("the change is told as %s", line)
			}
			break
		}
	}
	if _, err := js.Publish(ctx, event.Subject(), event.Data()); err == nil || !strings.Contains(err.Error(), "retired") {
		t.Errorf("under a retired version: %v", err)
	}
	if err := c.SetState(ctx, seen.SchemaSubject, seen.SchemaVersion, "deprecated", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, event.Subject(), event.Data()); err != nil {
		t.Errorf("under a deprecated version: %v", err)
	}
	var answer struct{ Admitting []int }
	response := get(ctx, t, production.HTTPURL()+"/api/v1/subjects/"+url.PathEscape(seen.SchemaSubject))
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.Admitting) == 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

func get(ctx context.Context, t *testing.T, address string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return response
}
