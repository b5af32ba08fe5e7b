package nativeapi

import (
	"encoding/json"
	"time"

	"github.com/lockstep-mesh/lockstep/registry"
)

// Reference makes another subject's version known to a schema.
type Reference struct {
	Name    string `json:"name" doc:"What stands in the schema's $ref" minLength:"1"`
	Subject string `json:"subject" doc:"The subject that is referred to" minLength:"1"`
	Version int    `json:"version" doc:"Its version; -1, in a request, is the newest" minimum:"-1"`
}

// SchemaInput is a schema in a request.
type SchemaInput struct {
	Schema     json.RawMessage     `json:"schema" doc:"The JSON Schema: as JSON, or as a string that holds its text and keeps it as it was written"`
	References []Reference         `json:"references,omitempty" doc:"What the schema refers to" maxItems:"1000"`
	Tags       map[string][]string `json:"tags,omitempty" doc:"Words for places in the schema, as in {\"**.ssn\": [\"PII\"]}"`
	Properties map[string]string   `json:"properties,omitempty" doc:"Free metadata"`
	Normalize  bool                `json:"normalize,omitempty" doc:"Put the schema's text into its normal form first"`
}

// schema is what the registry takes.
func (in SchemaInput) schema(author string) registry.Schema {
	s := registry.Schema{Type: registry.JSON, Text: string(in.Schema), Normalize: in.Normalize, Author: author}
	var text string
	if json.Unmarshal(in.Schema, &text) == nil {
		s.Text = text
	}
	for _, ref := range in.References {
		s.References = append(s.References, registry.Reference(ref))
	}
	if len(in.Tags) > 0 || len(in.Properties) > 0 {
		s.Metadata = &registry.Metadata{Tags: in.Tags, Properties: in.Properties}
	}
	return s
}

// About says whose a subject is and what it is for.
type About struct {
	Team        string `json:"team,omitempty" doc:"Who owns the subject" example:"checkout" maxLength:"100"`
	Contact     string `json:"contact,omitempty" doc:"How they are reached" example:"#checkout" maxLength:"200"`
	Description string `json:"description,omitempty" doc:"What its events tell of" maxLength:"4000"`
}

// Summary is a version without its schema.
type Summary struct {
	Subject    string      `json:"subject"`
	Version    int         `json:"version"`
	ID         int         `json:"id" doc:"The schema's id: the same for the same schema in all subjects, and never given twice"`
	GUID       string      `json:"guid" doc:"The schema's identity, derived from its content"`
	Type       string      `json:"type" example:"JSON"`
	State      string      `json:"state" enum:"draft,active,deprecated,retired" doc:"Where it is in its life"`
	Since      time.Time   `json:"since" doc:"Since when it is in that state"`
	Reason     string      `json:"reason,omitempty" doc:"Why it came into that state"`
	Admits     bool        `json:"admits" doc:"Whether the gate admits new events under it"`
	Deleted    bool        `json:"deleted,omitempty" doc:"Deleted softly: it can be read still"`
	Registered time.Time   `json:"registered"`
	Author     string      `json:"author,omitempty" doc:"Who registered it, as the request said"`
	References []Reference `json:"references,omitempty"`
}

// Version is a version with its schema.
type Version struct {
	Summary
	Tags       map[string][]string `json:"tags,omitempty"`
	Properties map[string]string   `json:"properties,omitempty"`
	Schema     json.RawMessage     `json:"schema" doc:"The JSON Schema"`
}

func summaryOf(v registry.Version) Summary {
	return Summary{
		Subject: v.Subject, Version: v.Version, ID: v.ID, GUID: v.GUID, Type: v.Type, State: string(v.State), Since: v.Since(),
		Reason: v.StateReason, Admits: v.State.Admits() && !v.Deleted, Deleted: v.Deleted, Registered: v.At, Author: v.Author,
		References: referencesOf(v.References),
	}
}

func referencesOf(list []registry.Reference) []Reference {
	var out []Reference
	for _, ref := range list {
		out = append(out, Reference(ref))
	}
	return out
}

func versionOf(v registry.Version) Version {
	out := Version{Summary: summaryOf(v), Schema: json.RawMessage(v.Schema)}
	if m := v.Metadata; m != nil {
		out.Tags, out.Properties = m.Tags, map[string]string{}
		for name, value := range m.Properties {
			out.Properties[name] = value
		}
		for _, name := range m.Sensitive {
			delete(out.Properties, name)
		}
	}
	return out
}

// SubjectPath is the subject in a path.
type SubjectPath struct {
	Subject string `path:"subject" doc:"The subject's name, escaped as a path segment" example:"orders.order.placed" minLength:"1" maxLength:"255"`
}

// VersionPath is a version in a path.
type VersionPath struct {
	SubjectPath
	Version string `path:"version" doc:"A version's number, or latest: the newest that is neither a draft nor deleted nor, unless all are, retired" example:"latest" pattern:"^(latest|[1-9][0-9]{0,9})$"`
}

// Authored is the header by which a request says who sends it.
type Authored struct {
	Author string `header:"X-Lockstep-Author" doc:"Who makes the change, for the history; without it the user of basic authentication is, or nobody" maxLength:"200"`
}
