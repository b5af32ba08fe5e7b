package event

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

const (
	apiTimeout  = 10 * time.Second
	readTimeout = 30 * time.Second // for one event that is known to be there
	tableWidth  = 120              // characters of an event's data in the table
)

// TailFlags are the flags of `event tail`.
type TailFlags struct {
	target.Flags
	Domains []string
	Last    int
	Follow  bool
	Full    bool
}

func tailCommand(app *cli.App) *cobra.Command {
	var f TailFlags
	c := &cobra.Command{
		Use: "tail", Short: "Show the latest events of an environment, and those that come",
		Long: `Show the latest events as an environment holds them: in the origin as they were
published, elsewhere masked. It reads with an application's credentials and
leaves no trace.`,
		Example: "  lockstep event tail --data ./mesh --env staging --domain orders --follow\n  lockstep event tail --data ./mesh -n 1 -o json",
	}
	flags := c.Flags()
	flags.StringArrayVar(&f.Domains, "domain", nil, "a `domain`; may be repeated (default: all that the environment has)")
	flags.IntVarP(&f.Last, "last", "n", 10, "`how many` of the events that are there to show")
	flags.BoolVar(&f.Follow, "follow", false, "then show events as they come, until interrupted")
	flags.BoolVar(&f.Full, "full", false, "in a table, show all of an event's data")
	f.AddServer(flags)
	return app.Command(c, func(ctx context.Context) error { return Tail(ctx, app, f) })
}

// Tail shows the events that are there, and with Follow those that come, until
// ctx ends, which then is no error.
func Tail(ctx context.Context, app *cli.App, f TailFlags) (err error) {
	if f.Last < 0 {
		return cli.Usage("-n %d: it cannot be negative", f.Last)
	}
	conn, at, err := connect(ctx, app, f.Flags)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drain(ctx, conn)) }()
	domains, err := f.domains(at)
	if err != nil {
		return err
	}
	t := &tail{js: conn.JetStream(), environment: at.Environment, full: f.Full}
	past, err := t.past(ctx, domains, f.Last)
	if err != nil {
		return err
	}
	for _, r := range past {
		if err := app.Line(r); err != nil {
			return err
		}
	}
	if !f.Follow {
		return nil
	}
	err = t.follow(ctx, func(r record) error { return app.Line(r) })
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// domains are those whose streams are read.
func (f TailFlags) domains(at target.Server) ([]string, error) {
	if len(f.Domains) > 0 {
		for _, d := range f.Domains {
			if !wire.ValidToken(d) {
				return nil, cli.Usage("--domain %q is not a domain's name", d)
			}
		}
		return f.Domains, nil
	}
	if at.Environment == "" {
		return nil, cli.Usage("with --server and --creds alone it is not known which domains there are: name them with --domain, or the environment with --env")
	}
	m, err := target.LoadMesh(f.Mesh)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range m.DomainsAt(at.Environment) {
		names = append(names, d.Name)
	}
	if len(names) == 0 {
		return nil, cli.Usage("%s brings no domain to %s", m.File(), at.Environment)
	}
	return names, nil
}

// tail reads domains' streams in one environment.
type tail struct {
	js          jetstream.JetStream
	environment string
	full        bool
	streams     []reading
}

// reading is a stream and the sequence up to which it has been shown.
type reading struct {
	domain, stream string
	last           uint64
}

// past is the last n events that the streams hold now, by the time at which
// they were stored.
func (t *tail) past(ctx context.Context, domains []string, n int) ([]record, error) {
	var all []record
	for _, domain := range domains {
		asking, cancel := context.WithTimeout(ctx, apiTimeout)
		stream, err := t.js.Stream(asking, wire.DomainStream(domain))
		cancel()
		if err != nil {
			return nil, unreadable(domain, t.environment, err)
		}
		state := stream.CachedInfo().State
		r := reading{domain, stream.CachedInfo().Config.Name, state.LastSeq}
		t.streams = append(t.streams, r)
		if state.Msgs == 0 || n == 0 {
			continue
		}
		from := state.FirstSeq
		if state.LastSeq >= uint64(n) {
			from = max(from, state.LastSeq-uint64(n)+1)
		}
		err = t.read(ctx, r, from, func(r record, sequence, pending uint64) (more bool, err error) {
			all = append(all, r)
			return sequence < state.LastSeq && pending > 0, nil
		}, jetstream.NextMaxWait(readTimeout))
		if err != nil {
			return nil, unreadable(domain, t.environment, err)
		}
	}
	slices.SortStableFunc(all, func(a, b record) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Stream, b.Stream)) })
	return all[max(0, len(all)-n):], nil
}

