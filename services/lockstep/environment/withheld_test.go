package environment_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/services/internal/shop"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
)

// Guards against a key that cannot be read taking the environment down, or
// letting anything through: events are taken, withheld and accounted for, and
// once the key is back they are released and verified like all others.
func TestUnreadableKeyWithholdsUntilItIsMended(t *testing.T) {
	data := t.TempDir()
	path := filepath.Join(data, "production", "keys", "mask.key")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := mask.LoadOrCreateKey(path); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := sample(t, data)
	const n = 60
	sent := publish(t, all.Get("production"), n)
	verified(t, all, "staging", sent, func(_, withheld, _ uint64, total uint64) bool { return withheld == total })
	if err := all.Get("production").Ready(); err == nil {
		t.Error("the environment says that it is ready")
	}
	stop(t, all)

	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	all = sample(t, data)
	for domain, count := range sent {
		answer := all.Get("production").Desk().Release(t.Context(), route.ReleaseRequest{
			Of: route.Of{To: "staging", Domain: domain}, Filter: route.Filter{Limit: route.MaxLimit}, By: "ann",
		})
		if answer.Problem != nil || len(answer.Routes) != 1 || answer.Routes[0].Released != int(count) || len(answer.Routes[0].StillWithheld) > 0 {
			t.Fatalf("%s: %+v %+v", domain, answer, answer.Problem)
		}
	}
	verified(t, all, "staging", sent, func(delivered, withheld, released, total uint64) bool {
		return delivered == total && withheld == 0 && released == total
	})
	verified(t, all, "testing", sent, func(_, withheld, _, total uint64) bool { return withheld == total })
}

// publish publishes n of the shop's events, and gives their number by domain.
func publish(t *testing.T, e *environment.Environment, n int) map[string]uint64 {
	t.Helper()
	nc, err := nats.Connect(e.NATSURL(), nats.UserCredentials(e.ApplicationCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]uint64{}
	history := shop.New(7)
	for range n {
		e := history.Next()
		if _, err := js.Publish(t.Context(), e.Subject(), e.Data(), jetstream.WithMsgID(e.ID)); err != nil {
			t.Fatalf("%s: %v", e.Subject(), err)
		}
		sent[e.Domain]++
	}
	return sent
}

// verified waits until a destination has verified all events, and their counts
// are as they should be.
func verified(t *testing.T, all *environment.All, name string, sent map[string]uint64, right func(delivered, withheld, released, total uint64) bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for domain, total := range sent {
		for {
			problem := ""
			for _, r := range all.Get(name).Status().Ledger {
				if r.Domain == domain && (!r.Healthy() || r.VerifiedTo != total || !right(r.Delivered, r.Withheld, r.Released, total)) {
					problem = fmt.Sprintf("%s of %d events of %s: %+v", name, total, domain, r)
				}
			}
			if problem == "" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(problem)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
