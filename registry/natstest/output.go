package natstest

import (
	"bytes"
	"io"
	"sync"
	"testing"
)

// Output is the test's output, for a log, until the test has ended. What a server
// says after that, for it goes on a little when it has ended, is dropped; the
// testing package would end the process for it.
func Output(t testing.TB) io.Writer {
	o := &output{t: t}
	t.Cleanup(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.t = nil
	})
	return o
}

type output struct {
	mu sync.Mutex
	t  testing.TB // nil when it has ended
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.t != nil {
		o.t.Logf("%s", bytes.TrimRight(p, "\n"))
	}
	return len(p), nil
}