// follow shows what comes after the past, until ctx ends.
func (t *tail) follow(ctx context.Context, show func(record) error) error {
	records := make(chan record)
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range t.streams {
		group.Go(func() error {
			err := t.read(ctx, r, r.last+1, func(r record, _, _ uint64) (more bool, err error) {
				select {
				case records <- r:
					return true, nil
				case <-ctx.Done():
					return false, ctx.Err()
				}
			}, jetstream.NextContext(ctx))
			if err != nil && ctx.Err() == nil {
				return unreadable(r.domain, t.environment, err)
			}
			return err
		})
	}
	group.Go(func() error {
		for {
			select {
			case r := <-records:
				if err := show(r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return group.Wait()
}

// read hands on events from a sequence on, as long as more are wanted.
func (t *tail) read(ctx context.Context, r reading, from uint64, each func(r record, sequence, pending uint64) (more bool, err error), wait jetstream.NextOpt) error {
	consumer, err := t.js.OrderedConsumer(ctx, r.stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(wait)
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		more, err := each(t.record(m, meta), meta.Sequence.Stream, meta.NumPending)
		if err != nil || !more {
			return err
		}
	}
}

func unreadable(domain, environment string, err error) error {
	e := &cli.Error{Code: "read", What: "the events of " + domain + " cannot be read", Where: environment, Cause: err}
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) {
		e.Cure = "see in mesh.yaml that the domain originates there or that a route brings it, and that the credentials are of that environment"
	}
	return e
}

// record is one event.
type record struct {
	Time           time.Time       `json:"time"` // when it was stored in this environment
	Environment    string          `json:"environment,omitempty"`
	Stream         string          `json:"stream"`
	Sequence       uint64          `json:"sequence"`
	Origin         string          `json:"origin"`
	OriginSequence uint64          `json:"origin_sequence"`
	Type           string          `json:"type"`
	Keys           []string        `json:"keys"`
	ID             string          `json:"id,omitempty"`
	SchemaSubject  string          `json:"schema_subject,omitempty"`
	SchemaVersion  string          `json:"schema_version,omitempty"`
	Masked         string          `json:"masked,omitempty"` // values that masking changed
	Data           json.RawMessage `json:"data"`

	full bool
}

func (t *tail) record(m jetstream.Msg, meta *jetstream.MsgMetadata) record {
	h := m.Headers()
	r := record{
		Time: meta.Timestamp.UTC(), Environment: t.environment, Stream: meta.Stream, Sequence: meta.Sequence.Stream, OriginSequence: meta.Sequence.Stream,
		Type: m.Subject(), Keys: []string{}, ID: h.Get(wire.HeaderCEID), Data: m.Data(), full: t.full,
		SchemaVersion: h.Get(wire.HeaderSchemaVersion), Masked: h.Get(wire.HeaderMasked),
	}
	r.SchemaSubject, _, _ = wire.ParseDataSchema(h.Get(wire.HeaderCEDataSchema))
	if origin, published, ok := wire.ParseStored(m.Subject()); ok {
		r.Origin, r.Type = origin, published
		if s, err := wire.ParseSubject(published); err == nil {
			r.Type, r.Keys = s.Type(), append(r.Keys, s.Keys...)
		}
	}
	if n, err := strconv.ParseUint(h.Get(wire.HeaderOriginSequence), 10, 64); err == nil {
		r.OriginSequence = n
	}
	if !json.Valid(r.Data) {
		quoted, err := json.Marshal(string(r.Data))
		if err == nil {
			r.Data = quoted
		}
	}
	return r
}

// Table writes the event in one line.
func (r record) Table(w io.Writer) {
	var compact bytes.Buffer
	if json.Compact(&compact, r.Data) != nil { // it is valid JSON
		compact.Write(r.Data)
	}
	data := []rune(cli.OneLine(compact.String()))
	if len(data) > tableWidth && !r.full {
		data = append(data[:tableWidth-1:tableWidth-1], '…')
	}
	subject := strings.Join(append([]string{r.Type}, r.Keys...), ".")
	fmt.Fprintf(w, "%s  %s %-7d %s  %s\n", r.Time.Format("15:04:05.000"), r.Origin, r.OriginSequence, cli.OneLine(subject), string(data))
}
