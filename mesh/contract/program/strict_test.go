package program_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// readers are programs by which all strict JSON is valid: they read it over
// where nothing is demanded, and go through it where something is.
var readers = sync.OnceValue(func() []*program.Program {
	var all []*program.Program
	for _, schema := range []string{
		`{}`,
		`{"$defs": {"v": {"properties": {"a": {"$ref": "#/$defs/v"}, "b": true, "": {"minLength": 0, "minimum": -1e1000, "pattern": ".?"}},
			"additionalProperties": {"$ref": "#/$defs/v"}, "items": {"$ref": "#/$defs/v"}, "maxProperties": 1000000}}, "$ref": "#/$defs/v"}`,
	} {
		document, err := jsonschema.Parse([]byte(schema))
		if err != nil {
			panic(err)
		}
		linked, err := (&jsonschema.Bundle{Document: document}).Link()
		if err != nil {
			panic(err)
		}
		all = append(all, program.Compile(linked, program.Options{Limits: strictjson.Limits{MaxBytes: 1 << 16, MaxDepth: 20}}))
	}
	return all
})

func checkStrict(t *testing.T, data []byte) {
	t.Helper()
	err := strictjson.Check(data, strictjson.Limits{MaxBytes: 1 << 16, MaxDepth: 20})
	for i, p := range readers() {
		if p.Valid(data) != (err == nil) {
			t.Errorf("reader %d says %t of %q, and strictjson: %v", i, p.Valid(data), shown(data), err)
		}
	}
}

var hostile = []string{
	"", " ", "null", "nul", "nulll", "true", "tru", "false", "fals", "nan", "NaN", "Infinity", "-", "-1", "+1", "01", "-01", "-0", "0.", ".5", "0.5", "1e", "1e+", "1e+5", "1E-5", "1e5x", "0x1", "1_0",
	"1e1024", "1e1025", "1e-1024", "1e-1025", "1e00000001024", "1e4096", "1e4097", "1e99999999999999999999", "1.0e1.0", "--1", "1 2", "1,", "[1,]", "[,1]", "[1 2]", "[", "]", "[]", "[[]", "[]]", "{", "}", "{}", "{}}",
	`{"a":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{'a':1}`, `{"a":1 "b":2}`, `{,}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"\u0061":1,"a":2}`, `{"c":1,"c":2}`, `{"c":1,"\u0063":2}`, `{"c":{"c":1},"d":{"c":2}}`,
	`{"":1,"":2}`, `{"b":1,"b":2}`, `{"x":{"y":1,"y":1}}`, `{"b":{"y":1,"\u0079":1}}`, `"`, `""`, `"a`, `"\"`, `"\\"`, `"\x"`, `"\u12"`, `"\u12G4"`, `"\u1234"`, `"\uD83D\uDE00"`, `"\uD83D"`, `"\uDE00"`, `"\uD83Dx"`, `"\uD83D\n"`,
	`"\uD83D\uD83D"`, `"\ud83d\ude00"`, `"\uD83D\u"`, "\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\n\"", "\"\t\"", "\"\xff\"", "\"\xc3\"", "\"\xc3\xa4\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\"",
	"\"aaaaaaa\xc3\xa4aaaaaaaa\\\"aaaaaaaaa\"", "\"aaaaaaaa\x1faaaaaaaa\"", "\xef\xbb\xbf1", "\u00a01", "\f1", "\v1", "1\x00", "// a\n1", "/**/1", " \t\r\n1 \t\r\n", "\ufeff1", "\u20281",
	`{"a":1}x`, `{"a":1}{"a":1}`, `[1]1`, `"a""b"`, "\"\\/\\b\\f\\n\\r\\t\"", `"\v"`, `"\0"`, `"\'"`,
}

