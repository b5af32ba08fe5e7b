package quarantine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

const (
	readTimeout = 2 * time.Minute
	askTimeout  = 150 * time.Second // longer than the environment takes at most
)

// entry is a message of a stream without its payload.
type entry struct {
	sequence uint64
	at       time.Time
	subject  string
	header   nats.Header
}

// latest reads what a stream holds under subject, and gives the last of those
// that take takes, and how many there are in all.
func latest(ctx context.Context, at *operator.Environment, stream, subject string, limit int, take func(entry) bool) (last []entry, total int, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	js, err := jetstream.New(at.Conn)
	if err != nil {
		return nil, 0, unreadable(at, stream, err)
	}
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverAllPolicy, HeadersOnly: true,
	})
	if err != nil {
		return nil, 0, unreadable(at, stream, err)
	}
	if info := consumer.CachedInfo(); info != nil && info.NumPending == 0 {
		return nil, 0, nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return nil, 0, unreadable(at, stream, err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, 0, unreadable(at, stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, 0, unreadable(at, stream, err)
		}
		if e := (entry{meta.Sequence.Stream, meta.Timestamp.UTC(), m.Subject(), m.Headers()}); take(e) {
			total++
			last = append(last, e)
			if len(last) > limit {
				last = last[1:]
			}
		}
		if meta.NumPending == 0 {
			return last, total, nil
		}
	}
}

// get reads one message of a stream.
func get(ctx context.Context, at *operator.Environment, stream string, sequence uint64) (*jetstream.RawStreamMsg, error) {
	js, err := jetstream.New(at.Conn)
	if err != nil {
		return nil, unreadable(at, stream, err)
	}
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return nil, unreadable(at, stream, err)
	}
	m, err := s.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, &cli.Error{
			Code: "not_found", What: fmt.Sprintf("stream %s of %s holds nothing at sequence %d", stream, at.Name, sequence), Cure: "list shows the sequences that there are",
		}
	}
	if err != nil {
		return nil, unreadable(at, stream, err)
	}
	return m, nil
}

func unreadable(at *operator.Environment, stream string, err error) error {
	return &cli.Error{
		Code: "unavailable", What: fmt.Sprintf("stream %s of %s cannot be read", stream, at.Name), Where: at.URL, Cause: err, Cure: "see `lockstep status`, and try again",
	}
}
