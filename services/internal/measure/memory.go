package measure

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// ErrUnavailable says that the system does not tell what was asked for.
var ErrUnavailable = errors.New("not available on " + runtime.GOOS)

// ResidentMemory is how many bytes of a process are in memory now. Where the
// system does not tell, the error is ErrUnavailable.
func ResidentMemory(pid int) (bytes int64, err error) {
	if runtime.GOOS != "linux" {
		return 0, ErrUnavailable
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("resident memory of process %d: %w", pid, err)
	}
	resident := field(text, "VmRSS")
	kilobytes, err := strconv.ParseInt(strings.TrimSuffix(resident, " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("resident memory of process %d: VmRSS is %q: %w", pid, resident, err)
	}
	return kilobytes << 10, nil
}
