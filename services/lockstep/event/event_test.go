package event

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
)

// A script that reads events or receipts would break on a changed key, and a
// terminal on control characters in somebody's data.
func TestGolden(t *testing.T) {
	clitest.Golden(t, "receipt", receipt{
		Environment: "production", Stream: "ORDERS", Sequence: 42, Type: "orders.order.created", ID: "e-1",
	})
	clitest.Golden(t, "receipt-duplicate", receipt{Environment: "production", Stream: "ORDERS", Sequence: 42, Type: "orders.order.created", ID: "e-1", Duplicate: true})
	clitest.Golden(t, "event", record{
		Time: time.Date(2026, 3, 2, 8, 0, 0, 123e6, time.UTC), Environment: "staging", Stream: "ORDERS", Sequence: 7,
		Origin: "production", OriginSequence: 9, Type: "orders.order.created", Keys: []string{"a", "b"}, ID: "e-1",
		SchemaSubject: "orders.order.created", SchemaVersion: "1", Masked: "3",
		Data: json.RawMessage("{\"note\":\"\u009b31m" + `ж<>","list":[` + "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37" + `]}`),
	})
	clitest.Golden(t, "event-full", record{
		Time: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), Stream: "GITHUB", Sequence: 1, Origin: "production", OriginSequence: 1,
		Type: "github.push", Keys: []string{}, Data: json.RawMessage(`{"x":1.00}`), full: true,
	})
}
