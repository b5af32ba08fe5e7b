// Package clitest compares what commands write with golden files.
package clitest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Golden compares an answer in every format with testdata/NAME.FORMAT.
func Golden(t *testing.T, name string, v cli.Answer) {
	t.Helper()
	for _, format := range []cli.Format{cli.Table, cli.JSON, cli.YAML} {
		text, err := cli.Render(v, format, "  ")
		if err != nil {
			t.Fatal(err)
		}
		compare(t, filepath.Join("testdata", name+"."+string(format)), text)
	}
}

func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s (rewrite it with -update); got\n%s\nwant\n%s", file, got, want)
	}
}
