package version

import (
	"testing"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
)

// A script that reads the version would break on a changed key.
func TestGolden(t *testing.T) {
	clitest.Golden(t, "version", answer{
		Version: "v1.2.3", Commit: "0123456789abcdef", Modified: true, Go: "go1.26.8", Platform: "linux/amd64",
		NATSServer: "v2.15.3", NATSLibrary: "v1.55.0", JSONSchema: "v5.3.1",
	})
}
