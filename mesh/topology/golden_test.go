package topology

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (go test -update rewrites it)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// Guards against a mistake in mesh.yaml that is not found, is found at another
// place than it stands, hides others, or is told so that nobody can mend it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Parse("mesh.yaml", data)
			accepted := strings.HasPrefix(name, "accepted-")
			if accepted != (err == nil) {
				t.Errorf("accepted-… are accepted and no others, but this gave: %v", err)
			}
			var text strings.Builder
			if err != nil {
				var problems Problems
				if !errors.As(err, &problems) || len(problems) == 0 {
					t.Fatalf("the error is a %T without problems", err)
				}
				for _, p := range problems {
					if p.Line < 1 || p.Column < 1 {
						t.Errorf("no place: %v", p)
					}
					fmt.Fprintf(&text, "%s [%s]\n", p.Error(), p.Code)
				}
			} else {
				for _, warning := range m.Warnings() {
					fmt.Fprintf(&text, "warning: %s\n", warning.Error())
				}
				declared, err := m.YAML()
				if err != nil {
					t.Fatal(err)
				}
				text.Write(declared)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", text.String())
		})
	}
}
