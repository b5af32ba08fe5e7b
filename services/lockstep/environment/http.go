package environment

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/registry/nativeapi"
)

// server is a running HTTP server.
type server struct {
	url  string
	http *http.Server
	work sync.WaitGroup
}

// serve listens on address and serves handler until close.
func serve(ctx context.Context, name, address string, handler http.Handler, log zerolog.Logger) (*server, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &node.Error{Code: node.CodeListen, Op: "listen for " + name + " on", What: address, Cause: err, Cure: "stop what uses the address, or choose another in mesh.yaml"}
	}
	s := &server{
		url: "http://" + listener.Addr().String(),
		http: &http.Server{
			Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
			WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		},
	}
	s.work.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Str("server", name).Msg("an HTTP server ended")
		}
	})
	return s, nil
}

// close lets requests under way end, until ctx does.
func (s *server) close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.work.Wait()
	return err
}

// handler is the environment's native API.
func (e *Environment) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, map[string]string{"status": "alive"}, e.config.Logger)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := e.Ready(); err != nil {
			respond(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "why": err.Error()}, e.config.Logger)
			return
		}
		respond(w, http.StatusOK, map[string]string{"status": "ready"}, e.config.Logger)
	})
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, e.Status(), e.config.Logger)
	})
	for _, path := range nativeapi.Paths() {
		mux.Handle(path, e.native)
	}
	return mux
}

func respond(w http.ResponseWriter, status int, body any, log zerolog.Logger) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Debug().Err(err).Msg("a response was not read to its end")
	}
}
