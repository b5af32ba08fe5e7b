package httpapi

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry"
)

// content is a schema as the API shows it.
type content struct {
	Schema     string               `json:"schema"`
	SchemaType string               `json:"schemaType"`
	References []registry.Reference `json:"references"`
	Metadata   *registry.Metadata   `json:"metadata,omitempty"`
	RuleSet    *registry.RuleSet    `json:"ruleSet,omitempty"`
}

// described is a version as the API shows it.
type described struct {
	Subject string `json:"subject"`
	ID      int    `json:"id"`
	GUID    string `json:"guid"`
	Version int    `json:"version"`
	content
	Timestamp int64 `json:"ts"` // milliseconds since 1970
	Deleted   bool  `json:"deleted,omitempty"`
}

func contentOf(v registry.Version) content {
	references := v.References
	if references == nil {
		references = []registry.Reference{}
	}
	return content{Schema: v.Schema, SchemaType: v.Type, References: references, Metadata: v.Metadata, RuleSet: v.Rules}
}

func describe(v registry.Version) described {
	return described{
		Subject: v.Subject, ID: v.ID, GUID: v.GUID, Version: v.Version, content: contentOf(v),
		Timestamp: v.At.UnixMilli(), Deleted: v.Deleted,
	}
}

// inapplicable are parameters of Confluent's API that have no meaning for JSON
// schemas or here, with the reason. To pass over them would answer another question
// than was asked.
var inapplicable = map[string]string{
	"format":            "a JSON schema has only the form that it was written in",
	"referenceFormat":   "a JSON schema has only the form that it was written in",
	"findTags":          "tags stand in the schema's metadata, under tags",
	"aliases":           "aliases stand in the configuration of a subject, under alias",
	"ruleType":          "rules are given with each schema, under ruleSet",
	"deletedAsNegative": "versions that are deleted are listed with deletedOnly=true",
}

// applicable refuses a parameter that is not applicable, unless it says nothing.
func applicable(query url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		why, known := inapplicable[name]
		if value := query.Get(name); known && value != "" && !strings.EqualFold(value, "false") {
			return &registry.Error{Code: registry.CodeInvalidSchema, Message: fmt.Sprintf("%s=%q is not supported for JSON schemas: %s", name, value, why), Cure: "leave " + name + " out"}
		}
	}
	return nil
}

// wanted says which versions a request is about.
type wanted struct{ deleted, deletedOnly bool }

func want(r *http.Request) (wanted, error) {
	var w wanted
	err := flags(r, map[string]*bool{"deleted": &w.deleted, "deletedOnly": &w.deletedOnly})
	return w, err
}

// of are the versions of a subject that are wanted.
func (w wanted) of(r *registry.Registry, subject string) []registry.Version {
	if !w.deleted && !w.deletedOnly {
		return r.Versions(subject)
	}
	return slices.DeleteFunc(slices.Clone(r.AllVersions(subject)), func(v registry.Version) bool { return !w.wants(v) })
}

// wants reports whether a version belongs into a list. Drafts do not: clients of
// this API take what is listed for being in use.
func (w wanted) wants(v registry.Version) bool {
	if v.State == registry.Draft {
		return false
	}
	return v.Deleted && (w.deleted || w.deletedOnly) || !v.Deleted && !w.deletedOnly
}

func (a *api) subjects(r *http.Request) (any, error) {
	w, err := want(r)
	if err != nil {
		return nil, err
	}
	all := a.registry.Subjects()
	if w.deletedOnly || w.deleted {
		live := all
		all = slices.DeleteFunc(a.registry.AllSubjects(), func(s string) bool {
			_, found := slices.BinarySearch(live, s)
			return found && w.deletedOnly || len(w.of(a.registry, s)) == 0
		})
	}
	prefix := prefixIn(r)
	all = slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, prefix) })
	return page(r, all)
}

// prefixIn is the query's prefix of subjects; ":*:" stands for all contexts.
func prefixIn(r *http.Request) string {
	prefix := r.URL.Query().Get("subjectPrefix")
	return strings.TrimPrefix(strings.TrimPrefix(prefix, ":*:"), ":.:")
}

