// Package clienttest is a schema registry for tests of what uses package client:
// an HTTP server in memory that answers as a registry does. Like the client it
// needs neither NATS nor the registry.
//
// It parses no schemas and compares none: it takes what it is given, unless it
// is told to refuse it.
package clienttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/client"
)

const contentType = "application/vnd.schemaregistry.v1+json"

// Registry is the fake. It is safe for concurrent use.
type Registry struct {
	URL string // for client.New

	mu       sync.Mutex
	states   map[place]string // of versions that are not active
	abouts   map[string]client.About
	seen     map[string][]client.Consumer // by subject
	subjects map[string][]client.Version
	ids      map[string]int
	levels   map[string]string
	modes    map[string]string
	refuse   map[string]client.Error
	authors  []string
	requests []string
}

// New starts a registry, which ends with the test.
func New(t testing.TB) *Registry {
	t.Helper()
	r := &Registry{
		states: map[place]string{}, abouts: map[string]client.About{}, seen: map[string][]client.Consumer{},
		subjects: map[string][]client.Version{}, ids: map[string]int{}, refuse: map[string]client.Error{},
		levels: map[string]string{"": "BACKWARD"}, modes: map[string]string{"": "READWRITE"},
	}
	s := httptest.NewServer(r.handler())
	t.Cleanup(s.Close)
	r.URL = s.URL
	return r
}

// Refuse has every change of a subject ("" for all that is asked) answered with
// a failure's status, code and message, until it is called with a Status of 0.
func (r *Registry) Refuse(subject string, with client.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse[subject] = with
	if with.Status == 0 {
		delete(r.refuse, subject)
	}
}

// Requests are the requests so far, as "METHOD /path".
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Authors are who sent them, as they said; empty where they didn't.
func (r *Registry) Authors() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.authors)
}

type handler func(*http.Request) (any, *client.Error)

func (r *Registry) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]handler{
		"GET /subjects":                                       r.names,
		"POST /subjects/{subject}":                            r.lookUp,
		"DELETE /subjects/{subject}":                          r.deleteSubject,
		"GET /subjects/{subject}/versions":                    r.numbers,
		"POST /subjects/{subject}/versions":                   r.register,
		"GET /subjects/{subject}/versions/{version}":          r.version,
		"DELETE /subjects/{subject}/versions/{version}":       r.deleteVersion,
		"GET /schemas/ids/{id}":                               r.byID,
		"POST /compatibility/subjects/{subject}/versions/{v}": r.compatible,
		"GET /config":                                         r.setting("compatibilityLevel", r.levels),
		"GET /config/{subject}":                               r.setting("compatibilityLevel", r.levels),
		"PUT /config":                                         r.set("compatibility", r.levels),
		"PUT /config/{subject}":                               r.set("compatibility", r.levels),
		"GET /mode":                                           r.setting("mode", r.modes),
		"GET /mode/{subject}":                                 r.setting("mode", r.modes),
		"PUT /mode":                                           r.set("mode", r.modes),
		"PUT /mode/{subject}":                                 r.set("mode", r.modes),

		"POST /api/v1/subjects/{subject}/versions":                r.registerNative,
		"PUT /api/v1/subjects/{subject}/versions/{version}/state": r.setState,
		"PUT /api/v1/subjects/{subject}/about":                    r.setAbout,
		"GET /api/v1/subjects/{subject}/consumers":                r.consumers,
		"PUT /api/v1/subjects/{subject}/consumers/{name}":         r.report,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, request *http.Request) {
			body, failure := r.locked(request, handle)
			w.Header().Set("Content-Type", contentType)
			if failure != nil {
				body = map[string]any{"error_code": failure.Code, "message": failure.Message}
				if failure.Name != "" {
					w.Header().Set("Content-Type", "application/problem+json")
					body = map[string]any{"code": failure.Name, "detail": failure.Message, "status": failure.Status}
				}
				w.WriteHeader(failure.Status)
			}
			if failure == nil && body == nil {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			_ = json.NewEncoder(w).Encode(body) // the client's side of the test sees what is missing
		})
	}
	return mux
}

func (r *Registry) locked(request *http.Request, handle handler) (any, *client.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request.Method+" "+request.URL.Path)
	r.authors = append(r.authors, request.Header.Get("X-Lockstep-Author"))
	if with, ok := r.refuse[""]; ok {
		return nil, &with
	}
	// Looking up and comparing change nothing, though they are POSTs.
	changes := request.Method != http.MethodGet && (request.Method != http.MethodPost || strings.HasSuffix(request.URL.Path, "/versions"))
	if with, ok := r.refuse[request.PathValue("subject")]; ok && changes {
		return nil, &with
	}
	return handle(request)
}

