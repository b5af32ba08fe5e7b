package clients

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// address is the registry's URL.
func address(t *testing.T) string {
	t.Helper()
	url := os.Getenv("LOCKSTEP_TEST_REGISTRY")
	if url == "" {
		t.Skip("LOCKSTEP_TEST_REGISTRY is not set: TestRegistryClients in e2e starts a registry and runs these tests")
	}
	return url
}

// whole reports whether the registry is the one that was written to. In another
// environment properties of schemas and rules are not to be seen.
func whole() bool { return os.Getenv("LOCKSTEP_TEST_REPLICA") == "" }

// subject is a name that no other run has used.
func subject(t *testing.T, name string) string {
	t.Helper()
	return fmt.Sprintf("conformance.%s.%x", name, time.Now().UnixNano())
}

// member is a schema that no other run has registered.
func member(name, more string) string {
	return fmt.Sprintf(`{"title":%q,"type":"object","properties":{"id":{"type":"string"}%s}}`, name, more)
}
