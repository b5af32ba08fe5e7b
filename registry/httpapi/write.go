package httpapi

import (
	"net/http"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/compat"
)

// registered answers a registration.
type registered struct {
	ID      int    `json:"id"`
	Version int    `json:"version"`
	GUID    string `json:"guid"`
	content
}

// submitted is the schema that a request brings, and the subject that it is for.
func (a *api) submitted(r *http.Request) (string, registry.Schema, error) {
	s, err := readSchema(r)
	if err != nil {
		return "", s, err
	}
	subject, err := a.subject(r)
	return subject, s, err
}

func (a *api) register(r *http.Request) (any, error) {
	subject, s, err := a.submitted(r)
	if err != nil {
		return nil, err
	}
	v, err := a.registry.Register(r.Context(), subject, s)
	if err == nil && IsForwarded(r) {
		v, err = v.Shared()
	}
	if err != nil {
		return nil, err
	}
	return asRegistered(v), nil
}

func asRegistered(v registry.Version) registered {
	return registered{ID: v.ID, Version: v.Version, GUID: v.GUID, content: contentOf(v)}
}

func (a *api) lookUp(r *http.Request) (any, error) {
	subject, s, err := a.submitted(r)
	if err != nil {
		return nil, err
	}
	w, err := want(r)
	if err != nil {
		return nil, err
	}
	find := a.registry.Find
	if w.deleted {
		find = a.registry.FindDeleted
	}
	v, err := find(subject, s)
	if err != nil {
		return nil, err
	}
	return describe(v), nil
}

func (a *api) deleteSubject(r *http.Request) (any, error) {
	subject, err := a.subject(r)
	if err != nil {
		return nil, err
	}
	permanent := false
	if err := flags(r, map[string]*bool{"permanent": &permanent}); err != nil {
		return nil, err
	}
	return a.registry.DeleteSubject(r.Context(), subject, permanent, Author(r))
}

func (a *api) deleteVersion(r *http.Request) (any, error) {
	subject, err := a.subject(r)
	if err != nil {
		return nil, err
	}
	permanent := false
	if err := flags(r, map[string]*bool{"permanent": &permanent}); err != nil {
		return nil, err
	}
	number := r.PathValue("version")
	latest := number == "latest" || number == "-1"
	v, err := a.find(subject, number, permanent || !latest)
	if err != nil {
		return nil, err
	}
	if err := a.registry.DeleteVersion(r.Context(), subject, v.Version, permanent, Author(r)); err != nil {
		return nil, err
	}
	return v.Version, nil
}

// verdictBody answers a compatibility check; messages are sent as Confluent's
// registry does, only when asked for.
type verdictBody struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages,omitempty"`
}

// compatibleWith checks a schema beside one version.
func (a *api) compatibleWith(r *http.Request) (any, error) {
	subject, s, err := a.submitted(r)
	if err != nil {
		return nil, err
	}
	v, err := a.find(subject, r.PathValue("version"), false)
	if err != nil {
		return nil, err
	}
	comparisons, err := a.registry.CheckVersion(subject, v.Version, s)
	return sum(r, comparisons, err)
}

// compatibleWithAll checks a schema beside all versions that it would have to be
// compatible with.
func (a *api) compatibleWithAll(r *http.Request) (any, error) {
	subject, s, err := a.submitted(r)
	if err != nil {
		return nil, err
	}
	comparisons, err := a.registry.CheckNext(subject, s)
	return sum(r, comparisons, err)
}

func sum(r *http.Request, comparisons []registry.Comparison, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	verbose := false
	if err := flags(r, map[string]*bool{"verbose": &verbose}); err != nil {
		return nil, err
	}
	body := verdictBody{Compatible: true}
	for _, c := range comparisons {
		if c.Verdict.Result == compat.Compatible {
			continue
		}
		body.Compatible = false
		body.Messages = append(body.Messages, c.Findings()...)
	}
	if !verbose {
		body.Messages = nil
	}
	return body, nil
}