func fail(status, code int, format string, args ...any) *client.Error {
	return &client.Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func guid(id int) string { return fmt.Sprintf("00000000-0000-8000-8000-%012d", id) }

// live are the versions that are neither deleted nor drafts.
func (r *Registry) live(subject string) []client.Version {
	return slices.DeleteFunc(slices.Clone(r.subjects[subject]), func(v client.Version) bool {
		return v.Deleted || r.states[place{subject, v.Version}] == "draft"
	})
}

func (r *Registry) names(*http.Request) (any, *client.Error) {
	names := []string{}
	for name := range r.subjects {
		if len(r.live(name)) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (r *Registry) numbers(request *http.Request) (any, *client.Error) {
	versions := r.live(request.PathValue("subject"))
	if len(versions) == 0 {
		return nil, fail(http.StatusNotFound, 40401, "Subject '%s' not found.", request.PathValue("subject"))
	}
	numbers := make([]int, len(versions))
	for i, v := range versions {
		numbers[i] = v.Version
	}
	return numbers, nil
}

// schema reads a request's schema, and what makes it the same as another one.
func schema(request *http.Request) (s client.Schema, identity string, failure *client.Error) {
	if err := json.NewDecoder(request.Body).Decode(&s); err != nil {
		return s, "", fail(http.StatusBadRequest, 400, "%v", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(s.Schema)); err != nil || s.Type != "JSON" {
		return s, "", fail(http.StatusUnprocessableEntity, 42201, "invalid schema of type %q: %v", s.Type, err)
	}
	// What is made of strings, maps and numbers has a JSON form.
	rest, _ := json.Marshal([]any{s.References, s.Metadata})
	return s, compact.String() + string(rest), nil
}

func (r *Registry) find(subject, identity string) (client.Version, bool) {
	for _, v := range r.live(subject) {
		if v.ID == r.ids[identity] {
			return v, true
		}
	}
	return client.Version{}, false
}

func (r *Registry) register(request *http.Request) (any, *client.Error) {
	s, identity, failure := schema(request)
	if failure != nil {
		return nil, failure
	}
	subject := request.PathValue("subject")
	if v, ok := r.find(subject, identity); ok {
		return v, nil
	}
	for _, ref := range s.References {
		if !slices.ContainsFunc(r.live(ref.Subject), func(v client.Version) bool { return v.Version == ref.Version }) {
			return nil, fail(http.StatusUnprocessableEntity, 42201, "reference %q: there is no version %d of %q", ref.Name, ref.Version, ref.Subject)
		}
	}
	if r.ids[identity] == 0 {
		r.ids[identity] = len(r.ids) + 1
	}
	v := client.Version{
		Subject: subject, Version: len(r.subjects[subject]) + 1, ID: r.ids[identity], GUID: guid(r.ids[identity]),
		Type: s.Type, Schema: s.Schema, References: s.References, Metadata: s.Metadata,
	}
	r.subjects[subject] = append(r.subjects[subject], v)
	return v, nil
}

func (r *Registry) lookUp(request *http.Request) (any, *client.Error) {
	_, identity, failure := schema(request)
	if failure != nil {
		return nil, failure
	}
	subject := request.PathValue("subject")
	if len(r.live(subject)) == 0 {
		return nil, fail(http.StatusNotFound, 40401, "Subject '%s' not found.", subject)
	}
	if v, ok := r.find(subject, identity); ok {
		return v, nil
	}
	return nil, fail(http.StatusNotFound, 40403, "Schema not found")
}

// versionOf is the version that a request's path names, deleted or not.
func (r *Registry) versionOf(subject, number string) (client.Version, *client.Error) {
	all, live := r.subjects[subject], r.live(subject)
	if len(all) == 0 || number == "latest" && len(live) == 0 {
		return client.Version{}, fail(http.StatusNotFound, 40401, "Subject '%s' not found.", subject)
	}
	if number == "latest" {
		return live[len(live)-1], nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return client.Version{}, fail(http.StatusUnprocessableEntity, 42202, "The specified version '%s' is not a valid version id.", number)
	}
	for _, v := range all {
		if v.Version == n {
			return v, nil
		}
	}
	return client.Version{}, fail(http.StatusNotFound, 40402, "Version %d not found.", n)
}

func (r *Registry) version(request *http.Request) (any, *client.Error) {
	v, failure := r.versionOf(request.PathValue("subject"), request.PathValue("version"))
	switch {
	case failure != nil:
		return nil, failure
	case len(r.live(v.Subject)) == 0:
		return nil, fail(http.StatusNotFound, 40401, "Subject '%s' not found.", v.Subject)
	case v.Deleted:
		return nil, fail(http.StatusNotFound, 40402, "Version %d not found.", v.Version)
	}
	return v, nil
}

func (r *Registry) byID(request *http.Request) (any, *client.Error) {
	for _, versions := range r.subjects {
		for _, v := range versions {
			if strconv.Itoa(v.ID) == request.PathValue("id") {
				return client.Schema{Schema: v.Schema, Type: v.Type, References: v.References, Metadata: v.Metadata}, nil
			}
		}
	}
	return nil, fail(http.StatusNotFound, 40403, "Schema %s not found", request.PathValue("id"))
}

func (r *Registry) compatible(request *http.Request) (any, *client.Error) {
	if _, _, failure := schema(request); failure != nil {
		return nil, failure
	}
	subject := request.PathValue("subject")
	if _, failure := r.versionOf(subject, request.PathValue("v")); failure != nil {
		return nil, failure
	}
	if with, ok := r.refuse[subject]; ok && with.Status == http.StatusConflict {
		return client.Verdict{Messages: []string{with.Message}}, nil
	}
	return client.Verdict{Compatible: true}, nil
}

func (r *Registry) deleteVersion(request *http.Request) (any, *client.Error) {
	v, failure := r.versionOf(request.PathValue("subject"), request.PathValue("version"))
	permanent := request.URL.Query().Get("permanent") == "true"
	switch {
	case failure != nil:
		return nil, failure
	case v.Deleted && !permanent:
		return nil, fail(http.StatusNotFound, 40406, "Subject '%s' Version %d was soft deleted.", v.Subject, v.Version)
	case !v.Deleted && permanent:
		return nil, fail(http.StatusNotFound, 40407, "Subject '%s' Version %d was not deleted first", v.Subject, v.Version)
	}
	r.remove(v.Subject, permanent, func(other client.Version) bool { return other.Version == v.Version })
	return v.Version, nil
}

func (r *Registry) deleteSubject(request *http.Request) (any, *client.Error) {
	subject := request.PathValue("subject")
	permanent := request.URL.Query().Get("permanent") == "true"
	all, live := r.subjects[subject], r.live(subject)
	switch {
	case len(all) == 0:
		return nil, fail(http.StatusNotFound, 40401, "Subject '%s' not found.", subject)
	case len(live) == 0 && !permanent:
		return nil, fail(http.StatusNotFound, 40404, "Subject '%s' was soft deleted.", subject)
	case len(live) > 0 && permanent:
		return nil, fail(http.StatusNotFound, 40405, "Subject '%s' was not deleted first", subject)
	case !permanent:
		all = live
	}
	numbers := make([]int, len(all))
	for i, v := range all {
		numbers[i] = v.Version
	}
	r.remove(subject, permanent, func(v client.Version) bool { return slices.Contains(numbers, v.Version) })
	return numbers, nil
}

func (r *Registry) remove(subject string, permanent bool, which func(client.Version) bool) {
	if permanent {
		r.subjects[subject] = slices.DeleteFunc(r.subjects[subject], which)
		return
	}
	for i, v := range r.subjects[subject] {
		if which(v) {
			r.subjects[subject][i].Deleted = true
		}
	}
}

// setting answers with what is set for a subject, or else for all.
func (r *Registry) setting(name string, of map[string]string) handler {
	return func(request *http.Request) (any, *client.Error) {
		value, ok := of[request.PathValue("subject")]
		if !ok {
			value = of[""]
		}
		return map[string]string{name: value}, nil
	}
}

func (r *Registry) set(name string, of map[string]string) handler {
	return func(request *http.Request) (any, *client.Error) {
		var body map[string]string
		if err := json.NewDecoder(request.Body).Decode(&body); err != nil || body[name] == "" {
			return nil, fail(http.StatusUnprocessableEntity, 42203, "%q is not given: %v", name, err)
		}
		of[request.PathValue("subject")] = body[name]
		return body, nil
	}
}
