package quarantine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/mesh/gate"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

// errNobody is what NATS says where nobody listens.
var errNobody = nats.ErrNoResponders

// Show shows one event.
func Show(ctx context.Context, app *cli.App, f ShowFlags) error {
	if (f.To == "") != (f.Domain == "") {
		return cli.Usage("--to and --domain name a route together; without both, a refused event is meant")
	}
	at, err := f.Connect("quarantine")
	if err != nil {
		return err
	}
	defer at.Close()
	if f.To == "" {
		return showRefused(ctx, app, at, f)
	}
	return showWithheld(ctx, app, at, f)
}

func showWithheld(ctx context.Context, app *cli.App, at *operator.Environment, f ShowFlags) error {
	a := withheldAnswer{}
	for _, settled := range []bool{false, true} {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		got, err := route.AskWithheld(asking, at.Conn, at.Name, route.WithheldRequest{
			Of: route.Of{To: f.To, Domain: f.Domain}, Filter: route.Filter{Sequences: []uint64{f.Sequence}, Settled: settled},
		})
		cancel()
		if err != nil {
			return operator.Explain("the event cannot be shown", err)
		}
		for _, part := range got.Routes {
			for _, r := range part.Records {
				a.Record = r
			}
		}
	}
	if a.OriginSequence == 0 {
		return &cli.Error{
			Code: "not_found", What: fmt.Sprintf("event %d of %s was never withheld from %s", f.Sequence, f.Domain, f.To), Cure: "`lockstep quarantine list` lists those that are",
		}
	}
	if f.Raw {
		m, err := get(ctx, at, wire.DomainStream(f.Domain), f.Sequence)
		if err != nil {
			return err
		}
		a.Event = rawEvent(m.Subject, m.Header, m.Data)
	}
	return app.Answer(a)
}

type withheldAnswer struct {
	route.Record
	Event *raw `json:"event,omitempty"`
}

// raw is an event as it stands.
type raw struct {
	Subject string              `json:"subject"`
	Headers map[string][]string `json:"headers,omitempty"`
	Data    json.RawMessage     `json:"data,omitempty"` // if it is JSON
	Text    string              `json:"text,omitempty"` // if it is not
}

// answered are the headers that a server adds when it answers.
var answered = []string{"Nats-Sequence", "Nats-Last-Sequence", "Nats-Stream", "Nats-Subject", "Nats-Time-Stamp", "Nats-Num-Pending"}

func rawEvent(subject string, header map[string][]string, data []byte) *raw {
	r := &raw{Subject: subject, Headers: header}
	for _, name := range answered {
		delete(r.Headers, name)
	}
	if json.Valid(data) {
		r.Data = data
	} else {
		r.Text = strings.ToValidUTF8(string(data), "\uFFFD")
	}
	return r
}

// Table writes the answer for people.
func (a withheldAnswer) Table(w io.Writer) {
	state := "withheld"
	switch {
	case a.Released != nil:
		state = fmt.Sprintf("released at %s by %s under %s", stamp(a.Released.At), a.Released.By, a.Released.Policy)
	case a.Crossed:
		state = "crossed before it was withheld"
	case a.Renewed:
		state = "not withheld any more since the history was masked anew"
	}
	pairs := [][2]string{
		{"event", strconv.FormatUint(a.OriginSequence, 10) + " of " + a.Domain},
		{"to", a.To},
		{"state", state},
		{"type", a.Type},
		{"schema", a.SchemaSubject + " version " + strconv.Itoa(a.SchemaVersion)},
		{"policy", a.Policy},
		{"code", a.Code},
		{"field", a.Pointer},
		{"class", a.Class},
		{"why", a.Why},
		{"cure", a.Cure},
		{"at", stamp(a.At)},
	}
	if a.SchemaSubject == "" {
		pairs[4][1] = ""
	}
	if a.Attempts > 0 {
		pairs = append(pairs, [2]string{"attempts", strconv.Itoa(a.Attempts)})
	}
	fields(w, pairs)
	a.Event.table(w)
}

func (r *raw) table(w io.Writer) {
	if r == nil {
		return
	}
	fmt.Fprintln(w)
	pairs := [][2]string{{"subject", r.Subject}}
	names := make([]string, 0, len(r.Headers))
	for name := range r.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		pairs = append(pairs, [2]string{name, strings.Join(r.Headers[name], ", ")})
	}
	text := r.Text
	if r.Data != nil {
		text = string(r.Data)
	}
	fields(w, append(pairs, [2]string{"data", text}))
}

// fields writes those that there are.
func fields(w io.Writer, pairs [][2]string) {
	cli.Fields(w, slices.DeleteFunc(pairs, func(p [2]string) bool { return p[1] == "" })...)
}

func showRefused(ctx context.Context, app *cli.App, at *operator.Environment, f ShowFlags) error {
	m, err := get(ctx, at, wire.QuarantineStream, f.Sequence)
	if err != nil {
		return err
	}
	a := refusedAnswer{refusal: refusalOf(entry{m.Sequence, m.Time, m.Subject, m.Header})}
	if f.Raw {
		headers := map[string][]string{}
		if text := m.Header.Get(gate.HeaderOriginalHeaders); text != "" {
			if err := json.Unmarshal([]byte(text), &headers); err != nil {
				headers = map[string][]string{gate.HeaderOriginalHeaders: {text}}
			}
		}
		a.Event = rawEvent(strings.TrimPrefix(m.Subject, wire.QuarantineRoot+"."), headers, m.Data)
	}
	return app.Answer(a)
}

