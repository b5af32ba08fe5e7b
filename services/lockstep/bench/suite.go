package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// measurement is one thing that can be measured.
type measurement struct {
	name    string // group, and after a slash the variant
	unit    string
	better  string
	what    string // what governed is
	versus  string // what against is
	targets []target
	run     func(ctx context.Context, t *trial) error
}

// Which way is better.
const (
	higher = "higher"
	lower  = "lower"
)

// all are the measurements, in the order in which they are made.
func all() []measurement {
	return slices.Concat(
		publishing(), latencies(), deliveries(), engines(), peers(), techniques(), memories(), scales(),
	)
}

// group is the name up to the slash.
func (m measurement) group() string {
	group, _, _ := strings.Cut(m.name, "/")
	return group
}

// is reports whether a name means the measurement: its own name, its group, or
// the beginning of its name up to a hyphen.
func (m measurement) is(name string) bool {
	return m.name == name || m.group() == name || strings.Contains(name, "/") && strings.HasPrefix(m.name, name+"-")
}

// choose gives the measurements that any of the names, separated by commas,
// means; all of them for no name.
func choose(names string) ([]measurement, error) {
	if names == "" {
		return all(), nil
	}
	wanted := make([]bool, len(all()))
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for i, m := range all() {
			if m.is(strings.TrimSpace(name)) {
				wanted[i], found = true, true
			}
		}
		if !found {
			return nil, unknown(name)
		}
	}
	var chosen []measurement
	for i, m := range all() {
		if wanted[i] {
			chosen = append(chosen, m)
		}
	}
	return chosen, nil
}

func unknown(name string) error {
	var names []string
	for _, m := range all() {
		if g := m.group(); !slices.Contains(names, g) {
			names = append(names, g)
		}
		if !slices.Contains(names, m.name) {
			names = append(names, m.name)
		}
	}
	return &cli.Error{
		Exit: cli.ExitUsage, Code: cli.CodeUsage, What: fmt.Sprintf("there is no measurement %q", name),
		Cure: "choose one of " + strings.Join(names, ", "),
	}
}

// describeAll lists all measurements for the command's help.
func describeAll() string {
	var b strings.Builder
	width := 0
	for _, m := range all() {
		width = max(width, len(m.name))
	}
	for _, m := range all() {
		fmt.Fprintf(&b, "  %-*s  %s", width, m.name, m.what)
		if m.versus != "" {
			b.WriteString(", against " + m.versus)
		}
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}
