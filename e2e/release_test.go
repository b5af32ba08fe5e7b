package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
)

// releaseMesh is two environments as processes of their own, whose policies can
// be changed. The class of field note is what the tests take the rule away from.
const releaseMesh = `environments:
  production:
    role: hub
    listen: {nats: "%s", leaf: "%s", registry: "127.0.0.1:0", http: "%s"}
  staging:
    role: leaf
    hub: production
    listen: {nats: "%s", registry: "127.0.0.1:0", http: "%s"}
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
      public: {technique: pass}
      email: {technique: token}
      id: {technique: token}
      account: {technique: encrypt}
`

const (
	ruleOfNotes = "      text: {technique: redact}\n"

	releaseSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "x-lockstep-key": ["/order_id"],
  "properties": {
    "order_id": {"type": "string", "x-lockstep-class": "id"},
    "serial": {"type": "integer", "x-lockstep-class": "public"},
    "email": {"type": "string", "format": "email", "x-lockstep-class": "email"},
    "account": {"type": "string", "x-lockstep-class": "account"},
    "note": {"type": "string", "x-lockstep-class": "text"}
  },
  "required": ["order_id", "serial", "email"]
}`
)

// noted is the event of these tests.
type noted struct {
	OrderID string `json:"order_id"`
	Serial  int    `json:"serial"`
	Email   string `json:"email"`
	Account string `json:"account,omitempty"`
	Note    string `json:"note,omitempty"`
}

// twoOf is a production and a staging.
type twoOf struct {
	file, data, text string
	nats, staging    string
	http             map[string]string
	processes        map[string]*process
}

func startTwo(t *testing.T, rules string) *twoOf {
	t.Helper()
	dir := t.TempDir()
	m := &twoOf{
		file: filepath.Join(dir, "mesh.yaml"), data: filepath.Join(dir, "data"), nats: freeAddress(t), staging: freeAddress(t),
		http: map[string]string{"production": freeAddress(t), "staging": freeAddress(t)}, processes: map[string]*process{},
	}
	m.text = fmt.Sprintf(releaseMesh, m.nats, freeAddress(t), m.http["production"], m.staging, m.http["staging"])
	write(t, m.file, m.text+rules)
	write(t, filepath.Join(dir, "orders", "order", "placed.schema.json"), releaseSchema)
	m.start(t, "production")
	m.start(t, "staging")
	return m
}

func (m *twoOf) start(t *testing.T, name string) {
	t.Helper()
	m.processes[name], _ = serve(t, name, m.file, m.data)
}

// run runs an operator's command in production; it must end with the exit code.
func (m *twoOf) run(t *testing.T, exit int, into any, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args = slices.Concat(args[:2], []string{"--data", m.data, "--mesh", m.file, "-o", "json"}, args[2:])
	cmd := exec.CommandContext(ctx, binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != exit {
		t.Fatalf("lockstep %v: %v, want exit code %d\n%s%s", args, err, exit, stdout.Bytes(), stderr.Bytes())
	}
	if into != nil {
		if err := json.Unmarshal(stdout.Bytes(), into); err != nil {
			t.Fatalf("lockstep %v: %v\n%s", args, err, stdout.Bytes())
		}
	}
}

// publish publishes n events, with serials from first on.
func (m *twoOf) publish(t *testing.T, first, n int, note string) {
	t.Helper()
	conn, err := mesh.Connect(t.Context(), "nats://"+m.nats, mesh.WithCredentials(filepath.Join(m.data, "production", "credentials", "application.creds")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	publisher, err := mesh.NewPublisher[noted](conn, "orders.order.placed", mesh.WithKey(func(o noted) []string { return []string{o.OrderID} }))
	if err != nil {
		t.Fatal(err)
	}
	var work []func() error
	for i := range n {
		o := noted{
			OrderID: fmt.Sprintf("order-%d", i%10), Serial: first + i, Email: fmt.Sprintf("person%d@corp.test", i%10),
			Account: "DE-" + strconv.Itoa(i%10), Note: note,
		}
		work = append(work, func() error { _, err := publisher.Publish(t.Context(), o); return err })
	}
	errs := make(chan error, n)
	slots := make(chan struct{}, 64)
	for _, do := range work {
		slots <- struct{}{}
		go func() { defer func() { <-slots }(); errs <- do() }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}

// status is what an environment says of itself.
func (m *twoOf) status(t *testing.T, name string) environment.Status {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+m.http[name]+"/api/v1/status", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(m.processes[name].log()))
	}
	defer func() { _ = response.Body.Close() }()
	var s environment.Status
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// verified waits until staging has verified n events, of which so many are
// withheld, and finds nothing wrong. After production was away, staging's server waits
// up to 5 seconds for an answer that was lost before it asks again.
func (m *twoOf) verified(t *testing.T, n, withheld uint64) {
	t.Helper()
	m.verifiedIn(t, 0, n, withheld)
}

// verifiedIn is verified in a generation, from 2 on; 0 is the first.
func (m *twoOf) verifiedIn(t *testing.T, generation, n, withheld uint64) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		s := m.status(t, "staging")
		if len(s.Ledger) == 1 {
			l := s.Ledger[0]
			if l.Generation == generation && l.VerifiedTo == n && l.Withheld == withheld && l.Delivered == n-withheld && l.Healthy() {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("staging has not verified %d events of generation %d with %d withheld: %+v\nproduction: %+v\n%s\nstaging:\n%s", n, generation, withheld, s.Ledger,
				m.status(t, "production").Routes, tail(m.processes["production"].log()), tail(m.processes["staging"].log()))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// arrived are staging's n events in the order in which they stand.
func (m *twoOf) arrived(t *testing.T, n int) []jetstream.Msg {
	t.Helper()
	return read(t, connect(t, "nats://"+m.staging, filepath.Join(m.data, "staging", "credentials", "application.creds")), "ORDERS", n)
}

// exactlyOnce checks that events 0 to n-1 are in staging, each once, what was
// never withheld in the order of its publishing, and what was released in that
// order too; it gives the tokens of each person.
func (m *twoOf) exactlyOnce(t *testing.T, n int) map[string]map[string]bool {
	t.Helper()
	seen, tokens := map[int]bool{}, map[string]map[string]bool{}
	var direct, released uint64
	var at string
	for _, msg := range m.arrived(t, n) {
		var o noted
		if err := json.Unmarshal(msg.Data(), &o); err != nil {
			t.Fatal(err)
		}
		if seen[o.Serial] {
			t.Errorf("event %d is in staging twice", o.Serial)
		}
		seen[o.Serial] = true
		person := strconv.Itoa(o.Serial % 10)
		if tokens[person] == nil {
			tokens[person] = map[string]bool{}
		}
		tokens[person][o.Email] = true
		if bytes.Contains(msg.Data(), []byte("corp.test")) || bytes.Contains(msg.Data(), []byte("private")) {
			t.Errorf("event %d crossed unmasked: %s", o.Serial, msg.Data())
		}
		sequence, err := strconv.ParseUint(msg.Headers().Get(wire.HeaderOriginSequence), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		last := &direct
		if when := msg.Headers().Get(wire.HeaderReleased); when != "" {
			if last = &released; when != at { // another request begins
				released, at = 0, when
			}
		}
		if sequence <= *last {
			t.Errorf("event %d of the origin stands behind event %d", sequence, *last)
		}
		*last = sequence
	}
	for i := range n {
		if !seen[i] {
			t.Errorf("event %d is not in staging", i)
		}
	}
	return tokens
}

// quarantined is what `quarantine list` and `release` say.
type quarantined struct {
	Withheld struct {
		Total  int `json:"total"`
		Events []struct {
			Code, Pointer, Class, Why, Cure string
		} `json:"events"`
	} `json:"withheld"`
	Released int `json:"released"`
	Still    int `json:"still_withheld"`
	Error    struct {
		Code, Message string
	} `json:"error"`
}

// Guards against a lost key file being replaced by a new key without a word:
// nothing would join any more. Events are taken and withheld, the environment
// says so, and with the file back they cross under the old key.
func TestMissingKeyIsNotReplaced(t *testing.T) {
	m := startTwo(t, ruleOfNotes)
	m.publish(t, 0, 20, "private")
	m.verified(t, 20, 0)
	key := filepath.Join(m.data, "production", "keys", "mask.key")
	m.processes["production"].stop(t)
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	m.start(t, "production")
	m.publish(t, 20, 20, "private")
	m.verified(t, 40, 20)
	if s := m.status(t, "production"); s.Ready || !strings.Contains(s.Problem, "mask.key is missing") {
		t.Errorf("production doesn't say what is wrong: %+v", s)
	}
	var keys struct {
		Problem struct{ Code, Cure string } `json:"problem"`
		Keys    []struct{ ID, State string }
	}
	m.run(t, 10, &keys, "key", "list")
	if keys.Problem.Code != "key_missing" || keys.Problem.Cure == "" || len(keys.Keys) != 1 || keys.Keys[0].State != "unknown" {
		t.Errorf("key list says %+v", keys)
	}
	m.alarmed(t, environment.Waiting{Code: "no_key", Events: 20, Fault: true})
	var q quarantined
	m.run(t, 0, &q, "quarantine", "list")
	if q.Withheld.Total != 20 || len(q.Withheld.Events) != 20 || q.Withheld.Events[0].Code == "" || q.Withheld.Events[0].Cure == "" {
		t.Errorf("quarantine list says %+v", q)
	}
	m.run(t, 3, nil, "quarantine", "release", "--all") // nothing can be masked yet
	m.run(t, 1, nil, "key", "create")                  // without --yes nothing is made
	if _, err := os.Stat(key); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a key was made: %v", err)
	}
	if err := os.Rename(key+".away", key); err != nil {
		t.Fatal(err)
	}
	m.run(t, 0, nil, "key", "reload")
	if s := m.status(t, "production"); !s.Ready {
		t.Errorf("production is not ready: %s", s.Problem)
	}
	m.alarmed(t, environment.Waiting{Code: "no_key", Events: 20, Fault: true}) // until they are released
	q = quarantined{}
	m.run(t, 0, &q, "quarantine", "release", "--all")
	if q.Released != 20 || q.Still != 0 {
		t.Errorf("released: %+v", q)
	}
	m.verified(t, 40, 0)
	for person, tokens := range m.exactlyOnce(t, 40) {
		if len(tokens) != 1 {
			t.Errorf("person %s has %d tokens: what was masked before and after doesn't join", person, len(tokens))
		}
	}
	m.run(t, 0, &q, "quarantine", "release", "--all") // again: nothing happens
	m.verified(t, 40, 0)
	m.alarmed(t)
}

// Guards against a policy that is taken away, broken or short of a rule while
// events flow letting one of them through, or losing one: each is withheld, on
// record and in the status, and crosses once the policy is mended.
func TestPolicyTakenAwayWhileEventsFlow(t *testing.T) {
	m := startTwo(t, ruleOfNotes)
	published := 0
	publish := func(n int) {
		m.publish(t, published, n, "private")
		published += n
	}
	publish(20)
	withheld := uint64(0)
	withoutPolicies, _, _ := strings.Cut(m.text, "policies:")
	for _, broken := range []struct {
		name, text string
		exit       int
		reason     string // in the record of a withheld event
		alarm      string // in the status
	}{
		{"a class without a rule", m.text, 0, "text", ""},
		{"a class that nobody knows", m.text + "      txet: {technique: redact}\n", 10, "cannot be read", "withholds every event"},
		{"not to be read", "\x00", 10, "cannot be read", "withholds every event"},
		{"removed", withoutPolicies, 10, "cannot be read", "withholds every event"},
		{"the route is removed", strings.Replace(m.text+ruleOfNotes, "routes:\n  - {from: production, to: staging, domains: [orders], policy: testers}\n", "", 1), 10, "declares no route", "withholds every event"},
	} {
		write(t, m.file, broken.text)
		// The command itself reads mesh.yaml too, to find the environment.
		whole := filepath.Join(filepath.Dir(m.file), "whole.yaml")
		write(t, whole, m.text+ruleOfNotes)
		operator := *m
		operator.file = whole
		operator.run(t, broken.exit, nil, "key", "reload")
		publish(20)
		withheld += 20
		m.verified(t, uint64(published), withheld)
		var q quarantined
		operator.run(t, 0, &q, "quarantine", "list", "--first", strconv.Itoa(published))
		if q.Withheld.Total != 1 || !strings.Contains(q.Withheld.Events[0].Why+q.Withheld.Events[0].Class, broken.reason) {
			t.Errorf("%s: quarantine list says %+v", broken.name, q)
		}
		if s := m.status(t, "production"); s.Ready != (broken.alarm == "") || !strings.Contains(s.Problem, broken.alarm) {
			t.Errorf("%s: the status says %+v", broken.name, s)
		}
		write(t, m.file, m.text+ruleOfNotes)
		m.run(t, 0, nil, "key", "reload")
		publish(20)
		m.verified(t, uint64(published), withheld)
		// That a class has no rule is a decision. That there is no policy is none.
		waiting := []environment.Waiting{{Code: "policy", Events: 20}}
		if withheld > 20 {
			waiting = []environment.Waiting{{Code: "no_policy", Events: int(withheld) - 20, Fault: true}, waiting[0]}
		}
		m.alarmed(t, waiting...)
	}
	var q quarantined
	m.run(t, 0, &q, "quarantine", "release", "--to", "staging")
	if q.Released != int(withheld) {
		t.Errorf("released %+v, of %d withheld", q, withheld)
	}
	m.verified(t, uint64(published), 0)
	m.exactlyOnce(t, published)
	m.alarmed(t)
}

// Guards against a release that the end of the process cuts being done twice or
// half: production is killed while it releases, and asked again.
func TestKilledWhileReleasing(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	n, rounds := number(t, "LOCKSTEP_RELEASE_EVENTS", 3000), number(t, "LOCKSTEP_KILL_ROUNDS", 3)
	m := startTwo(t, "")
	m.publish(t, 0, n, "private")
	m.verified(t, uint64(n), uint64(n))
	write(t, m.file, m.text+ruleOfNotes)
	m.run(t, 0, nil, "key", "reload")
	released := func() uint64 { return m.status(t, "production").Routes[0].Released }
	cut := 0
	for round := range rounds {
		asked := make(chan error, 1)
		go func() {
			_, err := run(t, "quarantine", "release", "--all", "--data", m.data, "--mesh", m.file, "-o", "json")
			asked <- err
		}()
		for done := false; !done && released() < uint64(100+37*round); {
			select {
			case err := <-asked:
				done = true
				asked <- err
			default:
			}
		}
		m.processes["production"].kill(t)
		if err := <-asked; err != nil {
			cut++
		}
		m.start(t, "production")
	}
	if cut == 0 {
		t.Errorf("no release was cut: the test proves nothing")
	}
	var q quarantined
	m.run(t, 0, &q, "quarantine", "release", "--all")
	t.Logf("%d of %d rounds were cut, and the last request released %d of %d events", cut, rounds, q.Released, n)
	m.verified(t, uint64(n), 0)
	m.exactlyOnce(t, n)
}

// Guards against dead letters that nobody can look at, or that show a value to
// who didn't ask for it; and against a destination in which asking for withheld
// events fails because no route begins there.
func TestDeadLettersAreShown(t *testing.T) {
	m := startTwo(t, ruleOfNotes)
	conn, err := mesh.Connect(t.Context(), "nats://"+m.staging, mesh.WithCredentials(filepath.Join(m.data, "staging", "credentials", "application.creds")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	subscription, err := mesh.Subscribe(t.Context(), conn, mesh.SubscribeConfig{Durable: "billing", Types: []string{"orders.order.placed"}}, func(_ context.Context, e mesh.Event[noted]) error {
		if e.Data.Serial == 3 {
			return mesh.Permanent(errors.New("no such account"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m.publish(t, 0, 10, "private")
	for deadline := time.Now().Add(time.Minute); subscription.Stats().DeadLettered != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", subscription.Stats())
		}
	}
	if err := subscription.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	var list struct {
		Total   int
		Letters []struct {
			Sequence                        uint64
			Consumer, Domain, Type, Why, At string
		}
	}
	m.run(t, 0, &list, "dlq", "list", "--env", "staging", "--domain", "orders", "--consumer", "billing")
	if list.Total != 1 || list.Letters[0].Consumer != "billing" || list.Letters[0].Why != "no such account" || list.Letters[0].Type != "orders.order.placed" {
		t.Errorf("dlq list says %+v", list)
	}
	m.run(t, 0, &list, "dlq", "list", "--env", "staging", "--consumer", "shipping")
	if list.Total != 0 {
		t.Errorf("of another subscriber: %+v", list)
	}
	for raw, want := range map[string]bool{"--raw": true, "--raw=false": false} {
		var letter struct {
			Event *struct{ Data noted }
		}
		m.run(t, 0, &letter, "dlq", "show", "--env", "staging", "1", raw)
		if (letter.Event != nil) != want || want && letter.Event.Data.Serial != 3 {
			t.Errorf("dlq show %s says %+v", raw, letter)
		}
	}
	var q quarantined
	m.run(t, 0, &q, "quarantine", "list", "--env", "staging")
	m.run(t, 1, &q, "quarantine", "list", "--env", "staging", "--kind", "withheld")
	if !strings.Contains(q.Error.Message, "no route begins") {
		t.Errorf("where no route begins: %+v", q.Error)
	}
	m.run(t, 1, &q, "key", "list", "--env", "staging")
}
