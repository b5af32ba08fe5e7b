package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	schemas "github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/httpapi"
	"github.com/lockstep-mesh/lockstep/registry/nativeapi"
	"github.com/lockstep-mesh/lockstep/registry/presence"
	"github.com/lockstep-mesh/lockstep/registry/store"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

const (
	startTimeout = 30 * time.Second
	openTimeout  = time.Minute
)

// Config says how to run a registry of its own.
type Config struct {
	Address string // host:port of the HTTP API; port 0 takes a free one
	Data    string // the directory of its store
	// Level and Policy are what holds for all subjects from the first start on. What
	// the registry has been configured to since is left as it is. Empty: BACKWARD, GATED.
	Level  schemas.Level
	Policy string
	Logger zerolog.Logger
}

// Server is a running registry. It is safe for concurrent use.
type Server struct {
	config   Config
	nats     *server.Server
	conn     *nats.Conn
	registry *schemas.Registry
	presence *presence.Book // who reads and writes which versions
	native   *nativeapi.API
	http     *http.Server
	listener net.Listener
	work     sync.WaitGroup

	closing sync.Once
	closed  error
}

// Start brings the registry up. When it returns, requests are answered.
func Start(ctx context.Context, c Config) (_ *Server, err error) {
	s := &Server{config: c}
	defer func() {
		if err != nil {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, s.Close(closing))
		}
	}()
	// The address first: that it is taken should not have to wait for a long log.
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(ctx, "tcp", c.Address); err != nil {
		return nil, &cli.Error{Code: "listen", What: "the registry cannot listen on its address", Where: c.Address, Cause: err, Cure: "stop what uses the address, or choose another with --http; port 0 takes a free one"}
	}
	if err := s.startStore(); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.configure(ctx); err != nil {
		return nil, err
	}
	js, err := jetstream.New(s.conn)
	if err != nil {
		return nil, err
	}
	if s.presence, err = presence.Open(ctx, js, presence.Options{Logger: c.Logger}); err != nil {
		return nil, err
	}
	if s.native, err = nativeapi.New(s.registry, nativeapi.WithLogger(c.Logger), nativeapi.WithPresence(s.presence)); err != nil {
		return nil, err
	}
	s.serve()
	return s, nil
}

// startStore starts the NATS server that keeps the log. It has no listener: nobody
// but this process reaches it.
func (s *Server) startStore() error {
	dir := filepath.Join(s.config.Data, "store")
	failed := func(cause error) error {
		return &cli.Error{Code: "store", What: "the registry's store cannot be opened", Where: dir, Cause: cause, Cure: "check that the directory can be written to and that its disk is not full"}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failed(err)
	}
	var err error
	s.nats, err = server.NewServer(&server.Options{
		ServerName: "registry", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, SyncAlways: true, // what is acknowledged survives a power cut
		MaxPayload: 8 << 20, MaxPending: 64 << 20,
	})
	if err != nil {
		return failed(err)
	}
	l := &natsLogger{log: s.config.Logger.With().Str("part", "nats").Logger(), fatal: make(chan error, 1)}
	s.nats.SetLoggerV2(l, false, false, false)
	s.nats.Start()
	for deadline := time.Now().Add(startTimeout); !s.nats.ReadyForConnections(50 * time.Millisecond); {
		select {
		case err := <-l.fatal:
			return failed(err)
		default:
		}
		if time.Now().After(deadline) {
			return failed(fmt.Errorf("the server was not ready within %s", startTimeout))
		}
	}
	s.conn, err = nats.Connect("", nats.InProcessServer(s.nats), nats.Name("registry"), nats.MaxReconnects(-1))
	if err != nil {
		return failed(err)
	}
	return nil
}

