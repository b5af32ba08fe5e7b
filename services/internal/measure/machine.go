package measure

import (
	"os"
	"runtime"
	"strings"
)

// Machine is where a measurement was made.
type Machine struct {
	CPU   string `json:"cpu"`   // the model, or the architecture where it is not known
	Cores int    `json:"cores"` // that the program may use
	OS    string `json:"os"`    // and its version where it is known
	Arch  string `json:"arch"`
	Go    string `json:"go"`
}

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine {
	return Machine{CPU: cpuModel(), Cores: runtime.GOMAXPROCS(0), OS: system(), Arch: runtime.GOARCH, Go: runtime.Version()}
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	if model := field(text, "model name"); model != "" {
		return model
	}
	return runtime.GOARCH
}

func system() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return runtime.GOOS + " " + strings.TrimSpace(string(release))
}

// field is the value of the first line "name: value", as /proc writes them.
func field(text []byte, name string) string {
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
