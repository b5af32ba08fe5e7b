package cli

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

// A list or a text with something special in it would come out as something
// else.
func TestYAML(t *testing.T) {
	const document = `{"text":"plain","url":"http://127.0.0.1:8080/a","path":"/abs/path.creds","odd":["yes","~","","- x","a: b","x #y","1","multi\nline","\u001b[31m","\"q\"\\"," lead","trail ","ж→b"],
"number":[12345678901234567890123,9007199254740993,1.10,-0,1e400],"none":null,"true":true,"empty":{"a":[],"o":{}},
"nested":[{"a":1,"b":{"c":[{"d":[[1,2],[]]}]}},[{"x":"y"}],"s"]}`
	const want = `text: plain
url: http://127.0.0.1:8080/a
path: /abs/path.creds
odd:
  - "yes"
  - "~"
  - ""
  - "- x"
  - "a: b"
  - "x #y"
  - "1"
  - "multi\nline"
  - "\u001b[31m"
  - "\"q\"\\"
  - " lead"
  - "trail "
  - ж→b
number:
  - 12345678901234567890123
  - 9007199254740993
  - 1.10
  - -0
  - 1e400
none: null
"true": true
empty:
  a: []
  o: {}
nested:
  - a: 1
    b:
      c:
        - d:
            - - 1
              - 2
            - []
  - - x: "y"
  - s
`
	got, err := toYAML([]byte(document))
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	for scalar, want := range map[string]string{`"x"`: "x\n", `[]`: "[]\n", `{}`: "{}\n", `[1]`: "- 1\n", `null`: "null\n"} {
		if got, err := toYAML([]byte(scalar)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", scalar, got, err)
		}
	}
	if _, err := toYAML([]byte(`{"a":`)); err == nil {
		t.Error("half a document is accepted")
	}
}

// Some value would be read back as another one.
func TestYAMLReadsBack(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9:#,\[\]{}&*!|>'"%@ .\-?~\\]{0,8}`), rapid.SampledFrom(yamlWords), rapid.SampledFrom([]string{"0x1f", "1_000", "12:30", ".inf", ".nan", "2026-01-01", "<<", "=", "---", "..."}))
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		scalars := []*rapid.Generator[any]{text.AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil), rapid.Map(rapid.Int32(), func(n int32) any { return float64(n) })}
		if depth == 0 {
			return rapid.OneOf(scalars...)
		}
		return rapid.OneOf(append(scalars,
			rapid.Map(rapid.SliceOfN(value(depth-1), 0, 3), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(text, value(depth-1), 0, 3), func(m map[string]any) any { return m }),
		)...)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := value(3).Draw(t, "value")
		document, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		written, err := toYAML(document)
		if err != nil {
			t.Fatal(err)
		}
		var out any
		if err := yaml.Unmarshal(written, &out); err != nil {
			t.Fatalf("%v in\n%s", err, written)
		}
		again, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if json.Unmarshal(document, &a) != nil || json.Unmarshal(again, &b) != nil {
			t.Fatalf("%s or %s is not JSON", document, again)
		}
		if !reflect.DeepEqual(a, b) && !bytes.Equal(again, document) {
			t.Fatalf("%s\nbecame\n%s\nwhich is\n%s", document, strings.TrimSpace(string(written)), again)
		}
	})
}
