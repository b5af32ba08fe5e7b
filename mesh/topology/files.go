package topology

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// ErrNoFiles is the cause of the errors of Schemas and Overlay for a mesh from
// Parse, which is not at any place where its files could be.
var ErrNoFiles = errors.New("the mesh was parsed from bytes and has no folder: load it with Load or LoadFS")

// Schemas is the folder of a domain's schemas. ok is false where the domain
// declares none, so that its schemas are pushed.
func (m *Mesh) Schemas(domain string) (folder fs.FS, ok bool, err error) {
	d, found := m.Domain(domain)
	if !found || d.Schemas == "" {
		return nil, false, nil
	}
	if m.base.none() {
		return nil, true, fmt.Errorf("schemas of the domain %s: %w", domain, ErrNoFiles)
	}
	folder, err = m.base.folder(d.Schemas)
	if err != nil {
		return nil, true, fmt.Errorf("schemas of the domain %s: %w", domain, err)
	}
	return folder, true, nil
}

// Overlay is a domain's masking overlay; nil where the domain declares none.
// It is read anew by each call.
func (m *Mesh) Overlay(domain string) (*mask.Overlay, error) {
	d, found := m.Domain(domain)
	if !found || d.Overlay == "" {
		return nil, nil
	}
	if m.base.none() {
		return nil, fmt.Errorf("masking overlay of the domain %s: %w", domain, ErrNoFiles)
	}
	data, err := m.base.read(d.Overlay)
	if err != nil {
		return nil, fmt.Errorf("masking overlay of the domain %s: %w", domain, err)
	}
	overlay, err := mask.ParseOverlay(m.shown(d.Overlay), data)
	if err != nil {
		return nil, fmt.Errorf("masking overlay of the domain %s: %w", domain, err)
	}
	return overlay, nil
}

// shown is a file's name for messages: like the mesh's own, from wherever that
// was given.
func (m *Mesh) shown(name string) string {
	switch {
	case m.base.fsys != nil:
		return path.Join(path.Dir(m.name), name)
	case m.base.dir != "":
		return m.base.onDisk(name)
	}
	return filepath.FromSlash(name)
}
