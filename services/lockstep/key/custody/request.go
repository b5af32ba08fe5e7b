package custody

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// What a Keeper can be asked, the last token of its subjects.
const (
	verbList    = "key-list"
	verbCreate  = "key-create"
	verbAdopt   = "key-adopt"
	verbRotate  = "key-rotate"
	verbDestroy = "key-destroy"
	verbReload  = "key-reload"
	verbMap     = "key-map"
	verbReveal  = "key-reveal"
)

// Who asks; it is recorded.
type Who struct {
	By string `json:"by"`
}

// State is what an environment says of its keys, and nothing of the keys.
type State struct {
	Environment string  `json:"environment"`
	Source      string  `json:"source"`
	Problem     *Error  `json:"problem,omitempty"` // why there is no key; then every route withholds
	Keys        []Key   `json:"keys"`              // the active one first
	Routes      []Route `json:"routes"`
}

// Key is one key.
type Key struct {
	mask.KeyInfo
	KeepUntil time.Time `json:"keep_until,omitzero"` // until when its rotation promised to keep it
	Uses      []Use     `json:"uses"`                // what was masked with it
}

// Use is a run of events for one destination that were masked with one key.
type Use struct {
	To     string `json:"to"`
	Domain string `json:"domain"`
	First  uint64 `json:"first"` // sequences in the egress stream
	Last   uint64 `json:"last"`
}

// Route is what the active key is used for from now on.
type Route struct {
	To        string   `json:"to"`
	Domains   []string `json:"domains"`
	Policy    string   `json:"policy"`
	Encrypted []string `json:"encrypted,omitempty"` // classes whose values the key's holders can read again
	Fault     string   `json:"fault,omitempty"`     // why the route withholds every event
}

// RotateRequest asks for a new key.
type RotateRequest struct {
	Who
	Overlap time.Duration `json:"overlap,omitempty"` // for how long the former key is kept at least
}

// DestroyRequest asks to destroy a key for ever.
type DestroyRequest struct {
	Who
	ID    string `json:"id"`
	Early bool   `json:"early,omitempty"` // although it was promised to be kept for longer
}

// MapRequest asks for the tokens that a class's values have under two keys.
type MapRequest struct {
	Who
	To     string `json:"to"`
	Domain string `json:"domain"`
	Class  string `json:"class"`
	Old    string `json:"old,omitempty"`   // ID; empty: the key before the active one
	New    string `json:"new,omitempty"`   // ID; empty: the active one
	First  uint64 `json:"first,omitempty"` // origin sequence to begin at
}

// MapPage is a part of a mapping.
type MapPage struct {
	Old     string `json:"old"`
	New     string `json:"new"`
	Pairs   []Pair `json:"pairs"`
	Events  int    `json:"events"`         // that were read
	Skipped int    `json:"skipped"`        // of these, that cannot be masked now
	Next    uint64 `json:"next,omitempty"` // origin sequence to go on at; 0: there is no more
}

// Pair is what one value became, and becomes.
type Pair struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// RevealRequest asks for the value behind one that encrypt or fpe made.
type RevealRequest struct {
	Who
	To    string `json:"to"`
	Class string `json:"class"`
	Token string `json:"token"`

	// Of fpe only, which needs to know what the schema admits there, and of which key
	// the event says that it was masked with: its result doesn't show either.
	Type  string `json:"type,omitempty"`  // of the event
	Field string `json:"field,omitempty"` // pointer into it; * for items and names in maps
	Key   string `json:"key,omitempty"`   // ID; empty: the active one
}

// Revealed is the answer to it.
type Revealed struct {
	Value     string         `json:"value"`
	Key       string         `json:"key"`
	Technique mask.Technique `json:"technique"`
}

// answer is what goes back over the wire.
type answer struct {
	Error *Error          `json:"error,omitempty"`
	Done  json.RawMessage `json:"done,omitempty"`
}

// Client asks the keeper of a running environment. Its errors are *Error.
type Client struct {
	Conn        *nats.Conn // into the account of the streams
	Environment string
}

// List says which keys there are.
func (c Client) List(ctx context.Context) (s State, err error) {
	return s, c.ask(ctx, verbList, "list the keys", struct{}{}, &s)
}

// Create makes a key where one is missing, and breaks every join with what was
// masked before.
func (c Client) Create(ctx context.Context, q Who) (s State, err error) {
	return s, c.ask(ctx, verbCreate, "make a key", q, &s)
}

// Adopt takes on a key that has nothing to do with those that events were masked
// with, and breaks every join with what was masked before.
func (c Client) Adopt(ctx context.Context, q Who) (s State, err error) {
	return s, c.ask(ctx, verbAdopt, "take on another key", q, &s)
}

// Rotate makes a new key, under which all that follows is masked.
func (c Client) Rotate(ctx context.Context, q RotateRequest) (s State, err error) {
	return s, c.ask(ctx, verbRotate, "rotate the key", q, &s)
}

// Destroy destroys a key that is not the active one.
func (c Client) Destroy(ctx context.Context, q DestroyRequest) (s State, err error) {
	return s, c.ask(ctx, verbDestroy, "destroy key "+q.ID, q, &s)
}

// Reload has the keys and the policies read again.
func (c Client) Reload(ctx context.Context, q Who) (s State, err error) {
	return s, c.ask(ctx, verbReload, "read keys and policies again", q, &s)
}

// Map gives one page of a mapping.
func (c Client) Map(ctx context.Context, q MapRequest) (p MapPage, err error) {
	return p, c.ask(ctx, verbMap, "map tokens of two keys", q, &p)
}

// Reveal gives the value behind an encrypted one.
func (c Client) Reveal(ctx context.Context, q RevealRequest) (r Revealed, err error) {
	return r, c.ask(ctx, verbReveal, "reveal a value", q, &r)
}

func (c Client) ask(ctx context.Context, verb, op string, question, done any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return errorOf(op, err)
	}
	m, err := c.Conn.RequestWithContext(ctx, wire.AdminSubject(c.Environment, verb), body)
	if errors.Is(err, nats.ErrNoResponders) {
		return &Error{Code: CodeUnavailable, Op: op, Why: c.Environment + " keeps no keys: no route begins there", Cure: "name an origin environment with --env", cause: err}
	}
	if err != nil {
		return &Error{Code: CodeUnavailable, Op: op, Why: err.Error(), Cure: "see whether the environment runs (`lockstep status`), and what was done already (`lockstep key list`)", cause: err}
	}
	var a answer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return errorOf(op, err)
	}
	if a.Error != nil {
		return a.Error
	}
	if err := json.Unmarshal(a.Done, done); err != nil {
		return errorOf(op, err)
	}
	return nil
}
