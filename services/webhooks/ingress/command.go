package ingress

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// Exit codes of the service.
const (
	exitFailed = 1
	exitUsage  = 2
)

// secretVariable has no flag: what stands on a command line is seen by everybody.
const secretVariable = "LOCKSTEP_WEBHOOK_SECRET"

// Main is the whole of the service. It takes its settings from flags, and what
// they leave out from LOCKSTEP_* variables; writes its log to stderr; and stops
// gracefully on SIGINT and SIGTERM. The answer is the process's exit code.
func Main(args []string, getenv func(string) string, stderr io.Writer) int {
	s, err := parse(args, getenv, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	s.log = zerolog.New(stderr).With().Timestamp().Str("service", "webhooks").Logger()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := s.run(ctx); err != nil {
		s.log.Error().Err(err).Msg("service failed")
		return exitFailed
	}
	return 0
}

type settings struct {
	url, creds, listen string
	secret             string
	limit              int64
	log                zerolog.Logger
}

func (s *settings) run(ctx context.Context) (err error) {
	opts := []mesh.ConnectOption{
		mesh.WithName("webhooks"), mesh.WithLogger(s.log),
		// A sender waits for the answer: better to let it come back soon.
		mesh.WithRetry(mesh.Retry{Attempts: 4, AckWait: 3 * time.Second, Max: 500 * time.Millisecond}),
	}
	if s.creds != "" {
		opts = append(opts, mesh.WithCredentials(s.creds))
	}
	conn, err := mesh.Connect(ctx, s.url, opts...)
	if ctx.Err() != nil {
		err = nil // stopped before it began
	}
	if err != nil || conn == nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, conn.Drain(closing))
	}()
	handler, err := NewHandler(Options{Secret: []byte(s.secret), Publisher: conn, Limit: s.limit, Log: s.log})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return fmt.Errorf("webhooks: %s cannot be listened on (is it in use? choose another with --listen): %w", s.listen, err)
	}
	return Serve(ctx, listener, handler, s.log)
}

func parse(args []string, getenv func(string) string, stderr io.Writer) (*settings, error) {
	s := settings{secret: getenv(secretVariable)}
	flags := flag.NewFlagSet("webhooks", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8090", "the address to take deliveries on (LOCKSTEP_LISTEN)")
	flags.StringVar(&s.url, "url", "nats://127.0.0.1:4222", "the environment's NATS server (LOCKSTEP_URL)")
	flags.StringVar(&s.creds, "creds", "", "an application's credentials file (LOCKSTEP_CREDS)")
	flags.Int64Var(&s.limit, "limit", DefaultLimit, "the largest payload in bytes (LOCKSTEP_LIMIT)")
	for name, variable := range map[string]string{
		"listen": "LOCKSTEP_LISTEN", "url": "LOCKSTEP_URL", "creds": "LOCKSTEP_CREDS", "limit": "LOCKSTEP_LIMIT",
	} {
		if value := getenv(variable); value != "" {
			if err := flags.Set(name, value); err != nil {
				return nil, fmt.Errorf("%s=%q: %w", variable, value, err)
			}
		}
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("webhooks takes flags only, and was given %q", flags.Arg(0))
	case s.limit <= 0:
		return nil, fmt.Errorf("--limit %d: it has to be a positive number of bytes", s.limit)
	case s.secret == "":
		return nil, fmt.Errorf("%s is not set, and unsigned deliveries could come from anybody: set it to the webhook's secret", secretVariable)
	}
	return &s, nil
}
