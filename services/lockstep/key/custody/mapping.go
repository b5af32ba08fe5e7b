package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// The limits of a MapPage.
const (
	pageEvents = 1000
	pageBytes  = 1 << 20
)

// Map gives, for the values of a class in the events of a domain, what they
// became for a destination under a former key and what they become under
// another; never the values. It reads the origin's own stream, a page at a time,
// and masks each event under both keys.
func (k *Keeper) Map(ctx context.Context, q MapRequest) (MapPage, error) {
	var page MapPage
	err := k.audited(ctx, Record{Action: verbMap, By: q.By, To: q.To, Domain: q.Domain, Class: q.Class, Key: q.Old}, func(r *Record) error {
		m, err := k.remembered(q)
		if err != nil {
			return err
		}
		r.Key, r.Active = m.old.KeyID(), m.new.KeyID()
		page = MapPage{Old: r.Key, New: r.Active, Pairs: []Pair{}}
		return errorOrNil("map tokens of two keys", k.read(ctx, q, m, &page))
	})
	return page, err
}

// mapping are three maskers: of both keys, and one that leaves the class's
// values as they are, so that it shows where they stand.
type mapping struct {
	of              MapRequest
	old, new, plain *mask.Masker
}

// remembered is the mapping of the request, which mostly is the one of the page
// before: contracts are compiled for each masker.
func (k *Keeper) remembered(q MapRequest) (*mapping, error) {
	q.First, q.Who = 0, Who{}
	k.mu.Lock()
	latest := k.latest
	k.mu.Unlock()
	if latest != nil && latest.of == q {
		return latest, nil
	}
	m, err := k.mapping(q)
	if err != nil {
		return nil, err
	}
	m.of = q
	k.mu.Lock()
	k.latest = m
	k.mu.Unlock()
	return m, nil
}

func (k *Keeper) mapping(q MapRequest) (*mapping, error) {
	const op = "map tokens of two keys"
	refuse := func(why, cure string) (*mapping, error) {
		return nil, &Error{Code: CodeRequest, Op: op, Why: why, Cure: cure}
	}
	k.mu.Lock()
	ring, fault, applied := k.ring, k.fault, k.applied
	k.mu.Unlock()
	if fault != nil {
		return nil, fault
	}
	i := slices.IndexFunc(k.config.Routes, func(r RouteConfig) bool { return r.To == q.To && slices.Contains(r.Domains, q.Domain) })
	if i < 0 {
		return refuse(fmt.Sprintf("no route carries domain %q to %q from here", q.Domain, q.To), "name a route's destination and domain")
	}
	if applied[i].Fault != nil {
		return nil, errorOf(op, applied[i].Fault)
	}
	class := mask.Class(q.Class)
	rule, ok := applied[i].Policy.Classes[q.Class]
	if !ok || !class.Known() {
		return refuse(fmt.Sprintf("the policy %s has no rule for class %q", applied[i].Name, q.Class), "name a class that crosses")
	}
	if !keyed[rule.Technique] {
		return refuse(fmt.Sprintf("class %s is masked by %s, of which no token comes", class, rule.Technique), "name a class that is masked by token, hash, fpe, encrypt or synthetic")
	}
	if class == mask.Secret {
		return refuse("the values of class secret are not to be told apart", "name another class")
	}
	oldKey, newKey := q.Old, q.New
	for _, info := range ring.Keys() {
		if oldKey == "" && info.State == mask.KeyRetiring {
			oldKey = info.ID
		}
	}
	if newKey == "" {
		newKey = ring.Active().ID()
	}
	if oldKey == "" {
		return refuse("there is no former key", "keys are rotated with `lockstep key rotate`")
	}
	policy := applied[i].Policy
	policy.Classes = maps.Clone(policy.Classes)
	for name, rule := range policy.Classes { // these would show the class's values within others
		if rule.Technique == mask.Scrub || rule.Technique == mask.CEL {
			policy.Classes[name] = mask.Rule{Technique: mask.Redact}
		}
	}
	m := &mapping{}
	for _, want := range []struct {
		masker *(*mask.Masker)
		id     string
	}{{&m.old, oldKey}, {&m.new, newKey}} {
		key, ok := ring.Key(want.id)
		if !ok {
			return refuse(fmt.Sprintf("there is no key %s, or it is destroyed", want.id), "`lockstep key list` lists the keys")
		}
		var err error
		if *want.masker, err = mask.New(applied[i].Name, policy, q.To, key); err != nil {
			return nil, errorOf(op, err)
		}
	}
	policy.Classes[q.Class] = mask.Rule{Technique: mask.Pass}
	key, _ := ring.Key(newKey)
	var err error
	m.plain, err = mask.New(applied[i].Name, policy, q.To, key)
	return m, errorOrNil(op, err)
}

