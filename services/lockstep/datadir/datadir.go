// Package datadir is the directory under which a process keeps the stores of
// the environments it runs, one folder each. It makes it, keeps other processes
// out of it, and removes it if it is only for the time being.
package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Dir is a directory in use by this process alone, as far as the environments
// it was opened for go.
type Dir struct {
	Path      string // absolute
	Temporary bool   // it is removed by Close
	locks     []*os.File
}

// lockFile stands in an environment's folder and is locked while it runs.
const lockFile = "lockstep.lock"

// Open takes path into use for environments. An empty path is a temporary
// directory, whose name begins with name. An error is a *cli.Error.
func Open(path, name string, environments ...string) (_ *Dir, err error) {
	d := &Dir{Path: path, Temporary: path == ""}
	if d.Temporary {
		if d.Path, err = os.MkdirTemp("", name); err != nil {
			return nil, unusable("a temporary directory cannot be made", "", err)
		}
	}
	if d.Path, err = filepath.Abs(d.Path); err != nil {
		return nil, unusable("the data directory cannot be used", path, err)
	}
	for _, environment := range environments {
		if err := d.lock(filepath.Join(d.Path, environment)); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

func (d *Dir) lock(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return unusable("the data directory cannot be made", folder, err)
	}
	f, err := os.OpenFile(filepath.Join(folder, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return unusable("the data directory cannot be written to", folder, err)
	}
	if err := lock(f); err != nil {
		return errors.Join(&cli.Error{
			Code: "data_in_use", What: "another process uses the data directory", Where: folder, Cause: err,
			Cure: "stop that process, or choose another directory with --data",
		}, f.Close())
	}
	d.locks = append(d.locks, f)
	return nil
}

// Close lets other processes use the directory, or removes it. It may be
// called more than once.
func (d *Dir) Close() error {
	var problems []error
	for _, f := range d.locks {
		problems = append(problems, f.Close())
	}
	d.locks = nil
	if d.Temporary {
		if err := os.RemoveAll(d.Path); err != nil {
			problems = append(problems, fmt.Errorf("remove the temporary directory: %w", err))
		}
	}
	return errors.Join(problems...)
}

func unusable(what, where string, err error) *cli.Error {
	return &cli.Error{Code: "data", What: what, Where: where, Cause: err, Cure: "choose a directory that this user can write to with --data, or for temporary ones with TMPDIR"}
}
