package mask

import (
	"bytes"
	"math/big"
	"testing"
)

// A value would have one token where the quick engine makes it, and another one
// where the slow engine does.
func TestFieldIsReplace(t *testing.T) {
	key, err := NewKey(bytes.Repeat([]byte{7}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[string]*Shape{
		"free": nil, "email": {Format: "email"}, "date": {Format: "date"}, "pattern": {Patterns: []string{"^[a-z]{6}_[0-9]{9}$"}},
		"short": {MaxLength: 7}, "too short": {MaxLength: 2}, "range": {Minimum: big.NewRat(-5, 1), Maximum: big.NewRat(9_000_000, 1)},
		"few": {Integer: true, Minimum: big.NewRat(0, 1), Maximum: big.NewRat(9, 1)}, "enum": {Enum: []string{`"a"`, `"b"`, `3`, `true`}},
	}
	values := []Value{
		{Null, ""},
		{Bool, "true"},
		{Number, "12.50"},
		{Number, "7"},
		{String, ""},
		{String, "Ada  Lovelace "},
		{String, "ada@example.org"},
		{String, "192.0.2.9"},
		{String, "2001:DB8::1"},
		{String, "https://EXAMPLE.org/Ädä"},
		{String, "+49 30 901820"},
		{String, "\"\\\u2028"},
	}
	for _, technique := range []Technique{Token, Redact} {
		p := Policy{Classes: map[string]Rule{}, Defaults: Defaults{String: technique, Number: technique}}
		for _, class := range Classes() {
			p.Classes[string(class)] = Rule{Technique: technique}
		}
		m, err := New("all", p, "staging", key)
		if err != nil {
			t.Fatal(err)
		}
		for _, class := range append(Classes(), "") {
			for name, shape := range shapes {
				if shape != nil {
					shape.Compile()
				}
				for _, v := range values {
					f := m.Field(class, shape, false, v.Kind)
					if f.Technique() != technique {
						continue // what nobody classified is replaced only if it is text or a number
					}
					want, wantErr := m.Replace([]byte("x"), technique, class, v, shape)
					got, err := f.Append([]byte("x"), v.Kind, []byte(v.Text), nil)
					if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
						t.Errorf("%s of %q, %s, %v: %s, %v; want %s, %v", technique, class, name, v, got, err, want, wantErr)
					}
				}
			}
		}
	}
}

// A place's technique would depend on how one asks for it.
func TestFieldTechnique(t *testing.T) {
	key, err := NewKey(bytes.Repeat([]byte{7}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{Classes: map[string]Rule{"email": {Technique: Token}, "secret": {Technique: Drop}, "public": {Technique: Pass}}}
	m, err := New("some", p, "staging", key)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		class      Class
		enumerated bool
		kind       Kind
		want       Technique
	}{
		{"email", false, String, Token},
		{"email", true, Null, Token},
		{"secret", false, Number, Drop},
		{"public", false, Bool, Pass},
		{"login", false, String, Withhold},
		{"e-mail", false, String, Withhold},
		{"", false, String, Withhold},
		{"", true, String, Pass},
		{"", false, Null, Pass},
		{"", false, Bool, Pass},
		{"", false, Number, Withhold},
	} {
		if got := m.Field(test.class, nil, test.enumerated, test.kind).Technique(); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}
