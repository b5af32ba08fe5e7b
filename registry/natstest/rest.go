package natstest

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const natsServer = "github.com/nats-io/nats-server/v2/server."

// Leftovers are goroutines that a server which ended in the middle of something
// leaves behind, for packages whose tests end servers so.
func Leftovers() []goleak.Option {
	return []goleak.Option{
		// The store of a stream, or of a batch, that was being made is never closed.
		goleak.IgnoreTopFunction(natsServer + "(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreTopFunction(natsServer + "(*msgBlock).flushLoop"),
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"),
		// A stream waits for the answer of its source, five seconds or thirty, also
		// when there is nobody any more to whom it could come.
		goleak.IgnoreTopFunction(natsServer + "(*stream).trySetupSourceConsumer.func3"),
	}
}

// AtRest returns when the streams of servers that have ended, as all of this
// process must have, have stored what they had taken: a server does not wait
// for them, and a folder cannot be removed while they make files in it.
func AtRest(t testing.TB) {
	t.Helper()
	stacks := make([]byte, 8<<20)
	for deadline := time.Now().Add(ready); ; time.Sleep(time.Millisecond) {
		if !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(natsServer+"(*stream).internalLoop(")) {
			return
		}
		if time.Now().After(deadline) {
			t.Error("a server that has ended goes on storing")
			return
		}
	}
}
