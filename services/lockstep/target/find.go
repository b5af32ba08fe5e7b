package target

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Flags are how a user says which running mesh is meant.
type Flags struct {
	Data   string
	Mesh   string
	Env    string
	Server string
	Creds  string
}

// AddMesh adds the flags by which a mesh is found.
func (f *Flags) AddMesh(flags *pflag.FlagSet) {
	flags.StringVar(&f.Data, "data", "", "the data `directory` of the running mesh")
	MeshFlag(flags, &f.Mesh)
}

// AddServer adds the flags for one environment's NATS server.
func (f *Flags) AddServer(flags *pflag.FlagSet) {
	f.AddMesh(flags)
	flags.StringVar(&f.Env, "env", "", "the `environment` (default: the hub)")
	flags.StringVar(&f.Server, "server", "", "its NATS `URL` (default: as --data and --mesh say)")
	flags.StringVar(&f.Creds, "creds", "", "an application's credentials `file` (default: as --data says)")
}

// Server is one environment's NATS server.
type Server struct {
	Environment string // empty if only a URL is known
	URL         string
	Credentials string
}

// Find is the server that the flags mean.
func (f Flags) Find() (Server, error) {
	s := Server{Environment: f.Env, URL: f.Server, Credentials: f.Creds}
	if s.URL == "" || s.Credentials == "" {
		name, e, err := f.Chosen()
		if err != nil {
			return s, err
		}
		s.Environment = name
		if s.URL == "" {
			s.URL = e.NATS
		}
		if s.Credentials == "" {
			s.Credentials = e.Credentials
		}
	}
	if s.URL == "" {
		return s, unknown("the NATS address of " + s.Environment)
	}
	if s.Credentials == "" {
		return s, &cli.Error{
			Code: "no_credentials", What: "there are no credentials for " + s.URL, Cure: "name an application's credentials file with --creds, or the mesh's data directory with --data",
		}
	}
	return s, nil
}

// Chosen is the environment that the flags name, or else the hub.
func (f Flags) Chosen() (name string, e Environment, err error) {
	all, name, err := f.All()
	if err != nil {
		return "", e, err
	}
	if f.Env != "" {
		name = f.Env
	}
	e, ok := all[name]
	if !ok {
		return "", e, cli.Usage("there is no environment %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	return name, e, nil
}

// All are the mesh's environments by name, and the hub's name.
func (f Flags) All() (map[string]Environment, string, error) {
	m, err := LoadMesh(f.Mesh)
	if err != nil {
		return nil, "", err
	}
	hub := m.Hub().Name
	if f.Data != "" {
		if _, err := os.Stat(f.Data); err != nil {
			return nil, "", &cli.Error{Code: "data", What: "the data directory cannot be read", Where: f.Data, Cause: err, Cure: "name the directory that lockstep dev or serve runs with"}
		}
		a, ok, err := saved(f.Data)
		if err != nil {
			return nil, "", err
		}
		if ok {
			return a.Environments, hub, nil
		}
	}
	all := map[string]Environment{}
	for _, e := range m.Environments() {
		found := Environment{
			NATS: dialable("nats", e.Listen.NATS), Registry: dialable("http", e.Listen.Registry), HTTP: dialable("http", e.Listen.HTTP),
		}
		if f.Data != "" {
			// The node keeps all of its credentials in one folder.
			file := filepath.Join(filepath.Dir(node.LeafCredentialsPath(filepath.Join(f.Data, e.Name), "")), "application.creds")
			if _, err := os.Stat(file); err == nil {
				found.Credentials = file
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, "", err
			}
		}
		all[e.Name] = found
	}
	return all, hub, nil
}

// Registry is the URL of the registry to write to: the given one, or the hub's.
func (f Flags) Registry(url string) (string, error) {
	if url != "" {
		return url, nil
	}
	all, hub, err := f.All()
	if err != nil {
		return "", err
	}
	if all[hub].Registry == "" {
		return "", unknown("the registry's address")
	}
	return all[hub].Registry, nil
}

func unknown(what string) *cli.Error {
	return &cli.Error{
		Code: "no_address", What: what + " is not known", Why: "mesh.yaml leaves it to the system, or does not serve it",
		Cure: "name it with a flag, or the data directory of the running mesh with --data",
	}
}

// dialable is the URL at which a listener on this machine is reached; "" where
// that is not known before it runs.
func dialable(scheme string, a topology.Address) string {
	if a.IsZero() || a.Auto() {
		return ""
	}
	host := a.Host
	if a.EveryInterface() {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, strconv.Itoa(a.Port)))
}
