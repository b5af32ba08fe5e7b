// Command lockstep keeps environments in lockstep: it runs them, shows that
// they are, and works with their schemas and events.
package main

import (
	"fmt"
	"os"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
)

func main() {
	app := cli.New()
	if err := lifecycle.WithoutCore(); err != nil {
		fmt.Fprintln(os.Stderr, "a crash may leave a copy of the memory on disk:", err)
	}
	os.Exit(app.Main(root(app), os.Args[1:]))
}
