package topology

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
)

// Load reads a mesh from a file on disk. Paths in it are relative to the
// file's folder; since who writes mesh.yaml also chooses where it lies, they
// may be absolute or lead out of that folder. An error is Problems.
func Load(name string) (*Mesh, error) {
	return load(name, base{dir: filepath.Dir(name)}, func() (io.ReadCloser, error) { return os.Open(name) })
}

// LoadFS reads a mesh from a file system, such as the embedded sample's. Paths
// in it are relative to the file's folder and may not leave it. An error is
// Problems.
func LoadFS(fsys fs.FS, name string) (*Mesh, error) {
	sub, err := fs.Sub(fsys, path.Dir(name))
	if err != nil {
		return nil, unreadable(name, err)
	}
	return load(name, base{fsys: sub}, func() (io.ReadCloser, error) { return fsys.Open(name) })
}

// Parse reads a mesh from data; file names it in problems. The files that the
// mesh refers to are not looked at, and cannot be had from it: use Load or
// LoadFS for that. An error is Problems.
func Parse(file string, data []byte) (*Mesh, error) { return parse(file, data, base{}) }

func load(name string, b base, open func() (io.ReadCloser, error)) (*Mesh, error) {
	f, err := open()
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer f.Close()
	// One byte more than is allowed, so that the parser sees what is too large.
	data, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxBytes+1))
	if err != nil {
		return nil, unreadable(name, err)
	}
	return parse(name, data, b)
}

func parse(name string, data []byte, b base) (*Mesh, error) {
	m := &Mesh{name: name, base: b}
	positions, found := strictyaml.Decode(data, &m.file)
	c := &checker{mesh: m, at: positions, problems: found}
	if !c.unparsed() {
		m.file.ensureDefaults()
		c.check()
	}
	if problems := append(located(name, c.problems, c.causes), c.foreign...); len(problems) > 0 {
		return nil, problems
	}
	m.warnings = located(name, c.warnings, nil)
	return m, nil
}

func unreadable(name string, err error) Problems {
	cure := "check the path and its permissions"
	if errors.Is(err, fs.ErrNotExist) {
		cure = "check the path; the sample in schemas/mesh.yaml shows the format"
	}
	return Problems{{Code: CodeUnreadable, File: name, What: "the mesh cannot be read", Why: err.Error(), Cure: cure, cause: err}}
}

// base is where a mesh's relative paths begin: a folder on disk, a file
// system, or (the zero base) nowhere.
type base struct {
	dir  string
	fsys fs.FS
}

// none reports whether files cannot be had.
func (b base) none() bool { return b.dir == "" && b.fsys == nil }

// escapes says why a path may not be used with this base; "" if it may.
func (b base) escapes(name string) string {
	if b.fsys == nil {
		return ""
	}
	switch {
	case path.IsAbs(name) || filepath.IsAbs(name):
		return "it is absolute"
	case strings.Contains(name, `\`):
		return "it has a backslash; folders are separated by /"
	case !fs.ValidPath(path.Clean(name)):
		return "it leads out of the folder of the mesh"
	}
	return ""
}

// folder is a folder below the base as a file system of its own.
func (b base) folder(name string) (fs.FS, error) {
	if b.fsys != nil {
		if why := b.escapes(name); why != "" {
			return nil, fmt.Errorf("open %s: %s", name, why)
		}
		clean := path.Clean(name)
		if err := isFolder(fs.Stat(b.fsys, clean)); err != nil {
			return nil, err
		}
		return fs.Sub(b.fsys, clean)
	}
	full := b.onDisk(name)
	if err := isFolder(os.Stat(full)); err != nil {
		return nil, err
	}
	return os.DirFS(full), nil
}

func isFolder(info fs.FileInfo, err error) error {
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: info.Name(), Err: errors.New("not a folder")}
	}
	return err
}

func (b base) read(name string) ([]byte, error) {
	if b.fsys != nil {
		if why := b.escapes(name); why != "" {
			return nil, fmt.Errorf("open %s: %s", name, why)
		}
		return fs.ReadFile(b.fsys, path.Clean(name))
	}
	return os.ReadFile(b.onDisk(name))
}

func (b base) onDisk(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(b.dir, filepath.FromSlash(name))
}
