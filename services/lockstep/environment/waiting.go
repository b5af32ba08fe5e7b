package environment

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Waiting are the events that routes withhold from a destination for one reason, and
// that nobody has released.
type Waiting struct {
	To     string `json:"to"`
	Domain string `json:"domain"`
	Code   string `json:"code"` // why, as the events' records have it
	Events int    `json:"events"`
	// AtLeast says that there may be more, which were not counted.
	AtLeast bool `json:"at_least,omitempty"`
	// Fault says that this is not what a policy decided: something is broken, or was
	// when the events came. The environment is unhealthy until they are released.
	Fault bool `json:"fault"`
}

// decided are the reasons that are a policy's decision, by a rule or by default:
// that is how masking is meant to work. Whatever else is withheld is an alarm.
var decided = map[string]bool{
	contract.CodePolicy: true, contract.CodeUnclassified: true, contract.CodeUnclassifiedKey: true, contract.CodeUndeclared: true,
}

// maxWaiting bounds how many withheld events are told apart, over all routes.
const maxWaiting = 1 << 18

// watch follows the records of withheld events, so that it is known without asking
// what waits for somebody to mend something.
type watch struct {
	js     jetstream.JetStream
	log    zerolog.Logger
	cancel context.CancelFunc
	work   sync.WaitGroup

	most  int // how many events are told apart
	mu    sync.Mutex
	codes map[ofRoute]map[uint64]string // of the events that are withheld, by origin sequence
	known int
	more  map[ofRoute]bool // some were not counted
}

type ofRoute struct{ to, domain string }

func watchWithheld(js jetstream.JetStream, log zerolog.Logger) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWatch(log, maxWaiting)
	w.js, w.cancel = js, cancel
	w.work.Go(func() { w.follow(ctx) })
	return w
}

func newWatch(log zerolog.Logger, most int) *watch {
	return &watch{log: log.With().Str("part", "withheld").Logger(), most: most, codes: map[ofRoute]map[uint64]string{}, more: map[ofRoute]bool{}}
}

func (w *watch) close() {
	w.cancel()
	w.work.Wait()
}

// follow reads the stream of records from its beginning, until ctx ends.
func (w *watch) follow(ctx context.Context) {
	var seen uint64
	for ctx.Err() == nil {
		err := w.read(ctx, &seen)
		if ctx.Err() != nil {
			return
		}
		w.log.Warn().Err(err).Msg("the records of withheld events cannot be read; it goes on in a second")
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (w *watch) read(ctx context.Context, seen *uint64) error {
	stream, err := w.js.Stream(ctx, wire.WithheldStream)
	if err != nil {
		return err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: *seen + 1})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		w.take(m.Subject(), m.Data())
		*seen = meta.Sequence.Stream
	}
}

// take takes in what is on record of one event now.
func (w *watch) take(subject string, data []byte) {
	rest, ok := strings.CutPrefix(subject, wire.WithheldRoot+".")
	tokens := strings.Split(rest, ".")
	var record route.Record
	if !ok || len(tokens) != 3 || json.Unmarshal(data, &record) != nil {
		w.log.Error().Str("subject", subject).Msg("a record of a withheld event cannot be read")
		return
	}
	sequence, err := strconv.ParseUint(tokens[2], 10, 64)
	if err != nil {
		w.log.Error().Str("subject", subject).Msg("a record of a withheld event names no event")
		return
	}
	of := ofRoute{tokens[0], tokens[1]}
	w.mu.Lock()
	defer w.mu.Unlock()
	codes := w.codes[of]
	_, known := codes[sequence]
	switch {
	case record.Settled():
		if known {
			delete(codes, sequence)
			w.known--
		}
	case !known && w.known >= w.most:
		w.more[of] = true
	default:
		if codes == nil {
			codes = map[uint64]string{}
			w.codes[of] = codes
		}
		if codes[sequence] = record.Code; !known {
			w.known++
		}
	}
}

// waiting counts what is withheld now, in a stable order.
func (w *watch) waiting() []Waiting {
	found := []Waiting{}
	if w == nil {
		return found
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for of, codes := range w.codes {
		counts := map[string]int{}
		for _, code := range codes {
			counts[code]++
		}
		for code, n := range counts {
			found = append(found, Waiting{To: of.to, Domain: of.domain, Code: code, Events: n, AtLeast: w.more[of], Fault: !decided[code]})
		}
	}
	slices.SortFunc(found, func(a, b Waiting) int {
		return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Code, b.Code))
	})
	return found
}
