package nativeapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Guards against a document that no generator of clients can read, and against a
// change of the API that nobody meant: the document is kept, and its difference is
// to be looked at.
func TestDocument(t *testing.T) {
	s, _ := serve(t)
	status, header, answer := send(t, s, http.MethodGet, "/openapi.json", "")
	if status != http.StatusOK || header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", status, header)
	}
	golden(t, "openapi.golden.json", []byte(answer))
	var document map[string]any
	if err := json.Unmarshal([]byte(answer), &document); err != nil {
		t.Fatal(err)
	}
	for _, problem := range checkOpenAPI(document) {
		t.Error(problem)
	}
}

// Guards against a check that lets anything pass.
func TestDocumentCheckRefuses(t *testing.T) {
	for _, c := range []struct{ document, says string }{
		{`{}`, "openapi"},
		{`{"openapi":"3.0.3","info":{"title":"t","version":"1"},"paths":{}}`, "3.1"},
		{`{"openapi":"3.1.0","info":{"title":"t"},"paths":{}}`, "info.version"},
		{`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"a":{}}}`, "slash"},
		{`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/a/{b}":{"get":{"operationId":"x","responses":{"200":{"description":"d"}}}}}}`, "{b}"},
		{`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/a":{"get":{"operationId":"x"}}}}`, "responses"},
		{`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/a":{"get":{"operationId":"x","responses":{"200":{}}}}}}`, "description"},
		{`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/a":{"get":{"operationId":"x","responses":{"default":{"description":"d","content":{"a/b":{"schema":{"$ref":"#/components/schemas/No"}}}}}}}}}`, "No"},
		{`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/a":{"get":{"operationId":"x","parameters":[{"name":"q","in":"query"}],"responses":{"default":{"description":"d"}}}}}}`, "schema"},
		{`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{},"components":{"schemas":{"S":{"type":"object","nullable":true}}}}`, "nullable"},
		{`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{},"components":{"schemas":{"S":{"type":"any"}}}}`, "type"},
		{`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{},"extra":1}`, "extra"},
	} {
		var document map[string]any
		if err := json.Unmarshal([]byte(c.document), &document); err != nil {
			t.Fatal(err)
		}
		if problems := fmt.Sprint(checkOpenAPI(document)); !strings.Contains(problems, c.says) {
			t.Errorf("%s: %s, want a mention of %q", c.document, problems, c.says)
		}
	}
}

// openAPI checks a document against the rules of OpenAPI 3.1.0 that it can break.
type openAPI struct {
	document map[string]any
	problems []string
	ids      map[string]bool
}

func checkOpenAPI(document map[string]any) []string {
	c := &openAPI{document: document, ids: map[string]bool{}}
	c.fields("the document", document, "openapi", "info", "jsonSchemaDialect", "servers", "paths", "webhooks", "components", "security", "tags", "externalDocs")
	version, _ := document["openapi"].(string)
	c.expect(regexp.MustCompile(`^3\.1\.\d+(-.+)?$`).MatchString(version), "openapi is %q, which is no 3.1 version", version)
	info, _ := document["info"].(map[string]any)
	c.fields("info", info, "title", "summary", "description", "termsOfService", "contact", "license", "version")
	c.text(info, "info", "title", "version")
	if license, ok := info["license"].(map[string]any); ok {
		c.text(license, "info.license", "name")
		c.expect(license["identifier"] == nil || license["url"] == nil, "info.license has identifier and url, which exclude each other")
	}
	var tags []string
	for _, tag := range list(document["tags"]) {
		tag, _ := tag.(map[string]any)
		c.text(tag, "a tag", "name")
		name, _ := tag["name"].(string)
		c.expect(!slices.Contains(tags, name), "the tag %q is there twice", name)
		tags = append(tags, name)
	}
	paths, ok := document["paths"].(map[string]any)
	c.expect(ok, "paths is missing")
	for path, item := range paths {
		c.path(path, item, tags)
	}
	components, _ := document["components"].(map[string]any)
	c.fields("components", components, "schemas", "responses", "parameters", "examples", "requestBodies", "headers", "securitySchemes", "links", "callbacks", "pathItems")
	schemas, _ := components["schemas"].(map[string]any)
	for name, s := range schemas {
		c.expect(regexp.MustCompile(`^[a-zA-Z0-9._-]+$`).MatchString(name), "%q is no name of a component", name)
		c.schema("components.schemas."+name, s)
	}
	return c.problems
}

