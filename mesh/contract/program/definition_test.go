package program_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Guards against what is shared being another's: of another document, of the other
// write side, or made when the document that it is for is gone; and against sharing
// nothing.
func TestDefinitionsAreShared(t *testing.T) {
	document := func(text string) *jsonschema.Document {
		d, err := jsonschema.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	var fields []string
	for i := range 200 {
		fields = append(fields, fmt.Sprintf(`"field%d":{"type":"string","maxLength":%d}`, i, i+1))
	}
	common := &jsonschema.Bundle{Document: document(`{"type":"object","required":["field1"],"properties":{` + strings.Join(fields, ",") + `,"next":{"$ref":"#"}},
		"$defs":{"way":{"if":{"required":["a"]},"then":{"properties":{"a":{},"b":{"type":"integer"}}},"else":{"properties":{"c":{}}}}}}`)}
	other := &jsonschema.Bundle{Document: document(`{"type":"object","properties":{"field1":{"type":"integer"}}}`)}
	common.References = map[string]*jsonschema.Bundle{"other": other}
	root := func(text string, references map[string]*jsonschema.Bundle) *subject {
		s, err := newSubject(&jsonschema.Bundle{Document: document(text), References: references})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	documents := []string{
		`{"x":{"field1":"a"}}`, `{"x":{"field1":"ab","field2":"ab","next":{"field1":""}}}`, `{"x":{"field1":"abc"}}`, `{"x":{"field1":1}}`, `{"x":{"field1":"","undeclared":1}}`, `{"x":{"field1":"","next":{}}}`,
		`{"way":{"a":1,"b":2}}`, `{"way":{"a":1,"b":""}}`, `{"way":{"a":1,"c":2}}`, `{"way":{"c":1}}`, `{"way":{"b":1}}`, `{"y":{"field1":1}}`, `{"y":{"field1":"a"}}`,
	}
	const text = `{"properties":{"own":{"type":"%s"},"x":{"$ref":"common"},"way":{"$ref":"common#/$defs/way"},"y":{"$ref":"other"}}}`
	first := root(fmt.Sprintf(text, "string"), map[string]*jsonschema.Bundle{"common": common, "other": other})
	second := root(fmt.Sprintf(text, "integer"), map[string]*jsonschema.Bundle{"aside": {Document: document(`true`)}, "common": common, "other": other})
	swapped := root(fmt.Sprintf(text, "integer"), map[string]*jsonschema.Bundle{"common": common, "other": {Document: document(`{"properties":{"field1":{"type":"string"}}}`)}})
	alone := root(`{"type":"object","required":["field1"],"properties":{`+strings.Join(fields, ",")+`,"next":{"$ref":"#"}}}`, nil)
	for i, s := range []*subject{first, second, swapped} {
		valid := 0
		for _, text := range documents {
			if s.agree(t, fmt.Sprint("subject ", i), []byte(text)) {
				valid++
			}
		}
		if valid < 5 || valid > 10 {
			t.Errorf("%d documents are valid", valid)
		}
	}
	if n, most := second.closed.Size(), alone.closed.Size()/2; n > most {
		t.Errorf("a program of what is shared takes %d bytes, that of its definition alone %d", n, 2*most)
	}
	if program.SharedSize() < alone.closed.Size() {
		t.Errorf("%d bytes are shared", program.SharedSize())
	}
	runtime.KeepAlive(first)
}
