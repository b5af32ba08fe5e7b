package registry

import (
	"fmt"
	"runtime"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/compat"
)

const (
	// largeText is from how many bytes on a schema counts as large. One of them is
	// worked on at a time, because it may take seconds and hundreds of megabytes, and so
	// is one comparison that turns out to be no quick one; all else takes milliseconds,
	// so that a few more than there are processors do.
	largeText = 64 << 10
	// effortWait is how long work waits for its turn.
	effortWait = 10 * time.Second
)

// effort bounds how many schemas are compiled and compared at the same time: schemas
// made to keep the registry busy shall neither exhaust its memory nor starve its
// readers. It is safe for concurrent use.
type effort struct{ small, large chan struct{} }

func newEffort() *effort {
	return &effort{small: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), large: make(chan struct{}, 1)}
}

// spend works on schemas of so many bytes when it is their turn; it reports false
// without having worked if that does not come soon. Work must not spend effort itself.
func (e *effort) spend(bytes int, work func()) bool {
	turns := e.small
	if bytes >= largeText {
		turns = e.large
	}
	select {
	case turns <- struct{}{}:
	default:
		late := time.NewTimer(effortWait)
		defer late.Stop()
		select {
		case turns <- struct{}{}:
		case <-late.C:
			return false
		}
	}
	defer func() { <-turns }()
	work()
	return true
}

func busy() *Error {
	return &Error{
		Code: CodeTimeout, Message: fmt.Sprintf("other schemas have kept the registry busy for %v", effortWait),
		Cure: "repeat the request; register large schemas one after the other",
	}
}

// tooBusy is the verdict where there was no time for one. It has to be treated as a
// refusal, and asked for again.
func tooBusy() compat.Verdict {
	return compat.Verdict{Result: compat.Undecided, Findings: []compat.Finding{{
		Result: compat.Undecided, Rule: "too-busy", ReaderPointer: "#", WriterPointer: "#",
		Why:  fmt.Sprintf("too much work: other schemas have kept the registry busy for %v", effortWait),
		Cure: "repeat the request",
	}}}
}
