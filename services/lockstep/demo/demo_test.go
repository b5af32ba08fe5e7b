package demo

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// A search that sees nothing would find nothing, and the demonstration would
// call that a proof. What is meant to cross, the shop's articles, must be found
// everywhere it went, in messages and in files.
func TestSearchSeesWhatIsThere(t *testing.T) {
	d := &demo{
		flags: Flags{Events: 100, Seed: 3, Data: t.TempDir()}, log: zerolog.Nop(), progress: newProgress(io.Discard, false),
		planted: []string{"Rain jacket “Ålesund”"},
	}
	defer d.progress.close()
	if err := d.configure(); err != nil {
		t.Fatal(err)
	}
	defer d.data.Close()
	r, err := d.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var places strings.Builder
	for _, f := range r.search.Examples() {
		places.WriteString(f.Place + "\n")
	}
	for _, want := range []string{"staging, stream ORDERS", "testing, stream ORDERS", "edge-berlin, stream ORDERS"} {
		if !strings.Contains(places.String(), want) {
			t.Errorf("not found in %s, but in\n%s", want, places.String())
		}
	}
	t.Logf("%d findings", r.Leaks)
	inMessages := strings.Count(places.String(), ", stream ")
	if r.Leaks < 2*uint64(inMessages) {
		t.Errorf("%d findings, %d of them in messages: the files were not searched, or not well", r.Leaks, inMessages)
	}
	if !r.Converged || r.Published != 100 || r.Refused == 0 {
		t.Errorf("%+v", r)
	}
	var ours *cli.Error
	if err := r.verdict(); !errors.As(err, &ours) || ours.Exit != cli.ExitFindings {
		t.Errorf("personal values were found, and the verdict is %v", err)
	}
}