// open opens the registry's view of the log, which is made if there is none.
func (s *Server) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	js, err := jetstream.New(s.conn)
	if err != nil {
		return err
	}
	if err := store.Create(ctx, js, store.Options{}); err != nil {
		return err
	}
	log, err := store.Open(ctx, js)
	if err != nil {
		return err
	}
	s.registry, err = schemas.Open(ctx, log, schemas.WithLogger(s.config.Logger))
	return err
}

// configure records level and policy, where the registry has none.
func (s *Server) configure(ctx context.Context) error {
	c := s.config
	if c.Level == "" && c.Policy == "" {
		return nil
	}
	set, err := s.registry.SetConfig(ctx, "", "lockstep registry serve", func(present schemas.Config) schemas.Config {
		if present.Level == "" {
			present.Level = c.Level
		}
		if present.Policy == "" {
			present.Policy = c.Policy
		}
		return present
	})
	if err != nil {
		return err
	}
	if c.Level != "" && set.Level != c.Level || c.Policy != "" && set.Policy != c.Policy {
		s.config.Logger.Warn().Str("level", string(set.Level)).Str("policy", set.Policy).
			Msg("the registry has been configured already, and stays as it is: PUT /config changes it")
	}
	return nil
}

// serve answers requests until Close.
func (s *Server) serve() {
	mux := http.NewServeMux()
	mux.Handle("/", httpapi.New(s.registry, httpapi.WithLogger(s.config.Logger)))
	for _, path := range nativeapi.Paths() {
		mux.Handle(path, s.native)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		s.respond(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Ready(); err != nil {
			s.respond(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "why": err.Error()})
			return
		}
		s.respond(w, http.StatusOK, map[string]string{"status": "ready"})
	})
	s.http = &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	s.work.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.config.Logger.Error().Err(err).Msg("the HTTP server ended")
		}
	})
}

func (s *Server) respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.config.Logger.Debug().Err(err).Msg("a response was not read to its end")
	}
}

// URL is where the API is served.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Registry is the view that answers.
func (s *Server) Registry() *schemas.Registry { return s.registry }

// Ready is nil when the registry answers from an up-to-date view and takes writes.
func (s *Server) Ready() error {
	if err := s.registry.Err(); err != nil {
		return fmt.Errorf("the registry's view is not complete: %w", err)
	}
	if !s.nats.JetStreamEnabled() {
		return errors.New("the store has been switched off; the log says why")
	}
	return nil
}

// Close lets requests under way end, until ctx does, and closes the store. It may
// be called more than once.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() {
		if s.native != nil {
			s.native.Close() // its streams would keep the HTTP server from ending
		}
		if s.http != nil {
			if err := s.http.Shutdown(ctx); err != nil {
				s.closed = errors.Join(err, s.http.Close())
			}
			s.work.Wait()
		} else if s.listener != nil {
			s.closed = s.listener.Close()
		}
		if s.presence != nil {
			s.presence.Close()
		}
		if s.registry != nil {
			s.registry.Close()
		}
		if s.conn != nil {
			s.conn.Close()
		}
		if s.nats != nil {
			s.nats.Shutdown()
			s.nats.WaitForShutdown()
		}
	})
	return s.closed
}

// natsLogger hands the server's log on. What it calls fatal would end the process.
type natsLogger struct {
	log   zerolog.Logger
	fatal chan error
}

func (l *natsLogger) Noticef(format string, v ...any) { l.log.Debug().Msgf(format, v...) }
func (l *natsLogger) Warnf(format string, v ...any)   { l.log.Warn().Msgf(format, v...) }
func (l *natsLogger) Errorf(format string, v ...any)  { l.log.Error().Msgf(format, v...) }
func (l *natsLogger) Debugf(format string, v ...any)  { l.log.Debug().Msgf(format, v...) }
func (l *natsLogger) Tracef(format string, v ...any)  { l.log.Trace().Msgf(format, v...) }

func (l *natsLogger) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	l.log.Error().Err(err).Msg("the store gave up")
	select {
	case l.fatal <- err:
	default:
	}
}
