package sample_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/registry/sample"
	"github.com/lockstep-mesh/lockstep/schemas"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

func bundle(t testing.TB, text string) *jsonschema.Bundle {
	t.Helper()
	d, err := jsonschema.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &jsonschema.Bundle{Document: d}
}

// corpus is the folder of test data in it that no one here wrote, or a skip.
func corpus(t testing.TB, elements ...string) string {
	t.Helper()
	root := os.Getenv("LOCKSTEP_CORPUS")
	if root == "" {
		dir, err := os.Getwd()
		for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			if _, gone := os.Stat(filepath.Join(dir, "go.mod")); gone == nil {
				break
			}
		}
		root = filepath.Join(dir, "..", "shared", "corpus")
	}
	found := filepath.Join(append([]string{root}, elements...)...)
	if _, err := os.Stat(found); err != nil {
		t.Skipf("the corpus is absent: %v (set LOCKSTEP_CORPUS)", err)
	}
	return found
}

// bundles are a folder's schemas, tied together.
func bundles(t testing.TB, domain string, fsys fs.FS) map[string]*jsonschema.Bundle {
	t.Helper()
	files, err := folder.Read(domain, fsys)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*jsonschema.Bundle{}
	for _, f := range files {
		all[f.Subject] = f.Bundle
	}
	return all
}

