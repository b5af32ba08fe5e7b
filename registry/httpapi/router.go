package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// handler answers a request: with what is encoded as JSON, or a text, or an error.
type handler func(*http.Request) (any, error)

// route is what answers a method under a pattern.
type route struct {
	handle handler
	writes bool // changes the registry
}

// router finds a request's route. It looks at the path as it was sent, segment
// by segment: a subject may hold anything, escaped slashes and dots too, and is
// not to be cleaned away.
type router struct {
	patterns []pattern
}

type pattern struct {
	segments []string // "{name}" stands for any
	methods  map[string]route
}

// methodError says that a path exists, with other methods.
type methodError struct{ method, allowed string }

func (e *methodError) Error() string {
	return fmt.Sprintf("HTTP 405 Method Not Allowed: %s is not allowed here; allowed: %s", e.method, e.allowed)
}

func (rt *router) add(method, path string, to route) {
	segments := split(path)
	for _, p := range rt.patterns {
		if slices.Equal(p.segments, segments) {
			p.methods[method] = to
			return
		}
	}
	rt.patterns = append(rt.patterns, pattern{segments: segments, methods: map[string]route{method: to}})
}

// split is a path's segments; one slash at its end says nothing.
func split(path string) []string {
	path = strings.TrimPrefix(path, "/")
	if trimmed, ok := strings.CutSuffix(path, "/"); ok {
		path = trimmed
	}
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// find is a request's route; the names in its pattern are set as path values.
func (rt *router) find(r *http.Request) (route, error) {
	segments := split(r.URL.EscapedPath())
	if len(segments) > 2 && segments[0] == "contexts" {
		if name, err := url.PathUnescape(segments[1]); err == nil && isDefault(name) {
			segments = segments[2:]
		}
	}
	for _, p := range rt.patterns {
		if !p.matches(segments) {
			continue
		}
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		to, ok := p.methods[method]
		if !ok {
			return route{}, &methodError{r.Method, strings.Join(slices.Sorted(maps.Keys(p.methods)), ", ")}
		}
		return to, p.values(r, segments)
	}
	return route{}, &httpError{http.StatusNotFound, codeNotFound, "HTTP 404 Not Found: there is no " + r.URL.Path}
}

// isDefault reports whether a context's name, as paths have it, is the default
// one's.
func isDefault(name string) bool { return name == defaultContext || name == ":.:" || name == ":." }

func (p pattern) matches(segments []string) bool {
	return slices.EqualFunc(p.segments, segments, func(want, have string) bool {
		return want == have || strings.HasPrefix(want, "{")
	})
}

func (p pattern) values(r *http.Request, segments []string) error {
	for i, want := range p.segments {
		name, ok := strings.CutPrefix(want, "{")
		if !ok {
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil {
			return &httpError{http.StatusBadRequest, codeBadRequest, fmt.Sprintf("%q in the path is not escaped rightly", segments[i])}
		}
		r.SetPathValue(strings.TrimSuffix(name, "}"), value)
	}
	return nil
}
