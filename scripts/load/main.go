// Command load measures a schema registry over HTTP: requests a second, and how long
// half of them and 99 of 100 take at most.
//
// It starts a registry of its own, whose writes are on disk before they are
// acknowledged, or asks one that runs on this machine (--url); never one elsewhere. It
// ends by itself. What is asked stands in requests.go, how it is measured in measure.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/services/lockstep/registry"
)

func main() {
	os.Exit(code(os.Args[1:], os.Stdout, os.Stderr)) //nolint:forbidigo // a command owns them
}

// code runs the command and is its exit code.
func code(args []string, out, talk io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, args, out, talk)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(talk, "load:", err)
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		return 2
	}
	return 1
}

// settings are what the flags say.
type settings struct {
	url         string
	connections int
	subjects    int
	during      time.Duration
	only        string
	output      string
}

type usageError struct{ problem string }

func (e *usageError) Error() string { return e.problem }

// The bounds of the flags: a load that is larger than these is no measurement.
const (
	maxConnections = 1_000
	maxSubjects    = 100_000
	maxDuring      = 5 * time.Minute
)

func parse(args []string, out io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&s.url, "url", "", "the `address` of a registry on this machine, http://127.0.0.1:8081; without it one is started")
	flags.IntVar(&s.connections, "connections", 16, "how many clients ask at once")
	flags.IntVar(&s.subjects, "subjects", 1000, "how many subjects there are to ask about")
	flags.DurationVar(&s.during, "during", 5*time.Second, "how long each kind of request is measured")
	flags.StringVar(&s.only, "only", "", "measure requests whose `name` begins so")
	flags.StringVar(&s.output, "o", "table", "the output's `form`: table or json")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return s, err
		}
		return s, &usageError{err.Error()}
	}
	var problems []string
	within := func(ok bool, problem string) {
		if !ok {
			problems = append(problems, problem)
		}
	}
	within(flags.NArg() == 0, "it takes no arguments beside flags")
	within(s.connections > 0 && s.connections <= maxConnections, fmt.Sprintf("--connections must be from 1 to %d", maxConnections))
	within(s.subjects > 1 && s.subjects <= maxSubjects, fmt.Sprintf("--subjects must be from 2 to %d", maxSubjects))
	within(s.during > 0 && s.during <= maxDuring, fmt.Sprintf("--during must be more than 0 and at most %v", maxDuring))
	within(s.output == "table" || s.output == "json", "-o must be table or json")
	if s.url != "" {
		if err := onThisMachine(s.url); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		all := make([]error, len(problems))
		for i, p := range problems {
			all[i] = errors.New(p)
		}
		return s, &usageError{errors.Join(all...).Error()}
	}
	return s, nil
}

func run(ctx context.Context, args []string, out, talk io.Writer) (err error) {
	s, err := parse(args, talk)
	if err != nil {
		return err
	}
	if s.url == "" {
		stop, err2 := start(ctx, &s)
		if err2 != nil {
			return err2
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	results, err := measure(ctx, s, talk)
	if err != nil {
		return err
	}
	return report(out, s, results)
}

// start starts a registry in a folder that is removed at the end.
func start(ctx context.Context, s *settings) (stop func() error, err error) {
	folder, err := os.MkdirTemp("", "lockstep-load-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the registry: %w", err)
	}
	server, err := registry.Start(ctx, registry.Config{Address: "127.0.0.1:0", Data: folder, Logger: zerolog.Nop()})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	s.url = server.URL()
	return func() error {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return errors.Join(server.Close(closing), os.RemoveAll(folder))
	}, nil
}
