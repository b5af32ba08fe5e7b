package jsonschema

import (
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// Draft is a version of the JSON Schema specification.
type Draft int

// The drafts that are understood.
const (
	Draft4    Draft = 4
	Draft6    Draft = 6
	Draft7    Draft = 7
	Draft2019 Draft = 2019
	Draft2020 Draft = 2020
)

// DefaultDraft is what a schema without "$schema" is read as.
const DefaultDraft = Draft2020

// draftURLs are the metaschemas' addresses, without scheme and final '#'.
var draftURLs = map[string]Draft{
	"json-schema.org/draft-04/schema":      Draft4,
	"json-schema.org/draft-06/schema":      Draft6,
	"json-schema.org/draft-07/schema":      Draft7,
	"json-schema.org/draft/2019-09/schema": Draft2019,
	"json-schema.org/draft/2020-12/schema": Draft2020,
}

// DraftOf is the draft that a "$schema" URL names, with http or https, with or
// without the final '#'.
func DraftOf(url string) (Draft, bool) {
	url = strings.TrimSuffix(strings.TrimSuffix(url, "/"), "#")
	rest, ok := strings.CutPrefix(url, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(url, "http://"); !ok {
			return 0, false
		}
	}
	d, ok := draftURLs[rest]
	return d, ok
}

// String is the draft's usual name, as in "draft-07" or "2020-12".
func (d Draft) String() string {
	switch d {
	case Draft4:
		return "draft-04"
	case Draft6:
		return "draft-06"
	case Draft7:
		return "draft-07"
	case Draft2019:
		return "2019-09"
	case Draft2020:
		return "2020-12"
	}
	return "unknown draft"
}

// URL is the draft's "$schema".
func (d Draft) URL() string {
	switch d {
	case Draft4, Draft6, Draft7:
		return "http://json-schema.org/" + d.String() + "/schema#"
	case Draft2019, Draft2020:
		return "https://json-schema.org/draft/" + d.String() + "/schema"
	}
	return ""
}

// AssertsFormat tells whether "format" is checked, and not only noted, under
// this draft.
func (d Draft) AssertsFormat() bool { return d <= Draft7 }

// idKeyword is the keyword that gives a schema its URI.
func (d Draft) idKeyword() string {
	if d == Draft4 {
		return "id"
	}
	return "$id"
}

// metaschema is the compiled metaschema. The library holds it ready: nothing
// is fetched.
func (d Draft) metaschema() (*v5.Schema, error) {
	return v5.NewCompiler().Compile(strings.TrimSuffix(d.URL(), "#"))
}
