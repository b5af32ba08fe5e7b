package mask

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/classify"
	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Events in folders like those of their schemas would not be looked at, and nothing be
// proposed from what is in them.
func TestTypeByPlace(t *testing.T) {
	g := &gatherer{flags: SuggestFlags{Domain: "pay"}, contracts: map[string]*contract.Contract{"pay.charge.made": {}, "pay.charge.failed": {}, "pay.hook": {}}}
	for _, test := range []struct{ file, action, want string }{
		{"events/charge/made.ndjson", "", "pay.charge.made"},
		{"events/charge/made/17.json", "", "pay.charge.made"},
		{"events/charge/made/17.json", "other", "pay.charge.made"},
		{"events/charge/17.json", "failed", "pay.charge.failed"},
		{"events/charge/made.json", "failed", "pay.charge.failed"},
		{"events/hook/17.json", "opened", "pay.hook"},
		{"events/hook/17.json", "", "pay.hook"},
		{"events/hook/17.json", "o p", "pay.hook"},
		{"pay.charge.made.ndjson", "", "pay.charge.made"},
		{"samples/charge.made.json", "", "pay.charge.made"},
		{"samples/charge_failed.json", "", "pay.charge.failed"},
		{"samples/hook.json", "", "pay.hook"},
		{"17.json", "", ""},
		{"samples/refund.json", "made", ""},
	} {
		if got := g.typeBy(filepath.FromSlash(test.file), test.action); got != test.want {
			t.Errorf("%s, action %q: %s, want %s", test.file, test.action, got, test.want)
		}
	}
}

// Events in one array, or in files of any name, would not be looked at, and what is
// proposed be guessed from names alone; or nobody would be told why.
func TestEventsAnywhere(t *testing.T) {
	compile := func(subject, schema string) *contract.Contract {
		document, err := jsonschema.Parse([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		c, err := contract.Compile(&jsonschema.Bundle{Document: document}, contract.Options{Subject: subject})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	contracts := map[string]*contract.Contract{
		"shop.order.made": compile("shop.order.made", `{"type":"object","properties":{"n":{"type":"integer"},"to":{"type":"string"}},"required":["n"]}`),
		"shop.list.made":  compile("shop.list.made", `{"type":"array","items":{"type":"string"}}`),
		"shop.note.made":  compile("shop.note.made", `{"type":"object","properties":{"to":{"type":"string"},"n":{"type":"integer"}},"required":["to"]}`),
	}
	dir := t.TempDir()
	for name, test := range map[string]struct {
		text    string
		events  int
		skipped string
	}{
		"anything.json":   {`[{"n":1},{"n":2},{"to":"x"}]`, 3, ""},
		"list.made.json":  {`["a","b"]`, 1, ""},
		"lines.ndjson":    {"{\"n\":1}\n\n{\"n\":2}\n", 2, ""},
		"either.json":     {`{"n":1,"to":"x"}`, 0, "whose type cannot be told"},
		"order_made.json": {`[{"n":1},{"n":"hush-hush"}]`, 1, `of shop.order.made that are not valid under its schema (the first: type at "/n")`},
	} {
		g := &gatherer{flags: SuggestFlags{Domain: "shop"}, collector: classify.New(), contracts: contracts, skipped: map[string]int{}, invalid: map[string]string{}}
		for _, c := range contracts {
			if err := g.collector.Schema(c); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := g.files(file); err != nil {
			t.Fatal(err)
		}
		skips := fmt.Sprint(g.skips())
		if g.collector.Events() != test.events || !strings.Contains(skips, test.skipped) || test.skipped == "" && skips != "[]" || strings.Contains(skips, "hush") {
			t.Errorf("%s: %d events, %s", name, g.collector.Events(), skips)
		}
	}
}

// A preview would say that every event is withheld whose strings hold something by the
// overlay alone: the sample's strings don't.
func TestPreviewHoldsContents(t *testing.T) {
	document, err := jsonschema.Parse([]byte(`{"type":"object","properties":{"payload":{"type":"string"},"body":{"type":"array","items":{"type":"string"}},"own":{"type":"string","x-lockstep-content":"json","x-lockstep-class":"text"},"plain":{"type":"string","x-lockstep-class":"text"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := mask.ParseOverlay("o.yaml", []byte("subjects:\n  a.b.c:\n    /payload: {class: text, keys: name, content: json}\n    /payload/user/email: email\n    \"/payload/lines/*/note\": text\n    \"/body/*\": {class: text, content: base64-json}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Compile(&jsonschema.Bundle{Document: document}, contract.Options{Subject: "a.b.c", Overlay: overlay})
	if err != nil {
		t.Fatal(err)
	}
	data, err := contents(c, []byte(`{"payload":"payload","body":["x"],"own":"{\"a\":[]}","plain":"plain"}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"body":["WyJ0ZXh0Il0="],"own":"{\"a\":[]}","payload":"{\"lines\":[{\"note\":\"text\"}],\"user\":{\"email\":\"text\"}}","plain":"plain"}`; string(data) != want {
		t.Errorf("%s, want %s", data, want)
	}
	same := []byte(`{ "plain" : "plain" }`)
	if data, err := contents(c, same); err != nil || !bytes.Equal(data, same) {
		t.Errorf("%s, %v", data, err)
	}
}
