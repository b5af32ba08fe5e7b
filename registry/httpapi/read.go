package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry"
)

// described is a version as the API shows it.
type described struct {
	Subject    string               `json:"subject"`
	ID         int                  `json:"id"`
	GUID       string               `json:"guid"`
	Version    int                  `json:"version"`
	SchemaType string               `json:"schemaType"`
	References []registry.Reference `json:"references"`
	Schema     string               `json:"schema"`
	Timestamp  int64                `json:"ts"` // milliseconds since 1970
}

func describe(v registry.Version) described {
	return described{
		Subject: v.Subject, ID: v.ID, GUID: v.GUID, Version: v.Version, SchemaType: v.Type,
		References: references(v), Schema: v.Schema, Timestamp: v.At.UnixMilli(),
	}
}

// references is never null.
func references(v registry.Version) []registry.Reference {
	if v.References == nil {
		return []registry.Reference{}
	}
	return v.References
}

func (a *api) subjects(r *http.Request) (any, error) {
	all := a.registry.Subjects()
	if prefix := r.URL.Query().Get("subjectPrefix"); prefix != "" {
		all = slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, prefix) })
	}
	return page(r, all)
}

func (a *api) versions(r *http.Request) (any, error) {
	versions := a.registry.Versions(r.PathValue("subject"))
	if len(versions) == 0 {
		_, err := a.find(r.PathValue("subject"), "latest")
		return nil, err
	}
	numbers := make([]int, len(versions))
	for i, v := range versions {
		numbers[i] = v.Version
	}
	return page(r, numbers)
}

// find is a version by its number as it stands in a path, or "latest".
func (a *api) find(subject, number string) (registry.Version, error) {
	versions := a.registry.Versions(subject)
	if len(versions) == 0 {
		return registry.Version{}, &registry.Error{Code: registry.CodeSubjectNotFound, Message: fmt.Sprintf("Subject '%s' not found.", subject)}
	}
	if number == "latest" || number == "-1" {
		return versions[len(versions)-1], nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return registry.Version{}, &registry.Error{Code: registry.CodeInvalidVersion, Message: fmt.Sprintf("The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", number)}
	}
	v, ok := a.registry.Version(subject, n)
	if !ok {
		return registry.Version{}, &registry.Error{Code: registry.CodeVersionNotFound, Message: fmt.Sprintf("Version %d not found.", n)}
	}
	return v, nil
}

func (a *api) version(r *http.Request) (any, error) {
	v, err := a.find(r.PathValue("subject"), r.PathValue("v"))
	if err != nil {
		return nil, err
	}
	return describe(v), nil
}

func (a *api) versionText(r *http.Request) (any, error) {
	v, err := a.find(r.PathValue("subject"), r.PathValue("v"))
	return text(v.Schema), err
}

// referencedBy are the ids of the schemas that refer to a version.
func (a *api) referencedBy(r *http.Request) (any, error) {
	v, err := a.find(r.PathValue("subject"), r.PathValue("v"))
	if err != nil {
		return nil, err
	}
	ids := []int{}
	for _, subject := range a.registry.Subjects() {
		for _, other := range a.registry.Versions(subject) {
			for _, ref := range other.References {
				if ref.Subject == v.Subject && ref.Version == v.Version && !slices.Contains(ids, other.ID) {
					ids = append(ids, other.ID)
				}
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (a *api) schemas(r *http.Request) (any, error) {
	query := r.URL.Query()
	latest, _ := strconv.ParseBool(query.Get("latestOnly"))
	all := []described{}
	for _, subject := range a.registry.Subjects() {
		if !strings.HasPrefix(subject, query.Get("subjectPrefix")) {
			continue
		}
		versions := a.registry.Versions(subject)
		if latest {
			versions = versions[len(versions)-1:]
		}
		for _, v := range versions {
			all = append(all, describe(v))
		}
	}
	return page(r, all)
}

// schemaOf is the schema with the id that stands in the path.
func (a *api) schemaOf(r *http.Request) ([]registry.Version, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return nil, &httpError{http.StatusNotFound, codeNotFound, fmt.Sprintf("HTTP 404 Not Found: %q is no schema id", r.PathValue("id"))}
	}
	versions := a.registry.ByID(id)
	if len(versions) == 0 {
		return nil, &registry.Error{Code: registry.CodeSchemaNotFound, Message: fmt.Sprintf("Schema %d not found", id)}
	}
	return versions, nil
}

func (a *api) byID(r *http.Request) (any, error) {
	versions, err := a.schemaOf(r)
	if err != nil {
		return nil, err
	}
	v := versions[0]
	return struct {
		Schema     string               `json:"schema"`
		SchemaType string               `json:"schemaType"`
		References []registry.Reference `json:"references"`
		GUID       string               `json:"guid"`
	}{v.Schema, v.Type, references(v), v.GUID}, nil
}

func (a *api) byIDText(r *http.Request) (any, error) {
	versions, err := a.schemaOf(r)
	if err != nil {
		return nil, err
	}
	return text(versions[0].Schema), nil
}

func (a *api) byIDSubjects(r *http.Request) (any, error) {
	versions, err := a.schemaOf(r)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, v := range versions {
		if !slices.Contains(names, v.Subject) {
			names = append(names, v.Subject)
		}
	}
	return names, nil
}

func (a *api) byIDVersions(r *http.Request) (any, error) {
	versions, err := a.schemaOf(r)
	if err != nil {
		return nil, err
	}
	type subjectVersion struct {
		Subject string `json:"subject"`
		Version int    `json:"version"`
	}
	list := make([]subjectVersion, len(versions))
	for i, v := range versions {
		list[i] = subjectVersion{v.Subject, v.Version}
	}
	return list, nil
}

// config answers what holds: every change must be able to read what was
// written before.
func (a *api) config(*http.Request) (any, error) {
	return map[string]string{"compatibilityLevel": "BACKWARD"}, nil
}

func (a *api) mode(*http.Request) (any, error) {
	mode := "READWRITE"
	if !a.registry.Writable() && a.forward == nil {
		mode = "READONLY"
	}
	return map[string]string{"mode": mode}, nil
}

// page cuts a list to the query's offset and limit.
func page[T any](r *http.Request, list []T) ([]T, error) {
	offset, limit := 0, -1
	for name, into := range map[string]*int{"offset": &offset, "limit": &limit} {
		value := r.URL.Query().Get(name)
		if value == "" {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, &httpError{http.StatusNotFound, codeNotFound, fmt.Sprintf("HTTP 404 Not Found: %s=%q is no number", name, value)}
		}
		*into = n
	}
	list = list[min(max(offset, 0), len(list)):]
	if limit >= 0 {
		list = list[:min(limit, len(list))]
	}
	return list, nil
}
