// Package ingress takes webhook deliveries as GitHub sends them, and publishes
// each as an event of the domain github.
//
// It checks what only HTTP knows (signature, size, headers) and forwards the
// payload untouched: whether it is JSON, and valid under its schema, is the
// gate's to say, whose refusal goes back to the sender. Who sends deliveries
// needs no access to NATS.
package ingress

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh"
)

const (
	// Domain owns the events.
	Domain = "github"
	// Path is where deliveries are posted.
	Path = "/hooks/github"

	// DefaultLimit is the largest payload, in bytes: what a gate admits, less
	// some room for headers.
	DefaultLimit = 1<<20 - 8<<10
	// DefaultTimeout is how long publishing may take; GitHub waits for ten seconds.
	DefaultTimeout = 5 * time.Second
)

// Publisher has an event stored; it is *mesh.Conn. Its errors are *mesh.Error.
type Publisher interface {
	Publish(ctx context.Context, event mesh.Envelope, opts ...mesh.PublishOption) (mesh.Receipt, error)
}

// Options are a handler's settings.
type Options struct {
	Secret    []byte        // the secret that deliveries are signed under; required
	Publisher Publisher     // required
	Limit     int64         // the largest payload in bytes; 0 means DefaultLimit
	Timeout   time.Duration // for publishing one delivery, retries included; 0 means DefaultTimeout
	Log       zerolog.Logger
}

// Handler answers POST /hooks/github. It is safe for concurrent use.
//
//	202  stored: {"stream", "sequence", "type", "duplicate"}
//	400  a header or the form is malformed
//	401  not signed under the secret
//	405  not a POST, 404 elsewhere
//	413  too large
//	415  neither application/json nor application/x-www-form-urlencoded
//	422  refused by the gate, with its reason
//	503  nobody to take it just now, with Retry-After
//
// Everything but 202 is an application/problem+json (RFC 9457) with the
// members code, cure and request_id; a refusal has err_code and description as
// the gate gave them, too. The same delivery (X-GitHub-Delivery) posted again
// within the stream's duplicate window is stored once.
type Handler struct {
	secret    []byte
	publisher Publisher
	limit     int64
	timeout   time.Duration
	log       zerolog.Logger
}

// NewHandler makes a handler. It refuses to work without a secret.
func NewHandler(o Options) (*Handler, error) {
	switch {
	case len(o.Secret) == 0:
		return nil, errors.New("webhooks: there is no secret, and unsigned deliveries could come from anybody: set LOCKSTEP_WEBHOOK_SECRET to the webhook's secret")
	case o.Publisher == nil:
		return nil, errors.New("webhooks: there is nothing to publish with")
	case o.Limit < 0, o.Timeout < 0:
		return nil, errors.New("webhooks: limit and time-out may not be negative")
	}
	h := &Handler{secret: append([]byte(nil), o.Secret...), publisher: o.Publisher, limit: o.Limit, timeout: o.Timeout, log: o.Log}
	if h.limit == 0 {
		h.limit = DefaultLimit
	}
	if h.timeout == 0 {
		h.timeout = DefaultTimeout
	}
	return h, nil
}

// accepted is the answer to a delivery that is stored.
type accepted struct {
	Stream    string `json:"stream"`
	Sequence  uint64 `json:"sequence"`
	Type      string `json:"type"`
	Duplicate bool   `json:"duplicate"`
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	requestID := rand.Text()
	w.Header().Set("X-Request-Id", requestID)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")

	d, answer, p := h.serve(w, r)
	h.report(requestID, time.Since(began), d, answer, p)
	if p != nil {
		p.write(w, requestID)
		return
	}
	body, err := json.Marshal(answer)
	if err != nil { // strings and numbers always encode
		unpublished(err).write(w, requestID)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(append(body, '\n')) // a client that is gone misses its answer; the event is stored all the same
}

// report logs what became of a request. Neither payloads nor URLs nor what a
// refusal quotes belong in a log.
func (h *Handler) report(requestID string, took time.Duration, d *delivery, answer accepted, p *problem) {
	fields := map[string]any{"request_id": requestID, "took": took}
	if d != nil {
		fields["delivery"], fields["type"] = d.id, d.subject()
	}
	if p != nil {
		h.log.Warn().Fields(fields).Int("status", p.status).Str("code", p.code).Int("err_code", p.errCode).Msg("delivery not taken")
		return
	}
	h.log.Info().Fields(fields).Str("stream", answer.Stream).Uint64("sequence", answer.Sequence).Bool("duplicate", answer.Duplicate).Msg("delivery stored")
}

// serve handles one request; the delivery is nil for a request that is none.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (*delivery, accepted, *problem) {
	if r.URL.Path != Path {
		return nil, accepted{}, notFound(r.URL.Path)
	}
	if r.Method != http.MethodPost {
		return nil, accepted{}, notAllowed(r.Method)
	}
	d, p := h.read(w, r)
	if p != nil {
		return nil, accepted{}, p
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.timeout)
	defer cancel()
	eventType := d.subject()
	receipt, err := h.publisher.Publish(ctx, mesh.Envelope{Type: eventType, Data: d.payload, ID: d.id, Source: "https://github.com"})
	if err != nil {
		return d, accepted{}, unpublished(err)
	}
	return d, accepted{Stream: receipt.Stream, Sequence: receipt.Sequence, Type: eventType, Duplicate: receipt.Duplicate}, nil
}