// keyed are the techniques whose results depend on the value and the key alone.
var keyed = map[mask.Technique]bool{mask.Token: true, mask.Hash: true, mask.FPE: true, mask.Encrypt: true, mask.Synthetic: true}

// read fills a page from the origin's stream.
func (k *Keeper) read(ctx context.Context, q MapRequest, m *mapping, page *MapPage) error {
	name := wire.DomainStream(q.Domain)
	stream, err := k.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("find stream %s: %w", name, err)
	}
	config := jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{wire.StoredSubject(k.config.Environment, q.Domain+".>")},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(q.First, 1),
	}
	consumer, err := stream.OrderedConsumer(ctx, config)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", name, err)
	}
	if info := consumer.CachedInfo(); info != nil && info.NumPending == 0 {
		return nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(pageEvents))
	if err != nil {
		return fmt.Errorf("read stream %s: %w", name, err)
	}
	defer messages.Stop()
	known, size := map[Pair]bool{}, 0
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read stream %s: %w", name, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("read stream %s: %w", name, err)
		}
		page.Events++
		pairs, err := k.pairs(msg, m)
		if err != nil {
			page.Skipped++
		}
		for _, p := range pairs {
			if !known[p] {
				known[p] = true
				page.Pairs = append(page.Pairs, p)
				size += len(p.Old) + len(p.New)
			}
		}
		if meta.NumPending == 0 {
			return nil
		}
		if page.Events == pageEvents || size > pageBytes {
			page.Next = meta.Sequence.Stream + 1
			return nil
		}
	}
}

// pairs are those of one event. Its error says only that there are none.
func (k *Keeper) pairs(msg jetstream.Msg, m *mapping) ([]Pair, error) {
	subject, version, ok := wire.ParseDataSchema(msg.Headers().Get(wire.HeaderCEDataSchema))
	if !ok {
		return nil, errors.New("the event names no schema")
	}
	contract, err := k.config.Catalog.Version(subject, version)
	if err != nil {
		return nil, err
	}
	var documents [3][]byte
	for i, masker := range []*mask.Masker{m.old, m.new, m.plain} {
		if documents[i], _, err = contract.Mask(nil, msg.Data(), masker); err != nil {
			return nil, err
		}
	}
	return compare(documents[0], documents[1], documents[2])
}

var errShape = errors.New("the masked documents are not alike")

// compare walks three documents of one form, and gives the texts of two where
// the third has another.
func compare(old, renewed, plain []byte) ([]Pair, error) {
	var decoders [3]*jsontext.Decoder
	for i, text := range [][]byte{old, renewed, plain} {
		decoders[i] = jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	}
	var pairs []Pair
	for {
		var tokens [3]jsontext.Token
		for i, d := range decoders {
			token, err := d.ReadToken()
			switch {
			case errors.Is(err, io.EOF) && i == 0:
				return pairs, nil
			case err != nil:
				return nil, errShape
			}
			tokens[i] = token.Clone()
		}
		if tokens[0].Kind() != tokens[1].Kind() || tokens[0].Kind() != tokens[2].Kind() {
			return nil, errShape
		}
		if kind := tokens[0].Kind(); kind != '"' && kind != '0' {
			continue
		}
		if was, is := tokens[0].String(), tokens[1].String(); is != tokens[2].String() {
			pairs = append(pairs, Pair{Old: was, New: is})
		}
	}
}
