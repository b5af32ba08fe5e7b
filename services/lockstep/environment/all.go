package environment

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
)

// AllConfig says how to run every environment of a mesh in one process.
type AllConfig struct {
	Mesh       *topology.Mesh
	Data       string // each environment keeps its own store in Data/<environment>
	Durability topology.Durability
	Override   func(environment string, c *Config) // changes one environment's configuration before it starts; may be nil
	Logger     zerolog.Logger
}

// All is a whole mesh in one process. It is safe for concurrent use.
type All struct{ environments []*Environment }

// StartAll starts the hub, then its leaves.
func StartAll(ctx context.Context, c AllConfig) (*All, error) {
	a := &All{}
	hub := c.Mesh.Hub()
	order := append([]topology.Environment{hub}, c.Mesh.LeavesOf(hub.Name)...)
	for _, is := range order {
		config := Config{
			Mesh: c.Mesh, Name: is.Name, Data: filepath.Join(c.Data, is.Name),
			Durability: c.Durability, Logger: c.Logger,
		}
		if len(a.environments) > 0 {
			first := a.environments[0]
			config.HubURL, config.HubCredentials = first.LeafURL(), first.LeafCredentials(is.Name)
			config.RegistryPrimary = first.RegistryURL()
		}
		if c.Override != nil {
			c.Override(is.Name, &config)
		}
		e, err := Start(ctx, config)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("environment %s: %w", is.Name, err), a.Close(context.WithoutCancel(ctx)))
		}
		a.environments = append(a.environments, e)
	}
	return a, nil
}

// Environments are all environments, the hub first.
func (a *All) Environments() []*Environment { return append([]*Environment(nil), a.environments...) }

// Get is the environment of that name, or nil.
func (a *All) Get(name string) *Environment {
	for _, e := range a.environments {
		if e.Name() == name {
			return e
		}
	}
	return nil
}

// Ready is nil when all environments are, and every replica of the registry
// holds what the primary does, or says what is not.
func (a *All) Ready() error {
	var problems []error
	for _, e := range a.environments[1:] {
		if has, wants := e.registry.Revision(), a.environments[0].registry.Revision(); has < wants {
			problems = append(problems, fmt.Errorf("%s: the registry's replica holds %d of %d changes", e.Name(), has, wants))
		}
	}
	for _, e := range a.environments {
		if err := e.Ready(); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", e.Name(), err))
		}
	}
	return errors.Join(problems...)
}

// Close stops the leaves, then the hub.
func (a *All) Close(ctx context.Context) error {
	var problems []error
	for i := len(a.environments) - 1; i >= 0; i-- {
		problems = append(problems, a.environments[i].Close(ctx))
	}
	return errors.Join(problems...)
}