func check(t *testing.T, name string, b *jsonschema.Bundle) (full []byte) {
	t.Helper()
	compiled, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []func(*jsonschema.Bundle) ([]byte, error){sample.Minimal, sample.Of} {
		text, err := of(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		value, err := strictjson.Decode(text, strictjson.Limits{})
		if err == nil {
			err = compiled.Validate(value)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		full = text
	}
	return full
}

// A sample that differs from run to run could not be compared with.
func TestSame(t *testing.T) {
	b := bundle(t, `{"properties":{"a":{"type":"string"},"b":{"type":"integer"}},"additionalProperties":{"type":"array","items":{"type":"string"},"minItems":2},"patternProperties":{"k":{"type":"array"},"e":{"minItems":1}}}`)
	first := check(t, "same", b)
	for range 20 {
		if again, err := sample.Of(b); err != nil || !bytes.Equal(again, first) {
			t.Fatalf("%v: %s, before %s", err, again, first)
		}
	}
}

// The schemas that the project ships, and those of GitHub's events, must have a
// sample each, with all of their own properties in it.
func TestRealSchemas(t *testing.T) {
	for _, domain := range []string{"customers", "orders", "payments"} {
		sub, err := fs.Sub(schemas.FS, domain)
		if err != nil {
			t.Fatal(err)
		}
		for subject, b := range bundles(t, domain, sub) {
			text := check(t, subject, b)
			var document map[string]any
			if err := json.Unmarshal(text, &document); err != nil && strings.Contains(string(b.Document.Text()), `"properties"`) {
				t.Errorf("%s: %v", subject, err)
			}
			declared, _ := b.Document.Value().(map[string]any)["properties"].(map[string]any)
			for name := range declared {
				if _, ok := document[name]; !ok {
					t.Errorf("%s: the sample lacks %q\n%s", subject, name, text)
				}
			}
		}
	}
}

func TestGitHub(t *testing.T) {
	all := bundles(t, "github", os.DirFS(corpus(t, "github-webhooks", "schemas")))
	if len(all) != 291 {
		t.Errorf("%d schemas, want 291", len(all))
	}
	for subject, b := range all {
		if subject != "github.common.secret-scanning-location" && subject != "github.secret_scanning_alert_location.created" {
			check(t, subject, b)
			continue
		}
		// These say additionalProperties false beside a oneOf that requires properties.
		if text, err := sample.Of(b); code(err) != sample.CodeEmpty {
			t.Errorf("%s: %v, want that there is no document\n%s", subject, err, text)
		}
	}
}

func code(err error) string {
	var e *sample.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// A sample must look like what its schema is about.
func TestReadable(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`{"const":{"a":1}}`, `{"a":1}`},
		{`{"type":["null","string"],"default":null}`, `"text"`},
		{`{"enum":[null,"x"]}`, `null`},
		{`{"type":"string","default":"","minLength":0,"examples":["seen"]}`, `"seen"`},
		{
			`{"properties":{"email":{"type":"string"},"id":{"type":"integer"},"when":{"type":"string","format":"date-time"},"ok":{"type":"boolean"}}}`,
			`{"email":"ada@example.com","id":1001,"ok":true,"when":"2024-05-06T07:08:09Z"}`,
		},
		{`{"type":"integer","multipleOf":7,"minimum":20,"exclusiveMaximum":29}`, `21`},
		{`{"type":"number","exclusiveMinimum":0.25,"exclusiveMaximum":0.26}`, `0.255`},
		{`{"type":"string","pattern":"^[A-Z]{3}-[0-9]{4}$"}`, `"AAA-0000"`},
		{`{"type":"string","minLength":8,"maxLength":8}`, `"textxxxx"`},
		{`{"type":"array","items":{"type":"string"},"minItems":3,"uniqueItems":true}`, `["text","text-2","text-3"]`},
		{`{"type":"array","contains":{"const":7}}`, `[7]`},
		{`{"additionalProperties":{"type":"integer"}}`, `{"key":1}`},
		{`{"properties":{"next":{"$ref":"#"},"name":{"type":"string"}}}`, `{"name":"Ada Lovelace"}`},
		{`{"oneOf":[{"properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":{"const":2}},"required":["b"]}]}`, `{"a":1}`},
		{`{"properties":{"kind":{"enum":["card","cash"]}},"if":{"properties":{"kind":{"const":"card"}}},"then":{"properties":{"pan":{"type":"string"}},"required":["pan"]},"required":["kind"]}`, `{"kind":"card","pan":"pan"}`},
		{`{"minProperties":1,"patternProperties":{"^x-":{"type":"boolean"}},"additionalProperties":false}`, `{"x-key":true}`},
		{`{"type":"object","maxProperties":1,"properties":{"a":{"const":1},"b":{"const":2}}}`, `{"a":1}`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"a":["b"],"b":{"properties":{"c":{"const":3}}}},"properties":{"a":{"const":1}}}`, `{}`},
		{`true`, `{}`},
	} {
		text, err := sample.Of(bundle(t, c.schema))
		if err != nil {
			t.Errorf("%s: %v", c.schema, err)
			continue
		}
		var got any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if short, _ := json.Marshal(got); string(short) != c.want {
			t.Errorf("%s: %s, want %s", c.schema, short, c.want)
		}
	}
}

// What has no document, or none that is found, must be said, with its reason.
func TestNoSample(t *testing.T) {
	for text, code := range map[string]string{
		`false`:                        sample.CodeEmpty,
		`{"type":"string","enum":[1]}`: sample.CodeEmpty,
		`{"type":"object","required":["a"],"properties":{"a":false}}`:                    sample.CodeEmpty,
		`{"type":"integer","minimum":1,"maximum":0}`:                                     sample.CodeEmpty,
		`{"$ref":"gone.json"}`:                                                           sample.CodeUnusable,
		`{"type":"object","properties":{"n":{"$ref":"#"}},"required":["n"]}`:             sample.CodeEmpty,
		`{"type":"array","items":{"type":"boolean"},"minItems":3,"uniqueItems":true}`:    "",
		`{"type":"object","minProperties":2,"maxProperties":1,"additionalProperties":1}`: "parse",
	} {
		d, err := jsonschema.Parse([]byte(text))
		if err != nil {
			if code != "parse" {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		document, err := sample.Of(&jsonschema.Bundle{Document: d})
		var e *sample.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, %s", text, err, document)
		} else if code != "" && e.Code != code || e.Code == sample.CodeNotFound && e.Keyword == "" {
			t.Errorf("%s: %+v, want %s", text, e, code)
		}
	}
}

// Keywords in any combination must not lead to an invalid sample, nor to none
// where the suite itself shows that there are valid documents.
func TestSuite(t *testing.T) {
	without := map[string]int{}
	made := 0
	for draft, d := range map[string]jsonschema.Draft{
		"draft4": jsonschema.Draft4, "draft6": jsonschema.Draft6, "draft7": jsonschema.Draft7,
		"draft2019-09": jsonschema.Draft2019, "draft2020-12": jsonschema.Draft2020,
	} {
		files, err := filepath.Glob(filepath.Join(corpus(t, "json-schema-test-suite", "tests", draft), "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var groups []struct {
				Description string
				Schema      json.RawMessage
				Tests       []struct {
					Data  json.RawMessage
					Valid bool
				}
			}
			if err := json.Unmarshal(text, &groups); err != nil {
				t.Fatal(err)
			}
			for _, group := range groups {
				var fields map[string]json.RawMessage
				text := []byte(group.Schema)
				if json.Unmarshal(text, &fields) == nil && fields["$schema"] == nil {
					fields["$schema"], _ = json.Marshal(d.URL())
					text, _ = json.Marshal(fields)
				}
				document, err := jsonschema.Parse(text)
				if err != nil {
					continue // needs the suite's own servers, or is refused here
				}
				b := &jsonschema.Bundle{Document: document}
				compiled, err := b.Compile()
				if err != nil {
					continue
				}
				satisfiable := slices.ContainsFunc(group.Tests, func(test struct {
					Data  json.RawMessage
					Valid bool
				},
				) bool {
					v, err := strictjson.Decode(test.Data, strictjson.Limits{})
					return err == nil && compiled.Validate(v) == nil
				})
				made++
				found, err := sample.Of(b)
				var e *sample.Error
				switch {
				case err == nil:
					v, err := strictjson.Decode(found, strictjson.Limits{})
					if err != nil || compiled.Validate(v) != nil {
						t.Errorf("%s, %s: %s is not valid under %s", path.Base(file), group.Description, found, text)
					}
				case !errors.As(err, &e):
					t.Errorf("%s: %v", file, err)
				case satisfiable && e.Code == sample.CodeEmpty:
					t.Logf("%s, %s: no document under the gate: %s", path.Base(file), group.Description, text)
				case satisfiable:
					without[path.Base(file)+": "+e.Keyword]++
				}
			}
		}
	}
	failed := 0
	for _, n := range without {
		failed += n
	}
	t.Logf("%d schemas, %d without a sample that have documents: %v", made, failed, without)
	if failed > made/50 {
		t.Errorf("%d of %d schemas have documents and no sample", failed, made)
	}
}

// A sample would be withheld by every route, since a string doesn't hold what the schema
// says it does.
func TestContents(t *testing.T) {
	document, err := sample.Of(bundle(t, `{"type":"object","required":["plain"],"properties":{"plain":{"type":"string"},"free":{"type":"string","x-lockstep-content":"json"},
		"json":{"type":"string","x-lockstep-content":"json","contentSchema":{"type":"object","required":["email","deep"],"properties":{"email":{"type":"string"},"deep":{"type":"string","x-lockstep-content":"base64-json","contentSchema":{"$ref":"#/$defs/n"}}}}},
		"standard":{"type":"string","contentMediaType":"application/json","contentEncoding":"base64"}, "blob":{"type":"string","contentEncoding":"base64"}, "short":{"type":"string","x-lockstep-content":"json","maxLength":1}},"$defs":{"n":{"type":"array","minItems":1,"items":{"type":"integer"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		JSON, Free, Standard string
		Blob, Short          string
	}
	if err := json.Unmarshal(document, &got); err != nil {
		t.Fatal(err)
	}
	var inside struct{ Email, Deep string }
	if err := json.Unmarshal([]byte(got.JSON), &inside); err != nil || inside.Email != "ada@example.com" {
		t.Errorf("%s, %v", got.JSON, err)
	}
	var numbers []int
	deep, err := base64.StdEncoding.DecodeString(inside.Deep)
	if err != nil || json.Unmarshal(deep, &numbers) != nil || len(numbers) == 0 {
		t.Errorf("%s, %v", deep, err)
	}
	standard, err := base64.StdEncoding.DecodeString(got.Standard)
	if err != nil || !json.Valid(standard) || !json.Valid([]byte(got.Free)) {
		t.Errorf("%s, %s", standard, got.Free)
	}
	if blob, err := base64.StdEncoding.DecodeString(got.Blob); err != nil || len(blob) == 0 {
		t.Errorf("%s, %v", got.Blob, err)
	}
	endless, err := sample.Of(bundle(t, `{"type":"object","required":["in"],"properties":{"in":{"type":"string","x-lockstep-content":"json","contentSchema":{"$ref":"#"}}}}`))
	if err != nil || len(endless) > 1000 {
		t.Errorf("strings that hold each other without end: %d bytes, %v", len(endless), err)
	}
	if got.Short == "" {
		t.Error("what has no room for its content is missing")
	}
}
