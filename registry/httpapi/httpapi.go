// Package httpapi speaks the schema registry's HTTP API in the shape that
// Confluent's clients expect.
//
// Paths, parameters, bodies, status codes and error numbers belong here. What a
// request means is package registry's.
package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/compat"
)

// contentType is what Confluent's registry answers with.
const contentType = "application/vnd.schemaregistry.v1+json"

// MaxBody is the largest request body, in bytes.
const MaxBody = 8 << 20

// Error numbers that belong to HTTP alone.
const (
	codeNotFound    = 404
	codeMethod      = 405
	codeTooLarge    = 413
	codeContentType = 415
	codeBody        = 42206
	codeInternal    = 500
)

// Option changes how the API works.
type Option func(*api)

// WithForwarder has a replica hand writes to the primary.
func WithForwarder(f *Forwarder) Option { return func(a *api) { a.forward = f } }

// WithLogger sets where failures are logged.
func WithLogger(log zerolog.Logger) Option {
	return func(a *api) { a.log = log.With().Str("part", "registry http").Logger() }
}

// api is the handler. It is safe for concurrent use.
type api struct {
	registry *registry.Registry
	forward  *Forwarder
	log      zerolog.Logger
	mux      *http.ServeMux
}

// New makes the handler of the API over a registry's view.
func New(r *registry.Registry, options ...Option) http.Handler {
	a := &api{registry: r, log: zerolog.Nop(), mux: http.NewServeMux()}
	for _, o := range options {
		o(a)
	}
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"GET /{$}":                                            func(*http.Request) (any, error) { return struct{}{}, nil },
		"GET /subjects":                                       a.subjects,
		"GET /subjects/{subject}/versions":                    a.versions,
		"POST /subjects/{subject}":                            a.lookUp,
		"GET /schemas":                                        a.schemas,
		"GET /schemas/types":                                  func(*http.Request) (any, error) { return []string{registry.JSON}, nil },
		"GET /schemas/ids/{id}":                               a.byID,
		"GET /schemas/ids/{id}/schema":                        a.byIDText,
		"GET /schemas/ids/{id}/subjects":                      a.byIDSubjects,
		"GET /schemas/ids/{id}/versions":                      a.byIDVersions,
		"GET /config":                                         a.config,
		"GET /config/{subject}":                               a.config,
		"GET /mode":                                           a.mode,
		"GET /mode/{subject}":                                 a.mode,
		"POST /subjects/{subject}/versions":                   a.register,
		"GET /subjects/{subject}/versions/{v}":                a.version,
		"GET /subjects/{subject}/versions/{v}/schema":         a.versionText,
		"GET /subjects/{subject}/versions/{v}/referencedby":   a.referencedBy,
		"POST /compatibility/subjects/{subject}/versions/{v}": a.compatible,
		"POST /compatibility/subjects/{subject}/versions":     a.compatible,
	} {
		a.mux.HandleFunc(pattern, a.answer(handle))
	}
	return http.HandlerFunc(a.route)
}

// route sends a request to its handler, in the API's own words where there is
// none.
func (a *api) route(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && a.forward != nil && !a.registry.Writable() && strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/versions") && strings.HasPrefix(r.URL.Path, "/subjects/") {
		a.forward.serve(w, r, a)
		return
	}
	handler, pattern := a.mux.Handler(r)
	if pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	recorder := &status{header: http.Header{}}
	handler.ServeHTTP(recorder, r)
	if recorder.code == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", recorder.header.Get("Allow"))
		a.fail(w, &httpError{http.StatusMethodNotAllowed, codeMethod, fmt.Sprintf("HTTP 405: %s is not allowed here; allowed: %s", r.Method, recorder.header.Get("Allow"))})
		return
	}
	a.fail(w, &httpError{http.StatusNotFound, codeNotFound, "HTTP 404 Not Found: there is no " + r.URL.Path})
}

// status keeps what the mux would have answered.
type status struct {
	header http.Header
	code   int
}

func (s *status) Header() http.Header         { return s.header }
func (s *status) Write(b []byte) (int, error) { return len(b), nil }
func (s *status) WriteHeader(code int)        { s.code = code }

// httpError is a failure that the registry knows nothing of.
type httpError struct {
	status, code int
	message      string
}

func (e *httpError) Error() string { return e.message }

// text is an answer that is not wrapped in JSON: a schema as it is.
type text string

