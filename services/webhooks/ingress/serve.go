package ingress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// What a slow or hostile client may take of the server.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 20 * time.Second // headers and body
	writeTimeout      = 40 * time.Second // the whole request, publishing included
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 32 << 10
	stopTimeout       = 10 * time.Second // for requests that are under way when it stops
)

// Serve answers requests on listener until ctx ends; requests under way then
// have ten seconds to finish. It closes the listener. ctx's end is no error.
func Serve(ctx context.Context, listener net.Listener, h http.Handler, log zerolog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	var wg sync.WaitGroup
	var stopped error
	serving, end := context.WithCancel(ctx)
	wg.Go(func() {
		<-serving.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if stopped = server.Shutdown(closing); stopped != nil {
			stopped = fmt.Errorf("webhooks: requests were still under way after %v: %w", stopTimeout, errors.Join(stopped, server.Close()))
		}
	})
	log.Info().Str("address", listener.Addr().String()).Str("path", Path).Msg("webhooks are taken")
	err := server.Serve(listener)
	end()
	wg.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return stopped
	}
	return errors.Join(fmt.Errorf("webhooks: serve %s: %w", listener.Addr(), err), stopped)
}
