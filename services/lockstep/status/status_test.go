package status

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/gate"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
)

// environments are two that say of themselves what is given.
func environments(t *testing.T, staging ledger.Report, ready bool, waiting ...environment.Waiting) []server {
	t.Helper()
	answers := map[string]environment.Status{
		"production": {
			Environment: "production", Role: "hub", Ready: true, LeafConnected: true, RegistryRevision: 22,
			Gate:   gate.Stats{Stored: 1000, Refused: 7},
			Routes: []route.Status{{From: "production", To: "staging", Domain: "orders", State: route.StateRunning, Checkpoint: 1000, Sent: 990, Withheld: 10}},
			Ledger: []ledger.Report{}, Waiting: waiting,
		},
		"staging": {
			Environment: "staging", Role: "leaf", Ready: ready, LeafConnected: ready, RegistryRevision: 22,
			Routes: []route.Status{}, Ledger: []ledger.Report{staging}, Waiting: []environment.Waiting{},
		},
	}
	if !ready {
		s := answers["staging"]
		s.Problem = "the leaf connection to production does not stand"
		answers["staging"] = s
	}
	mux := http.NewServeMux()
	for name, a := range answers {
		mux.HandleFunc("GET /"+name+path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(a) })
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return []server{{"production", s.URL + "/production"}, {"staging", s.URL + "/staging"}}
}

func gather(t *testing.T, servers []server) answer {
	t.Helper()
	client := &http.Client{}
	t.Cleanup(client.CloseIdleConnections)
	a := answer{}
	for _, s := range servers {
		st := ask(context.Background(), client, s)
		st.URL = "http://" + s.name // its own changes from run to run
		a.Environments = append(a.Environments, st)
	}
	a.judge()
	return a
}

// An environment that has lost events would be shown as healthy, or a script
// could not tell.
func TestVerdicts(t *testing.T) {
	sound := ledger.Report{Origin: "production", Domain: "orders", VerifiedTo: 950, Delivered: 940, Withheld: 10, MaskedFields: 5000}
	broken := sound
	broken.Missing, broken.Mismatches, broken.Strays, broken.Replaced = 2, 1, 1, 3
	decided := environment.Waiting{To: "staging", Domain: "orders", Code: "policy", Events: 8}
	fault := environment.Waiting{To: "staging", Domain: "orders", Code: "mask_fault", Events: 2, AtLeast: true, Fault: true}
	for name, c := range map[string]struct {
		ledger  ledger.Report
		ready   bool
		healthy bool
		waiting []environment.Waiting
	}{
		"healthy": {sound, true, true, []environment.Waiting{decided}}, "unclassified": {sound, true, true, []environment.Waiting{{To: "staging", Domain: "orders", Code: "unclassified", Events: 3}}},
		"broken": {broken, true, false, nil}, "away": {sound, false, false, nil},
		"withheld": {sound, true, false, []environment.Waiting{decided, fault}},
	} {
		a := gather(t, environments(t, c.ledger, c.ready, c.waiting...))
		clitest.Golden(t, name, a)
		err := a.verdict()
		var ours *cli.Error
		if c.healthy != (err == nil) || err != nil && (!errors.As(err, &ours) || ours.Exit != cli.ExitUnhealthy || len(ours.Problems) == 0) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "broken" && ours != nil && !strings.Contains(ours.Problems[0].Cure, "lockstep ledger repair --env staging") {
			t.Errorf("nothing says how to mend it: %+v", ours.Problems)
		}
	}
}

// An environment that doesn't answer, or another one in its place, would go
// unnoticed.
func TestNoAnswer(t *testing.T) {
	servers := environments(t, ledger.Report{}, true)
	for name, s := range map[string]server{
		"nobody listens":     {"staging", "http://127.0.0.1:1"},
		"not found":          {"staging", servers[0].url + "/nothing"},
		"somebody else":      {"staging", servers[0].url},
		"address is unknown": {"staging", ""},
	} {
		a := gather(t, []server{s})
		if a.Healthy || a.Environments[0].Problem == "" || a.Environments[0].Name != "staging" || a.verdict() == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// A typing error in a URL would be reported as an environment that is down.
func TestServers(t *testing.T) {
	for _, bad := range []string{"127.0.0.1:8080", "nats://127.0.0.1:4222", "http://", "::"} {
		var ours *cli.Error
		if _, err := (Flags{Servers: []string{bad}}).servers(); !errors.As(err, &ours) || ours.Exit != cli.ExitUsage {
			t.Errorf("%q: %v", bad, err)
		}
	}
	list, err := (Flags{}).servers()
	if err != nil || len(list) < 2 || list[0].name != "production" || !strings.HasPrefix(list[0].url, "http://") {
		t.Errorf("the sample mesh's: %v, %v", list, err)
	}
}
