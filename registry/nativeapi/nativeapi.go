// Package nativeapi is the registry's own HTTP API, under /api/v1: what Confluent's
// has no words for. The life of versions, owners, consumers, differences, history
// and changes as they happen.
//
// Paths, parameters, bodies, status codes, the problem documents, the OpenAPI
// document and the page that shows it belong here. What a request means is package
// registry's; Confluent's API is package httpapi's.
package nativeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/httpapi"
	"github.com/lockstep-mesh/lockstep/registry/presence"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// Paths are where the API answers, as patterns of http.ServeMux.
func Paths() []string { return []string{root + "/", "/openapi.json", "/docs"} }

const root = "/api/v1"

// Beside is a handler that answers for the API on its paths and for another one on
// all others. It looks at paths as they were sent, which a mux would clean.
func (a *API) Beside(other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if path == "/openapi.json" || path == "/docs" || strings.HasPrefix(path, root+"/") {
			a.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

// MaxBody is the largest request body, in bytes.
const MaxBody = httpapi.MaxBody

// Option changes how the API works.
type Option func(*API)

// WithForwarder has a replica hand writes to the primary. The forwarder stays the
// caller's to close.
func WithForwarder(f *httpapi.Forwarder) Option { return func(a *API) { a.forward = f } }

// WithLogger sets where failures are logged.
func WithLogger(log zerolog.Logger) Option {
	return func(a *API) { a.log = log.With().Str("part", "registry native api").Logger() }
}

// WithVersion sets the version that the OpenAPI document gives of the API's server.
func WithVersion(version string) Option { return func(a *API) { a.version = version } }

// WithPresence has the API know consumers and producers. The book stays the
// caller's to close.
func WithPresence(book *presence.Book) Option { return func(a *API) { a.presence = book } }

// withHeartbeat sets how often a stream of changes says that it lives.
func withHeartbeat(d time.Duration) Option { return func(a *API) { a.heartbeat = d } }

// API is the handler. It is safe for concurrent use.
type API struct {
	registry  *registry.Registry
	presence  *presence.Book
	forward   *httpapi.Forwarder
	log       zerolog.Logger
	version   string
	heartbeat time.Duration

	mux      *http.ServeMux
	huma     huma.API
	writes   map[string]bool // by the mux's pattern
	document []byte          // OpenAPI
	page     []byte          // of the document

	closing context.Context //nolint:containedctx // ends the streams with the API
	end     context.CancelFunc
	mu      sync.Mutex // of ended, so that no stream begins while Close waits for them
	ended   bool
	streams sync.WaitGroup
	open    atomic.Int64
}

// New makes the API over a registry's view.
func New(r *registry.Registry, options ...Option) (*API, error) {
	a := &API{registry: r, log: zerolog.Nop(), version: "1", heartbeat: heartbeat, mux: http.NewServeMux(), writes: map[string]bool{}}
	for _, o := range options {
		o(a)
	}
	a.closing, a.end = context.WithCancel(context.Background())
	a.huma = humago.New(a.mux, a.config())
	a.registryRoutes()
	a.subjectRoutes()
	a.versionRoutes()
	a.compareRoutes()
	a.consumerRoutes()
	a.changeRoutes()
	if err := a.describe(); err != nil {
		return nil, err
	}
	a.mux.HandleFunc("GET /openapi.json", a.serve("application/json", &a.document))
	a.mux.HandleFunc("GET /docs", a.serve("text/html; charset=utf-8", &a.page))
	return a, nil
}

// Close ends the streams of changes and waits for them; other requests are the
// server's to wait for. It may be called more than once.
func (a *API) Close() {
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	a.end()
	a.streams.Wait()
}

// begin counts a stream in, unless the API is closed or too many are open.
func (a *API) begin() *Problem {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.ended:
		return newProblem(http.StatusServiceUnavailable, "closing", "no stream of changes begins", "this instance is being stopped", "connect again")
	case a.open.Load() >= maxStreams:
		return newProblem(http.StatusServiceUnavailable, "too_many_streams", fmt.Sprintf("%d streams of changes are open", maxStreams), "that is the most this instance serves", "try again later, or read the stream REGISTRY over NATS")
	}
	a.open.Add(1)
	a.streams.Add(1)
	return nil
}

// done counts a stream out.
func (a *API) done() {
	a.open.Add(-1)
	a.streams.Done()
}

// config is how the framework is used: for routing, validation and the document.
func (a *API) config() huma.Config {
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Lockstep schema registry", Version: a.version, Description: description,
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)},
			Tags:       tags,
		},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{asProblem},

		RejectUnknownQueryParameters: true,
	}
	format := huma.Format{Marshal: a.marshal, Unmarshal: json.Unmarshal}
	c.Formats = map[string]huma.Format{"application/json": format, "json": format}
	return c
}

// marshal writes an answer. That it could not be sent to its end is nothing that
// the caller could tell anybody.
func (a *API) marshal(w io.Writer, v any) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		a.log.Error().Err(err).Msg("an answer cannot be written as JSON")
		return nil
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		a.log.Debug().Err(err).Msg("a response was not read to its end")
	}
	return nil
}

