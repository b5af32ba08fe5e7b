package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	requestTimeout = time.Minute // for one request
	auditTimeout   = 5 * time.Second
)

// Config is what a Keeper needs.
type Config struct {
	Environment string
	Source      mask.KeySource
	SourceFault error // why there is no Source
	Routes      []RouteConfig
	Catalog     *catalog.Catalog
	Conn        *nats.Conn // into the account of the streams; the Keeper's own

	// Apply has the routes mask under the keys from the next event on, or, with a
	// nil ring and a reason, withhold every event. reread has it read the policies
	// again first. It answers with what each route's masker has come to.
	Apply func(ctx context.Context, keys *mask.Ring, fault error, reread bool) []Applied

	Logger zerolog.Logger
}

// RouteConfig is a route that begins in the environment.
type RouteConfig struct {
	To      string
	Domains []string
}

// Applied is under what a route masks now.
type Applied struct {
	Name   string // of the policy
	Policy mask.Policy
	Fault  error // why it withholds every event; nil if it doesn't
}

// Keeper has an environment's keys. It is safe for concurrent use.
type Keeper struct {
	config Config
	js     jetstream.JetStream
	log    zerolog.Logger
	server *reply.Server

	mu      sync.Mutex // one change at a time
	ring    *mask.Ring
	fault   error
	applied []Applied // one for each of config.Routes
	latest  *mapping  // under these keys and policies; nil if there was none
}

// Open loads the keys. Where they are kept in a file that is missing, it makes
// one only if nothing was masked yet. Without a key it is open all the same: the
// reason is the fault that Keys gives, and Reload tries again. It calls c.Apply
// once, before there are routes, to know what they will mask under.
func Open(ctx context.Context, c Config) (*Keeper, error) {
	js, err := jetstream.New(c.Conn)
	if err != nil {
		return nil, errorOf("open the keys of "+c.Environment, err)
	}
	k := &Keeper{config: c, js: js, log: c.Logger.With().Str("part", "keys").Logger(), applied: make([]Applied, len(c.Routes))}
	k.server = reply.NewServer(c.Conn, k.log)
	k.ring, k.fault = k.load(ctx)
	if k.fault != nil {
		k.log.Error().Err(k.fault).Msg("there is no key: every event is withheld")
	}
	k.apply(ctx, false)
	return k, nil
}

// load gets the keys from their source, and checks that they are those that
// events were masked with.
func (k *Keeper) load(ctx context.Context) (*mask.Ring, error) {
	const op = "load the keys"
	ring, err := k.fetch(ctx)
	if err != nil {
		return nil, errorOf(op, err)
	}
	strange, err := k.strange(ctx, ring)
	if err != nil {
		return nil, errorOf(op, err)
	}
	if strange != "" {
		return nil, &Error{
			Code: CodeChanged, Op: op, Why: fmt.Sprintf("%s gives %s, and the latest events were masked with %s, which it doesn't know: nothing would join with them", k.config.Source, ring.Active().ID(), strange),
			Cure: "have it give the former key too, as the active or a retiring one, then run `lockstep key reload`; if that is lost, or the change is meant, `lockstep key adopt`",
		}
	}
	return ring, nil
}

// fetch gets the keys from their source.
func (k *Keeper) fetch(ctx context.Context) (*mask.Ring, error) {
	const op = "load the keys"
	source := k.config.Source
	if k.config.SourceFault != nil {
		return nil, k.config.SourceFault
	}
	if source.File == "" {
		return source.Load(ctx)
	}
	if _, err := os.Lstat(source.File); errors.Is(err, fs.ErrNotExist) {
		used, err := k.used(ctx)
		if err != nil {
			return nil, err
		}
		if used {
			return nil, &Error{
				Code: CodeMissing, Op: op, Why: "the key file " + source.File + " is missing, and with another key nothing would join with what was masked before",
				Cure: "restore it from its backup, then run `lockstep key reload`; if it is lost for good, `lockstep key create`",
			}
		}
	}
	return source.Load(ctx)
}

// Keys are the keys, or why there are none.
func (k *Keeper) Keys() (*mask.Ring, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ring, k.fault
}