// A document could be taken for JSON that no other reader takes for it, or for
// another document than they see.
func TestHostile(t *testing.T) {
	for _, text := range hostile {
		checkStrict(t, []byte(text))
		checkStrict(t, []byte(`{"a":`+text+`}`))
		checkStrict(t, []byte(`[`+text+`,`+text+`]`))
	}
	for _, depth := range []int{19, 20, 21, 1000} {
		checkStrict(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		checkStrict(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
		checkStrict(t, []byte(strings.Repeat("[", depth)))
	}
	checkStrict(t, []byte(strings.Repeat(" ", 1<<16-1)+"1"))
	checkStrict(t, []byte(strings.Repeat(" ", 1<<16)+"1"))
	checkStrict(t, []byte(strings.Repeat("1", strictjson.MaxNumberBytes)))
	checkStrict(t, []byte(strings.Repeat("1", strictjson.MaxNumberBytes+1)))
	for _, twice := range []int{-1, 0, 11, 12, 13, 63, 2999} { // among many names, one that is there already
		var b strings.Builder
		for i := range 3000 {
			b.WriteString(`,"n` + strings.Repeat("x", i%40) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + `":1`)
		}
		text := "{" + b.String()[1:]
		if len(text) > 1<<16 {
			text = text[:strings.LastIndex(text[:1<<16-100], ",")]
		}
		if members := strings.Split(text[1:], ","); twice >= 0 && twice < len(members) {
			text += "," + members[twice]
		}
		checkStrict(t, []byte(text+"}"))
	}
}

// Reading strict JSON by hand could differ from the library.
func FuzzStrict(f *testing.F) {
	for _, text := range hostile {
		f.Add([]byte(text))
	}
	f.Fuzz(checkStrict)
}

// mutate changes a few bytes of data.
func mutate(r *rand.Rand, data []byte) []byte {
	out := append([]byte(nil), data...)
	for range 1 + r.IntN(3) {
		i := r.IntN(len(out))
		switch r.IntN(5) {
		case 0:
			out[i] = byte(r.IntN(256))
		case 1:
			out = append(out[:i], out[i+1:]...)
		case 2:
			out[i] = `"{}[]:,\0123456789truefalsn.-+eE u`[r.IntN(33)]
		case 3:
			j := min(len(out), i+r.IntN(30))
			out = append(out[:i], append(append([]byte(nil), out[i:j]...), out[i:]...)...)
		case 4:
			j := min(len(out), i+r.IntN(30))
			out = append(out[:i], out[j:]...)
		}
		if len(out) == 0 {
			return []byte("0")
		}
	}
	return out
}

// restructure changes values inside of a decoded document.
func restructure(r *rand.Rand, value any, odds int) any {
	if r.IntN(odds) == 0 {
		return randomValue(r, 1)
	}
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range value {
			switch r.IntN(3 * odds) {
			case 0:
			case 1:
				out[name+"x"] = restructure(r, member, odds)
			case 2:
				out[name], out["extra"] = member, member
			default:
				out[name] = restructure(r, member, odds)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(value)+1)
		for _, item := range value {
			out = append(out, restructure(r, item, odds))
			if r.IntN(odds) == 0 {
				out = append(out, item)
			}
		}
		return out
	}
	return value
}

// Real documents that went wrong somewhere could be judged differently than by
// the reference validator.
func TestGitHubMutations(t *testing.T) {
	bundles := bundlesIn(t, corpus(t, "github-webhooks/schemas"))
	subjects := map[string]*subject{}
	r := rand.New(rand.NewPCG(1, 2))
	step, rounds := 5, 4
	if testing.Short() {
		step, rounds = 20, 1
	}
	for i, e := range githubEvents(t, bundles) {
		if i%step != 0 {
			continue
		}
		s := subjects[e.schema]
		if s == nil {
			var err error
			if s, err = newSubject(bundles[e.schema]); err != nil {
				t.Fatal(err)
			}
			subjects[e.schema] = s
		}
		value, err := strictjson.Decode(e.text, strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for range rounds {
			s.agree(t, e.name+", bytes changed", mutate(r, e.text))
			s.agree(t, e.name+", restructured", mustMarshal(restructure(r, value, 400)))
			s.agree(t, e.name+", restructured", mustMarshal(restructure(r, value, 50)))
			s.agree(t, e.name+", escaped", escapeAll(e.text))
		}
	}
}

// A program could keep something of one document for another, or goroutines
// could meet in one.
func TestConcurrent(t *testing.T) {
	s := orderSubject(t)
	good, bad := orderEvent(3), []byte(strings.Replace(string(orderEvent(3)), "EUR", "XXX", 1))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 300 {
				if !s.closed.Valid(good) || s.closed.Valid(bad) || s.closed.Valid(good[:len(good)-1]) {
					t.Error("a verdict changed")
					return
				}
			}
		})
	}
	group.Wait()
}