type refusedAnswer struct {
	refusal
	Event *raw `json:"event,omitempty"`
}

// Table writes the answer for people.
func (a refusedAnswer) Table(w io.Writer) {
	fields(w, [][2]string{
		{"sequence", strconv.FormatUint(a.Sequence, 10)}, {"at", stamp(a.At)}, {"type", a.Type}, {"code", a.Code}, {"why", a.Why},
	})
	a.Event.table(w)
}

// DeadList lists what subscribers gave up.
func DeadList(ctx context.Context, app *cli.App, f DeadListFlags) error {
	if f.Limit < 1 || f.Limit > route.MaxLimit {
		return cli.Usage("-n %d: it is between 1 and %d", f.Limit, route.MaxLimit)
	}
	subject := wire.DeadLetterRoot + "."
	for i, token := range []string{f.Domain, f.Consumer} {
		switch {
		case token == "" && i == 0:
			subject += "*."
		case token == "":
			subject += ">"
		case !wire.ValidToken(token):
			return cli.Usage("%q is no name of a domain or a subscriber", token)
		case i == 0:
			subject += token + "."
		default:
			subject += token
		}
	}
	at, err := f.Connect("dlq")
	if err != nil {
		return err
	}
	defer at.Close()
	found, total, err := latest(ctx, at, wire.DeadLetterStream, subject, f.Limit, func(entry) bool { return true })
	if err != nil {
		return err
	}
	a := deadList{Environment: at.Name, Total: total, Letters: []letter{}}
	for _, e := range found {
		a.Letters = append(a.Letters, letterOf(e))
	}
	return app.Answer(a)
}

type deadList struct {
	Environment string   `json:"environment"`
	Total       int      `json:"total"`
	Letters     []letter `json:"letters"`
}

// letter is an event that a subscriber gave up.
type letter struct {
	Sequence   uint64    `json:"sequence"` // in stream DLQ
	At         time.Time `json:"at"`
	Consumer   string    `json:"consumer"`
	Domain     string    `json:"domain"`
	Type       string    `json:"type"`
	Position   string    `json:"position"` // where the event stands, as STREAM:SEQUENCE
	Deliveries string    `json:"deliveries,omitempty"`
	Code       string    `json:"code"`
	Why        string    `json:"why"`
}

func letterOf(e entry) letter {
	domain, consumer, _ := strings.Cut(strings.TrimPrefix(e.subject, wire.DeadLetterRoot+"."), ".")
	return letter{
		Sequence: e.sequence, At: e.at, Consumer: consumer, Domain: domain, Type: e.header.Get(wire.HeaderCEType),
		Position: e.header.Get(mesh.HeaderDeadLetterPosition), Deliveries: e.header.Get(mesh.HeaderDeadLetterDeliveries),
		Code: e.header.Get(wire.HeaderReason), Why: e.header.Get(mesh.HeaderDeadLetterError),
	}
}

// Table writes the answer for people.
func (a deadList) Table(w io.Writer) {
	fmt.Fprintf(w, "%s, given up: %s\n", a.Environment, shown(len(a.Letters), a.Total))
	if len(a.Letters) == 0 {
		return
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, l := range a.Letters {
		rows = append(rows, []string{strconv.FormatUint(l.Sequence, 10), stamp(l.At), l.Domain, l.Consumer, l.Type, l.Position, l.Deliveries, l.Code, l.Why})
	}
	cli.Columns(w, []string{"sequence", "at", "domain", "consumer", "type", "position", "deliveries", "code", "why"}, rows)
}

// DeadShow shows one of them.
func DeadShow(ctx context.Context, app *cli.App, f ShowFlags) error {
	at, err := f.Connect("dlq")
	if err != nil {
		return err
	}
	defer at.Close()
	m, err := get(ctx, at, wire.DeadLetterStream, f.Sequence)
	if err != nil {
		return err
	}
	a := deadAnswer{letter: letterOf(entry{m.Sequence, m.Time.UTC(), m.Subject, m.Header})}
	if f.Raw {
		a.Event = rawEvent(m.Header.Get(mesh.HeaderDeadLetterSubject), m.Header, m.Data)
	}
	return app.Answer(a)
}

type deadAnswer struct {
	letter
	Event *raw `json:"event,omitempty"`
}

// Table writes the answer for people.
func (a deadAnswer) Table(w io.Writer) {
	fields(w, [][2]string{
		{"sequence", strconv.FormatUint(a.Sequence, 10)},
		{"at", stamp(a.At)},
		{"domain", a.Domain},
		{"consumer", a.Consumer},
		{"type", a.Type},
		{"position", a.Position},
		{"deliveries", a.Deliveries},
		{"code", a.Code},
		{"why", a.Why},
	})
	a.Event.table(w)
}
