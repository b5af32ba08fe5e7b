package contract

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// explain turns the library's error into violations: one for each demand that
// is not met, with what the schema says and what the document has there.
func (w *walker) explain(invalid *v5.ValidationError, document any) findings {
	e := &explainer{linked: w.linked, document: document}
	e.descend(invalid)
	if len(e.violations) == 0 { // the library knows more kinds of errors than we do
		e.leaf(invalid)
	}
	sortViolations(e.violations)
	return findings{violations: slices.Compact(e.violations), more: e.more}
}

type explainer struct {
	linked     *jsonschema.Linked
	document   any
	violations []Violation
	limit      int  // how many violations are collected; 0: all
	more       bool // there are others
}

// demand is what a schema says, and where.
type demand struct {
	origin  jsonschema.Origin
	keyword string // "false" for a schema that is false
	within  string // what follows the keyword, as an index
	value   any    // the keyword's value
	ofName  bool   // it is about a property's name
}

func (e *explainer) demand(v *v5.ValidationError) demand {
	origin, ok := e.linked.Locate(v.AbsoluteKeywordLocation)
	if !ok {
		return demand{}
	}
	d := demand{origin: origin}
	tokens := strings.Split(origin.Pointer, "/")
	last := len(tokens) - 1
	d.keyword = jsonschema.UnescapeToken(tokens[last])
	if last >= 2 && isIndex(d.keyword) {
		switch before := tokens[last-1]; {
		case before == "allOf" || before == "anyOf" || before == "oneOf":
			d.keyword, d.within = before, tokens[last]
		case last >= 3 && (tokens[last-2] == "dependencies" || tokens[last-2] == "dependentRequired"):
			d.keyword, d.within = tokens[last-2], before
		}
	}
	d.value, ok = jsonschema.Find(origin.Bundle.Document.Value(), origin.Pointer)
	switch {
	case d.value == false && (last == 0 || last >= 2 && holdsSchemas[tokens[last-1]] && (!byIndex[tokens[last-1]] || isIndex(d.keyword))):
		d.keyword = "false"
	case !ok && d.keyword == "minContains": // 1 where it isn't written
		d.keyword, d.value = "contains", json.Number("1")
		d.origin.Pointer = strings.TrimSuffix(origin.Pointer, "minContains") + "contains"
	}
	path := strings.Split(v.KeywordLocation, "/")
	for i := 1; i < len(path); i++ {
		d.ofName = d.ofName || path[i] == "propertyNames" && !holdsSchemas[path[i-1]]
	}
	return d
}

// holdsSchemas are the keywords behind which a pointer goes on with a name, or
// an index, that is no keyword.
var holdsSchemas = map[string]bool{
	"properties": true, "patternProperties": true, "$defs": true, "definitions": true, "dependencies": true, "dependentSchemas": true,
	"allOf": true, "anyOf": true, "oneOf": true, "prefixItems": true, "items": true,
}

// byIndex are those of them that have keywords behind them where no index is.
var byIndex = map[string]bool{"items": true, "allOf": true, "anyOf": true, "oneOf": true, "prefixItems": true}

func isIndex(token string) bool {
	_, err := strconv.Atoi(token)
	return err == nil
}

func (e *explainer) descend(v *v5.ValidationError) {
	if len(v.Causes) == 0 {
		e.leaf(v)
		return
	}
	if d := e.demand(v); d.within == "" {
		switch d.keyword {
		case "anyOf", "oneOf":
			if _, isList := d.value.([]any); isList {
				e.alternatives(v, d)
				return
			}
		case "contains", "minContains", "maxContains":
			e.leaf(v)
			return
		}
	}
	for _, cause := range v.Causes {
		e.descend(cause)
	}
}

// alternatives explains why none of several alternatives holds. Those that are
// for another type, or that differ in a constant, were not meant; if one
// remains, its violations are the explanation.
func (e *explainer) alternatives(v *v5.ValidationError, d demand) {
	var meant []*v5.ValidationError
	var types []string
	for _, cause := range v.Causes {
		if kinds := e.otherKind(cause, v.InstanceLocation); len(kinds) > 0 {
			types = append(types, kinds...)
			continue
		}
		meant = append(meant, cause)
	}
	if len(meant) == 1 {
		e.descend(meant[0])
		return
	}
	violation := e.violation(v, d)
	violation.Expected = fmt.Sprintf("a value that one of %d alternatives admits", len(v.Causes))
	if len(meant) == 0 && !slices.Contains(types, "") {
		slices.SortStableFunc(types, func(a, b string) int { return compareBools(a == "null", b == "null") })
		violation.Expected = strings.Join(unique(types), " or ")
	}
	e.add(violation)
}

