package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/gate"
)

// goodEvent is an order of the shop's; badEvent is the same with a field of
// another type.
func goodEvent(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "order.json"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(data)
}

func badEvent(t *testing.T) []byte {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(goodEvent(t), &fields); err != nil {
		t.Fatal(err)
	}
	fields["lines"] = "three"
	data, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// checkRefusal looks for what a person needs to mend the event.
func checkRefusal(t *testing.T, description string) {
	t.Helper()
	for _, text := range []string{"orders.order.created", "version 1", "/lines", "array", "three"} {
		if !strings.Contains(description, text) {
			t.Errorf("the refusal does not say %q: %s", text, description)
		}
	}
	t.Logf("refused: %s", description)
}

// Guards against a gate that only Lockstep's own client gets along with: an
// ordinary client must see ordinary acknowledgements and errors, in every way
// it has of publishing.
func TestOrdinaryClients(t *testing.T) {
	d, _ := startDev(t, t.TempDir())
	production := d.Environments["production"]
	const subject = "orders.order.created"
	good, bad := goodEvent(t), badEvent(t)

	t.Run("nats.go", func(t *testing.T) {
		nc := connect(t, production.NATS, production.Credentials)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		ack, err := js.Publish(t.Context(), subject, good, jetstream.WithMsgID("go-1"))
		if err != nil || ack.Stream != "ORDERS" || ack.Sequence == 0 || ack.Domain != "production" {
			t.Errorf("acknowledged as %+v, %v", ack, err)
		}
		future, err := js.PublishAsync(subject, good, jetstream.WithMsgID("go-2"))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-future.Ok():
		case err := <-future.Err():
			t.Error(err)
		case <-time.After(10 * time.Second):
			t.Error("an asynchronous publish is not answered")
		}
		_, err = js.Publish(t.Context(), "orders.order.created", bad)
		var api *jetstream.APIError
		if !errors.As(err, &api) || api.ErrorCode != gate.CodeInvalid {
			t.Fatalf("refused with %v", err)
		}
		checkRefusal(t, api.Description)
	})

	t.Run("nats.go, the older API", func(t *testing.T) {
		nc := connect(t, production.NATS, production.Credentials)
		js, err := nc.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		ack, err := js.Publish(subject, good, nats.MsgId("go-3"))
		if err != nil || ack.Stream != "ORDERS" || ack.Sequence == 0 {
			t.Errorf("acknowledged as %+v, %v", ack, err)
		}
		_, err = js.Publish("orders.order.created", bad)
		var api *nats.APIError
		if !errors.As(err, &api) || int(api.ErrorCode) != gate.CodeInvalid {
			t.Fatalf("refused with %v", err)
		}
		checkRefusal(t, api.Description)
	})

	t.Run("@nats-io/jetstream", func(t *testing.T) {
		node, err := exec.LookPath("node")
		if err != nil {
			t.Skip("node is not installed")
		}
		script := filepath.Join("testdata", "node", "publish.mjs")
		if _, err := os.Stat(filepath.Join("testdata", "node", "node_modules", "@nats-io")); err != nil {
			t.Skip("the client is not installed: run `task node-client`")
		}
		var in bytes.Buffer
		for _, line := range []map[string]string{
			{"subject": subject, "id": "node-1", "data": string(good)},
			{"subject": subject, "id": "node-1", "data": string(good)},
			{"subject": "orders.order.created", "id": "node-2", "data": string(bad)},
		} {
			data, err := json.Marshal(line)
			if err != nil {
				t.Fatal(err)
			}
			in.Write(append(data, '\n'))
		}
		cmd := exec.CommandContext(t.Context(), node, script, production.NATS, production.Credentials)
		var stderr bytes.Buffer
		cmd.Stdin, cmd.Stderr = &in, &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr.Bytes())
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(lines) != 3 {
			t.Fatalf("it printed %s", out)
		}
		var answers [3]struct {
			Stream    string
			Seq       uint64
			Duplicate bool
			Domain    string
			Name      string
			Message   string
			Code      int
		}
		for i, line := range lines {
			if err := json.Unmarshal([]byte(line), &answers[i]); err != nil {
				t.Fatal(err)
			}
		}
		if a := answers[0]; a.Stream != "ORDERS" || a.Seq == 0 || a.Duplicate || a.Domain != "production" {
			t.Errorf("acknowledged as %s", lines[0])
		}
		if a := answers[1]; !a.Duplicate || a.Seq != answers[0].Seq {
			t.Errorf("published again, acknowledged as %s", lines[1])
		}
		if a := answers[2]; a.Name != "JetStreamApiError" || a.Code != gate.CodeInvalid {
			t.Errorf("refused as %s", lines[2])
		}
		checkRefusal(t, answers[2].Message)
	})

	// What was refused is nowhere but in quarantine.
	nc := connect(t, production.NATS, production.Credentials)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n < 3 || n > 4 {
		t.Errorf("%d events stored", n)
	}
}
