//go:build !amd64 || purego

package lanes

const available = false

func digest(*[2]Lane, *[2]*[Words]uint32, *[64]uint32) {
	panic("lanes: this processor has none") //nolint:forbidigo // the caller has not asked
}
