package measure

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// jiffy is the unit of /proc/stat, the same on all Linux systems.
const jiffy = 10 * time.Millisecond

// notBusy are the columns of /proc/stat in which processors wait (idle, iowait)
// or which others contain already (guest, guest_nice).
var notBusy = map[int]bool{3: true, 4: true, 8: true, 9: true}

// BusyTime is how long the machine's processors have worked since it started,
// for anybody. ok is false where the system does not tell.
func BusyTime() (_ time.Duration, ok bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	columns := strings.Fields(first)
	if len(columns) < 5 || columns[0] != "cpu" {
		return 0, false
	}
	var total time.Duration
	for i, column := range columns[1:] {
		n, err := strconv.ParseInt(column, 10, 64)
		if err != nil {
			return 0, false
		}
		if !notBusy[i] {
			total += time.Duration(n) * jiffy
		}
	}
	return total, true
}
