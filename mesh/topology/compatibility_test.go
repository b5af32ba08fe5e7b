package topology

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lockstep-mesh/lockstep/registry/compat"
)

// A domain whose gate lets undeclared fields in must not have its schemas compared
// as if it did not.
func TestCompatibility(t *testing.T) {
	m, err := LoadFS(fstest.MapFS{"mesh.yaml": {Data: []byte(`environments:
  solo:
    role: hub
    listen: {nats: "127.0.0.1:0"}
domains:
  closed: {owner: a, origins: [solo]}
  said: {owner: a, origins: [solo], write: closed}
  open: {owner: a, origins: [solo], write: open}
`)}}, "mesh.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for subject, want := range map[string]compat.Policy{
		"closed.order.made": compat.Gated, "said.order": compat.Gated, "open.order.made": compat.Strict, "open": compat.Strict,
		"opener.order.made": compat.Gated, "other": compat.Gated, "": compat.Gated,
	} {
		if got := m.CompatibilityOf(subject); got != want {
			t.Errorf("%q: %s, want %s", subject, got, want)
		}
	}
	d, _ := m.Domain("open")
	if policy, why := d.Compatibility(); policy != compat.Strict || !strings.Contains(why, "write: open") {
		t.Errorf("%s, %q", policy, why)
	}
}