// otherKind tells whether an alternative was not meant, because the value's type
// or one of its constants is another: then what the alternative is for, or "".
func (e *explainer) otherKind(v *v5.ValidationError, at string) []string {
	if len(v.Causes) > 0 {
		for _, cause := range v.Causes {
			if kinds := e.otherKind(cause, at); len(kinds) > 0 {
				return kinds
			}
		}
		return nil
	}
	d := e.demand(v)
	depth := strings.Count(v.InstanceLocation, "/") - strings.Count(at, "/")
	switch {
	case d.keyword == "type" && depth == 0:
		return typeNames(d.value)
	case (d.keyword == "const" || d.keyword == "enum") && depth <= 1:
		if depth == 0 {
			return []string{expected(d)}
		}
		return []string{""}
	}
	return nil
}

// leaf adds the violations behind one error of the library; it reports missing
// and superfluous properties together, and we one by one.
func (e *explainer) leaf(v *v5.ValidationError) {
	d := e.demand(v)
	violation := e.violation(v, d)
	object, _ := e.find(violation.Pointer).(map[string]any)
	switch d.keyword {
	case "required":
		names, _ := d.value.([]any)
		for _, name := range names {
			if name, ok := name.(string); ok {
				if _, has := object[name]; !has {
					violation.Expected, violation.Found = "a property "+show(name), "none"
					e.add(violation)
				}
			}
		}
	case "additionalProperties":
		for i, name := range e.additional(d, object) {
			if i > MaxViolations {
				e.more = true
				break
			}
			extra := violation
			extra.Pointer += "/" + jsonschema.EscapeToken(name)
			extra.Expected, extra.Found = "no property of this name", show(object[name])
			e.add(extra)
		}
	default:
		e.add(violation)
	}
}

// additional are the names for which a schema's "additionalProperties" counts.
func (e *explainer) additional(d demand, object map[string]any) []string {
	parent, _ := cutLast(d.origin.Pointer)
	schema, _ := jsonschema.Find(d.origin.Bundle.Document.Value(), parent)
	keywords, _ := schema.(map[string]any)
	n := node{properties: map[string]*node{}}
	if properties, ok := keywords["properties"].(map[string]any); ok {
		for name := range properties {
			n.properties[name] = free
		}
	}
	if patterns, ok := keywords["patternProperties"].(map[string]any); ok {
		n.patterns = compilePatterns(sortedNames(patterns))
	}
	var names []string
	for _, name := range sortedNames(object) {
		if declared, _ := n.admits(name); !declared {
			names = append(names, name)
		}
	}
	return names
}

func (e *explainer) add(v Violation) {
	if e.limit == 0 || len(e.violations) < e.limit {
		e.violations = append(e.violations, v)
	} else {
		e.more = true
	}
}

func (e *explainer) violation(v *v5.ValidationError, d demand) Violation {
	pointer := plain(v.InstanceLocation)
	value := e.find(pointer)
	if d.ofName {
		_, last := cutLast(pointer)
		value = jsonschema.UnescapeToken(last)
	}
	message := ""
	if len(v.Causes) == 0 {
		message = v.Message
	}
	return Violation{
		Pointer: pointer, Keyword: d.keyword, SchemaPointer: d.origin.String(),
		Expected: expected(d), Found: found(d, value, message),
	}
}

func (e *explainer) find(pointer string) any {
	value, _ := jsonschema.Find(e.document, pointer)
	return value
}

// plain undoes the percent-encoding that the library puts on top of a pointer.
func plain(location string) string {
	if pointer, err := url.PathUnescape(location); err == nil {
		return pointer
	}
	return location
}

func cutLast(pointer string) (before, last string) {
	i := strings.LastIndexByte(pointer, '/')
	if i < 0 {
		return "", pointer
	}
	return pointer[:i], pointer[i+1:]
}