// answer turns a handler's outcome into a response.
func (a *api) answer(handle func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		body, err := handle(r)
		if err != nil {
			a.fail(w, err)
			return
		}
		w.Header().Set("Content-Type", contentType)
		if t, ok := body.(text); ok {
			_, err = io.WriteString(w, string(t))
		} else {
			err = json.NewEncoder(w).Encode(body)
		}
		if err != nil {
			a.log.Debug().Err(err).Msg("a response was not read to its end")
		}
	}
}

func (a *api) fail(w http.ResponseWriter, err error) {
	code, number, message := http.StatusInternalServerError, codeInternal, err.Error()
	var own *httpError
	var reg *registry.Error
	switch {
	case errors.As(err, &own):
		code, number = own.status, own.code
	case errors.As(err, &reg):
		code, number = reg.Status(), int(reg.Code)
	default:
		a.log.Error().Err(err).Msg("a request failed")
	}
	w.Header().Set("Content-Type", contentType)
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(map[string]any{"error_code": number, "message": message}); err != nil {
		a.log.Debug().Err(err).Msg("a response was not read to its end")
	}
}

// schemaBody is a schema in a request.
type schemaBody struct {
	Schema     *string              `json:"schema"`
	SchemaType string               `json:"schemaType"`
	References []registry.Reference `json:"references"`
	Version    int                  `json:"version"`
	ID         int                  `json:"id"`
}

// readSchema reads a schema from a request's body.
func readSchema(r *http.Request) (registry.Schema, error) {
	if t := r.Header.Get("Content-Type"); t != "" {
		media, _, err := mime.ParseMediaType(t)
		if err != nil || !slices.Contains([]string{contentType, "application/vnd.schemaregistry+json", "application/json", "application/octet-stream"}, media) {
			return registry.Schema{}, &httpError{http.StatusUnsupportedMediaType, codeContentType, fmt.Sprintf("HTTP 415: content type %q is not supported; send %s", t, contentType)}
		}
	}
	var body schemaBody
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return registry.Schema{}, &httpError{http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("the body has more than %d bytes", MaxBody)}
		}
		return registry.Schema{}, &httpError{http.StatusUnprocessableEntity, codeBody, "the body is no JSON object with a schema: " + err.Error()}
	}
	if body.Schema == nil {
		return registry.Schema{}, &registry.Error{Code: registry.CodeInvalidSchema, Message: `the body has no "schema"`, Cure: `send {"schemaType":"JSON","schema":"…"}`}
	}
	if body.SchemaType == "" {
		return registry.Schema{}, &registry.Error{Code: registry.CodeInvalidSchema, Message: "without a schemaType a schema counts as AVRO, which is not enabled here", Cure: `send "schemaType":"JSON"`}
	}
	return registry.Schema{Type: body.SchemaType, Text: *body.Schema, References: body.References, Author: r.Header.Get("X-Lockstep-Author")}, nil
}

func (a *api) register(r *http.Request) (any, error) {
	s, err := readSchema(r)
	if err != nil {
		return nil, err
	}
	v, err := a.registry.Register(r.Context(), r.PathValue("subject"), s)
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": v.ID, "version": v.Version, "guid": v.GUID, "schemaType": v.Type, "schema": v.Schema, "references": references(v)}, nil
}

func (a *api) lookUp(r *http.Request) (any, error) {
	s, err := readSchema(r)
	if err != nil {
		return nil, err
	}
	v, err := a.registry.Find(r.PathValue("subject"), s)
	if err != nil {
		return nil, err
	}
	return describe(v), nil
}

// verdictBody answers a compatibility check; messages are sent as Confluent's
// registry does, only when asked for.
type verdictBody struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages,omitempty"`
}

func (a *api) compatible(r *http.Request) (any, error) {
	s, err := readSchema(r)
	if err != nil {
		return nil, err
	}
	subject := r.PathValue("subject")
	number := r.PathValue("v")
	if number == "" {
		number = "latest"
		if len(a.registry.Versions(subject)) == 0 {
			return verdictBody{Compatible: true}, nil
		}
	}
	v, err := a.find(subject, number)
	if err != nil {
		return nil, err
	}
	verdict, err := a.registry.Check(subject, v.Version, s)
	if err != nil {
		return nil, err
	}
	body := verdictBody{Compatible: verdict.Result == compat.Compatible}
	if verbose, _ := strconv.ParseBool(r.URL.Query().Get("verbose")); verbose {
		for _, f := range verdict.Findings {
			body.Messages = append(body.Messages, f.String())
		}
	}
	return body, nil
}
