package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Record says why an event is withheld from a destination, and what became of
// it. It is kept at the origin, in stream WITHHELD, and may name fields; never
// values. Of it only the code crosses.
type Record struct {
	OriginSequence uint64    `json:"origin_sequence"`
	To             string    `json:"to"`
	Domain         string    `json:"domain"`
	Type           string    `json:"type"`
	SchemaSubject  string    `json:"schema_subject,omitempty"`
	SchemaVersion  int       `json:"schema_version,omitempty"`
	Policy         string    `json:"policy"`
	Code           string    `json:"code"` // stable; see mesh/contract, mesh/mask and this package
	Pointer        string    `json:"pointer,omitempty"`
	Class          string    `json:"class,omitempty"`
	Why            string    `json:"why"`
	Cure           string    `json:"cure,omitempty"`
	At             time.Time `json:"at"`                   // of the latest attempt
	Attempts       int       `json:"attempts,omitempty"`   // to release it that failed
	Generation     uint64    `json:"generation,omitempty"` // in which it was withheld, from 2 on

	Released *Release `json:"released,omitempty"` // nil while the event is withheld
	Renewed  bool     `json:"renewed,omitempty"`  // the history has been masked anew since; if the event is withheld then, too, another record takes the place of this one
	Crossed  bool     `json:"crossed,omitempty"`  // it was not withheld after all: the route was stopped before it wrote the marker, and masked it when it began again
}

