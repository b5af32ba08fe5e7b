//go:build !amd64 || purego

package lanes

const available = false

func compress(*[2]Lane, *[64]uint32) {
	panic("lanes: this processor has none") //nolint:forbidigo // the caller has not asked
}
