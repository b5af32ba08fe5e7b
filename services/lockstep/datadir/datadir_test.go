package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Two processes would write one store and destroy it.
func TestOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := Open(dir, "", "production", "staging")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, "", "testing", "staging")
	var ours *cli.Error
	if !errors.As(err, &ours) || ours.Code != "data_in_use" {
		t.Errorf("a store in use was taken: %v", err)
	}
	other, err := Open(dir, "", "testing")
	if err != nil {
		t.Errorf("another environment's store beside it: %v", err)
	}
	if err := errors.Join(first.Close(), first.Close(), other.Close()); err != nil {
		t.Error(err)
	}
	again, err := Open(dir, "", "production", "staging")
	if err != nil {
		t.Fatalf("a store that is free: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "staging")); err != nil {
		t.Errorf("a directory that was asked for is gone: %v", err)
	}
}

// Temporary stores would fill the disk.
func TestTemporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d, err := Open("", "lockstep-test-", "production")
	if err != nil {
		t.Fatal(err)
	}
	if !d.Temporary || !filepath.IsAbs(d.Path) {
		t.Errorf("%+v", d)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", d.Path, err)
	}
}

// A directory that cannot be made would fail without saying which.
func TestUnusable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(file, "data"), "", "production")
	var ours *cli.Error
	if !errors.As(err, &ours) || ours.Where == "" || ours.Cure == "" {
		t.Errorf("%v", err)
	}
}
