package mask

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

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
		{"events/hook/17.json", "opened", "pay.hook.opened"},
		{"events/hook/17.json", "", "pay.hook"},
		{"events/hook/17.json", "o p", "pay.hook"},
		{"17.json", "", "pay.."},
	} {
		if got := g.typeBy(filepath.FromSlash(test.file), test.action); got != test.want && !strings.HasSuffix(test.want, "..") {
			t.Errorf("%s, action %q: %s, want %s", test.file, test.action, got, test.want)
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
