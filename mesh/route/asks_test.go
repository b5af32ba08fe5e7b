package route_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// serveRepairs answers what destinations ask of a route.
func (o *origin) serveRepairs(t *testing.T, r *route.Route) *route.RepairDesk {
	t.Helper()
	d, err := route.ServeRepairs(o.conn, "production", []*route.Route{r}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// ask asks over a connection as a destination does.
func ask(t *testing.T, nc *nats.Conn, verb string, body []byte) ledger.Written {
	t.Helper()
	reply := wire.AnswerSubject("production", "staging", nats.NewInbox()[len("_INBOX."):])
	sub, err := nc.SubscribeSync(reply)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	var written ledger.Written
	// Over a leaf, interest takes a moment to get across.
	for deadline := time.Now().Add(20 * time.Second); ; {
		if err := nc.PublishRequest(wire.AskSubject("production", "staging", verb), reply, body); err != nil {
			t.Fatal(err)
		}
		m, err := sub.NextMsg(2 * time.Second)
		if err == nil && len(m.Header) == 0 {
			if err := json.Unmarshal(m.Data, &written); err != nil {
				t.Fatal(err)
			}
			return written
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func encoded(t *testing.T, q any) []byte {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// audited gives what stream AUDIT says of repairs: action, phase and who asked.
func (o *origin) audited(t *testing.T) (entries []string) {
	t.Helper()
	s, err := o.js.Stream(t.Context(), wire.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	for sequence := uint64(1); sequence <= s.CachedInfo().State.LastSeq; sequence++ {
		m, err := s.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ Environment, Action, Phase, By, To, Domain, Code string }
		if err := json.Unmarshal(m.Data, &e); err != nil || m.Subject != wire.AuditSubject("production", e.Action) || e.Environment != "production" || e.To != "staging" || e.Domain != "orders" {
			t.Errorf("%s is recorded as %s (%v)", m.Subject, m.Data, err)
		}
		entries = append(entries, strings.TrimSpace(fmt.Sprint(e.Action, " ", e.Phase, " ", e.By, " ", e.Code)))
	}
	return entries
}

// Guards against a destination that cannot ask over its own server, and against asks
// that leave no trace.
func TestDestinationAsksOverItsLeaf(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	last, _ := o.fill(t, r, 6)
	o.closed(t)
	o.serveRepairs(t, r)
	leaf, err := node.Start(t.Context(), node.Config{
		Environment: "staging", Address: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "staging"),
		Durability: node.DurabilityInterval, Domains: []string{"orders"},
		Feeds: node.RouteFeeds("production", "staging", "orders"), Logger: zerolog.Nop(),
		Upstream: &node.Upstream{URL: o.node.LeafURL(), Credentials: o.node.LeafCredentials("staging")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = leaf.Close() })
	nc, err := leaf.Connect("ledger")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	before := len(o.audited(t))
	if w := ask(t, nc, wire.VerbLeaves, encoded(t, ledger.LeavesRequest{Domain: "orders", From: 1, To: last, By: "ben"})); w.Problem != nil || w.To != last {
		t.Errorf("%+v, %+v", w, w.Problem)
	}
	if w := ask(t, nc, wire.VerbResend, encoded(t, ledger.ResendRequest{Domain: "orders", Sequences: []uint64{2, 3, 4}, By: "ben"})); w.Problem != nil || !slices.Equal(w.Sequences, []uint64{2, 3}) {
		t.Errorf("%+v, %+v", w, w.Problem)
	}
	if got, want := o.audited(t)[before:], []string{"ledger-leaves asked ben", "ledger-leaves done ben", "ledger-resend asked ben", "ledger-resend done ben"}; !slices.Equal(got, want) {
		t.Errorf("on record is %q, not %q", got, want)
	}
	copies, leaves := o.repairs(t)
	if len(copies) != 2 || len(leaves) == 0 {
		t.Errorf("%d copies, %d leaves", len(copies), len(leaves))
	}
	// And they arrive, by the feeds there are.
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for name, marked := range map[string]int{wire.DomainStream("orders"): len(copies), wire.LedgerStream: len(leaves)} {
		eventually(t, func() string {
			s, err := js.Stream(t.Context(), name)
			if err != nil {
				return err.Error()
			}
			n := 0
			for sequence := uint64(1); sequence <= s.CachedInfo().State.LastSeq; sequence++ {
				m, err := s.GetMsg(t.Context(), sequence)
				if err != nil {
					return err.Error()
				}
				if m.Header.Get(wire.HeaderRepair) != "" {
					n++
				}
			}
			if n != marked {
				return fmt.Sprintf("stream %s has %d of %d", name, n, marked)
			}
			return ""
		})
	}
}

// Guards against an answer that is stored as an event, or goes to others: whoever
// asks for it on any subject but its own is not answered, and nothing is done.
func TestAnswersGoNowhereElse(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	last, _ := o.fill(t, r, 3)
	o.closed(t)
	o.serveRepairs(t, r)
	var answers atomic.Int32
	sub, err := o.conn.Subscribe(">", func(m *nats.Msg) {
		if answer := string(m.Data); (strings.HasPrefix(answer, `{"at":"`) || strings.HasPrefix(answer, `{"problem":`)) && !strings.HasPrefix(m.Subject, wire.AuditRoot+".") {
			answers.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	events, stored, audited := len(o.orders(t)), len(o.stored(t)), len(o.audited(t))
	own := wire.AnswerSubject("production", "staging", "")
	for _, reply := range []string{
		"", "evt.production.orders.order.placed", "egress.staging.evt.production.orders.order.placed", "audit.production.x",
		"_INBOX.x", own, strings.TrimSuffix(own, "."), own + "a.b", own + "*", own + ">", own + "a.", own + ".a", "x." + own + "a",
		wire.AnswerSubject("production", "testing", "a"), wire.AnswerSubject("staging", "production", "a"),
	} {
		for verb, body := range map[string][]byte{
			wire.VerbLeaves: encoded(t, ledger.LeavesRequest{Domain: "orders", From: 1, To: last, By: "eve"}),
			wire.VerbResend: []byte(`garbage`),
		} {
			if err := o.conn.PublishRequest(wire.AskSubject("production", "staging", verb), reply, body); err != nil && !errors.Is(err, nats.ErrBadSubject) {
				t.Fatal(err)
			}
		}
	}
	// One by one, so that what comes last is answered last.
	if w := ask(t, o.conn, wire.VerbLeaves, encoded(t, ledger.LeavesRequest{Domain: "orders", From: last + 100, To: last + 100, By: "ben"})); w.Problem != nil || w.To != 0 {
		t.Errorf("%+v", w)
	}
	eventually(t, func() string {
		if answers.Load() == 0 {
			return "the one answer is not seen"
		}
		return ""
	})
	if n := answers.Load(); n != 1 || len(o.orders(t)) != events || len(o.stored(t)) != stored || len(o.audited(t)) != audited+2 {
		t.Errorf("%d answers to one request; events %d, egress %d, on record %d", n, len(o.orders(t))-events, len(o.stored(t))-stored, len(o.audited(t))-audited)
	}
}

// orders are the messages of the origin's stream.
func (o *origin) orders(t *testing.T) []uint64 {
	t.Helper()
	s, err := o.js.Stream(t.Context(), wire.DomainStream("orders"))
	if err != nil {
		t.Fatal(err)
	}
	return count(s.CachedInfo().State.LastSeq)
}

// Guards against a destination that reaches what is another's: the server must
// refuse its leaf every ask and every answer that doesn't name it.
func TestLeafAsksForItselfAlone(t *testing.T) {
	o := newOrigin(t)
	denied := make(chan string, 64)
	thief, err := nats.Connect(o.node.ClientURL(), nats.UserCredentials(o.node.LeafCredentials("staging")),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err.Error() }))
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	refused := func(what string) {
		t.Helper()
		select {
		case text := <-denied:
			if !strings.Contains(strings.ToLower(text), strings.ToLower(what)) {
				t.Errorf("%s: %s", what, text)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s is not refused", what)
		}
	}
	for _, subject := range []string{
		wire.AskSubject("production", "testing", wire.VerbLeaves), wire.AskSubject("staging", "staging", wire.VerbResend), wire.AdminSubject("production", wire.VerbRelease),
		wire.AnswerSubject("production", "staging", "a"), wire.AskSubject("production", "staging", wire.VerbLeaves) + ".x",
	} {
		if err := thief.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		refused(`Publish to "` + subject + `"`)
	}
	for _, subject := range []string{wire.AnswerSubject("production", "testing", "*"), wire.AnswerSubject("production", "*", "*"), wire.AnswerRoot + ".>", wire.AskRoot + ".>", wire.AskSubject("production", "staging", "*")} {
		sub, err := thief.SubscribeSync(subject)
		if err != nil {
			t.Fatal(err)
		}
		refused(`Subscription to "` + subject + `"`)
		_ = sub.Unsubscribe()
	}
}

// Guards against requests that make no sense and do something all the same, that end
// the desk, or whose refusal says neither code nor cure, or more than it should.
func TestBadAsksAreRefused(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	last, _ := o.fill(t, r, 3)
	o.closed(t)
	d := o.serveRepairs(t, r)
	stored, audited := len(o.stored(t)), len(o.audited(t))
	resend := func(by string, sequences ...uint64) []byte {
		return encoded(t, ledger.ResendRequest{Domain: "orders", Sequences: sequences, By: by})
	}
	for _, c := range []struct{ name, verb, body, code string }{
		{"empty", wire.VerbLeaves, ``, route.CodeRequest},
		{"garbage", wire.VerbResend, "\x00\xff{", route.CodeRequest},
		{"an array", wire.VerbResend, `[1]`, route.CodeRequest},
		{"an unknown field", wire.VerbLeaves, `{"domain":"orders","from":1,"to":1,"by":"ben","to_environment":"testing"}`, route.CodeRequest},
		{"a field twice", wire.VerbLeaves, `{"domain":"orders","from":1,"from":2,"to":3,"by":"ben"}`, route.CodeRequest},
		{"another case", wire.VerbLeaves, `{"Domain":"orders","from":1,"to":3,"by":"ben"}`, route.CodeRequest},
		{"more behind the end", wire.VerbLeaves, `{"domain":"orders","from":1,"to":3,"by":"ben"}{}`, route.CodeRequest},
		{"a negative sequence", wire.VerbResend, `{"domain":"orders","sequences":[-1],"by":"ben"}`, route.CodeRequest},
		{"a fraction", wire.VerbResend, `{"domain":"orders","sequences":[1.5],"by":"ben"}`, route.CodeRequest},
		{"too long", wire.VerbResend, strings.Repeat(" ", 65<<10) + string(resend("ben", 1)), route.CodeRequest},
		{"another domain", wire.VerbLeaves, `{"domain":"payments","from":1,"to":1,"by":"ben"}`, route.CodeNoRoute},
		{"no domain", wire.VerbResend, `{"sequences":[1],"by":"ben"}`, route.CodeNoRoute},
		{"a range backwards", wire.VerbLeaves, `{"domain":"orders","from":3,"to":1,"by":"ben"}`, route.CodeRequest},
		{"a range from 0", wire.VerbLeaves, `{"domain":"orders","from":0,"to":1,"by":"ben"}`, route.CodeRequest},
		{"no sequences", wire.VerbResend, string(resend("ben")), route.CodeRequest},
		{"sequence 0", wire.VerbResend, string(resend("ben", 0, 1)), route.CodeRequest},
		{"descending", wire.VerbResend, string(resend("ben", 2, 1)), route.CodeRequest},
		{"one twice", wire.VerbResend, string(resend("ben", 1, 1)), route.CodeRequest},
		{"too many", wire.VerbResend, string(resend("ben", count(ledger.MaxResend+1)...)), route.CodeRequest},
		{"nobody", wire.VerbResend, string(resend("", 1)), route.CodeRequest},
		{"blanks", wire.VerbLeaves, `{"domain":"orders","from":1,"to":1,"by":"  "}`, route.CodeRequest},
		{"a line break", wire.VerbResend, string(resend("ben\nann", 1)), route.CodeRequest},
		{"a long name", wire.VerbResend, string(resend(strings.Repeat("b", 201), 1)), route.CodeRequest},
	} {
		w := ask(t, o.conn, c.verb, []byte(c.body))
		if w.Problem == nil || w.Problem.Code != c.code || w.Problem.Cure == "" || w.Problem.Why == "" || len(w.Sequences) != 0 {
			t.Errorf("%s: %+v, %+v", c.name, w, w.Problem)
		}
	}
	if len(o.stored(t)) != stored || len(o.audited(t)) != audited {
		t.Errorf("%d messages were written, %d recorded", len(o.stored(t))-stored, len(o.audited(t))-audited)
	}
	if w := ask(t, o.conn, wire.VerbResend, resend("ben", last+1)); w.Problem == nil || w.Problem.Code != route.CodeRequest {
		t.Errorf("what is no event: %+v", w)
	}
	r.Exhaust()
	if w := ask(t, o.conn, wire.VerbResend, resend("ben", 2)); w.Problem == nil || w.Problem.Code != route.CodeBudget || !strings.Contains(w.Problem.Cure, "again in") {
		t.Errorf("beyond the budget: %+v", w.Problem)
	}
	if got := o.audited(t)[audited:]; !slices.Equal(got, []string{"ledger-resend asked ben", "ledger-resend failed ben request"}) {
		t.Errorf("on record: %q", got)
	}
	if len(o.stored(t)) != stored {
		t.Errorf("%d messages were written", len(o.stored(t))-stored)
	}
	d.Close()
	d.Close()
}

// Guards against a budget that never fills again, or fills beyond itself.
func TestBudgetFillsAgain(t *testing.T) {
	now := time.Now()
	take := route.Budget(now)
	if _, ok := take(1<<30, now); !ok {
		t.Error("what is there is not given")
	}
	wait, ok := take(1<<20, now)
	if ok || wait < time.Second || wait > 10*time.Second {
		t.Errorf("given %v, or in %s", ok, wait)
	}
	if _, ok := take(1<<20, now.Add(wait)); !ok {
		t.Error("it was not there when it was promised")
	}
	if _, ok := take(1<<30+1<<20, now.Add(100*time.Hour)); ok {
		t.Error("more than all of it was given")
	}
	if _, ok := take(1<<29, now.Add(99*time.Hour)); !ok { // the clock was set back
		t.Error("what is there is not given after the clock was set back")
	}
}

// Guards against an ask that is done although nobody can say afterwards who asked.
func TestNothingIsDoneOffTheRecord(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	last, _ := o.fill(t, r, 3)
	o.closed(t)
	o.serveRepairs(t, r)
	stored := len(o.stored(t))
	if err := o.js.DeleteStream(t.Context(), wire.AuditStream); err != nil {
		t.Fatal(err)
	}
	w := ask(t, o.conn, wire.VerbLeaves, encoded(t, ledger.LeavesRequest{Domain: "orders", From: 1, To: last, By: "ben"}))
	if w.Problem == nil || w.Problem.Code != route.CodeAudit || strings.Contains(w.Problem.Why, "responders") || len(o.stored(t)) != stored {
		t.Errorf("%+v, %+v", w, w.Problem)
	}
}

// Guards against an origin that passes on what its own stream has lost or changed as
// if it were the measure of things.
func TestDamagedEgressStreamIsNoMeasure(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	last, _ := o.fill(t, r, 3)
	o.closed(t)
	r.Close()
	marks := o.watermarks(t)
	original := o.egress(t, last)[last-1]
	h := nats.Header{}
	for name, values := range original.Header {
		if !strings.HasPrefix(name, "Nats-") {
			h[name] = values
		}
	}
	mark := marks[len(marks)-1]
	mark.From, mark.To, mark.Sent, mark.Withheld = last+1, last+1, 1, 0
	next := fmt.Sprint(last + 1)
	h.Set(wire.HeaderOriginSequence, next)
	if o.put(t, eventType, `{"order_id":"a","serial":1}`, nil) != last+1 {
		t.Fatal("the test counts wrongly")
	}
	for _, m := range []*nats.Msg{
		{Subject: wire.EgressSubject("staging", original.Subject), Header: h, Data: original.Data},
		{Subject: wire.EgressRecordSubject("staging", "production", "orders", wire.KindWatermark), Header: nats.Header{wire.HeaderOriginStream: {mark.OriginStream}, wire.HeaderOriginSequence: {next}}, Data: encoded(t, mark)},
	} {
		if _, err := o.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	r = o.start(t)
	o.serveRepairs(t, r)
	stored := len(o.stored(t))
	w := ask(t, o.conn, wire.VerbLeaves, encoded(t, ledger.LeavesRequest{Domain: "orders", From: 1, To: last + 1, By: "ben"}))
	if w.Problem == nil || w.Problem.Code != route.CodeDamaged || len(o.stored(t)) != stored {
		t.Errorf("%+v, %+v", w, w.Problem)
	}
	if w := ask(t, o.conn, wire.VerbLeaves, encoded(t, ledger.LeavesRequest{Domain: "orders", From: 1, To: last, By: "ben"})); w.Problem != nil || w.To != last {
		t.Errorf("what is whole: %+v, %+v", w, w.Problem)
	}
}