// Serve answers requests until Close.
func (k *Keeper) Serve() error {
	for verb, handle := range map[string]handler{
		verbList:    handlerOf(func(ctx context.Context, _ struct{}) (State, error) { return k.State(ctx) }),
		verbCreate:  handlerOf(k.Create),
		verbAdopt:   handlerOf(k.Adopt),
		verbRotate:  handlerOf(k.Rotate),
		verbDestroy: handlerOf(k.Destroy),
		verbReload:  handlerOf(k.Reload),
		verbMap:     handlerOf(k.Map),
		verbReveal:  handlerOf(k.Reveal),
	} {
		if err := k.server.Handle(wire.AdminSubject(k.config.Environment, verb), func(ctx context.Context, body []byte) any {
			return answerOf(ctx, verb, handle, body)
		}); err != nil {
			return errorOf("listen for requests about keys", err)
		}
	}
	if err := k.server.Ready(); err != nil {
		return errorOf("listen for requests about keys", err)
	}
	return nil
}

// Close ends the requests under way and waits until they have ended. It may be
// called more than once.
func (k *Keeper) Close() { k.server.Close() }

type handler func(ctx context.Context, body []byte) (any, error)

// handlerOf decodes a request, strictly.
func handlerOf[Q, A any](do func(context.Context, Q) (A, error)) handler {
	return func(ctx context.Context, body []byte) (any, error) {
		var q Q
		if err := reply.Decode(body, &q); err != nil {
			return nil, &Error{Code: CodeRequest, Op: "read the request", Why: err.Error(), Cure: reply.DecodeCure}
		}
		return do(ctx, q)
	}
}

func answerOf(ctx context.Context, verb string, handle handler, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var a answer
	done, err := handle(ctx, body)
	if err == nil {
		a.Done, err = json.Marshal(done)
	}
	if err != nil {
		return answer{Error: errorOf(verb, err)}
	}
	return a
}

// apply hands the keys to the routes. k.mu is held.
func (k *Keeper) apply(ctx context.Context, reread bool) {
	k.applied, k.latest = k.config.Apply(ctx, k.ring, k.fault, reread), nil
}

// State is what can be said of the keys.
func (k *Keeper) State(ctx context.Context) (State, error) {
	k.mu.Lock()
	ring, fault, applied := k.ring, k.fault, k.applied
	k.mu.Unlock()
	s := State{Environment: k.config.Environment, Source: k.config.Source.String(), Problem: errorOf("load the keys", fault), Keys: []Key{}, Routes: []Route{}}
	uses, err := k.uses(ctx)
	if err != nil {
		return s, errorOf("find what was masked with which key", err)
	}
	kept, err := k.promises(ctx)
	if err != nil {
		return s, errorOf("find for how long keys are to be kept", err)
	}
	add := func(info mask.KeyInfo) {
		key := Key{KeyInfo: info, KeepUntil: kept[info.ID], Uses: uses[info.ID]}
		if info.State == mask.KeyDestroyed {
			key.KeepUntil = time.Time{}
		}
		if key.Uses == nil {
			key.Uses = []Use{}
		}
		s.Keys = append(s.Keys, key)
		delete(uses, info.ID)
	}
	for _, info := range ring.Keys() {
		add(info)
	}
	for id := range uses {
		if id != "" {
			add(mask.KeyInfo{ID: id, State: StateUnknown})
		}
	}
	slices.SortStableFunc(s.Keys[len(ring.Keys()):], func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
	for i, r := range k.config.Routes {
		route := Route{To: r.To, Domains: r.Domains}
		if i < len(applied) {
			a := applied[i]
			route.Policy, route.Encrypted = a.Name, encrypted(a.Policy)
			if a.Fault != nil {
				route.Fault = a.Fault.Error()
			}
		}
		s.Routes = append(s.Routes, route)
	}
	return s, nil
}

// StateUnknown is the state of a key with which events were masked and that is
// none of the ring's.
const StateUnknown mask.KeyState = "unknown"

func (k *Keeper) file(op string) (string, error) {
	if k.config.SourceFault != nil {
		return "", errorOf(op, k.config.SourceFault)
	}
	if k.config.Source.File == "" {
		return "", &Error{
			Code: CodeSource, Op: op, Why: fmt.Sprintf("the keys come from %s, which only their keeper can change", k.config.Source),
			Cure: "change them there, so that it gives a key file's content with the former key as a retiring one; then run `lockstep key reload`",
		}
	}
	return k.config.Source.File, nil
}

// encrypted are the classes whose values the holders of the key can read again.
func encrypted(p mask.Policy) []string {
	var classes []string
	for name, rule := range p.Classes {
		if rule.Technique.Reversible() {
			classes = append(classes, name)
		}
	}
	slices.Sort(classes)
	return classes
}
