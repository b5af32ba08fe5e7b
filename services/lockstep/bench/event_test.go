package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/internal/measure"
)

// Invalid events, or others than are said, would measure refusals.
func TestOrdersAreWhatTheyAreSaidToBe(t *testing.T) {
	small, err := orderDocuments(false)
	if err != nil {
		t.Fatal(err)
	}
	large, err := orderDocuments(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		documents []document
		n, bytes  int
		within    float64
	}{{small, pool, orderBytes, 10}, {large, largePool, largeBytes, 200}} {
		var sizes []float64
		for _, d := range c.documents {
			sizes = append(sizes, float64(len(d.data)))
			if err := d.contract.Validate(d.data); err != nil {
				t.Fatal(err)
			}
		}
		if got := measure.Median(sizes); len(sizes) != c.n || got < float64(c.bytes)-c.within || got > float64(c.bytes)+c.within {
			t.Errorf("%d events of %.0f bytes, want %d of about %d", len(sizes), got, c.n, c.bytes)
		}
	}
	events, err := orders(pool)
	if err != nil {
		t.Fatal(err)
	}
	valid := small[0].contract
	for _, e := range append(events, events[0].again(1), events[7].again(1<<16)) {
		if err := valid.Validate(e.data); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(e.data, []byte(`"order_id":"`+e.key+`"`)) {
			t.Fatalf("the key of %s is %s", e.data, e.key)
		}
	}
}

// What Lockstep is compared with would do less than it is said to do.
func TestByHandMasksAndValidates(t *testing.T) {
	documents, err := orderDocuments(true)
	if err != nil {
		t.Fatal(err)
	}
	h := newByHand()
	for _, d := range documents {
		masked, err := h.mask(d.schema, d.data)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.contract.Validate(masked); err != nil {
			t.Errorf("%v\n%s", err, masked)
		}
		var order struct {
			ID       string `json:"order_id"`
			Customer struct{ Name, Email string }
		}
		if err := json.Unmarshal(d.data, &order); err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{order.ID, order.Customer.Name, order.Customer.Email} {
			if strings.Contains(string(masked), raw) {
				t.Errorf("%q is left in %s", raw, masked)
			}
		}
	}
	if _, err := h.mask(documents[0].schema, []byte(`{"order_id":"1"}`)); err == nil {
		t.Error("an invalid order is masked")
	}
	if _, err := h.mask(documents[0].schema, []byte(`{`)); err == nil {
		t.Error("what is no JSON is masked")
	}
}

// Fewer fields would be masked than it is said, in one of the two ways, or only by
// withholding.
func TestProfilesAreMaskedInBothWays(t *testing.T) {
	documents, err := profileDocuments()
	if err != nil {
		t.Fatal(err)
	}
	masker, err := measuredPolicy(profileRules)
	if err != nil {
		t.Fatal(err)
	}
	if len(profile) != profileFields {
		t.Errorf("%d fields", len(profile))
	}
	h := newByHand()
	for _, d := range documents {
		var before map[string]any
		if err := json.Unmarshal(d.data, &before); err != nil {
			t.Fatal(err)
		}
		ours, stats, err := d.contract.Mask(nil, d.data, masker)
		if err != nil || stats.Changed() != profileFields {
			t.Fatalf("%v, %+v", err, stats)
		}
		byHand, err := h.mask(d.schema, d.data)
		if err != nil {
			t.Fatal(err)
		}
		for way, text := range map[string][]byte{"Lockstep": ours, "by hand": byHand} {
			var after map[string]any
			if err := json.Unmarshal(text, &after); err != nil {
				t.Fatal(err)
			}
			for _, f := range profile {
				if after[f.name] == before[f.name] && f.name != "born" { // somebody was born on the first
					t.Errorf("%s leaves %s: %s", way, f.name, text)
				}
			}
		}
	}
	if slow := documents[0].contract.For(masker).Slow(); slow > 0 {
		t.Errorf("%d documents were left to the slow engine", slow)
	}
}

// A layout would not be a mesh, or not the one that is measured.
func TestLayouts(t *testing.T) {
	for name, l := range map[string]layout{
		"one environment": {durability: topology.DurabilityAlways},
		"routed":          {durability: topology.DurabilityInterval, routed: true, types: 3, domains: []string{"domain-00", "domain-01"}},
	} {
		file, err := l.write(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		mesh, err := topology.Load(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		subjects := map[string]bool{}
		for i := range 100 {
			subjects[l.subject(i, "key")] = true
		}
		if mesh.Hub().Durability != l.durability || len(mesh.Domains()) != len(l.names()) || len(subjects) != l.variety() || len(mesh.Warnings()) > 0 && l.routed {
			t.Errorf("%s: %+v %v %v", name, mesh.Hub(), subjects, mesh.Warnings())
		}
		if (len(mesh.Routes()) > 0) != l.routed {
			t.Errorf("%s: routes %v", name, mesh.Routes())
		}
	}
}
