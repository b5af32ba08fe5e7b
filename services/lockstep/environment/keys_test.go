package environment_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
	"github.com/lockstep-mesh/lockstep/services/lockstep/key/custody"
)

const keysMesh = `environments:
  production:
    role: hub
    listen: {nats: "127.0.0.1:0", leaf: "127.0.0.1:0"}
  staging:
    role: leaf
    hub: production
    listen: {nats: "127.0.0.1:0"}
domains:
  orders:
    owner: team-orders
    origins: [production]
    schemas: orders
routes:
  - {from: production, to: staging, domains: [orders], policy: testers}
policies:
  testers:
    classes:
      id: {technique: token}
      email: {technique: token}
      account: {technique: encrypt}
      phone: {technique: redact}
      amount: {technique: fpe}
`

const keysSchema = `{"type": "object", "x-lockstep-key": ["/id"], "required": ["id"], "properties": {
  "id": {"type": "string", "x-lockstep-class": "id"},
  "email": {"type": "string", "format": "email", "x-lockstep-class": "email"},
  "copies": {"type": "array", "items": {"type": "string", "x-lockstep-class": "email"}},
  "account": {"type": "string", "x-lockstep-class": "account"},
  "numbers": {"type": "array", "items": {"type": "integer", "minimum": 3000000, "maximum": 9000000, "x-lockstep-class": "amount"}}
}}`

// origin is a production without anybody who listens to it.
type origin struct {
	*environment.Environment
	data string
	js   jetstream.JetStream // as an application
	keys custody.Client
}

