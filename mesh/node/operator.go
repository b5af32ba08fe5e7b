package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
)

// operatorWait bounds how long an operator's connection is tried.
const operatorWait = 5 * time.Second

// ConnectOperator opens a connection into the account that holds the streams of
// a running environment, for whoever may read the key in its data directory: the
// user that it runs as. url is where its server listens for applications. The
// connection may do everything there; it ends with the server and isn't renewed.
// The error is a *Error.
func ConnectOperator(data, url, name string, options ...nats.Option) (*nats.Conn, error) {
	path := filepath.Join(data, "keys", "node.key")
	if _, err := os.Stat(path); err != nil {
		cure := "run this on the environment's machine, as the user that it runs as"
		if errors.Is(err, fs.ErrNotExist) {
			cure = "name the data directory of an environment that has run, on its own machine"
		}
		return nil, &Error{Code: CodeIdentity, Op: "read the node key", What: path, Cause: err, Cure: cure}
	}
	id, err := loadIdentity(path)
	if err != nil {
		return nil, err
	}
	token, seed, err := id.user(accountMesh, name, "")
	if err != nil {
		return nil, err
	}
	options = append([]nats.Option{
		nats.Name("lockstep " + name), nats.UserJWTAndSeed(token, string(seed)), nats.NoReconnect(), nats.Timeout(operatorWait),
	}, options...)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, &Error{
			Code: CodeUnavailable, Op: "reach the environment at", What: url, Cause: err,
			Cure: "start it, or give the address at which it listens; an authorization violation means that another environment listens there",
		}
	}
	return nc, nil
}
