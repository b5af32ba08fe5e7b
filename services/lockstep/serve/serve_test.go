package serve

import (
	"testing"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// A script that starts leaves with what their hub says would break on a
// changed key.
func TestGolden(t *testing.T) {
	clitest.Golden(t, "hub", answer{
		Environment: "production", Role: "hub", NATS: "nats://127.0.0.1:4222", Credentials: "/data/production/credentials/application.creds",
		Leaf: "nats://127.0.0.1:7422", Registry: "http://127.0.0.1:8081", HTTP: "http://127.0.0.1:8080",
		LeafCredentials: map[string]string{"testing": "/data/production/credentials/leaf-testing.creds", "staging": "/data/production/credentials/leaf-staging.creds"},
	})
	clitest.Golden(t, "leaf", answer{Environment: "staging", Role: "leaf", NATS: "nats://127.0.0.1:4322", Credentials: "/data/staging/credentials/application.creds"})
}

// A leaf on another machine would pass on the registry's writes to itself.
func TestPrimary(t *testing.T) {
	mesh, err := target.LoadMesh("")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		environment string
		flags       Flags
		want        string
	}{
		"beside the hub":  {"staging", Flags{}, "http://127.0.0.1:8081"},
		"another machine": {"staging", Flags{HubURL: "nats://hub.example.com:7422"}, "http://hub.example.com:8081"},
		"named":           {"staging", Flags{RegistryPrimary: "https://registry.example.com"}, "https://registry.example.com"},
		"the hub itself":  {"production", Flags{}, ""},
	} {
		is, ok := mesh.Environment(c.environment)
		if got := primary(mesh, is, c.flags); !ok || got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
