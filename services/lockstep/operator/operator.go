// Package operator is how a command reaches the inside of a running environment,
// for those who may read its data directory: the streams that applications do not
// see, and the requests that only an operator may make.
//
// It connects as the environment's own user would. What is asked for there
// belongs in the commands' packages.
package operator

import (
	"context"
	"errors"
	"os/user"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/spf13/pflag"

	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/key/custody"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// Flags say which environment is meant.
type Flags struct {
	target.Flags
	By string
}

// Add adds the flags for an environment.
func (f *Flags) Add(flags *pflag.FlagSet) {
	f.AddMesh(flags)
	flags.StringVar(&f.Env, "env", "", "the `environment` (default: the hub)")
	flags.StringVar(&f.Server, "server", "", "its NATS `URL` (default: as --data and --mesh say)")
}

// AddBy adds the flag for who asks, which is recorded.
func (f *Flags) AddBy(flags *pflag.FlagSet) {
	flags.StringVar(&f.By, "by", "", "`who` asks for it, as it is recorded (default: the system's user)")
}

// Environment is a running environment, seen from inside. Close ends it.
type Environment struct {
	Name string
	URL  string
	Conn *nats.Conn // into the account of the streams
}

// Close ends the connection.
func (e *Environment) Close() { e.Conn.Close() }

// Connect reaches the environment that the flags mean, for a part of the program.
func (f Flags) Connect(part string) (*Environment, error) {
	if f.Data == "" {
		return nil, cli.Usage("--data is missing: only who may read the environment's data directory can do this")
	}
	name, found, err := f.Chosen()
	if err != nil {
		return nil, err
	}
	e := &Environment{Name: name, URL: f.Server}
	if e.URL == "" {
		e.URL = found.NATS
	}
	if e.URL == "" {
		return nil, &cli.Error{
			Code: "no_address", What: "the NATS address of " + e.Name + " is not known", Why: "mesh.yaml leaves it to the system",
			Cure: "name it with --server",
		}
	}
	if e.Conn, err = node.ConnectOperator(filepath.Join(f.Data, e.Name), e.URL, part); err != nil {
		return nil, err
	}
	return e, nil
}

// Who is who asks.
func (f Flags) Who() (string, error) {
	if f.By != "" {
		return f.By, nil
	}
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return "", cli.Usage("the system does not say who you are: name yourself with --by")
	}
	return u.Username, nil
}

// Explain makes the one kind of error that is told of those that an origin answers
// with, about its keys and routes. What says what could not be done where the error
// doesn't.
func Explain(what string, err error) error {
	var (
		keys   *custody.Error
		routes *route.Error
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &keys):
		return &cli.Error{Code: keys.Code, What: keys.Op, Why: keys.Why, Cure: keys.Cure, Cause: err}
	case errors.As(err, &routes) && errors.Is(err, nats.ErrNoResponders):
		return &cli.Error{Code: routes.Code, What: what, Why: "no route begins in that environment", Cure: "name an origin environment with --env", Cause: err}
	case errors.As(err, &routes):
		return &cli.Error{Code: routes.Code, What: routes.Op, Cure: routes.Cure, Cause: routes.Cause}
	case errors.Is(err, context.DeadlineExceeded):
		return &cli.Error{Code: custody.CodeUnavailable, What: what, Why: "the environment did not answer in time", Cure: "see `lockstep status`", Cause: err}
	}
	return err
}
