package schema

import (
	"encoding/json"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
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
}
