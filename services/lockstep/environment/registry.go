package environment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

// openTimeout bounds how long the registry's view may take to be complete.
const openTimeout = time.Minute

// openRegistry opens the environment's view of the registry: over the primary's
// stream, which is made if there is none, or over a replica of it.
func openRegistry(ctx context.Context, nc *nats.Conn, primary bool, options ...registry.Option) (*registry.Registry, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	if primary {
		if err := store.Create(ctx, js, store.Options{}); err != nil {
			return nil, err
		}
	}
	records, err := store.Open(ctx, js)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return registry.Open(ctx, records, options...)
}

// sharing keeps the form of the log that leaves replicate up to date.
type sharing struct {
	cancel context.CancelFunc
	work   sync.WaitGroup
	failed atomic.Pointer[error]
}

// err is why the log is not shared any more, or nil.
func (s *sharing) err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *sharing) close() {
	s.cancel()
	s.work.Wait()
}

// shareRegistry begins to share the log.
func shareRegistry(ctx context.Context, nc *nats.Conn, log zerolog.Logger) (*sharing, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	if err := store.CreateShared(ctx, js); err != nil {
		return nil, err
	}
	records, err := store.Open(ctx, js)
	if err != nil {
		return nil, err
	}
	following, cancel := context.WithCancel(context.Background())
	s := &sharing{cancel: cancel}
	s.work.Go(func() {
		if err := records.Share(following, registry.Redacted); following.Err() == nil {
			s.failed.Store(&err)
			log.Error().Err(err).Msg("the registry is not shared with the leaves any more")
		}
	})
	return s, nil
}

// registerFolders registers the schemas that come with the mesh. It changes
// nothing that is registered already.
func registerFolders(ctx context.Context, r *registry.Registry, m *topology.Mesh, log zerolog.Logger) error {
	var problems []error
	for _, d := range m.Domains() {
		fsys, ok, err := m.Schemas(d.Name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if !ok {
			continue
		}
		files, err := folder.Read(d.Name, fsys)
		if err != nil {
			problems = append(problems, fmt.Errorf("schemas of domain %s: %w", d.Name, err))
			continue
		}
		results, err := folder.Push(ctx, files, func(ctx context.Context, subject string, text []byte, refs []folder.Reference) (int, int, error) {
			s := registry.Schema{Type: registry.JSON, Text: string(text)}
			for _, ref := range refs {
				s.References = append(s.References, registry.Reference{Name: ref.Name, Subject: ref.Subject, Version: ref.Version})
			}
			v, err := r.Register(ctx, subject, s)
			return v.Version, v.ID, err
		})
		if err != nil {
			problems = append(problems, fmt.Errorf("schemas of domain %s: %w", d.Name, err))
		}
		log.Debug().Str("domain", d.Name).Int("schemas", len(results)).Msg("schemas are registered")
	}
	return errors.Join(problems...)
}
