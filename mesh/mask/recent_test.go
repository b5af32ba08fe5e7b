package mask

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A value would become what another one became, of another field or in another
// event, because a scratch takes the one for the other.
func TestScratchRemembersExactly(t *testing.T) {
	rules := sampleRules()
	var maskers []*Masker
	for _, technique := range makingTechniques() {
		maskers = append(maskers, withRule(t, PersonName, technique, rules[technique]))
	}
	all := masker(t, tokens())
	maskers = append(maskers, all, all)
	shapes := []*Shape{nil, {MaxLength: 12}, {Format: "uuid"}, {Format: "email"}, {Integer: true}}
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(maskers).Draw(t, "masker")
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			s := m.Scratch()
			e := subject(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "subject"))
			for range rapid.IntRange(1, 40).Draw(t, "values") {
				class := rapid.SampledFrom([]Class{PersonName, Login, ID, UUID}).Draw(t, "class")
				kind := rapid.SampledFrom([]Kind{String, String, Number}).Draw(t, "kind")
				text := fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "value"))
				if kind == String {
					text = strings.Repeat(text+"x", rapid.SampledFrom([]int{0, 1, 3, 20, 60, 69, 70, 200}).Draw(t, "length"))
				}
				f := m.Field(class, rapid.SampledFrom(shapes).Draw(t, "shape"), false, kind)
				want, wantErr := f.Append([]byte("x"), kind, []byte(text), e)
				got, err := f.Make(s, []byte("x"), kind, []byte(text), e)
				if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
					t.Fatalf("%s of the %s %q: %s, %v; want %s, %v", class, kind, text, got, err, want, wantErr)
				}
			}
			s.Release()
		}
	})
}

// More values than a scratch has room for would make it grow, or be mistaken for
// one another.
func TestScratchForgets(t *testing.T) {
	m := masker(t, tokens())
	s, f := m.Scratch(), m.Field(Login, nil, false, String)
	for round := range 2 {
		for i := range 3 * recentValues {
			text := fmt.Appendf(nil, "user%d", i)
			want, _ := f.Append(nil, String, text, nil)
			if got, err := f.Make(s, nil, String, text, nil); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("round %d: %s became %s, %v; want %s", round, text, got, err, want)
			}
		}
	}
	text := []byte("octocat")
	dst, _ := f.Make(s, nil, String, text, nil)
	if n := testing.AllocsPerRun(100, func() { dst, _ = f.Make(s, dst[:0], String, text, nil) }); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(shown, "octocat") {
		t.Errorf("a scratch is printed as %s", shown)
	}
}

// Places would have a field each, and what is used for all of them not stay in the
// processor's cache; or fields of different demands be taken for one.
func TestFieldsAreShared(t *testing.T) {
	m := masker(t, tokens())
	f := m.Field(Email, &Shape{Format: "email", MaxLength: 100}, false, String)
	if m.Field(Email, &Shape{Format: "email", MaxLength: 100}, false, String) != f {
		t.Error("the same demands have two fields")
	}
	for name, other := range map[string]*Field{
		"class": m.Field(Login, &Shape{Format: "email", MaxLength: 100}, false, String), "kind": m.Field(Email, &Shape{Format: "email", MaxLength: 100}, false, Number),
		"length": m.Field(Email, &Shape{Format: "email", MaxLength: 101}, false, String), "format": m.Field(Email, &Shape{MaxLength: 100}, false, String),
		"enumeration": m.Field(Email, &Shape{Format: "email", MaxLength: 100, Enum: []string{`"a@b.c"`}}, false, String), "nothing": m.Field(Email, nil, false, String),
		"pattern": m.Field(Email, (&Shape{Format: "email", MaxLength: 100, Patterns: []string{"a"}}).Compile(), false, String),
	} {
		if other == f || other.id == f.id || other.id == 0 {
			t.Errorf("another %s has the same field", name)
		}
	}
}

// Values that come again would no longer be remembered because others of their field
// once didn't; or those that never do take their place.
func TestScratchLearnsWhatComesAgain(t *testing.T) {
	m := masker(t, tokens())
	s, once, again := m.Scratch(), m.Field(ID, nil, false, String), m.Field(Login, nil, false, String)
	defer s.Release()
	remembers := func(f *Field, text string) bool {
		t.Helper()
		want, _ := f.Append(nil, String, []byte(text), nil)
		if got, err := f.Make(s, nil, String, []byte(text), nil); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s became %s, %v; want %s", text, got, err, want)
		}
		slot, hit := s.recent.find(f.id, 0, []byte(text))
		return hit && bytes.Equal(slot.value(), want)
	}
	remembered := 0
	for i := range 4 * goneBy {
		if remembers(once, fmt.Sprint("id", i)) {
			remembered++
		}
		if name := fmt.Sprint("user", i/3); !remembers(again, name) {
			t.Fatalf("%s is not remembered", name)
		}
	}
	if most := 5 * firstPatience; remembered == 0 || remembered > most {
		t.Errorf("%d of %d values that never come again were remembered, not 1 to %d", remembered, 4*goneBy, most)
	}
	late := false
	for i := range 2 * goneBy {
		late = remembers(once, fmt.Sprint("late", i/100))
	}
	if !late {
		t.Error("what begins to come again is not remembered")
	}
}
