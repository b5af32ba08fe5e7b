// Package presence knows which applications read and write which versions of
// schemas in an environment, and when they were last seen.
//
// It belongs here when it is about being seen. It is no part of the registry's
// history, which is kept for ever: a book keeps the last sighting of each, in a
// key-value bucket, and forgets who was not seen for long. Nothing is decided by
// it; it tells people whom a change concerns.
package presence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// Bucket is the name of the bucket, in every environment.
const Bucket = "lockstep-presence"

const (
	// Every is how often a sighting is written at most; between, it is known to the
	// instance that it was reported to only.
	Every = 10 * time.Minute
	// Forgotten is how long somebody stays in the book without being seen.
	Forgotten = 90 * 24 * time.Hour
	// maxBySubject and maxSightings bound the book: reports are taken from any
	// application, and what one writes should not cost the others their memory.
	maxBySubject = 500
	maxSightings = 20_000

	maxName = 128 // bytes, of an application's or environment's name

	writeTimeout = 5 * time.Second
	queued       = 1024
)

// Role is what an application does with events.
type Role string

// The roles.
const (
	Consumer Role = "consumer"
	Producer Role = "producer"
)

// Who is somebody who was seen with a version of a subject.
type Who struct {
	Subject     string `json:"subject"`
	Name        string `json:"name"` // the application's: of a consumer its durable name
	Role        Role   `json:"role"`
	Environment string `json:"environment"` // where
	Version     int    `json:"version"`     // 0: it takes the subject's events, and none of them was seen yet
}

// Sighting is somebody with the times.
type Sighting struct {
	Who
	First time.Time `json:"first_seen"`
	Last  time.Time `json:"last_seen"`
}

// ErrFull says that the book takes nobody new.
var ErrFull = errors.New("the book of consumers is full")

// ErrInvalid says that a report is no report.
var ErrInvalid = errors.New("invalid report")

// check refuses what is nobody.
func (w Who) check() error {
	problem := ""
	switch {
	case w.Subject == "" || len(w.Subject) > 255:
		problem = "the subject is empty or has more than 255 bytes"
	case !printable(w.Subject) || !printable(w.Name) || !printable(w.Environment):
		problem = "subject, name or environment hold a control character or no UTF-8"
	case w.Name == "" || len(w.Name) > maxName:
		problem = fmt.Sprintf("the name is empty or has more than %d bytes", maxName)
	case len(w.Environment) > maxName:
		problem = fmt.Sprintf("the environment's name has more than %d bytes", maxName)
	case w.Role != Consumer && w.Role != Producer:
		problem = fmt.Sprintf("the role is %q, and there are consumer and producer", w.Role)
	case w.Version < 0 || w.Version >= 1<<31:
		problem = fmt.Sprintf("%d is no version", w.Version)
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrInvalid, problem)
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

// key is somebody's key in the bucket, whose keys are not any text.
func (w Who) key() string {
	h := sha256.New()
	for _, part := range []string{w.Subject, w.Name, string(w.Role), w.Environment, fmt.Sprint(w.Version)} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Options are the choices that a book leaves open.
type Options struct {
	// Environment is where those who do not say it are seen.
	Environment string
	// Pass, if set, is told each sighting that is written, one at a time, so that
	// it can be passed on to the primary. It is repeated at the next writing if it
	// fails.
	Pass   func(context.Context, Sighting) error
	Logger zerolog.Logger
	// Now replaces the clock, for tests.
	Now func() time.Time
}

// Book is who was seen. It is safe for concurrent use.
type Book struct {
	bucket  jetstream.KeyValue
	options Options
	log     zerolog.Logger

	cancel  context.CancelFunc
	closing sync.Once
	end     chan struct{} // closed: what is queued is the last that is written
	writing chan struct{} // closed: nothing is written any more
	work    sync.WaitGroup
	write   chan Sighting

	mu        sync.RWMutex
	sightings map[Who]*noted
	bySubject map[string]int
}

// noted is somebody in the book.
type noted struct {
	first, last time.Time
	written     time.Time // the last of the bucket; zero: not in it
	again       bool      // its writing or passing on failed; what the bucket says does not mend that
}

// Open makes the bucket, or takes up the one that is there, and reads it. The
// context bounds the opening only.
func Open(ctx context.Context, js jetstream.JetStream, o Options) (*Book, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	bucket, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "who reads and writes which version of which schema, when last seen", History: 1, TTL: Forgotten,
	})
	if err != nil {
		return nil, fmt.Errorf("open the bucket %s of consumers: %w", Bucket, err)
	}
	b := &Book{
		bucket: bucket, options: o, log: o.Logger.With().Str("part", "presence").Logger(), write: make(chan Sighting, queued),
		end: make(chan struct{}), writing: make(chan struct{}),
		sightings: map[Who]*noted{}, bySubject: map[string]int{},
	}
	running, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	watcher, err := bucket.WatchAll(running, jetstream.IgnoreDeletes())
	if err != nil {
		cancel()
		return nil, fmt.Errorf("read the bucket %s of consumers: %w", Bucket, err)
	}
	read := make(chan struct{})
	b.work.Go(func() { b.follow(running, watcher, read) })
	b.work.Go(func() { b.writeDown(running) })
	select {
	case <-read:
		return b, nil
	case <-ctx.Done():
		b.Close()
		return nil, fmt.Errorf("read the bucket %s of consumers: %w", Bucket, context.Cause(ctx))
	}
}

