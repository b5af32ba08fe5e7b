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
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/registry"
)

// MaxBody is the largest request body, in bytes.
const MaxBody = 8 << 20

// Error numbers that belong to HTTP alone.
const (
	codeBadRequest    = 400
	codeNotFound      = 404
	codeMethod        = 405
	codeNotAcceptable = 406
	codeTooLarge      = 413
	codeContentType   = 415
	codeBody          = 422
	codeInternal      = 500
)

// RevisionHeader tells, with the answer to a write, how many changes the
// registry holds since.
const RevisionHeader = "X-Lockstep-Revision"

// Option changes how the API works.
type Option func(*api)

// WithForwarder has a replica hand writes to the primary.
func WithForwarder(f *Forwarder) Option { return func(a *api) { a.forward = f } }

// WithLogger sets where failures are logged.
func WithLogger(log zerolog.Logger) Option {
	return func(a *api) { a.log = log.With().Str("part", "registry http").Logger() }
}

// WithVersion sets what the API says that it is; without it, what the build
// says.
func WithVersion(version, commit string) Option {
	return func(a *api) { a.version = serverVersion{version, commit} }
}

// api is the handler. It is safe for concurrent use.
type api struct {
	registry *registry.Registry
	forward  *Forwarder
	log      zerolog.Logger
	version  serverVersion
	routes   router
}

type serverVersion struct {
	Version string `json:"version"`
	Commit  string `json:"commitId"`
}

// New makes the handler of the API over a registry's view.
func New(r *registry.Registry, options ...Option) http.Handler {
	a := &api{registry: r, log: zerolog.Nop()}
	if build, ok := debug.ReadBuildInfo(); ok {
		a.version.Version = build.Main.Version
	}
	for _, o := range options {
		o(a)
	}
	a.readRoutes()
	a.writeRoutes()
	return a
}

func (a *api) readRoutes() {
	read := func(pattern string, handle handler) { a.routes.add(http.MethodGet, pattern, route{handle: handle}) }
	ask := func(pattern string, handle handler) { a.routes.add(http.MethodPost, pattern, route{handle: handle}) }

	read("/", func(*http.Request) (any, error) { return struct{}{}, nil })
	read("/subjects", a.subjects)
	ask("/subjects/{subject}", a.lookUp)
	read("/subjects/{subject}/versions", a.versions)
	read("/subjects/{subject}/versions/{version}", a.subjectVersion)
	read("/subjects/{subject}/versions/{version}/schema", a.versionText)
	read("/subjects/{subject}/versions/{version}/referencedby", a.referencedBy)
	read("/subjects/{subject}/metadata", a.withMetadata)
	read("/schemas", a.schemas)
	read("/schemas/types", func(*http.Request) (any, error) { return registry.Types(), nil })
	read("/schemas/ids/{id}", a.byID)
	read("/schemas/ids/{id}/schema", a.byIDText)
	read("/schemas/ids/{id}/subjects", a.byIDSubjects)
	read("/schemas/ids/{id}/versions", a.byIDVersions)
	read("/schemas/guids/{guid}", a.byGUID)
	read("/schemas/guids/{guid}/ids", a.byGUIDIDs)
	ask("/compatibility/subjects/{subject}/versions", a.compatibleWithAll)
	ask("/compatibility/subjects/{subject}/versions/{version}", a.compatibleWith)
	read("/config", a.config)
	read("/config/{subject}", a.config)
	read("/mode", a.mode)
	read("/mode/{subject}", a.mode)
	read("/contexts", func(*http.Request) (any, error) { return []string{defaultContext}, nil })
	read("/v1/metadata/id", a.clusterID)
	read("/v1/metadata/version", func(*http.Request) (any, error) { return a.version, nil })
}

func (a *api) writeRoutes() {
	write := func(method, pattern string, handle handler) {
		a.routes.add(method, pattern, route{handle: handle, writes: true})
	}
	write(http.MethodPost, "/subjects/{subject}/versions", a.register)
	write(http.MethodDelete, "/subjects/{subject}", a.deleteSubject)
	write(http.MethodDelete, "/subjects/{subject}/versions/{version}", a.deleteVersion)
	write(http.MethodPut, "/config", a.setConfig)
	write(http.MethodPut, "/config/{subject}", a.setConfig)
	write(http.MethodDelete, "/config", a.deleteConfig)
	write(http.MethodDelete, "/config/{subject}", a.deleteConfig)
	write(http.MethodPut, "/mode", a.setMode)
	write(http.MethodPut, "/mode/{subject}", a.setMode)
	write(http.MethodDelete, "/mode", a.deleteMode)
	write(http.MethodDelete, "/mode/{subject}", a.deleteMode)
	write(http.MethodDelete, "/contexts/{context}", a.deleteContext)
}

