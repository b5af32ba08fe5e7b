package shop

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/schemas"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
	"github.com/lockstep-mesh/lockstep/services/internal/schematest"
)

// compile makes the contracts of all event types.
func compile(t testing.TB) map[string]*contract.Contract {
	t.Helper()
	compiled := map[string]*contract.Contract{}
	for subject, bundle := range bundles(t) {
		c, err := contract.Compile(bundle, contract.Options{Subject: subject, Version: 1})
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		compiled[subject] = c
	}
	return compiled
}

// masker masks under a policy of the sample mesh.
func masker(t testing.TB, policy, destination string) *mask.Masker {
	t.Helper()
	sample, err := topology.LoadFS(schemas.FS, schemas.SampleMesh)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := sample.Policy(policy)
	if !ok {
		t.Fatalf("the sample mesh has no policy %s", policy)
	}
	return newMasker(t, p.Policy, destination)
}

func newMasker(t testing.TB, p mask.Policy, destination string) *mask.Masker {
	t.Helper()
	key, err := mask.LoadOrCreateKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := mask.New("test", p, destination, key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Guards against a shop whose own events its own schemas refuse, and against
// keys on subjects that are not the events' own.
func TestEventsAreValid(t *testing.T) {
	compiled := compile(t)
	check := func(e Event) {
		t.Helper()
		if err := compiled[e.Type].Validate(e.Data()); err != nil {
			t.Fatalf("%s: %v\n%s", e.Type, err, e.Data())
		}
		if keys, err := compiled[e.Type].KeyTokens(e.Data()); err != nil || !slices.Equal(keys, []string{e.Key}) {
			t.Fatalf("%s has the key tokens %v (%v), published under %s", e.Type, keys, err, e.Key)
		}
	}
	for seed := range uint64(4) {
		for e := range All(seed, 700) {
			check(e)
		}
	}
	check(SmallOrder())
	check(LargeOrder())
}

// Guards against faults that are none, and refusals that a demo cannot explain.
func TestSpoil(t *testing.T) {
	compiled := compile(t)
	done := map[string]bool{}
	for e := range All(1, 2500) {
		if done[e.Type] {
			continue
		}
		done[e.Type] = true
		before := string(e.Data())
		for _, f := range Faults() {
			spoiled := Spoil(e, f)
			if string(e.Data()) != before {
				t.Fatalf("%s changes the event that it is made from", f.Name)
			}
			if spoiled.ID == e.ID || !spoiled.Spoiled() || (string(spoiled.Data()) == before && spoiled.Type == e.Type) {
				t.Errorf("%s leaves %s as it was", f.Name, e.Type)
			}
			checkFault(t, compiled[spoiled.Type], spoiled, f)
		}
	}
}

func checkFault(t *testing.T, c *contract.Contract, e Event, f Fault) {
	t.Helper()
	if f.Keyword == "" && !f.Malformed {
		if c != nil {
			t.Errorf("%s: %s has a schema", f.Name, e.Type)
		}
		return
	}
	err := c.Validate(e.Data())
	var malformed *strictjson.Error
	var invalid *contract.Invalid
	switch {
	case !errors.As(err, &invalid):
		t.Errorf("%s of %s: %v, want it refused", f.Name, e.Type, err)
	case errors.As(err, &malformed) != f.Malformed:
		t.Errorf("%s of %s: %v", f.Name, e.Type, err)
	case f.Malformed:
	case invalid.Violations[0].Pointer != f.PointerIn(e) || invalid.Violations[0].Keyword != f.Keyword:
		t.Errorf("%s of %s is refused for %s at %q, want %s at %q", f.Name, e.Type,
			invalid.Violations[0].Keyword, invalid.Violations[0].Pointer, f.Keyword, f.PointerIn(e))
	}
}

// Guards against events of the shop that no destination ever gets, and against
// a customer's name, address or account in any that does.
func TestEventsCrossMasked(t *testing.T) {
	const events = 600
	compiled := compile(t)
	for _, c := range []struct {
		policy, destination string
		domains             []string
	}{
		{"testers", "staging", []string{Orders, Customers, Payments}},
		{"strict", "testing", []string{Orders, Customers, Payments}},
		{"edge", "edge-berlin", []string{Orders}},
	} {
		t.Run(c.policy, func(t *testing.T) {
			m := masker(t, c.policy, c.destination)
			var all strings.Builder
			for e := range All(11, events) {
				if !slices.Contains(c.domains, e.Domain) {
					continue
				}
				masked, _, err := compiled[e.Type].Mask(nil, e.Data(), m)
				if err != nil {
					t.Fatalf("%s: %v", e.Type, err)
				}
				all.Write(masked)
			}
			lowered := strings.ToLower(all.String())
			for _, value := range PersonalValues(11, events) {
				for _, form := range schematest.Find(lowered, value) {
					t.Errorf("%q leaks as %q", value, form)
				}
			}
		})
	}
}

// Guards against destinations in which a customer's orders, account and
// payments can no longer be brought together, or those of two are.
func TestJoinsHoldAcrossDomains(t *testing.T) {
	compiled := compile(t)
	m := masker(t, "testers", "staging")
	tokens, owners := map[string]string{}, map[string]string{}
	domains := map[string]map[string]bool{}
	note := func(domain string, raw, masked any) {
		if raw, ok := raw.(string); ok {
			token, _ := masked.(string)
			if known, ok := tokens[raw]; ok && known != token {
				t.Errorf("%s has the tokens %s and %s", raw, known, token)
			}
			if owner, ok := owners[token]; ok && owner != raw {
				t.Errorf("%s and %s share the token %s", raw, owner, token)
			}
			tokens[raw], owners[token] = token, raw
			if domains[raw] == nil {
				domains[raw] = map[string]bool{}
			}
			domains[raw][domain] = true
		}
	}
	for e := range All(2, 800) {
		data, _, err := compiled[e.Type].Mask(nil, e.Data(), m)
		if err != nil {
			t.Fatalf("%s: %v", e.Type, err)
		}
		raw, masked := decode(t, e.Data()), decode(t, data)
		for _, path := range [][]string{
			{"customer_id"},
			{"order_id"},
			{"payment_id"},
			{"customer", "customer_id"},
			{"payer", "customer_id"},
			{"customer", "email"},
			{"payer", "email"},
			{"contact", "email"},
			{"method", "account"},
		} {
			note(e.Domain, at(raw, path), at(masked, path))
		}
	}
	shared := 0
	for _, in := range domains {
		if len(in) == 3 {
			shared++
		}
	}
	if shared < 20 {
		t.Errorf("only %d customers and addresses are met in all three domains", shared)
	}
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	value, err := strictjson.Decode(data, strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func at(value any, path []string) any {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// Guards against a field of the shop's schemas that nobody classified: under a
// policy without defaults it would keep its events from crossing, and under
// one with lenient defaults it would leak.
func TestEveryFieldIsClassified(t *testing.T) {
	p := mask.Policy{
		Classes:  map[string]mask.Rule{},
		Defaults: mask.Defaults{String: mask.Withhold, Number: mask.Withhold, Boolean: mask.Withhold, Enum: mask.Withhold, Key: mask.Withhold},
	}
	for _, class := range mask.Classes() {
		p.Classes[string(class)] = mask.Rule{Technique: mask.Redact}
	}
	m := newMasker(t, p, "nowhere")
	compiled := compile(t)
	all := bundles(t)
	for subject, c := range compiled {
		if strings.Contains(subject, ".common.") {
			continue
		}
		for _, document := range schematest.Examples(all[subject]) {
			if err := c.Validate(document); err != nil {
				t.Errorf("%s: an example is not valid: %v\n%s", subject, err, document)
			} else if _, _, err := c.Mask(nil, document, m); err != nil {
				t.Errorf("%s: %v", subject, err)
			}
		}
	}
}
