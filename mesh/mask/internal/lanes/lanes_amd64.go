//go:build !purego

package lanes

import (
	"crypto/fips140"

	"golang.org/x/sys/cpu"
)

var available = cpu.X86.HasSSSE3 && cpu.X86.HasSSE41 && hasSHA() && !fips140.Enabled()

// hasSHA reports whether the processor has the SHA extensions.
//
//go:noescape
func hasSHA() bool

//go:noescape
func digest(lanes *[2]Lane, outer *[2]*[Words]uint32, constants *[64]uint32)
