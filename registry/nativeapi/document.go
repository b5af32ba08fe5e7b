package nativeapi

import (
	"bytes"
	_ "embed" // of the page
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// The tags under which operations are arranged.
const (
	tagRegistry  = "Registry"
	tagSubjects  = "Subjects"
	tagVersions  = "Versions"
	tagCompare   = "Comparing"
	tagConsumers = "Consumers"
	tagChanges   = "Changes"
)

var tags = []*huma.Tag{
	{Name: tagSubjects, Description: "A subject holds the versions of one schema, as a rule an event type's. It has an owner."},
	{Name: tagVersions, Description: "A version never changes, but it has a life: draft, active, deprecated, retired. The gate admits events under active versions, then under deprecated ones, each newest first."},
	{Name: tagCompare, Description: "What two schemas say differently, and whether the one can follow the other."},
	{Name: tagConsumers, Description: "Who reads and writes which version, and when they were last seen."},
	{Name: tagChanges, Description: "Every change is a record of the log: with author and time, for ever."},
	{Name: tagRegistry, Description: "The instance that answers."},
}

const description = "What the schema registry has beside Confluent's API, which answers at the root of the registry's own port. " +
	"Bodies are JSON without unknown fields or repeated keys. A refusal is a problem document (RFC 9457) with a stable code, what failed, why, and the cure. " +
	"A replica hands changes to the primary and answers 503 when it is away; reading goes on. " +
	"With the answer to a change, the header X-Lockstep-Revision tells how many changes there are since."

// describe completes the OpenAPI document, and renders the page that shows it.
func (a *API) describe() error {
	schemas := a.huma.OpenAPI().Components.Schemas
	schemas.Schema(reflect.TypeFor[Problem](), true, "")
	// The framework's own errors are never answered, see asProblem.
	delete(schemas.Map(), "ErrorModel")
	delete(schemas.Map(), "ErrorDetail")
	raw, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, raw, "", "  "); err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	indented.WriteByte('\n')
	a.document = indented.Bytes()
	var page bytes.Buffer
	if err := pageTemplate().Execute(&page, a.shown()); err != nil {
		return fmt.Errorf("render the page of the API: %w", err)
	}
	a.page = page.Bytes()
	return nil
}

//go:embed docs.html
var pageText string

func pageTemplate() *template.Template { return template.Must(template.New("docs").Parse(pageText)) }

// The page's parts. They are made from the document, so that both say the same.
type (
	shownAPI struct {
		Title, Version, Description string
		Groups                      []shownGroup
		Types                       []shownType
	}
	shownGroup struct {
		Name, Description string
		Operations        []shownOperation
	}
	shownOperation struct {
		ID, Method, Path, Summary, Description string
		Parameters                             []shownField
		Request, Response, Media               string // names of types
	}
	shownType struct {
		Name   string
		Fields []shownField
	}
	shownField struct {
		Name, In, Kind, Link, Rules, Description string
		Required                                 bool
	}
)

func (a *API) shown() shownAPI {
	api := a.huma.OpenAPI()
	page := shownAPI{Title: api.Info.Title, Version: api.Info.Version, Description: api.Info.Description}
	for _, tag := range api.Tags {
		group := shownGroup{Name: tag.Name, Description: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(api.Paths)) {
			item := api.Paths[path]
			for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
				if op != nil && slices.Contains(op.Tags, tag.Name) {
					group.Operations = append(group.Operations, shownOp(op))
				}
			}
		}
		page.Groups = append(page.Groups, group)
	}
	schemas := api.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		page.Types = append(page.Types, shownType{Name: name, Fields: fieldsOf(schemas[name])})
	}
	return page
}

func shownOp(op *huma.Operation) shownOperation {
	s := shownOperation{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description}
	for _, p := range op.Parameters {
		f := fieldOf(p.Name, p.Schema)
		f.In, f.Required, f.Description = p.In, p.Required, p.Description
		s.Parameters = append(s.Parameters, f)
	}
	if op.RequestBody != nil {
		s.Request = typeIn(op.RequestBody.Content)
	}
	for _, status := range []string{"200", "204"} {
		if r := op.Responses[status]; r != nil {
			s.Response, s.Media = typeIn(r.Content), status
			for media := range r.Content {
				s.Media = status + ", " + media
			}
		}
	}
	return s
}

func typeIn(content map[string]*huma.MediaType) string {
	for _, media := range content {
		if media.Schema != nil && media.Schema.Ref != "" {
			return last(media.Schema.Ref)
		}
	}
	return ""
}

func last(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func fieldsOf(s *huma.Schema) []shownField {
	var fields []shownField
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		f := fieldOf(name, s.Properties[name])
		f.Required = slices.Contains(s.Required, name)
		fields = append(fields, f)
	}
	return fields
}

// fieldOf says in words what a schema asks for.
func fieldOf(name string, s *huma.Schema) shownField {
	f := shownField{Name: name, Kind: s.Type, Description: s.Description}
	switch {
	case s.Ref != "":
		f.Kind, f.Link = last(s.Ref), last(s.Ref)
	case s.Type == huma.TypeArray && s.Items != nil && s.Items.Ref != "":
		f.Kind, f.Link = "array of "+last(s.Items.Ref), last(s.Items.Ref)
	case s.Type == huma.TypeArray && s.Items != nil:
		f.Kind = "array of " + s.Items.Type
	case s.Type == "":
		f.Kind = "any JSON"
	case s.Format != "":
		f.Kind += ", " + s.Format
	}
	var rules []string
	rule := func(ok bool, format string, args ...any) {
		if ok {
			rules = append(rules, fmt.Sprintf(format, args...))
		}
	}
	if len(s.Enum) > 0 {
		rules = append(rules, strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Enum...), " ", ", "), "[]"))
	}
	rule(s.Minimum != nil, "from %v", deref(s.Minimum))
	rule(s.Maximum != nil, "to %v", deref(s.Maximum))
	rule(s.MaxLength != nil, "at most %v characters", deref(s.MaxLength))
	rule(s.Default != nil, "default %v", s.Default)
	rule(len(s.Examples) > 0, "as in %v", first(s.Examples))
	f.Rules = strings.Join(rules, "; ")
	return f
}

func deref[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}

func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}
