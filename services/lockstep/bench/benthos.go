package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/schemas"
)

// benthosEvents are how many different events benthos goes through.
const benthosEvents = 64

// peers are comparisons with benthos, which is a module of its own: it is built
// and run in turns with the engine.
func peers() []measurement {
	return []measurement{{
		name: "engine/benthos-validate", unit: perCore, better: higher, targets: []target{atLeast(10)},
		what: "validate 496 B orders", versus: "benthos v4.60.0, json_schema (with --benthos)",
		run: func(ctx context.Context, t *trial) error { return t.benthos(ctx, "validate", validating) },
	}, {
		name: "engine/benthos-mask", unit: perCore, better: higher, targets: []target{atLeast(10)},
		what: "validate, mask and revalidate 496 B orders", versus: "benthos v4.60.0, json_schema + mapping (with --benthos)",
		run: func(ctx context.Context, t *trial) error { return t.benthos(ctx, "mask", masking) },
	}}
}

func (t *trial) benthos(ctx context.Context, what string, ways func() (governed, against onEach, err error)) error {
	if t.flags.Benthos == "" {
		t.skip("benthos is a module of its own: name its folder with --benthos scripts/benthos, in a checkout of Lockstep")
		return nil
	}
	documents, err := orderDocuments(false)
	if err != nil {
		return err
	}
	governed, _, err := ways()
	if err != nil {
		return err
	}
	program := filepath.Join(t.dir, "benthos")
	t.progress.note("building benthos")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = t.flags.Benthos
	build.Env = append(build.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build benthos in %s: %w: %s", t.flags.Benthos, err, bytes.TrimSpace(out))
	}
	schema, lines := filepath.Join(t.dir, "order.schema.json"), filepath.Join(t.dir, "orders.jsonl")
	text, err := wholeOrderSchema()
	if err != nil {
		return err
	}
	if err := errors.Join(writeFile(schema, text), writeFile(lines, jsonLines(documents[:benthosEvents]))); err != nil {
		return err
	}
	return t.compare(ctx, through(documents, governed), func(ctx context.Context, d time.Duration) (sample, error) {
		return runBenthos(ctx, program, "-only", what, "-runs", "1", "-for", d.String(), "-schema", schema, "-events", lines)
	})
}

// runBenthos runs the program once.
func runBenthos(ctx context.Context, program string, args ...string) (sample, error) {
	command := exec.CommandContext(ctx, program, args...)
	var problem tail
	command.Stderr = &problem
	out, err := command.Output()
	if err != nil {
		return sample{}, fmt.Errorf("run benthos: %w: %s", err, &problem)
	}
	var report struct {
		Results []struct {
			Against float64 `json:"against"`
			Allocs  float64 `json:"allocs_against"`
			CPU     float64 `json:"cpu_against"`
		} `json:"results"`
	}
	if err := json.Unmarshal(out, &report); err != nil || len(report.Results) != 1 {
		return sample{}, fmt.Errorf("benthos does not answer with one result: %w", errors.Join(err, errors.New(string(out))))
	}
	s := none()
	s.value, s.allocs, s.cpu = report.Results[0].Against, report.Results[0].Allocs, report.Results[0].CPU
	return s, nil
}

func jsonLines(documents []document) []byte {
	var b bytes.Buffer
	for _, d := range documents {
		b.Write(d.data)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// wholeOrderSchema is the sample's schema of orders as one document of draft 7,
// the newest that benthos understands.
func wholeOrderSchema() ([]byte, error) {
	read := func(name string) (map[string]any, error) {
		text, err := fs.ReadFile(schemas.FS, path.Join("orders", name))
		if err != nil {
			return nil, err
		}
		var schema map[string]any
		return schema, json.Unmarshal(text, &schema)
	}
	whole, err := read("order/created.schema.json")
	if err != nil {
		return nil, err
	}
	definitions := map[string]any{}
	var inline func(node any, folder string) error
	inline = func(node any, folder string) error {
		switch n := node.(type) {
		case map[string]any:
			if ref, ok := n["$ref"].(string); ok {
				file := path.Join(folder, ref)
				if !strings.Contains(ref, "/") {
					file = path.Join("common", ref)
				}
				name := strings.TrimSuffix(path.Base(file), ".schema.json")
				n["$ref"] = "#/definitions/" + name
				if definitions[name] == nil {
					definition, err := read(file)
					if err != nil {
						return err
					}
					delete(definition, "$id")
					delete(definition, "$schema")
					definitions[name] = definition
					return inline(definition, path.Dir(file))
				}
				return nil
			}
			for _, member := range n {
				if err := inline(member, folder); err != nil {
					return err
				}
			}
		case []any:
			for _, element := range n {
				if err := inline(element, folder); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := inline(whole, ""); err != nil {
		return nil, err
	}
	delete(whole, "$id")
	whole["$schema"] = "http://json-schema.org/draft-07/schema#"
	whole["definitions"] = definitions
	return json.MarshalIndent(whole, "", "  ")
}
