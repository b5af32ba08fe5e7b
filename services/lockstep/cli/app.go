// Package cli is what the commands share: standard streams, flags with their
// environment variables, output formats, errors with exit codes, signals.
//
// What a command does belongs in the command's own package. A command is
// a cobra.Command whose RunE comes from Command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// App is one run of the program. Commands keep a pointer to it; its settings
// are complete when their run begins.
type App struct {
	Stdin  io.Reader
	Stdout io.Writer // the answer
	Stderr io.Writer // the talk
	Getenv func(string) string

	format   Format
	level    string
	logForm  string
	answered bool // something of the answer is on stdout
}

// New is an App on the process's own streams.
func New() *App {
	return &App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, format: Table}
}

// envPrefix begins the environment variables that stand for flags:
// LOCKSTEP_LOG_LEVEL for --log-level.
const envPrefix = "LOCKSTEP_"

// Main runs the command that args name and returns the process's exit code.
// The first SIGINT or SIGTERM ends the command's context; the second ends the
// process.
func (a *App) Main(root *cobra.Command, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // the next signal has its usual effect

	a.prepare(root)
	root.SetArgs(args)
	a.format = a.early(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	var run *runError
	if errors.As(err, &run) {
		err = run.cause
	} else {
		err = usage(err) // cobra's own: everything else comes out of a run
	}
	return a.fail(err)
}

// prepare adds what all commands have.
func (a *App) prepare(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	a.format = Table
	flags.VarP(&a.format, "output", "o", "`format` of the answer: table, json or yaml")
	flags.StringVar(&a.level, "log-level", "", "least `level` of what is told on stderr: trace, debug, info, warn, error or off (default: info for dev and serve, else warn)")
	flags.StringVar(&a.logForm, "log-format", "console", "`form` of what is told on stderr: console or json")
}

// early is the format that an error in the arguments is to have: what they say
// of it as far as that can be told without understanding them.
func (a *App) early(args []string) Format {
	text := a.Getenv(envPrefix + "OUTPUT")
	for i, arg := range args {
		switch {
		case arg == "--":
			args = nil
		case (arg == "-o" || arg == "--output") && i+1 < len(args):
			text = args[i+1]
		case strings.HasPrefix(arg, "--output="):
			text = strings.TrimPrefix(arg, "--output=")
		case strings.HasPrefix(arg, "-o") && !strings.HasPrefix(arg, "--"):
			text = strings.TrimPrefix(strings.TrimPrefix(arg, "-o"), "=")
		}
		if args == nil {
			break
		}
	}
	f := Table
	if f.Set(text) != nil {
		return Table
	}
	return f
}

// runError carries an error of a run past cobra, whose own are about usage.
type runError struct{ cause error }

func (e *runError) Error() string { return e.cause.Error() }
func (e *runError) Unwrap() error { return e.cause }

// Command makes a command out of its run: it takes the flags' values that were
// not given from the environment, and checks that none of the required flags
// is missing.
func (a *App) Command(c *cobra.Command, run func(ctx context.Context) error, required ...string) *cobra.Command {
	if c.Args == nil {
		c.Args = cobra.NoArgs
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		err := a.settle(c.Flags(), required)
		if err == nil {
			err = run(c.Context())
		}
		if err != nil {
			return &runError{err}
		}
		return nil
	}
	return c
}

// Group makes a command that only has others below it.
func Group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	c.AddCommand(commands...)
	c.SuggestionsMinimumDistance = 2 // letters that differ
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		e := &Error{
			Exit: ExitUsage, Code: CodeUsage, What: fmt.Sprintf("there is no command %q", c.CommandPath()+" "+args[0]),
			Cure: c.CommandPath() + " --help lists the commands",
		}
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			e.Cure = "did you mean " + c.CommandPath() + " " + strings.Join(near, " or ") + "?"
		}
		return e
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

// onlyFlag annotates a flag without an environment variable.
const onlyFlag = "lockstep_only_flag"

// WithoutVariable keeps a flag from being set by its environment variable,
// which means something else to another command.
func WithoutVariable(flags *pflag.FlagSet, name string) {
	if f := flags.Lookup(name); f != nil {
		f.Annotations = map[string][]string{onlyFlag: nil}
	}
}

// settle completes the flags from the environment.
func (a *App) settle(flags *pflag.FlagSet, required []string) error {
	var problems []string
	flags.VisitAll(func(f *pflag.Flag) {
		variable := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := a.Getenv(variable)
		if _, own := f.Annotations[onlyFlag]; own || f.Changed || value == "" || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			problems = append(problems, fmt.Sprintf("%s=%q: %v", variable, value, cause(err)))
		}
	})
	if _, ok := levels[a.level]; a.level != "" && !ok {
		problems = append(problems, fmt.Sprintf("--log-level %q is none of trace, debug, info, warn, error, off", a.level))
	}
	if a.logForm != "console" && a.logForm != "json" {
		problems = append(problems, fmt.Sprintf("--log-format %q is neither console nor json", a.logForm))
	}
	for _, name := range required {
		if f := flags.Lookup(name); f != nil && !f.Changed {
			problems = append(problems, "--"+name+" is missing")
		}
	}
	if len(problems) > 0 {
		return Usage("%s", strings.Join(problems, "; "))
	}
	return nil
}

// cause is the innermost error: pflag wraps them in sentences of its own.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

var levels = map[string]zerolog.Level{
	"trace": zerolog.TraceLevel, "debug": zerolog.DebugLevel, "info": zerolog.InfoLevel,
	"warn": zerolog.WarnLevel, "error": zerolog.ErrorLevel, "off": zerolog.Disabled,
}

// Logger writes to stderr what is of the level that the user chose, or of the
// given one.
func (a *App) Logger(level zerolog.Level) zerolog.Logger {
	if chosen, ok := levels[a.level]; ok {
		level = chosen
	}
	w := a.Stderr
	if a.logForm != "json" {
		w = zerolog.ConsoleWriter{
			Out: a.Stderr, NoColor: !a.colour(), TimeFormat: time.TimeOnly,
		}
	}
	return zerolog.New(zerolog.SyncWriter(w)).Level(level).With().Timestamp().Logger()
}

// colour reports whether stderr takes colours.
func (a *App) colour() bool {
	return a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb" && a.Terminal()
}

// Terminal reports whether a person watches stderr.
func (a *App) Terminal() bool {
	f, ok := a.Stderr.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
