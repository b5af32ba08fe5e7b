// Command benthos measures what benthos (github.com/redpanda-data/benthos) takes to do with
// events what Lockstep's engine does: its `json_schema` processor validates,
// its `mapping` masks with keyed hashes. `lockstep bench --benthos` runs it in
// turns with the engine; `go run .` here runs it alone.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// The same schema and events as `lockstep bench` measures with; a test of it
// keeps them so.
var (
	//go:embed data/order.schema.json
	orderSchema []byte
	//go:embed data/orders.jsonl
	orders []byte
	//go:embed mapping.blobl
	mapping string
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

type result struct {
	Name     string   `json:"name"`
	Ratio    *float64 `json:"ratio"`    // there is nothing to compare with here
	Governed *float64 `json:"governed"` // that is Lockstep's
	Against  float64  `json:"against"`  // the median
	Unit     string   `json:"unit"`
	Better   string   `json:"better"`
	Runs     int      `json:"runs"`
	Samples  samples  `json:"samples"`
	Allocs   float64  `json:"allocs_against"` // of the last run, an event
	CPU      float64  `json:"cpu_against"`    // µs an event, of the last run
	What     string   `json:"what"`
}

type samples struct {
	Against []float64 `json:"against"`
}

func run() error {
	only := flag.String("only", "", "validate, map or mask (default all)")
	runs := flag.Int("runs", 5, "how many times each is measured")
	window := flag.Duration("for", 2*time.Second, "how long each is measured each time")
	schema := flag.String("schema", "", "JSON Schema `file` (default: that of orders)")
	events := flag.String("events", "", "`file` with an event on each line (default: orders)")
	flag.Parse()
	if *runs < 1 || *window <= 0 || flag.NArg() > 0 {
		return fmt.Errorf("-runs and -for are more than 0, and there are no other arguments")
	}
	dir, err := os.MkdirTemp("", "benthos-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *schema == "" {
		*schema = filepath.Join(dir, "order.schema.json")
		if err := os.WriteFile(*schema, orderSchema, 0o600); err != nil {
			return err
		}
	} else if *schema, err = filepath.Abs(*schema); err != nil {
		return err
	}
	lines := orders
	if *events != "" {
		if lines, err = os.ReadFile(*events); err != nil {
			return err
		}
	}
	documents := bytes.Split(bytes.TrimSpace(lines), []byte("\n"))

	var report struct {
		Results []result `json:"results"`
	}
	for _, c := range []struct{ name, what, config string }{
		{"validate", "the json_schema processor", schemaProcessor(*schema)},
		{"map", "a mapping with keyed hashes", mappingProcessor()},
		{"mask", "json_schema, then mapping", "processors:\n" + item(schemaProcessor(*schema)) + item(mappingProcessor())},
	} {
		if *only != "" && *only != c.name {
			continue
		}
		r := result{Name: "benthos/" + c.name, Unit: "events/s and core", Better: "higher", Runs: *runs, What: c.what}
		processor, err := build(c.config)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if _, err := through(processor, documents, *window/4); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		for range *runs {
			m, err := through(processor, documents, *window)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			r.Samples.Against = append(r.Samples.Against, math.Round(m.rate))
			r.Allocs, r.CPU = m.allocs, m.cpu
		}
		sorted := slices.Sorted(slices.Values(r.Samples.Against))
		r.Against = sorted[len(sorted)/2]
		if err := processor.Close(context.Background()); err != nil {
			return err
		}
		report.Results = append(report.Results, r)
	}
	if len(report.Results) == 0 {
		return fmt.Errorf("-only %q is none of validate, map, mask", *only)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

func schemaProcessor(file string) string {
	return fmt.Sprintf("json_schema:\n  schema_path: %q\n", "file://"+filepath.ToSlash(file))
}

func mappingProcessor() string {
	return "mapping: |\n  " + strings.ReplaceAll(strings.TrimSpace(mapping), "\n", "\n  ") + "\n"
}

// item makes a configuration an element of a list.
func item(config string) string {
	return "  - " + strings.ReplaceAll(strings.TrimSpace(config), "\n", "\n    ") + "\n"
}

// build makes a processor from its configuration.
func build(config string) (*service.OwnedProcessor, error) {
	spec := service.NewConfigSpec().Field(service.NewProcessorField("run"))
	parsed, err := spec.ParseYAML("run:\n  "+strings.ReplaceAll(strings.TrimSpace(config), "\n", "\n  "), nil)
	if err != nil {
		return nil, err
	}
	return parsed.FieldProcessor("run")
}

// measurement is one run.
type measurement struct{ rate, allocs, cpu float64 }

// through processes the documents, again and again, for as long as asked, and
// takes the result's bytes, as an output would.
func through(p *service.OwnedProcessor, documents [][]byte, window time.Duration) (measurement, error) {
	ctx := context.Background()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin, n := processorTime(), 0
	for end := time.Now().Add(window); n < len(documents) || time.Now().Before(end); {
		for range 16 {
			batch, err := p.Process(ctx, service.NewMessage(documents[n%len(documents)]))
			if err != nil {
				return measurement{}, err
			}
			for _, m := range batch {
				if err := m.GetError(); err != nil {
					return measurement{}, fmt.Errorf("event %d: %w", n%len(documents), err)
				}
				if _, err := m.AsBytes(); err != nil {
					return measurement{}, err
				}
			}
			n++
		}
	}
	used := processorTime() - begin
	runtime.ReadMemStats(&after)
	return measurement{
		rate: float64(n) / used.Seconds(), allocs: math.Round(float64(after.Mallocs-before.Mallocs) / float64(n)),
		cpu: math.Round(used.Seconds()/float64(n)*1e8) / 100,
	}, nil
}

// processorTime is what all threads of this process have used: a rate by it is
// that of one core.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no error but that of wrong arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