func (a *api) versions(r *http.Request) (any, error) {
	subject, err := a.subject(r)
	if err != nil {
		return nil, err
	}
	w, err := want(r)
	if err != nil {
		return nil, err
	}
	versions := w.of(a.registry, subject)
	if len(versions) == 0 {
		return nil, subjectNotFound(subject)
	}
	numbers := make([]int, len(versions))
	for i, v := range versions {
		numbers[i] = v.Version
	}
	return page(r, numbers)
}

func subjectNotFound(subject string) error {
	return &registry.Error{Code: registry.CodeSubjectNotFound, Message: fmt.Sprintf("Subject '%s' not found.", subject)}
}

// find is a version by its number as it stands in a path, or "latest".
func (a *api) find(subject, number string, deleted bool) (registry.Version, error) {
	versions := wanted{deleted: deleted}.of(a.registry, subject)
	if len(versions) == 0 {
		return registry.Version{}, subjectNotFound(subject)
	}
	if number == "latest" || number == "-1" {
		return latestOf(versions)[0], nil
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		return registry.Version{}, &registry.Error{Code: registry.CodeInvalidVersion, Message: fmt.Sprintf("The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", number)}
	}
	v, ok := a.registry.Version(subject, int(n))
	if !ok || v.Deleted && !deleted {
		return registry.Version{}, &registry.Error{Code: registry.CodeVersionNotFound, Message: fmt.Sprintf("Version %d not found.", n)}
	}
	return v, nil
}

// latestOf is the newest of some versions, of which there is one, that is not
// retired: nobody should write under that. Where all are, it is the newest.
func latestOf(versions []registry.Version) []registry.Version {
	for i, v := range slices.Backward(versions) {
		if v.State != registry.Retired {
			return versions[i : i+1]
		}
	}
	return versions[len(versions)-1:]
}

// inPath is the version that a request's path names.
func (a *api) inPath(r *http.Request) (registry.Version, error) {
	subject, err := a.subject(r)
	if err != nil {
		return registry.Version{}, err
	}
	w, err := want(r)
	if err != nil {
		return registry.Version{}, err
	}
	return a.find(subject, r.PathValue("version"), w.deleted)
}

func (a *api) subjectVersion(r *http.Request) (any, error) {
	v, err := a.inPath(r)
	if err != nil {
		return nil, err
	}
	return describe(v), nil
}

func (a *api) versionText(r *http.Request) (any, error) {
	v, err := a.inPath(r)
	return text(v.Schema), err
}

// referencedBy are the ids of the schemas that refer to a version.
func (a *api) referencedBy(r *http.Request) (any, error) {
	v, err := a.inPath(r)
	if err != nil {
		return nil, err
	}
	w, err := want(r)
	if err != nil {
		return nil, err
	}
	ids := []int{}
	for _, user := range a.registry.Users(v.Subject, v.Version) {
		if w.wants(user) {
			ids = append(ids, user.ID)
		}
	}
	slices.Sort(ids)
	return page(r, slices.Compact(ids))
}

// withMetadata is the newest version of a subject that has the properties.
func (a *api) withMetadata(r *http.Request) (any, error) {
	subject, err := a.subject(r)
	if err != nil {
		return nil, err
	}
	w, err := want(r)
	if err != nil {
		return nil, err
	}
	keys, values := r.URL.Query()["key"], r.URL.Query()["value"]
	if len(keys) != len(values) {
		return nil, &httpError{http.StatusBadRequest, codeBadRequest, fmt.Sprintf("%d keys and %d values are given; give as many", len(keys), len(values))}
	}
	versions := w.of(a.registry, subject)
	if len(versions) == 0 {
		return nil, subjectNotFound(subject)
	}
	for _, v := range slices.Backward(versions) {
		has := func(i int) bool {
			if v.Metadata == nil {
				return false
			}
			value, ok := v.Metadata.Properties[keys[i]]
			return ok && value == values[i]
		}
		all := true
		for i := range keys {
			all = all && has(i)
		}
		if all {
			return describe(v), nil
		}
	}
	return nil, &registry.Error{Code: registry.CodeSchemaNotFound, Message: "Schema not found", Cure: "no version of the subject has these properties"}
}