// ServeHTTP answers in the API's own words, whatever is asked.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	media, ok := accepted(r.Header.Values("Accept"))
	w.Header().Set("Content-Type", media)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !ok {
		a.fail(w, &httpError{http.StatusNotAcceptable, codeNotAcceptable, "HTTP 406 Not Acceptable: the registry answers in " + contentType})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	found, err := a.routes.find(r)
	if err != nil {
		var wrong *methodError
		if errors.As(err, &wrong) {
			w.Header().Set("Allow", wrong.allowed)
		}
		a.fail(w, err)
		return
	}
	if found.writes && a.forward != nil && !a.registry.Writable() {
		a.forward.serve(w, r, a, found)
		return
	}
	if err := applicable(r.URL.Query()); err != nil {
		a.fail(w, err)
		return
	}
	body, err := found.handle(r)
	if err != nil {
		a.fail(w, err)
		return
	}
	if found.writes {
		w.Header().Set(RevisionHeader, strconv.FormatUint(a.registry.Revision(), 10))
	}
	a.send(w, http.StatusOK, body)
}

// httpError is a failure that the registry knows nothing of.
type httpError struct {
	status, code int
	message      string
}

func (e *httpError) Error() string { return e.message }

// text is an answer that is not wrapped in JSON: a schema as it is.
type text string

func (a *api) send(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	var err error
	if t, ok := body.(text); ok {
		_, err = io.WriteString(w, string(t))
	} else {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(body)
	}
	if err != nil {
		a.log.Debug().Err(err).Msg("a response was not read to its end")
	}
}

func (a *api) fail(w http.ResponseWriter, err error) {
	status, number, message := http.StatusInternalServerError, codeInternal, err.Error()
	var own *httpError
	var wrong *methodError
	var reg *registry.Error
	switch {
	case errors.As(err, &reg):
		status, number = reg.Status(), int(reg.Code)
	case errors.As(err, &own):
		status, number = own.status, own.code
	case errors.As(err, &wrong):
		status, number = http.StatusMethodNotAllowed, codeMethod
	}
	if status >= http.StatusInternalServerError {
		a.log.Error().Err(err).Msg("a request failed")
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	a.send(w, status, struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}{number, message})
}

// defaultContext is the only context there is: ids are global.
const defaultContext = "."

// plain is a subject's name without the mark of the default context, ":.:".
func plain(subject string) (string, error) {
	rest, qualified := strings.CutPrefix(subject, ":.")
	if !qualified {
		return subject, nil
	}
	context, name, ok := strings.Cut(rest, ":")
	if ok && context == "" {
		return name, nil
	}
	return "", &registry.Error{Code: registry.CodeInvalidSubject, Message: fmt.Sprintf("%q names a context, and there is only the default one", subject), Cure: "leave the context out: ids are global here"}
}

// subject is the subject that stands in the path, or that it is an alias of.
func (a *api) subject(r *http.Request) (string, error) {
	subject, err := plain(r.PathValue("subject"))
	if err != nil {
		return "", err
	}
	return a.registry.Resolve(subject), nil
}

// Author is who sent a request: as it says, or as it was authenticated.
func Author(r *http.Request) string {
	if name := r.Header.Get("X-Lockstep-Author"); name != "" {
		return name
	}
	name, _, _ := r.BasicAuth()
	return name
}

// flag is a query's parameter that is true or false.
func flag(query url.Values, name string) (bool, error) {
	value := query.Get(name)
	if value == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(strings.ToLower(value))
	if err != nil {
		return false, &httpError{http.StatusBadRequest, codeBadRequest, fmt.Sprintf("%s=%q is neither true nor false", name, value)}
	}
	return b, nil
}

// flags are several of them.
func flags(r *http.Request, into map[string]*bool) error {
	query := r.URL.Query()
	for name, value := range into {
		var err error
		if *value, err = flag(query, name); err != nil {
			return err
		}
	}
	return nil
}

// page cuts a list to the query's offset and limit.
func page[T any](r *http.Request, list []T) ([]T, error) {
	offset, limit := 0, -1
	query := r.URL.Query()
	for name, into := range map[string]*int{"offset": &offset, "limit": &limit} {
		value := query.Get(name)
		if value == "" {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, &httpError{http.StatusBadRequest, codeBadRequest, fmt.Sprintf("%s=%q is no number", name, value)}
		}
		*into = n
	}
	list = list[min(max(offset, 0), len(list)):]
	if limit >= 0 {
		list = list[:min(limit, len(list))]
	}
	return list, nil
}
