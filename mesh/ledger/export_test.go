package ledger

import (
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// ServeObserved is Serve with a function that is called before each step.
func ServeObserved(nc *nats.Conn, environment string, sources []Source, observe func(string)) (*Desk, error) {
	return serve(nc, environment, sources, zerolog.Nop(), func(s step) { observe(string(s)) })
}
