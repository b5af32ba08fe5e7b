package e2e

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Guards against a rotation that a running environment takes on late, half or
// not at all, that loses or withholds events, or that leaves a destination's older
// and newer data without a way to be joined.
func TestRotationWithOverlap(t *testing.T) {
	m := startTwo(t, ruleOfNotes)
	m.publish(t, 0, 50, "private")
	m.verified(t, 50, 0)
	var keys struct {
		Keys []struct{ ID, State string } `json:"keys"`
	}
	m.run(t, 1, nil, "key", "rotate")
	m.run(t, 0, &keys, "key", "rotate", "--yes", "--overlap", "720h")
	if len(keys.Keys) != 2 || keys.Keys[0].State != "active" || keys.Keys[1].State != "retiring" {
		t.Fatalf("the keys: %+v", keys)
	}
	renewed, old := keys.Keys[0].ID, keys.Keys[1].ID
	m.publish(t, 50, 50, "private")
	m.verified(t, 100, 0)
	m.processes["production"].kill(t)
	m.start(t, "production")
	m.publish(t, 100, 50, "private")
	m.verified(t, 150, 0)

	for person, tokens := range m.exactlyOnce(t, 150) {
		if len(tokens) != 2 {
			t.Errorf("person %s has %d tokens, not one of each key", person, len(tokens))
		}
	}
	var page struct {
		Old, New string
		Pairs    []struct{ Old, New string }
		Skipped  int
	}
	m.run(t, 0, &page, "key", "map", "--class", "email", "--to", "staging", "--domain", "orders")
	if page.Old != old || page.New != renewed || len(page.Pairs) != 10 || page.Skipped != 0 {
		t.Fatalf("the mapping: %+v", page)
	}
	to := map[string]string{}
	for _, p := range page.Pairs {
		to[p.Old] = p.New
	}
	people, encrypted := map[string]map[string]bool{}, map[string]string{}
	for _, msg := range m.arrived(t, 150) {
		var o noted
		if err := json.Unmarshal(msg.Data(), &o); err != nil {
			t.Fatal(err)
		}
		key, want := msg.Headers().Get(wire.HeaderKeyID), renewed
		if o.Serial < 50 {
			want = old
		}
		if key != want {
			t.Errorf("event %d was masked with %s, not %s", o.Serial, key, want)
		}
		if o.Serial%10 == 3 {
			encrypted[key] = o.Account
		}
		email := o.Email
		if key == old {
			email = to[email]
		}
		person := strconv.Itoa(o.Serial % 10)
		if people[person] == nil {
			people[person] = map[string]bool{}
		}
		people[person][email] = true
	}
	for person, tokens := range people {
		if len(tokens) != 1 {
			t.Errorf("person %s is %d people, mapped", person, len(tokens))
		}
	}
	// What was encrypted is shown again, to key holders and on record, whichever
	// key it was; once that is destroyed, to nobody.
	reveal := func(exit int, token string) string {
		var shown struct{ Value string }
		m.run(t, exit, &shown, "mask", "reveal", "--class", "account", "--to", "staging", "--", token)
		return shown.Value
	}
	for key, token := range encrypted {
		if got := reveal(0, token); got != "DE-3" || len(encrypted) != 2 {
			t.Errorf("under %s is revealed %q", key, got)
		}
	}
	m.run(t, 1, nil, "key", "destroy", old, "--yes") // it was promised to be kept
	m.run(t, 0, nil, "key", "destroy", old, "--yes", "--early")
	reveal(1, encrypted[old])
	reveal(0, encrypted[renewed])
	m.run(t, 1, nil, "key", "map", "--class", "email", "--to", "staging", "--domain", "orders")
	if stdout, err := run(t, "key", "list", "--data", m.data, "--mesh", m.file); err != nil || bytes.Contains(stdout, []byte("corp.test")) {
		t.Errorf("%v\n%s", err, stdout)
	}
}
