package dev

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// front answers on the HTTP address: for the whole process where it can, and
// else by the hub's native API.
type front struct {
	log    zerolog.Logger
	server *http.Server
	work   sync.WaitGroup

	transport *http.Transport // to the hub's API

	mu    sync.Mutex
	hub   http.Handler // nil until the hub runs
	ready func() error // nil while the mesh starts or stops
}

// newFront begins to answer on listener.
func newFront(listener net.Listener, log zerolog.Logger) *front {
	return newFrontWithin(listener, time.Minute, log)
}

// newFrontWithin is newFront with a limit for the writing of an answer.
func newFrontWithin(listener net.Listener, limit time.Duration, log zerolog.Logger) *front {
	f := &front{log: log, transport: &http.Transport{
		MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: time.Minute,
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		f.respond(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", f.readyz)
	mux.HandleFunc("/", f.forward)
	f.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: limit, IdleTimeout: 2 * time.Minute,
	}
	f.work.Go(func() {
		if err := f.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("the HTTP server ended")
		}
	})
	return f
}

// behind hands on what front does not answer itself to the API at address.
func (f *front) behind(address string) error {
	to, err := url.Parse(address)
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Transport: f.transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.SetXForwarded() },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			f.log.Warn().Err(err).Str("path", r.URL.Path).Msg("the hub's API did not answer")
			f.respond(w, http.StatusBadGateway, map[string]string{"status": "not available", "why": "the hub's API did not answer"})
		},
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hub = proxy
	return nil
}

// watch sets what /readyz asks; nil while the mesh starts or stops.
func (f *front) watch(ready func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = ready
}

func (f *front) readyz(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	ready := f.ready
	f.mu.Unlock()
	why := errors.New("the mesh is starting or stopping")
	if ready != nil {
		why = ready()
	}
	if why != nil {
		f.respond(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "why": why.Error()})
		return
	}
	f.respond(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (f *front) forward(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	hub := f.hub
	f.mu.Unlock()
	if hub == nil {
		f.respond(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "why": "the mesh is starting"})
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") || r.URL.Path == "/api/v1/changes" {
		// A stream lasts longer than an answer may take to be written; the hub bounds each piece.
		if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
			f.log.Debug().Err(err).Msg("a stream will end at the time that an answer may take")
		}
	}
	hub.ServeHTTP(w, r)
}

func (f *front) respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		f.log.Debug().Err(err).Msg("a response was not read to its end")
	}
}

// close lets requests under way end, until ctx does.
func (f *front) close(ctx context.Context) error {
	err := f.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, f.server.Close())
	}
	f.transport.CloseIdleConnections()
	f.work.Wait()
	return err
}
