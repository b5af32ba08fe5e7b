package schema

import (
	"encoding/json"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/diff"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/schema/check"
)

// A script that reads what was pushed would break on a changed key.
func TestGolden(t *testing.T) {
	clitest.Golden(t, "pushed", pushed{Registry: "http://127.0.0.1:8081", Created: 1, Unchanged: 1, Schemas: []version{
		{Subject: "github.common.user", Version: 2, ID: 17, File: "common/user.schema.json"},
		{Subject: "github.issues", Version: 1, ID: 18, File: "issues/event.schema.json", Created: true},
	}})
	clitest.Golden(t, "list", list{Registry: "http://127.0.0.1:8081", Schemas: []listed{{Subject: "github.issues", Version: 3, ID: 18, References: 2}}})
	clitest.Golden(t, "schema", shown{
		Subject: "github.issues", Version: 3, ID: 18, References: []client.Reference{{Name: "common/user.schema.json", Subject: "github.common.user", Version: 2}},
		Schema: json.RawMessage(`{"type":"object","properties":{"user":{"$ref":"common/user.schema.json"}}}`),
	})
	clitest.Golden(t, "check", check.Report{
		Against: "main", Errors: 1, Warnings: 1, Compared: 2,
		Subjects: []check.Checked{
			{Subject: "github.common.user", File: "schemas/common/user.schema.json", Level: "BACKWARD", Policy: "gated", Versions: 1},
			{Subject: "github.issues", File: "schemas/issues/event.schema.json", Level: "BACKWARD", Policy: "gated", Versions: 1},
			{Subject: "github.push", File: "schemas/push.schema.json"},
		},
		Findings: []check.Finding{
			{
				Severity: check.Failure, Rule: "required-added", Result: "incompatible", File: "schemas/common/user.schema.json", Line: 3, Column: 5, Pointer: "/required",
				Subject: "github.common.user", Others: []string{"github.issues"}, Against: "main", Instance: "/login",
				Why: "data of main is not shown to be readable: the property \"login\" is required now, and a document may lack it", Cure: "make \"login\" optional", Witness: json.RawMessage(`{}`),
			},
			{Severity: check.Warning, Rule: check.RuleNoDocument, File: "schemas/push.schema.json", Line: 1, Column: 1, Subject: "github.push", Why: "no document is valid under the schema", Cure: "remove what contradicts itself in it"},
		},
	})
	clitest.Golden(t, "diff", differences{Old: "a.b version 1", New: "a.b version 2", Changes: []diff.Change{
		{Kind: diff.PropertyAdded, Keyword: "properties", Pointer: "/note", OldPointer: "#/properties", NewPointer: "#/properties/note", New: json.RawMessage(`{"type":"string"}`), Text: "the property \"note\" is new, and optional"},
	}})
	clitest.Golden(t, "same", differences{Old: "a.b version 1", New: "a.b version 2", Changes: []diff.Change{}})
	clitest.Golden(t, "example", example{Schema: "a.b version 1", Document: json.RawMessage("{\n  \"a\": 1\n}")})
	clitest.Golden(t, "explain", explanation{Schema: "a.b version 1", Parts: 3, Slow: []slowPart{{Pointer: "common/x.schema.json#/items", Why: "unevaluatedItems has no fast form"}}})
	clitest.Golden(t, "fast", explanation{Schema: "a.b version 1", Fast: true, Parts: 3, Slow: []slowPart{}})
}
