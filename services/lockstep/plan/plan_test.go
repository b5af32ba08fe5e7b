package plan_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/plan"
)

// A plan that keeps silent about what a mesh does would be approved for what it
// does not say.
func TestPlan(t *testing.T) {
	m, err := topology.LoadFS(fstest.MapFS{
		"mesh.yaml": {Data: []byte(`environments:
  production:
    role: hub
    listen: {nats: "127.0.0.1:4222", leaf: "127.0.0.1:7422", registry: "127.0.0.1:8081"}
  staging:
    role: leaf
    hub: production
    durability: interval
    listen: {nats: "127.0.0.1:4322"}
domains:
  orders: {owner: team-shop, origins: [production], schemas: orders}
  clicks: {owner: team-web, origins: [production], write: open}
routes:
  - {from: production, to: staging, domains: [orders], policy: testers}
policies:
  testers:
    classes:
      public: {technique: pass}
`)},
		"orders/order/made.schema.json": {Data: []byte(`{"type": "object"}`)},
	}, "mesh.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Of(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Notes) < 3 || !strings.Contains(p.Notes[0]+p.Notes[1], "domain clicks: its schemas are compared under the policy strict: write: open lets fields in") {
		t.Errorf("%q", p.Notes)
	}
	if len(p.Routes) == 1 { // its digest is what the policy is, and may change with what policies can say
		p.Routes[0].Policy, _, _ = strings.Cut(p.Routes[0].Policy, "@")
	}
	clitest.Golden(t, "plan", p)
}