// operation completes an operation's description and remembers whether it writes.
func (a *API) operation(op huma.Operation, writes bool) huma.Operation {
	op.Path = root + op.Path
	op.MaxBodyBytes = MaxBody
	op.Responses = map[string]*huma.Response{"default": {
		Description: "A problem: what failed, why, and how to mend it.",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}},
	}}
	if writes {
		a.writes[op.Method+" "+op.Path] = true
	}
	return op
}

type authorKey struct{}

// author is who sent the request that a context belongs to.
func author(ctx context.Context) string {
	name, _ := ctx.Value(authorKey{}).(string)
	return name
}

// ServeHTTP answers in JSON, whatever is asked, but for the page.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	handler, pattern := a.mux.Handler(r)
	if pattern == "" {
		a.fail(w, missing(r, handler))
		return
	}
	data, problem := readBody(w, r)
	if problem != nil {
		a.fail(w, problem)
		return
	}
	if data != nil {
		r.Body = io.NopCloser(bytes.NewReader(data))
	}
	if a.writes[pattern] && a.forward != nil && !a.registry.Writable() {
		a.pass(w, r, data)
		return
	}
	out := &answer{ResponseWriter: w, writes: a.writes[pattern], registry: a.registry}
	ctx := context.WithValue(r.Context(), authorKey{}, httpapi.Author(r))
	a.mux.ServeHTTP(out, r.WithContext(context.WithValue(ctx, forwardedKey{}, httpapi.IsForwarded(r))))
}

// forwardedKey is for whether a request comes from another environment.
type forwardedKey struct{}

// shown is a version as who asks may see it: in another environment, what crosses of it.
func shown(ctx context.Context, v registry.Version, err error) (*output[Version], error) {
	if forwarded, _ := ctx.Value(forwardedKey{}).(bool); forwarded && err == nil {
		v, err = v.Shared()
	}
	return answerOf(versionOf(v), err)
}

// answer adds what belongs to the status, as it is written.
type answer struct {
	http.ResponseWriter
	writes   bool
	registry *registry.Registry
}

func (w *answer) WriteHeader(status int) {
	switch {
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	case w.writes && status < http.StatusMultipleChoices:
		w.Header().Set(httpapi.RevisionHeader, strconv.FormatUint(w.registry.Revision(), 10))
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// missing is why the mux has no route, as its own handler would say it.
func missing(r *http.Request, handler http.Handler) *Problem {
	probe := &probe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allow := probe.header.Get("Allow")
		p := newProblem(http.StatusMethodNotAllowed, "method_not_allowed", r.Method+" is not allowed here", "the path has "+allow, "use one of those")
		p.allow = allow
		return p
	}
	return newProblem(http.StatusNotFound, "not_found", "there is no "+r.URL.Path, "no operation has this path", "see /docs for those there are")
}

// probe takes an answer that nobody gets.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// readBody reads a request's body, which is strict JSON or nothing.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, newProblem(http.StatusRequestEntityTooLarge, "too_large", "the body is too large", fmt.Sprintf("it has more than %d bytes", MaxBody), "send less")
	case err != nil:
		return nil, newProblem(http.StatusBadRequest, "invalid_body", "the body could not be read to its end", err.Error(), "send it again")
	case len(bytes.TrimSpace(data)) == 0:
		return nil, nil
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		media, _, err := mime.ParseMediaType(t)
		if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
			return nil, newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", fmt.Sprintf("a body of type %q is not understood", t), "the API speaks JSON", "send application/json")
		}
		// What is JSON is read as such, whatever it is called.
		r.Header.Set("Content-Type", "application/json")
	}
	if err := strictjson.Check(data, strictjson.Limits{MaxBytes: MaxBody}); err != nil {
		return nil, newProblem(http.StatusBadRequest, "invalid_json", "the body is no JSON", err.Error(), "correct it: keys are given once, text is UTF-8, and nothing follows the value")
	}
	return data, nil
}

// pass hands a write to the primary.
func (a *API) pass(w http.ResponseWriter, r *http.Request, data []byte) {
	primary, err := a.forward.Pass(r, data)
	if err != nil {
		a.fail(w, problemOf(&registry.Error{
			Code: registry.CodeForward, Message: "this registry is a replica, and its primary cannot be reached", Cause: err,
			Cure: "write again when the primary is back; reading goes on here",
		}))
		return
	}
	if primary.Status < http.StatusMultipleChoices {
		if err := a.forward.Settle(r.Context(), a.registry, primary); err != nil {
			a.log.Debug().Err(err).Msg("a write is answered before the replica holds it")
		}
	}
	if err := primary.Copy(w); err != nil {
		a.log.Debug().Err(err).Msg("a response was not read to its end")
	}
}

// fail writes a problem.
func (a *API) fail(w http.ResponseWriter, p *Problem) {
	if p.Status >= http.StatusInternalServerError {
		a.log.Error().Err(p).Msg("a request failed")
	}
	if p.allow != "" {
		w.Header().Set("Allow", p.allow)
	}
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = a.marshal(w, p)
}

func (a *API) serve(media string, body *[]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
		if _, err := w.Write(*body); err != nil {
			a.log.Debug().Err(err).Msg("a response was not read to its end")
		}
	}
}
