package dev

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/datadir"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// banner is where everything can be reached.
type banner struct {
	target.Addresses

	hub  string
	data *datadir.Dir
}

// Table writes the banner for people.
func (b banner) Table(w io.Writer) {
	fmt.Fprintln(w, "The mesh is ready.")
	fmt.Fprintln(w)
	names := slices.Sorted(maps.Keys(b.Environments))
	slices.SortStableFunc(names, func(a, c string) int { // the hub first
		switch b.hub {
		case a:
			return -1
		case c:
			return 1
		}
		return 0
	})
	var rows [][]string
	for _, name := range names {
		e := b.Environments[name]
		rows = append(rows, []string{name, e.NATS, e.Registry, e.HTTP})
	}
	cli.Columns(w, []string{"environment", "nats", "registry", "http"}, rows)
	fmt.Fprintln(w)
	keeps := b.data.Path
	if b.data.Temporary {
		keeps += " (removed at the end; --data DIR keeps it)"
	}
	cli.Fields(
		w, [2]string{"console", b.Console}, [2]string{"webhooks", "POST " + b.Webhooks},
		[2]string{"credentials", b.Environments[b.hub].Credentials}, [2]string{"data", keeps},
	)
	fmt.Fprintln(w)
	fmt.Fprintln(w, "Next, in another terminal:")
	fmt.Fprintf(w, "  lockstep status --data %s\n", b.data.Path)
	fmt.Fprintf(w, "  lockstep event tail --data %s --follow\n", b.data.Path)
}
