package natstest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// given are the ports that this process has been given, each of them once: the
// server of one that looks free may just be away.
var given sync.Map

// Port is a port of 127.0.0.1 that was free a moment ago, for a server that
// others must know before it starts, or that comes back under the same one. It
// is below those that systems give to outgoing connections and to whoever
// listens on any, so that while its server is away nothing takes it.
func Port(t testing.TB) int {
	t.Helper()
	const first, ephemeral = 10000, 32768
	var err error
	for range 100 {
		port := first + rand.IntN(ephemeral-first)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			if err = l.Close(); err == nil {
				return port
			}
		}
	}
	t.Fatalf("no free port was found: %v", err)
	return 0
}