func list(v any) []any { l, _ := v.([]any); return l }

func (c *openAPI) expect(ok bool, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

func (c *openAPI) fields(where string, object map[string]any, known ...string) {
	for name := range object {
		c.expect(slices.Contains(known, name) || strings.HasPrefix(name, "x-"), "%s has the field %q, which there is not", where, name)
	}
}

func (c *openAPI) text(object map[string]any, where string, names ...string) {
	for _, name := range names {
		text, _ := object[name].(string)
		c.expect(text != "", "%s.%s is missing or empty", where, name)
	}
}

func (c *openAPI) path(path string, item any, tags []string) {
	c.expect(strings.HasPrefix(path, "/"), "the path %q does not begin with a slash", path)
	methods, _ := item.(map[string]any)
	c.fields(path, methods, "$ref", "summary", "description", "get", "put", "post", "delete", "options", "head", "patch", "trace", "servers", "parameters")
	for method, op := range methods {
		op, ok := op.(map[string]any)
		if !ok {
			continue
		}
		where := method + " " + path
		c.fields(where, op, "tags", "summary", "description", "externalDocs", "operationId", "parameters", "requestBody", "responses", "callbacks", "deprecated", "security", "servers")
		c.text(op, where, "operationId")
		id, _ := op["operationId"].(string)
		c.expect(!c.ids[id], "operationId %q is there twice", id)
		c.ids[id] = true
		for _, tag := range list(op["tags"]) {
			c.expect(slices.Contains(tags, tag.(string)), "%s has the tag %q, which is not declared", where, tag)
		}
		c.parameters(where, path, list(op["parameters"]))
		if body, ok := op["requestBody"].(map[string]any); ok {
			c.fields(where+" requestBody", body, "description", "content", "required")
			c.content(where+" requestBody", body["content"], true)
		}
		responses, _ := op["responses"].(map[string]any)
		c.expect(len(responses) > 0, "%s has no responses", where)
		for status, response := range responses {
			at := where + " " + status
			c.expect(regexp.MustCompile(`^([1-5](\d\d|XX)|default)$`).MatchString(status), "%s is no status", at)
			response, _ := response.(map[string]any)
			c.fields(at, response, "description", "headers", "content", "links")
			c.text(response, at, "description")
			c.content(at, response["content"], false)
		}
	}
}

func (c *openAPI) parameters(where, path string, parameters []any) {
	inPath := map[string]bool{}
	for _, m := range regexp.MustCompile(`\{([^}]+)\}`).FindAllStringSubmatch(path, -1) {
		inPath[m[1]] = false
	}
	seen := map[string]bool{}
	for _, p := range parameters {
		p, _ := p.(map[string]any)
		c.text(p, where+" parameter", "name", "in")
		name, _ := p["name"].(string)
		in, _ := p["in"].(string)
		at := where + " parameter " + in + " " + name
		c.fields(at, p, "name", "in", "description", "required", "deprecated", "allowEmptyValue", "style", "explode", "allowReserved", "schema", "example", "examples", "content")
		c.expect(slices.Contains([]string{"query", "header", "path", "cookie"}, in), "%s is nowhere", at)
		c.expect(!seen[in+name], "%s is there twice", at)
		seen[in+name] = true
		c.expect((p["schema"] == nil) != (p["content"] == nil), "%s has not exactly one of schema and content", at)
		c.expect(p["example"] == nil || p["examples"] == nil, "%s has example and examples", at)
		if p["schema"] != nil {
			c.schema(at, p["schema"])
		}
		if in == "path" {
			_, known := inPath[name]
			c.expect(known && p["required"] == true, "%s is not in the path, or not required", at)
			inPath[name] = true
		}
	}
	for name, declared := range inPath {
		c.expect(declared, "%s does not declare {%s}", where, name)
	}
}

func (c *openAPI) content(where string, content any, required bool) {
	types, _ := content.(map[string]any)
	c.expect(!required || len(types) > 0, "%s has no content", where)
	for media, m := range types {
		c.expect(strings.Contains(media, "/"), "%s: %q is no media type", where, media)
		m, _ := m.(map[string]any)
		c.fields(where+" "+media, m, "schema", "example", "examples", "encoding")
		if m["schema"] != nil {
			c.schema(where+" "+media, m["schema"])
		}
	}
}

// schema checks what OpenAPI 3.0 and generators get wrong: words that 3.1 has no
// more, types that there are not, references to nothing.
func (c *openAPI) schema(where string, s any) {
	if _, ok := s.(bool); ok {
		return
	}
	object, ok := s.(map[string]any)
	c.expect(ok, "%s is no schema", where)
	for _, gone := range []string{"nullable", "example"} {
		_, there := object[gone]
		c.expect(!there, "%s has %q, which is not of 3.1", where, gone)
	}
	for _, name := range []string{"exclusiveMinimum", "exclusiveMaximum"} {
		_, wrong := object[name].(bool)
		c.expect(!wrong, "%s has a boolean %s, which is not of 3.1", where, name)
	}
	known := []any{"null", "boolean", "object", "array", "number", "string", "integer"}
	switch t := object["type"].(type) {
	case nil:
	case []any:
		for _, one := range t {
			c.expect(slices.Contains(known, one), "%s has the type %v", where, one)
		}
	default:
		c.expect(slices.Contains(known, t), "%s has the type %v", where, t)
	}
	if ref, ok := object["$ref"].(string); ok {
		name, local := strings.CutPrefix(ref, "#/components/schemas/")
		components, _ := c.document["components"].(map[string]any)
		schemas, _ := components["schemas"].(map[string]any)
		c.expect(local && schemas[name] != nil, "%s refers to %s, which is nowhere", where, ref)
	}
	if pattern, ok := object["pattern"].(string); ok {
		_, err := regexp.Compile(pattern)
		c.expect(err == nil, "%s: %v", where, err)
	}
	properties, _ := object["properties"].(map[string]any)
	for name, p := range properties {
		c.schema(where+"."+name, p)
	}
	for _, name := range list(object["required"]) {
		c.expect(properties[name.(string)] != nil, "%s requires %q, which it does not have", where, name)
	}
	for _, keyword := range []string{"items", "additionalProperties", "not"} {
		if child, ok := object[keyword]; ok {
			c.schema(where+"."+keyword, child)
		}
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		for i, child := range list(object[keyword]) {
			c.schema(fmt.Sprintf("%s.%s.%d", where, keyword, i), child)
		}
	}
}

// Guards against a page that is blank without the internet, or tells less than the
// document: nothing is loaded from anywhere, and every operation, field and link's
// target is there.
func TestPage(t *testing.T) {
	s, _ := serve(t)
	status, header, page := send(t, s, http.MethodGet, "/docs", "")
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/html") || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d %v", status, header)
	}
	for _, loading := range []string{"<script", "<link", "<img", "<iframe", "src=", "@import", "url(", "http://", "https://"} {
		if strings.Contains(page, loading) {
			t.Errorf("the page has %q", loading)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("the id %q is there twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			t.Errorf("a link leads to #%s, which is nowhere", m[1])
		}
	}
	for id := range operationsOf(t, s) {
		if !ids[id] {
			t.Errorf("operation %s is not on the page", id)
		}
	}
	for _, words := range []string{"X-Lockstep-Author", "Last-Event-ID", "registry.version.orders.&gt;", "RFC 9457"} {
		if !strings.Contains(page, words) {
			t.Errorf("the page does not have %q", words)
		}
	}
}
