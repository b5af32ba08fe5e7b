package key

import (
	"errors"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/key/custody"
)

var at = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func state() custody.State {
	return custody.State{
		Environment: "production", Source: "file:/var/lib/lockstep/production/keys/mask.key",
		Keys: []custody.Key{
			{KeyInfo: mask.KeyInfo{ID: "k3333333333333333", State: mask.KeyActive, Since: at}, Uses: []custody.Use{{To: "staging", Domain: "orders", First: 1002, Last: 1100}, {To: "staging", Domain: "payments", First: 1, Last: 40}}},
			{KeyInfo: mask.KeyInfo{ID: "k2222222222222222", State: mask.KeyRetiring, Since: at}, KeepUntil: at.Add(720 * time.Hour), Uses: []custody.Use{{To: "staging", Domain: "orders", First: 1, Last: 1000}}},
			{KeyInfo: mask.KeyInfo{ID: "k1111111111111111", State: mask.KeyDestroyed, Since: at}, Uses: []custody.Use{}},
		},
		Routes: []custody.Route{{To: "staging", Domains: []string{"orders", "payments"}, Policy: "testers@0123456789abcdef", Encrypted: []string{"account"}}},
	}
}

func exitOf(err error) int {
	var ours *cli.Error
	if errors.As(err, &ours) {
		return max(1, ours.Exit)
	}
	return 0
}

// A script that reads the keys' state would break on a changed key, or a person
// would rotate or destroy one without having been told what that breaks.
func TestGolden(t *testing.T) {
	s := state()
	clitest.Golden(t, "list", stateAnswer{s})
	if err := (stateAnswer{s}).verdict(); err != nil {
		t.Error(err)
	}
	for name, foresee := range map[string]func(custody.State) (foresight, error){"rotate": foreseeRotation, "destroy": foreseeDestruction("k2222222222222222")} {
		ahead, err := foresee(s)
		if err != nil || len(ahead.Breaks) == 0 || len(ahead.Stays) == 0 {
			t.Errorf("%s: %+v, %v", name, ahead, err)
		}
		clitest.Golden(t, name, ahead)
	}
	for name, id := range map[string]string{"active": "k3333333333333333", "destroyed": "k1111111111111111", "nobody's": "k4"} {
		if ahead, err := foreseeDestruction(id)(s); exitOf(err) != cli.ExitFailed {
			t.Errorf("%s: %+v, %v", name, ahead, err)
		}
	}
	if ahead, err := foreseeCreation(s); exitOf(err) != cli.ExitFailed {
		t.Errorf("another key beside one: %+v, %v", ahead, err)
	}

	missing := state()
	missing.Problem = &custody.Error{Code: custody.CodeMissing, Op: "load the keys of production", Why: "the key file is missing", Cure: "restore it"}
	missing.Keys = missing.Keys[1:2]
	missing.Keys[0].State = custody.StateUnknown
	missing.Routes[0].Fault = missing.Problem.Error()
	clitest.Golden(t, "missing", stateAnswer{missing})
	if err := (stateAnswer{missing}).verdict(); exitOf(err) != cli.ExitUnhealthy {
		t.Errorf("without a key: %v", err)
	}
	ahead, err := foreseeCreation(missing)
	if err != nil {
		t.Error(err)
	}
	clitest.Golden(t, "create", ahead)
	clitest.Golden(t, "map", pageAnswer{custody.MapPage{Old: "k2", New: "k3", Events: 10, Skipped: 1, Pairs: []custody.Pair{{Old: "a@example.com", New: "b@example.com"}}, Next: 11}, true})
	clitest.Golden(t, "renew", renewal{Environment: "production", By: "ann", Routes: []route.RenewPart{
		{Which: route.Which{From: "production", To: "staging", Domain: "orders"}, Renewal: route.Renewal{Generation: 2, Events: 1100, Key: "k3", Policy: "testers@0123456789abcdef"}},
		{Which: route.Which{From: "production", To: "staging", Domain: "payments"}, Renewal: route.Renewal{Generation: 3, Events: 40, Key: "k3", Policy: "testers@0123456789abcdef"}},
	}})
	clitest.Golden(t, "reveal", revealed{custody.Revealed{Value: "DE\x1b02", Key: "k2", Technique: mask.Encrypt}})
}
