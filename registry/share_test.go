package registry_test

import (
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

// Guards against a word of somebody's that leaves the environment with the
// registry's log, and against a record that another environment cannot do
// without and does not get.
func TestRedacted(t *testing.T) {
	const metadata = `{"tags":{"a":["PII"]},"properties":{"owner":"SECRET"},"sensitive":["SECRET"]}`
	const rules = `{"domainRules":[{"name":"SECRET","type":"CEL","expr":"SECRET","params":{"key":"SECRET"}}]}`
	for _, c := range []struct{ kind, name, record, keeps string }{
		{
			"version", "a.b",
			`{"format":1,"kind":"version","subject":"a.b","version":3,"id":7,"guid":"g","type":"JSON","author":"SECRET","metadata":` + metadata + `,"ruleSet":` + rules +
				`,"references":[{"name":"n","subject":"s","version":1}],"imported":true,"schema":"{\"$comment\":\"SECRET\",\"properties\":{\"example\":{\"enum\":[\"x\"],\"examples\":[\"SECRET\"]}}}"}`,
			`"version":3|"id":7|"guid":"g"|"imported":true|{"name":"n","subject":"s","version":1}|"tags":{"a":["PII"]}|{\"properties\":{\"example\":{\"enum\":[\"x\"]}}}`,
		},
		{
			"version", "a.c",
			`{"format":1,"kind":"version","subject":"a.c","version":1,"id":8,"guid":"g","type":"JSON","schema":"{\"title\":\"T\",\"description\":\"SECRET\",\"default\":{\"a\":\"SECRET\"},\"x-sample\":{\"a\":{\"title\":\"SECRET\"}},\"sample\":{\"title\":\"SECRET\",\"a\":1},` +
				`\"samples\":[{\"enum\":[\"SECRET\"]}],\"faker\":\"SECRET\",\"x-lockstep-key\":[\"/default\"],\"types\":{\"name\":{\"type\":\"string\",\"maxLength\":9,\"description\":\"SECRET\"}},\"components\":{\"schemas\":{\"S\":{\"type\":\"string\",\"default\":\"SECRET\"}}},\"properties\":{\"default\":{\"$ref\":\"#/types/name\",\"description\":\"SECRET\"},` +
				`\"description\":{\"x-lockstep-class\":\"text\",\"items\":[{\"default\":\"SECRET\",\"not\":{\"example\":\"SECRET\",\"const\":\"c\"}}]}}}"}`,
			`{\"components\":{\"schemas\":{\"S\":{\"type\":\"string\"}}},\"properties\":{\"default\":{\"$ref\":\"#/types/name\"},\"description\":{\"items\":[{\"not\":{\"const\":\"c\"}}],\"x-lockstep-class\":\"text\"}},\"title\":\"T\",\"types\":{\"name\":{\"maxLength\":9,\"type\":\"string\"}},\"x-lockstep-key\":[\"/default\"]}`,
		},
		{
			"config", "a",
			`{"format":1,"kind":"config","subject":"a","author":"SECRET","config":{"compatibilityLevel":"FULL","compatibilityPolicy":"STRICT","compatibilityGroup":"major","normalize":true,"alias":"b",` +
				`"defaultMetadata":` + metadata + `,"overrideMetadata":` + metadata + `,"defaultRuleSet":` + rules + `,"overrideRuleSet":` + rules + `}}`,
			`"compatibilityLevel":"FULL"|"compatibilityPolicy":"STRICT"|"compatibilityGroup":"major"|"normalize":true|"alias":"b"|"defaultMetadata":{"tags"|"overrideMetadata":{"tags"`,
		},
		{"config", "", `{"format":1,"kind":"config","subject":"","author":"SECRET"}`, `"kind":"config"`},
		{"mode", "a", `{"format":1,"kind":"mode","subject":"a","author":"SECRET","mode":"READONLY"}`, `"mode":"READONLY"`},
		{"delete", "a", `{"format":1,"kind":"delete","subject":"a","author":"SECRET","versions":[1,2],"permanent":true,"whole":true}`, `"versions":[1,2]|"permanent":true|"whole":true`},
	} {
		kind, name, data, err := registry.Redacted(store.Entry{Data: []byte(c.record)})
		if err != nil || kind != c.kind || name != c.name {
			t.Errorf("%s: %s %q, %v", c.record, kind, name, err)
		}
		if strings.Contains(string(data), "SECRET") {
			t.Errorf("crosses: %s", data)
		}
		for _, part := range strings.Split(c.keeps, "|") {
			if !strings.Contains(string(data), part) {
				t.Errorf("%s is lost: %s", part, data)
			}
		}
	}
	for _, bad := range []string{``, `[]`, `{"format":2,"kind":"version"}`, `{"format":1,"kind":"wish"}`, `{"format":1,"kind":"version","schema":"{"}`} {
		if _, _, data, err := registry.Redacted(store.Entry{Data: []byte(bad)}); err == nil || data != nil {
			t.Errorf("%q crosses as %s", bad, data)
		}
	}
}
