package bench

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/schemas"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// The environments of the meshes that are measured, and the policy between
// them, which is the sample's.
const (
	origin      = "production"
	destination = "staging"
	policy      = "testers"
)

// layout says which mesh is to be measured.
type layout struct {
	durability topology.Durability // of the origin
	routed     bool                // to the destination; else it is left out
	domains    []string            // default orders; each has the sample's schemas of orders
	types      int                 // further event types of each domain
}

// names are the domains' names.
func (l layout) names() []string {
	if len(l.domains) == 0 {
		return []string{"orders"}
	}
	return l.domains
}

// variety is how many different event types and domains are published.
func (l layout) variety() int { return max(1, l.types) * len(l.names()) }

// subject is what the i-th event is published on: the domains and their types
// in turns.
func (l layout) subject(i int, key string) string {
	names := l.names()
	name := "order.created"
	if l.types > 0 {
		name = typeName(i / len(names) % l.types)
	}
	return names[i%len(names)] + "." + name + "." + key
}

// write writes the layout as a mesh.yaml with its schemas into dir, and gives
// the file's name.
func (l layout) write(dir string) (string, error) {
	policies, err := samplePolicies()
	if err != nil {
		return "", err
	}
	environments := map[string]any{origin: map[string]any{
		"role": "hub", "durability": string(l.durability),
		"listen": map[string]any{"nats": "127.0.0.1:0", "leaf": "127.0.0.1:0"},
	}}
	var routes []any
	domains := map[string]any{}
	for _, domain := range l.names() {
		domains[domain] = map[string]any{"owner": "bench", "origins": []string{origin}, "schemas": domain}
		if err := l.writeSchemas(filepath.Join(dir, domain)); err != nil {
			return "", err
		}
		if l.routed {
			routes = append(routes, map[string]any{"from": origin, "to": destination, "domains": []string{domain}, "policy": policy})
		}
	}
	declared := map[string]any{"environments": environments, "domains": domains, "policies": map[string]any{policy: policies[policy]}}
	if l.routed {
		// What a destination has lost can be had again from the origin, so it need not
		// sync each event.
		environments[destination] = map[string]any{
			"role": "leaf", "hub": origin, "durability": string(topology.DurabilityInterval),
			"listen": map[string]any{"nats": "127.0.0.1:0"},
		}
		declared["routes"] = routes
	}
	text, err := yaml.Marshal(declared)
	if err != nil {
		return "", fmt.Errorf("write the mesh to measure: %w", err)
	}
	name := filepath.Join(dir, "mesh.yaml")
	return name, writeFile(name, text)
}

// samplePolicies are the policies of the sample mesh, as they stand in its file.
func samplePolicies() (map[string]any, error) {
	text, err := fs.ReadFile(schemas.FS, schemas.SampleMesh)
	if err != nil {
		return nil, err
	}
	var sample struct {
		Policies map[string]any `yaml:"policies"`
	}
	if err := yaml.Unmarshal(text, &sample); err != nil {
		return nil, fmt.Errorf("read the sample mesh: %w", err)
	}
	if sample.Policies[policy] == nil {
		return nil, &cli.Error{Code: "mesh", What: "the sample mesh has no policy " + policy, Where: schemas.SampleMesh}
	}
	return sample.Policies, nil
}

// writeSchemas writes the sample's schemas of orders, and as many further event
// types like an order that was created.
func (l layout) writeSchemas(dir string) error {
	sample, err := fs.Sub(schemas.FS, "orders")
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, sample); err != nil {
		return err
	}
	if l.types == 0 {
		return nil
	}
	created, err := fs.ReadFile(sample, "order/created.schema.json")
	if err != nil {
		return err
	}
	for i := range l.types {
		text := bytes.ReplaceAll(created, []byte(`"$id": "`+orderType+`"`), []byte(`"$id": "orders.`+typeName(i)+`"`))
		if err := writeFile(filepath.Join(dir, "order", fmt.Sprintf("kind%05d.schema.json", i)), text); err != nil {
			return err
		}
	}
	return nil
}

// typeName is the entity and action of a further event type.
func typeName(i int) string { return fmt.Sprintf("order.kind%05d", i) }

func writeFile(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o600)
}
