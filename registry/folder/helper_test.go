package folder

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares an error's text with a file of testdata.
func golden(t *testing.T, name string, err error) {
	t.Helper()
	got := "no error\n"
	if err != nil {
		got = err.Error() + "\n"
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (rewrite it with -update); got\n%s\nwant\n%s", file, got, want)
	}
}

// corpus is the folder of data that no one here wrote, or a skip.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LOCKSTEP_CORPUS")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			if root == filepath.Dir(root) {
				t.Skip("no go.mod above the test")
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpus is absent: %v (set LOCKSTEP_CORPUS)", err)
	}
	return dir
}
