//go:build unix

package lifecycle

import "syscall"

// WithoutCore sees to it that a crash of the process leaves no copy of its memory on
// disk, in which keys and events would be: whatever GOTRACEBACK and the shell say.
func WithoutCore() error {
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}