func (a *api) schemas(r *http.Request) (any, error) {
	w, err := want(r)
	if err != nil {
		return nil, err
	}
	latest := false
	if err := flags(r, map[string]*bool{"latestOnly": &latest}); err != nil {
		return nil, err
	}
	prefix := prefixIn(r)
	all := []described{}
	for _, subject := range a.registry.AllSubjects() {
		versions := w.of(a.registry, subject)
		if !strings.HasPrefix(subject, prefix) || len(versions) == 0 {
			continue
		}
		if latest {
			versions = latestOf(versions)
		}
		for _, v := range versions {
			all = append(all, describe(v))
		}
	}
	return page(r, all)
}

// schemaOf are the versions whose schema has the id that stands in the path.
func (a *api) schemaOf(r *http.Request) ([]registry.Version, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 32)
	if err != nil {
		return nil, &httpError{http.StatusNotFound, codeNotFound, fmt.Sprintf("HTTP 404 Not Found: %q is no schema id", r.PathValue("id"))}
	}
	versions := a.registry.ByID(int(id))
	if len(versions) == 0 {
		return nil, schemaNotFound(r.PathValue("id"))
	}
	return versions, nil
}

func schemaNotFound(name string) error {
	return &registry.Error{Code: registry.CodeSchemaNotFound, Message: fmt.Sprintf("Schema %s not found", name)}
}

// identified is a schema by its id or identity.
type identified struct {
	content
	GUID  string `json:"guid"`
	MaxID int    `json:"maxId,omitempty"`
}

func (a *api) byID(r *http.Request) (any, error) {
	versions, err := a.schemaOf(r)
	if err != nil {
		return nil, err
	}
	answer := identified{content: contentOf(versions[0]), GUID: versions[0].GUID}
	max := false
	if err := flags(r, map[string]*bool{"fetchMaxId": &max}); err != nil {
		return nil, err
	}
	if max {
		answer.MaxID = a.registry.MaxID()
	}
	return answer, nil
}

func (a *api) byIDText(r *http.Request) (any, error) {
	versions, err := a.schemaOf(r)
	if err != nil {
		return nil, err
	}
	return text(versions[0].Schema), nil
}

// placesOf are the versions with the id in the path that are wanted.
func (a *api) placesOf(r *http.Request) ([]registry.Version, error) {
	versions, err := a.schemaOf(r)
	if err != nil {
		return nil, err
	}
	w, err := want(r)
	if err != nil {
		return nil, err
	}
	only := r.URL.Query().Get("subject")
	versions = slices.DeleteFunc(versions, func(v registry.Version) bool {
		return !w.wants(v) || only != "" && v.Subject != only
	})
	slices.SortFunc(versions, func(a, b registry.Version) int {
		return cmp.Or(strings.Compare(a.Subject, b.Subject), a.Version-b.Version)
	})
	if len(versions) == 0 {
		return nil, schemaNotFound(r.PathValue("id"))
	}
	return versions, nil
}

func (a *api) byIDSubjects(r *http.Request) (any, error) {
	versions, err := a.placesOf(r)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(versions))
	for i, v := range versions {
		names[i] = v.Subject
	}
	return page(r, slices.Compact(names))
}

func (a *api) byIDVersions(r *http.Request) (any, error) {
	versions, err := a.placesOf(r)
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
	return page(r, list)
}

func (a *api) byGUID(r *http.Request) (any, error) {
	versions := a.registry.ByGUID(r.PathValue("guid"))
	if len(versions) == 0 {
		return nil, schemaNotFound(r.PathValue("guid"))
	}
	return identified{content: contentOf(versions[0]), GUID: versions[0].GUID}, nil
}

func (a *api) byGUIDIDs(r *http.Request) (any, error) {
	versions := a.registry.ByGUID(r.PathValue("guid"))
	if len(versions) == 0 {
		return nil, schemaNotFound(r.PathValue("guid"))
	}
	type contextID struct {
		Context string `json:"context"`
		ID      int    `json:"id"`
	}
	return []contextID{{defaultContext, versions[0].ID}}, nil
}

// clusterID says what answers here, in the words of clients that look for a
// Kafka cluster.
func (a *api) clusterID(*http.Request) (any, error) {
	type scope struct {
		Path     []string          `json:"path"`
		Clusters map[string]string `json:"clusters"`
	}
	return struct {
		Scope scope  `json:"scope"`
		ID    string `json:"id"`
	}{Scope: scope{Path: []string{}, Clusters: map[string]string{"schema-registry-cluster": "lockstep"}}}, nil
}