// Close writes what was reported before it, for five seconds at most, ends the
// book and waits until it has ended. It may be called more than once.
func (b *Book) Close() {
	b.closing.Do(func() {
		close(b.end)
		select {
		case <-b.writing:
		case <-time.After(writeTimeout):
			b.log.Warn().Int("reports", len(b.write)).Msg("not all who were seen could be written at the end; they are at their next report")
		}
		b.cancel()
	})
	b.work.Wait()
}

// follow takes in what this and other instances write.
func (b *Book) follow(ctx context.Context, watcher jetstream.KeyWatcher, read chan<- struct{}) {
	defer func() {
		if err := watcher.Stop(); err != nil && ctx.Err() == nil {
			b.log.Warn().Err(err).Msg("the watching of the bucket did not end well")
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok:
				if ctx.Err() == nil {
					b.log.Error().Msg("who is seen by other instances is not known any more")
				}
				return
			case entry == nil:
				close(read)
			default:
				var s Sighting
				if err := json.Unmarshal(entry.Value(), &s); err != nil || s.check() != nil {
					b.log.Warn().Str("key", entry.Key()).Msg("the bucket holds something that is no sighting; it is passed over")
					continue
				}
				b.note(s, true)
			}
		}
	}
}

// note takes a sighting in. It reports whether it is to be written.
func (b *Book) note(s Sighting, written bool) (due, full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.sightings[s.Who]
	if n == nil {
		// What is in the bucket was taken by somebody; only new ones are refused.
		if !written && (b.bySubject[s.Subject] >= maxBySubject || len(b.sightings) >= maxSightings) {
			b.forget()
			if b.bySubject[s.Subject] >= maxBySubject || len(b.sightings) >= maxSightings {
				return false, true
			}
		}
		n = &noted{first: s.First, last: s.Last}
		b.sightings[s.Who] = n
		b.bySubject[s.Subject]++
	}
	if s.First.Before(n.first) {
		n.first = s.First
	}
	if s.Last.After(n.last) {
		n.last = s.Last
	}
	if written {
		if s.Last.After(n.written) {
			n.written = s.Last
		}
		return false, false
	}
	if n.last.Sub(n.written) < Every && !n.again {
		return false, false
	}
	n.again = false
	n.written = n.last // or else it would be written with each report until it is
	return true, false
}

// forget drops those who were not seen for long. The bucket drops them by itself.
func (b *Book) forget() {
	before := b.options.Now().Add(-Forgotten)
	for who, n := range b.sightings {
		if n.last.Before(before) {
			delete(b.sightings, who)
			if b.bySubject[who.Subject]--; b.bySubject[who.Subject] == 0 {
				delete(b.bySubject, who.Subject)
			}
		}
	}
}

// Report says that somebody was seen now. The error wraps ErrInvalid or ErrFull.
// It does not wait for anything.
func (b *Book) Report(who Who) error {
	if who.Environment == "" {
		who.Environment = b.options.Environment
	}
	if who.Role == "" {
		who.Role = Consumer
	}
	if err := who.check(); err != nil {
		return err
	}
	now := b.options.Now().UTC()
	due, full := b.note(Sighting{Who: who, First: now, Last: now}, false)
	if full {
		return fmt.Errorf("%w: it holds %d of subject %q at most, and %d of all", ErrFull, maxBySubject, who.Subject, maxSightings)
	}
	if !due {
		return nil
	}
	b.mu.RLock()
	n := b.sightings[who]
	s := Sighting{Who: who, First: now, Last: now}
	if n != nil {
		s.First = n.first
	}
	b.mu.RUnlock()
	select {
	case b.write <- s:
	default:
		b.again(who) // the next report tries
	}
	return nil
}

// again has somebody written at the next report.
func (b *Book) again(who Who) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.sightings[who]; n != nil {
		n.again = true
	}
}

// writeDown writes what is due, and passes it on, until the book's end.
func (b *Book) writeDown(ctx context.Context) {
	defer close(b.writing)
	for {
		select {
		case s := <-b.write:
			b.writeOrRepeat(ctx, s)
		case <-b.end:
			for len(b.write) > 0 && ctx.Err() == nil { // nobody else takes from it
				b.writeOrRepeat(ctx, <-b.write)
			}
			return
		}
	}
}

// writeOrRepeat has a sighting that could not be written repeated at the next
// report.
func (b *Book) writeOrRepeat(ctx context.Context, s Sighting) {
	if err := b.writeOne(ctx, s); err != nil && ctx.Err() == nil {
		b.log.Warn().Err(err).Str("subject", s.Subject).Str("name", s.Name).Msg("a consumer's being seen could not be written; it is tried again at its next report")
		b.again(s.Who)
	}
}

func (b *Book) writeOne(ctx context.Context, s Sighting) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := b.bucket.Put(ctx, s.key(), data); err != nil {
		return err
	}
	if b.options.Pass != nil {
		return b.options.Pass(ctx, s)
	}
	return nil
}

// Of are those who were seen with a subject, by name, role, environment and
// version.
func (b *Book) Of(subject string) []Sighting {
	return b.where(func(w Who) bool { return w.Subject == subject })
}

// Named are those of one name, with all subjects.
func (b *Book) Named(name string) []Sighting {
	return b.where(func(w Who) bool { return w.Name == name })
}

func (b *Book) where(is func(Who) bool) []Sighting {
	before := b.options.Now().Add(-Forgotten)
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := []Sighting{}
	for who, n := range b.sightings {
		if is(who) && n.last.After(before) {
			list = append(list, Sighting{Who: who, First: n.first, Last: n.last})
		}
	}
	slices.SortFunc(list, func(x, y Sighting) int { return x.compare(y.Who) })
	return list
}
