// Package schemas holds what events mean: the sample mesh, and for each of its
// domains the schemas of its event types, as <domain>/<entity>/<action>.schema.json,
// or the masking overlay for schemas that somebody else publishes.
//
// It is data and imports nothing of Lockstep: package topology reads the mesh,
// the registry takes the schemas.
package schemas

import "embed"

// FS holds the sample mesh and all files that it names.
//
//go:embed mesh.yaml mesh.schema.json customers github orders payments
var FS embed.FS

// SampleMesh is the path in FS of the mesh that `lockstep dev` and `lockstep
// demo` run.
const SampleMesh = "mesh.yaml"

// MeshSchema is the path in FS of the JSON Schema for editors of mesh.yaml. It
// is generated from the types that the parser reads into.
const MeshSchema = "mesh.schema.json"
