package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// An event would cross with a value in another one's place or half written, or be
// withheld or masked slowly, because a value that waits for the next one takes less
// room than it was given, and what stands behind it is judged or dropped.
func TestValuesThatWait(t *testing.T) {
	const schema = `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{
		"company":{"type":"string","x-lockstep-class":"name"},"street":{"type":"string","x-lockstep-class":"address"},"host":{"type":"string","x-lockstep-class":"ip"},
		"mail":{"type":"string","format":"email","x-lockstep-class":"email"},"plan":{"enum":["a","b"],"x-lockstep-class":"id"},"code":{"type":"string","maxLength":5,"x-lockstep-class":"id"},
		"gone":{"type":"string","x-lockstep-class":"text"},"size":{"type":"integer","x-lockstep-class":"public"},"born":{"type":"string","format":"date","x-lockstep-class":"date"},
		"inside":{"$ref":"#"},"list":{"type":"array","items":{"$ref":"#"}},"names":{"type":"array","uniqueItems":true,"items":{"type":"string","x-lockstep-class":"name"}},
		"map":{"type":"object","x-lockstep-key-class":"login","additionalProperties":{"type":"string","x-lockstep-class":"address"}}}}`
	c := compile(t, schema, nil, Options{})
	p := testers()
	p.Classes["name"], p.Classes["text"], p.Classes["date"] = mask.Rule{Technique: mask.Synthetic}, mask.Rule{Technique: mask.Drop}, mask.Rule{Technique: mask.Truncate, To: "month"}
	for _, class := range []string{"address", "ip", "email", "id", "login"} {
		p.Classes[class] = mask.Rule{Technique: mask.Token}
	}
	m := masker(t, p, "staging")
	// What comes again is remembered, and doesn't wait: so nearly all values are new.
	count := 0
	for range 200 {
		count++
		data := fmt.Sprintf(`{"company":"c %d","street":"s %[1]d","host":"h %[1]d","mail":"m%[1]d@example.org","map":{"x":"m %[1]d"},"names":["n %[1]d"]}`, count)
		if _, _, err := c.Mask(nil, []byte(data), m); err != nil {
			t.Fatal(err)
		}
	}
	var draw func(t *rapid.T, depth int) string
	draw = func(t *rapid.T, depth int) string {
		names := []string{"company", "street", "host", "mail", "plan", "code", "gone", "size", "born", "names", "map"}
		if depth > 0 {
			names = append(names, "inside", "list")
		}
		var b bytes.Buffer
		b.WriteByte('{')
		for i, name := range rapid.Permutation(names).Draw(t, "names")[:rapid.IntRange(0, len(names)).Draw(t, "members")] {
			if i > 0 {
				b.WriteString([]string{",", " , "}[rapid.IntRange(0, 1).Draw(t, "space")])
			}
			n := rapid.IntRange(0, 3).Draw(t, "n")
			count++
			value := fmt.Sprintf(`"%s %d"`, name, count)
			switch name {
			case "mail":
				value = fmt.Sprintf(`"ada%d@example.org"`, count)
			case "plan":
				value = []string{`"a"`, `"b"`}[n/2]
			case "code":
				value = fmt.Sprintf(`"c%d"`, n)
			case "size":
				value = fmt.Sprint(n)
			case "born":
				value = fmt.Sprintf(`"1990-05-1%d"`, n)
			case "names":
				value = []string{`[]`, `["x"]`, `["x","y"]`, `["z", "y","x"]`}[n]
			case "map":
				value = []string{`{}`, `{"ada":"1 Main Street"}`, `{"ada":"1 Main Street","eva":"2 Main Street"}`, `{"eva":""}`}[n]
			case "inside":
				value = draw(t, depth-1)
			case "list":
				value = "[" + draw(t, depth-1) + "," + draw(t, depth-1) + "]"
			}
			fmt.Fprintf(&b, "%q:%s", name, value)
		}
		return b.String() + "}"
	}
	rapid.Check(t, func(t *rapid.T) {
		data := []byte(draw(t, 2))
		got, _, err := c.Mask([]byte("before"), data, m)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		var stats Stats
		want, err := c.slow().mask(nil, data, c.For(m), &stats, false)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !bytes.Equal(got[len("before"):], want) || !json.Valid(want) {
			t.Fatalf("%s becomes\n%s, not\n%s", data, got, want)
		}
	})
	if slow := c.For(m).Slow(); slow > 0 {
		t.Errorf("%d events were not masked in one pass", slow)
	}
}
