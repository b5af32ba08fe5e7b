// Package target says where a running mesh is: at the addresses that `lockstep
// dev` has left in its data directory, or at those that mesh.yaml declares.
package target

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/schemas"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Addresses are those of a mesh in one process. It is what `dev -o json` says.
type Addresses struct {
	Environments map[string]Environment `json:"environments"`
	Registry     string                 `json:"registry"`
	Console      string                 `json:"console"`
	Webhooks     string                 `json:"webhooks"`
}

// Environment is how one environment can be reached.
type Environment struct {
	NATS        string `json:"nats"`
	Credentials string `json:"credentials"` // an application's
	Registry    string `json:"registry"`
	HTTP        string `json:"http"`
}

// fileName stands in the data directory while `dev` runs.
const fileName = "dev.json"

// Save leaves the addresses in a data directory, for this user only.
func (a Addresses) Save(data string) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	// Written aside and renamed: nobody reads half of it.
	partial := filepath.Join(data, fileName+".new")
	if err := os.WriteFile(partial, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("leave the addresses in the data directory: %w", err)
	}
	return os.Rename(partial, filepath.Join(data, fileName))
}

// Forget removes what Save has left.
func Forget(data string) error {
	err := os.Remove(filepath.Join(data, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// saved reads the addresses that `dev` has left; ok is false if there are none.
func saved(data string) (a Addresses, ok bool, err error) {
	file := filepath.Join(data, fileName)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return a, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		return a, false, &cli.Error{Code: "data", What: "the addresses of the running mesh cannot be read", Where: file, Cause: err, Cure: "start lockstep dev again, or name the addresses with flags"}
	}
	return a, true, nil
}

// MeshFlag adds --mesh.
func MeshFlag(flags *pflag.FlagSet, path *string) {
	flags.StringVar(path, "mesh", "", "the mesh's `file`, mesh.yaml (default: the sample that comes with the program)")
}

// LoadMesh reads mesh.yaml, or the embedded sample if path is empty.
func LoadMesh(path string) (*topology.Mesh, error) {
	if path == "" {
		return topology.LoadFS(schemas.FS, schemas.SampleMesh)
	}
	return topology.Load(path)
}