// Release says how a withheld event was released.
type Release struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`     // who asked for it
	Policy string    `json:"policy"` // under which it crossed
	// Message is the sequence in the egress stream of what crossed.
	Message uint64 `json:"message,omitempty"`
}

// Settled reports whether there is nothing more to do for the event.
func (r *Record) Settled() bool { return r.Released != nil || r.Crossed || r.Renewed }

// conflict reports whether a write was refused because the record is not, or
// not any more, as the writer believed.
func conflict(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// kept is a record as the stream has it.
type kept struct {
	Record
	revision uint64 // 0: there is none
}

func (r *Route) load(ctx context.Context, sequence uint64) (kept, error) {
	stream, err := r.js.Stream(ctx, wire.WithheldStream)
	if err != nil {
		return kept{}, fmt.Errorf("find stream %s: %w", wire.WithheldStream, err)
	}
	return loadFrom(ctx, stream, r.recordSubject(sequence))
}

func loadFrom(ctx context.Context, stream jetstream.Stream, subject string) (kept, error) {
	m, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return kept{}, nil
	}
	if err != nil {
		return kept{}, fmt.Errorf("read record %s of stream %s: %w", subject, wire.WithheldStream, err)
	}
	k := kept{revision: m.Sequence}
	if err := json.Unmarshal(m.Data, &k.Record); err != nil {
		return kept{}, fmt.Errorf("record %s of stream %s: %w", subject, wire.WithheldStream, err)
	}
	return k, nil
}

func (r *Route) recordSubject(sequence uint64) string {
	return r.names.record + strconv.FormatUint(sequence, 10)
}

// message is a record to be written, if it is still at revision.
func (r *Route) recordMessage(record *Record, revision uint64) (*nats.Msg, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("write down why event %d is withheld: %w", record.OriginSequence, err)
	}
	return &nats.Msg{
		Subject: r.recordSubject(record.OriginSequence), Data: body,
		Header: nats.Header{jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(revision, 10)}},
	}, nil
}

// change brings an event's record up to date: edit changes it and reports
// whether it is to be written. Two who change one record never overwrite each
// other.
func (r *Route) change(ctx context.Context, sequence uint64, edit func(*Record) bool) error {
	for {
		k, err := r.load(ctx, sequence)
		if err != nil {
			return err
		}
		k.OriginSequence, k.To, k.Domain = sequence, r.config.To, r.config.Domain
		if !edit(&k.Record) {
			return nil
		}
		m, err := r.recordMessage(&k.Record, k.revision)
		if err != nil {
			return err
		}
		if _, err = r.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0)); err == nil {
			return nil
		}
		if !conflict(err) {
			return fmt.Errorf("record what became of event %d: %w", sequence, err)
		}
	}
}

// record keeps reasons at the origin, one for each event and destination. It
// returns once all are stored. What is known of an event that was released
// meanwhile, by another route, stays.
func (r *Route) record(ctx context.Context, reasons []*Record) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	futures := make([]jetstream.PubAckFuture, len(reasons))
	for i, why := range reasons {
		r.withheld.Error().Uint64("origin_sequence", why.OriginSequence).Str("code", why.Code).Str("type", why.Type).Msg("an event is withheld")
		m, err := r.recordMessage(why, 0)
		if err != nil {
			return err
		}
		if futures[i], err = r.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0)); err != nil {
			return fmt.Errorf("record why event %d is withheld: %w", why.OriginSequence, err)
		}
	}
	for i, why := range reasons {
		var err error
		select {
		case <-futures[i].Ok():
		case err = <-futures[i].Err():
		case <-ctx.Done():
			err = ctx.Err()
		}
		if conflict(err) { // it is read again, after a restart
			err = r.change(ctx, why.OriginSequence, func(old *Record) bool {
				if old.Generation > why.Generation || (old.Settled() && old.Generation == why.Generation) {
					return false
				}
				*old = *why
				return true
			})
		}
		if err != nil {
			return fmt.Errorf("record why event %d is withheld: %w", why.OriginSequence, err)
		}
	}
	return nil
}

// Filter chooses among the withheld events of a route. The zero Filter chooses
// all of them.
type Filter struct {
	Sequences []uint64 `json:"sequences,omitempty"` // these origin sequences only
	First     uint64   `json:"first,omitempty"`     // lowest origin sequence
	Last      uint64   `json:"last,omitempty"`      // highest one; 0: no limit
	Codes     []string `json:"codes,omitempty"`     // reasons; none: any
	Types     []string `json:"types,omitempty"`     // event types; none: any
	Settled   bool     `json:"settled,omitempty"`   // instead of what is withheld, what was and is not any more
	Limit     int      `json:"limit,omitempty"`     // records or events at a time; 0: DefaultLimit, at most MaxLimit
}

// The limits of a Filter.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

func (f Filter) limit() int {
	if f.Limit <= 0 {
		return DefaultLimit
	}
	return min(f.Limit, MaxLimit)
}

func (f Filter) takes(k *Record) bool {
	return k.OriginSequence >= f.First && (f.Last == 0 || k.OriginSequence <= f.Last) &&
		(len(f.Codes) == 0 || slices.Contains(f.Codes, k.Code)) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, k.Type)) &&
		f.Settled == k.Settled()
}

// Page is a part of what a Filter chose, in origin order.
type Page struct {
	Total   int      `json:"total"` // that the filter chose
	Records []Record `json:"records"`
}

// Withheld lists withheld events, lowest origin sequence first. It reads every
// record of the route, which takes about a second for 100,000.
func (r *Route) Withheld(ctx context.Context, f Filter) (Page, error) {
	sequences, err := r.choose(ctx, f)
	if err != nil {
		return Page{}, &Error{Code: CodeUnavailable, Op: "list what is withheld from " + r.config.To, Cause: err, Cure: "try again; `lockstep status` shows how the environment fares"}
	}
	page := Page{Total: len(sequences), Records: []Record{}}
	for _, sequence := range sequences[:min(f.limit(), len(sequences))] {
		k, err := r.load(ctx, sequence)
		if err != nil {
			return Page{}, &Error{Code: CodeUnavailable, Op: fmt.Sprintf("read why event %d is withheld from %s", sequence, r.config.To), Cause: err, Cure: "try again"}
		}
		if k.revision != 0 {
			page.Records = append(page.Records, k.Record)
		}
	}
	return page, nil
}

// choose gives the origin sequences of the records that f takes, ascending.
func (r *Route) choose(ctx context.Context, f Filter) ([]uint64, error) {
	stream, err := r.js.Stream(ctx, wire.WithheldStream)
	if err != nil {
		return nil, fmt.Errorf("find stream %s: %w", wire.WithheldStream, err)
	}
	var chosen []uint64
	for _, sequence := range f.Sequences {
		k, err := loadFrom(ctx, stream, r.recordSubject(sequence))
		if err != nil {
			return nil, err
		}
		if k.OriginSequence = sequence; k.revision != 0 && f.takes(&k.Record) {
			chosen = append(chosen, sequence)
		}
	}
	if len(f.Sequences) > 0 {
		slices.Sort(chosen)
		return slices.Compact(chosen), nil
	}
	err = scan(ctx, stream, r.names.record+"*", func(m jetstream.Msg) error {
		var k Record
		if err := json.Unmarshal(m.Data(), &k); err != nil {
			return fmt.Errorf("record %s of stream %s: %w", m.Subject(), wire.WithheldStream, err)
		}
		text := strings.TrimPrefix(m.Subject(), r.names.record)
		if k.OriginSequence, err = strconv.ParseUint(text, 10, 64); err != nil {
			return fmt.Errorf("record %s of stream %s names no event: %w", m.Subject(), wire.WithheldStream, err)
		}
		if f.takes(&k) {
			chosen = append(chosen, k.OriginSequence)
		}
		return nil
	})
	slices.Sort(chosen)
	return slices.Compact(chosen), err // a record that changes while it is read is read twice
}

// scan hands over what a stream holds under filter now.
func scan(ctx context.Context, stream jetstream.Stream, filter string, take func(jetstream.Msg) error) error {
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}, DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return fmt.Errorf("read stream %s: %w", stream.CachedInfo().Config.Name, err)
	}
	// The library leaves it to the server, for five minutes, and a stream has only so many.
	defer func() {
		kept, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		defer cancel()
		if info := consumer.CachedInfo(); info != nil {
			_ = stream.DeleteConsumer(kept, info.Name) // or else the server does
		}
	}()
	if info := consumer.CachedInfo(); info != nil && info.NumPending == 0 {
		return nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return fmt.Errorf("read stream %s: %w", stream.CachedInfo().Config.Name, err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read stream %s: %w", stream.CachedInfo().Config.Name, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if err := take(m); err != nil {
			return err
		}
		if meta.NumPending == 0 {
			return nil
		}
	}
}
