//go:build !unix

package measure

import "time"

// CPUTime is how long processors have worked for this process, in the program
// and in the kernel, all threads together, and for those that it has started
// and waited for. ok is false where the system does
// not tell.
func CPUTime() (_ time.Duration, ok bool) { return 0, false }
