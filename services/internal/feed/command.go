package feed

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// Exit codes of the services.
const (
	exitFailed = 1
	exitUsage  = 2
)

// Main is the whole of a service that publishes one domain. It takes its
// settings from flags, and what they leave out from LOCKSTEP_* variables
// (LOCKSTEP_URL for --url), writes its log to stderr, and stops gracefully on
// SIGINT and SIGTERM. The answer is the process's exit code.
func Main(domain Domain, args []string, getenv func(string) string, stderr io.Writer) int {
	settings, err := parse(domain, args, getenv, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	log := zerolog.New(stderr).With().Timestamp().Str("service", domain.Name).Logger()
	settings.options.Log = log
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := settings.run(ctx, domain); err != nil {
		log.Error().Err(err).Msg("service failed")
		return exitFailed
	}
	return 0
}

type settings struct {
	url, creds string
	options    Options
}

func (s *settings) run(ctx context.Context, domain Domain) (err error) {
	opts := []mesh.ConnectOption{
		mesh.WithName(domain.Name), mesh.WithSource("/services/" + domain.Name), mesh.WithLogger(s.options.Log),
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
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err = errors.Join(err, conn.Drain(closing))
	}()
	_, err = Run(ctx, conn, domain, s.options)
	return err
}

func parse(domain Domain, args []string, getenv func(string) string, stderr io.Writer) (*settings, error) {
	var s settings
	flags := flag.NewFlagSet(domain.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.url, "url", "nats://127.0.0.1:4222", "the environment's NATS server (LOCKSTEP_URL)")
	flags.StringVar(&s.creds, "creds", "", "an application's credentials file (LOCKSTEP_CREDS)")
	flags.Uint64Var(&s.options.Seed, "seed", 1, "the history to publish: one seed, one history (LOCKSTEP_SEED)")
	flags.IntVar(&s.options.Events, "events", 0, "how many events of the history to publish, those of the other domains counted; 0: without end (LOCKSTEP_EVENTS)")
	flags.Float64Var(&s.options.Rate, "rate", 10, "events a second; 0: as fast as they are stored (LOCKSTEP_RATE)")
	for name, variable := range map[string]string{
		"url": "LOCKSTEP_URL", "creds": "LOCKSTEP_CREDS", "seed": "LOCKSTEP_SEED", "events": "LOCKSTEP_EVENTS", "rate": "LOCKSTEP_RATE",
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
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%s takes flags only, and was given %q", domain.Name, flags.Arg(0))
	}
	if s.options.Events < 0 || s.options.Rate < 0 {
		return nil, fmt.Errorf("--events %d, --rate %v: neither may be negative; 0 stands for no end and for no limit", s.options.Events, s.options.Rate)
	}
	return &s, nil
}