func startOrigin(t *testing.T, data string, source topology.KeySource) *origin {
	t.Helper()
	mesh, err := topology.LoadFS(fstest.MapFS{
		"mesh.yaml":                       {Data: []byte(keysMesh)},
		"orders/order/placed.schema.json": {Data: []byte(keysSchema)},
	}, "mesh.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e, err := environment.Start(t.Context(), environment.Config{
		Mesh: mesh, Name: "production", Data: data, Durability: topology.DurabilityInterval, MaskKey: source,
		Logger: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{Environment: e, data: data}
	t.Cleanup(o.stop(t))
	nc, err := nats.Connect(e.NATSURL(), nats.UserCredentials(e.ApplicationCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if o.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	inside, err := node.ConnectOperator(data, e.NATSURL(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.Close)
	o.keys = custody.Client{Conn: inside, Environment: "production"}
	return o
}

func (o *origin) stop(t *testing.T) func() {
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := o.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

// publish publishes an event and gives what the route made of it.
func (o *origin) publish(t *testing.T, id, email, account string) *jetstream.RawStreamMsg {
	t.Helper()
	return o.publishBody(t, id, fmt.Sprintf(`{"id": %q, "email": %q, "copies": [%q, "other@corp.test"], "account": %q}`, id, email, email, account))
}

func (o *origin) publishBody(t *testing.T, id, body string) *jetstream.RawStreamMsg {
	t.Helper()
	ack, err := o.js.Publish(t.Context(), "orders.order.placed."+id, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	inside, err := o.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := inside.Stream(t.Context(), "ORDERS_TO_STAGING")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		for _, subject := range []string{"egress.>", "ledger.production.orders.withheld"} {
			m, err := stream.GetLastMsgForSubject(t.Context(), subject)
			if err == nil && m.Header.Get(wire.HeaderOriginSequence) == fmt.Sprint(ack.Sequence) {
				return m
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("event %d is not offered to staging: %+v", ack.Sequence, o.Status().Routes)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

type placed struct {
	ID, Email, Account string
	Copies             []string
}

func open(t *testing.T, m *jetstream.RawStreamMsg) placed {
	t.Helper()
	var p placed
	if err := json.Unmarshal(m.Data, &p); err != nil {
		t.Fatalf("%s %s: %v", m.Subject, m.Data, err)
	}
	return p
}

func code(err error) string {
	var typed *custody.Error
	if errors.As(err, &typed) {
		return typed.Code
	}
	return ""
}

// Guards against a rotation that the routes don't take on or that leaves the two
// keys' tokens without a way from one to the other, a destroyed key that still
// opens something, a value that is shown without a record, and a record or a
// mapping that holds a value.
func TestKeysAreRotatedMappedRevealedDestroyed(t *testing.T) {
	o := startOrigin(t, t.TempDir(), "")
	ctx := t.Context()
	before := o.publish(t, "o1", "ann@corp.test", "DE-1")
	old := before.Header.Get(wire.HeaderKeyID)
	state, err := o.keys.Rotate(ctx, custody.RotateRequest{Who: custody.Who{By: "ann"}, Overlap: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	renewed := state.Keys[0].ID
	after := o.publish(t, "o1", "ann@corp.test", "DE-1")
	if got := after.Header.Get(wire.HeaderKeyID); got != renewed || got == old {
		t.Fatalf("after the rotation from %s to %s, events are masked with %s", old, renewed, got)
	}
	if state, err = o.keys.List(ctx); err != nil {
		t.Fatal(err)
	}
	if len(state.Keys) != 2 || state.Keys[1].ID != old || state.Keys[1].State != "retiring" || state.Keys[1].KeepUntil.IsZero() ||
		!slices.Equal(state.Keys[0].Uses, []custody.Use{{To: "staging", Domain: "orders", First: after.Sequence, Last: after.Sequence}}) ||
		len(state.Keys[1].Uses) != 1 || state.Keys[1].Uses[0].First != before.Sequence || state.Keys[1].Uses[0].Last >= after.Sequence ||
		len(state.Routes) != 1 || !slices.Equal(state.Routes[0].Encrypted, []string{"account", "amount"}) {
		t.Errorf("the keys: %+v", state)
	}

	// The mapping leads from one to the other, at every place of the class.
	page, err := o.keys.Map(ctx, custody.MapRequest{Who: custody.Who{By: "ann"}, To: "staging", Domain: "orders", Class: "email"})
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string]string{}
	for _, p := range page.Pairs {
		pairs[p.Old] = p.New
	}
	was, is := open(t, before), open(t, after)
	want := map[string]string{was.Email: is.Email, was.Copies[0]: is.Copies[0], was.Copies[1]: is.Copies[1]}
	if !maps.Equal(pairs, want) || page.Events != 2 || page.Skipped != 0 || page.Next != 0 || was.Email == is.Email {
		t.Errorf("the mapping is %+v, want %v", page, want)
	}
	for name, q := range map[string]custody.MapRequest{
		"no such class": {To: "staging", Domain: "orders", Class: "emial"}, "not keyed": {To: "staging", Domain: "orders", Class: "phone"},
		"no such route": {To: "staging", Domain: "payments", Class: "email"}, "no such key": {To: "staging", Domain: "orders", Class: "email", Old: "k1"},
	} {
		q.By = "ann"
		if _, err := o.keys.Map(ctx, q); code(err) != custody.CodeRequest {
			t.Errorf("%s: %v", name, err)
		}
	}

	// What was encrypted is read again under either key, until the key is gone.
	for key, token := range map[string]string{old: was.Account, renewed: is.Account} {
		got, err := o.keys.Reveal(ctx, custody.RevealRequest{Who: custody.Who{By: "ann"}, To: "staging", Class: "account", Token: token})
		if err != nil || got.Value != "DE-1" || got.Key != key {
			t.Errorf("revealed %+v, %v; want DE-1 by %s", got, err, key)
		}
	}
	if got, err := o.keys.Reveal(ctx, custody.RevealRequest{Who: custody.Who{By: "ann"}, To: "testing", Class: "account", Token: is.Account}); err == nil {
		t.Errorf("as another destination's it gives %+v", got)
	}
	if _, err := o.keys.Reveal(ctx, custody.RevealRequest{To: "staging", Class: "account", Token: is.Account}); code(err) != custody.CodeRequest {
		t.Errorf("for nobody: %v", err)
	}
	who := custody.Who{By: "ann"}
	if _, err := o.keys.Destroy(ctx, custody.DestroyRequest{Who: who, ID: renewed, Early: true}); err == nil {
		t.Error("the active key is destroyed")
	}
	if _, err := o.keys.Destroy(ctx, custody.DestroyRequest{Who: who, ID: old}); code(err) != custody.CodeOverlap {
		t.Errorf("before its time: %v", err)
	}
	if _, err := o.keys.Destroy(ctx, custody.DestroyRequest{Who: who, ID: old, Early: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := o.keys.Reveal(ctx, custody.RevealRequest{Who: who, To: "staging", Class: "account", Token: was.Account}); err == nil {
		t.Errorf("a destroyed key opens %+v", got)
	}
	if _, err := o.keys.Map(ctx, custody.MapRequest{Who: who, To: "staging", Domain: "orders", Class: "email", Old: old}); code(err) != custody.CodeRequest {
		t.Errorf("a destroyed key maps: %v", err)
	}
	o.audited(t, "DE-1", "ann@corp.test")
}

// Guards against a bijection that nobody can undo who may, that shows a value without
// a record, or that shows another one under a key that nobody named.
func TestFPEIsRevealed(t *testing.T) {
	o := startOrigin(t, t.TempDir(), "")
	ctx, who := t.Context(), custody.Who{By: "ann"}
	masked := func(m *jetstream.RawStreamMsg) string {
		var event struct{ Numbers []json.Number }
		if err := json.Unmarshal(m.Data, &event); err != nil || len(event.Numbers) != 1 {
			t.Fatalf("%s: %v", m.Data, err)
		}
		return event.Numbers[0].String()
	}
	const body = `{"id": "o1", "numbers": [4083317]}`
	was := o.publishBody(t, "o1", body)
	old := was.Header.Get(wire.HeaderKeyID)
	if _, err := o.keys.Rotate(ctx, custody.RotateRequest{Who: who}); err != nil {
		t.Fatal(err)
	}
	is := o.publishBody(t, "o1", body)
	if masked(was) == masked(is) || masked(is) == "4083317" {
		t.Fatalf("it became %s, and then %s", masked(was), masked(is))
	}
	asked := custody.RevealRequest{Who: who, To: "staging", Class: "amount", Token: masked(was), Type: "orders.order.placed", Field: "/numbers/*", Key: old}
	got, err := o.keys.Reveal(ctx, asked)
	if err != nil || got != (custody.Revealed{Value: "4083317", Key: old, Technique: mask.FPE}) {
		t.Errorf("revealed %+v, %v", got, err)
	}
	asked.Token, asked.Key = masked(is), ""
	if got, err := o.keys.Reveal(ctx, asked); err != nil || got.Value != "4083317" || got.Key == old {
		t.Errorf("revealed under the active key %+v, %v", got, err)
	}
	for name, change := range map[string]func(*custody.RevealRequest){
		"without a field":  func(q *custody.RevealRequest) { q.Type, q.Field = "", "" },
		"another field":    func(q *custody.RevealRequest) { q.Field = "/account" },
		"another type":     func(q *custody.RevealRequest) { q.Type = "orders.order.paid" },
		"another domain":   func(q *custody.RevealRequest) { q.Type = "payments.order.placed" },
		"no such key":      func(q *custody.RevealRequest) { q.Key = "k1" },
		"to somebody else": func(q *custody.RevealRequest) { q.To = "testing" },
		"for nobody":       func(q *custody.RevealRequest) { q.By = "" },
	} {
		q := asked
		change(&q)
		if got, err := o.keys.Reveal(ctx, q); code(err) != custody.CodeRequest {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := o.keys.Destroy(ctx, custody.DestroyRequest{Who: who, ID: old}); err != nil {
		t.Fatal(err)
	}
	asked.Token, asked.Key = masked(was), old
	if got, err := o.keys.Reveal(ctx, asked); code(err) != custody.CodeRequest {
		t.Errorf("a destroyed key reveals %+v, %v", got, err)
	}
	js, err := o.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(ctx, wire.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	recorded := 0
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		m, err := stream.GetMsg(ctx, sequence)
		if err != nil {
			t.Fatal(err)
		}
		var r custody.Record
		if err := json.Unmarshal(m.Data, &r); err != nil || strings.Contains(string(m.Data), "4083317") {
			t.Errorf("%s: %v", m.Data, err)
		}
		if r.Action == "key-reveal" && r.Field == "/numbers/*" && r.Phase == custody.PhaseDone {
			recorded++
		}
	}
	if recorded != 2 {
		t.Errorf("%d are on record, of two that were shown", recorded)
	}
}

// audited checks that all that was asked for is on record, and no value is.
func (o *origin) audited(t *testing.T, values ...string) {
	t.Helper()
	js, err := o.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), wire.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	phases := map[string][]custody.Phase{}
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		m, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		var r custody.Record
		if err := json.Unmarshal(m.Data, &r); err != nil || r.By != "ann" || m.Subject != "audit.production."+r.Action {
			t.Errorf("%s %s: %v", m.Subject, m.Data, err)
		}
		for _, value := range values {
			if strings.Contains(string(m.Data), value) {
				t.Errorf("the record holds a value: %s", m.Data)
			}
		}
		phases[r.Action] = append(phases[r.Action], r.Phase)
	}
	const asked, done, failed = custody.PhaseAsked, custody.PhaseDone, custody.PhaseFailed
	for action, want := range map[string][]custody.Phase{
		"key-rotate": {asked, done}, "key-reveal": {asked, done, asked, done, asked, failed, asked, failed},
		"key-destroy": {asked, failed, asked, failed, asked, done},
	} {
		if !slices.Equal(phases[action], want) {
			t.Errorf("on record of %s is %v, want %v", action, phases[action], want)
		}
	}
}

// Guards against a key from elsewhere that is taken for another, is waited for
// without end, or takes the environment down when it can't be had.
func TestKeysFromElsewhere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands of this test are a Unix shell's")
	}
	root := hex.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	t.Setenv("LOCKSTEP_TEST_MASK_KEY", root)
	script := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho "+root+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, source := range []topology.KeySource{"env:LOCKSTEP_TEST_MASK_KEY", topology.KeySource("command:" + script)} {
		o := startOrigin(t, t.TempDir(), source)
		m := o.publish(t, "o1", "ann@corp.test", "DE-1")
		ids[m.Header.Get(wire.HeaderKeyID)+open(t, m).Email] = true
		if _, err := o.keys.Rotate(t.Context(), custody.RotateRequest{Who: custody.Who{By: "ann"}}); code(err) != custody.CodeSource {
			t.Errorf("%s is rotated: %v", source, err)
		}
		if _, err := os.Stat(filepath.Join(o.data, "keys", "mask.key")); err == nil {
			t.Errorf("beside %s a key file was made", source)
		}
		o.stop(t)()
	}
	if len(ids) != 1 {
		t.Errorf("one key gives different tokens: %v", ids)
	}

	// A command that fails has events withheld, until it is mended.
	failing := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(failing, []byte("#!/bin/sh\necho "+root+" >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	o := startOrigin(t, t.TempDir(), topology.KeySource("command:"+failing+" --token geheim"))
	if m := o.publish(t, "o1", "ann@corp.test", "DE-1"); !strings.HasSuffix(m.Subject, ".withheld") {
		t.Fatalf("without a key crossed %s %s", m.Subject, m.Data)
	}
	err := o.Ready()
	if err == nil || strings.Contains(err.Error(), root) || strings.Contains(err.Error(), "geheim") {
		t.Errorf("ready says %v", err)
	}
	if err := os.Rename(script, failing); err != nil {
		t.Fatal(err)
	}
	state, err := o.keys.Reload(t.Context(), custody.Who{By: "ann"})
	if err != nil || state.Problem != nil || len(state.Keys) != 1 || strings.Contains(state.Source, "geheim") {
		t.Fatalf("%+v, %v", state, err)
	}
	if err := o.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	answer := o.Desk().Release(t.Context(), route.ReleaseRequest{By: "ann"})
	if answer.Problem != nil || answer.Routes[0].Released != 1 {
		t.Errorf("released: %+v, %+v", answer, answer.Problem)
	}
}

// Guards against a key that was exchanged for another without a word, in its file
// or elsewhere: events are withheld until it is back, or somebody takes on the
// other, and that is remembered.
func TestExchangedKey(t *testing.T) {
	data, who := t.TempDir(), custody.Who{By: "ann"}
	o := startOrigin(t, data, "")
	first := o.publish(t, "o1", "ann@corp.test", "DE-1").Header.Get(wire.HeaderKeyID)
	if _, err := o.keys.Adopt(t.Context(), who); code(err) != custody.CodeExists {
		t.Errorf("where nothing is strange: %v", err)
	}
	o.stop(t)()
	t.Setenv("LOCKSTEP_TEST_MASK_KEY", hex.EncodeToString([]byte("fedcba9876543210fedcba9876543210")))
	o = startOrigin(t, data, "env:LOCKSTEP_TEST_MASK_KEY")
	if m := o.publish(t, "o1", "ann@corp.test", "DE-1"); !strings.HasSuffix(m.Subject, ".withheld") {
		t.Fatalf("under another key crossed %s %s", m.Subject, m.Data)
	}
	if state, err := o.keys.Reload(t.Context(), who); err != nil || state.Problem == nil || state.Problem.Code != custody.CodeChanged || !strings.Contains(state.Problem.Why, first) {
		t.Fatalf("the state is %+v, %v", state, err)
	}
	state, err := o.keys.Adopt(t.Context(), who)
	if err != nil || len(state.Keys) != 2 || state.Keys[1].ID != first || state.Keys[1].State != custody.StateUnknown {
		t.Fatalf("adopted: %+v, %v", state, err)
	}
	o.stop(t)()
	o = startOrigin(t, data, "env:LOCKSTEP_TEST_MASK_KEY") // it is still on record
	if m := o.publish(t, "o1", "ann@corp.test", "DE-1"); m.Header.Get(wire.HeaderKeyID) != state.Keys[0].ID {
		t.Errorf("the adopted key masks %s as %v", m.Subject, m.Header)
	}
	o.stop(t)()
	o = startOrigin(t, data, "") // the first key doesn't know the second
	if state, err := o.keys.List(t.Context()); err != nil || state.Problem == nil || state.Problem.Code != custody.CodeChanged {
		t.Errorf("back again: %+v, %v", state, err)
	}
}

// Guards against operators' requests that others can make: an application's
// credentials reach neither the keys nor the desk.
func TestApplicationsReachNoKeys(t *testing.T) {
	o := startOrigin(t, t.TempDir(), "")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	refused := make(chan error, 10)
	nc, err := nats.Connect(o.NATSURL(), nats.UserCredentials(o.ApplicationCredentials()), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if state, err := (custody.Client{Conn: nc, Environment: "production"}).List(ctx); err == nil {
		t.Errorf("an application lists the keys: %+v", state)
	}
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the request was not refused")
	}
	if _, err := node.ConnectOperator(t.TempDir(), o.NATSURL(), "test"); err == nil {
		t.Error("without the node's key somebody is an operator")
	}
}
