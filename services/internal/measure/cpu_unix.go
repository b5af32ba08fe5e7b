//go:build unix

package measure

import (
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is how long processors have worked for this process, in the program
// and in the kernel, all threads together, and for those that it has started
// and waited for. ok is false where the system does
// not tell.
func CPUTime() (_ time.Duration, ok bool) {
	var total time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var usage unix.Rusage
		if err := unix.Getrusage(who, &usage); err != nil {
			return 0, false
		}
		total += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return total, true
}
