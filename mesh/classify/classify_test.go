package classify

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

func compile(t *testing.T, subject, schema string, overlay *mask.Overlay) *contract.Contract {
	t.Helper()
	document, err := jsonschema.Parse([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Compile(&jsonschema.Bundle{Document: document}, contract.Options{Subject: subject, Overlay: overlay})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// crossed is an event as it is published, and as testers get it.
func crossed(t *testing.T, c *contract.Contract, event any) (data, masked []byte) {
	t.Helper()
	data, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	if masked, _, err = c.Mask(nil, data, testers(t)); err != nil {
		t.Fatal(err)
	}
	return data, masked
}

const people = `{"type":"object","properties":{
	"customer_email":{"type":"string"}, "contact":{"type":"string"}, "yes":{"type":"string"}, "we\"ird: #":{"type":"string"},
	"count":{"type":"integer"}, "known":{"type":"string","x-lockstep-class":"secret"}, "kind":{"enum":["a","b"]}, "done":{"type":"boolean"},
	"labels":{"type":"object","additionalProperties":{"type":"string"}},
	"lines":{"type":"array","items":{"type":"object","properties":{"comment":{"type":"string"},"blob":{"type":"string"}}}}}}`

// A proposal would quote somebody's data, be no overlay, or leave a field without
// a class.
func TestProposalsAreAnOverlayWithoutValues(t *testing.T) {
	c := compile(t, "shop.person.seen", people, nil)
	list := compile(t, "shop.list.made", `{"type":"array","items":{"type":"string"}}`, nil)
	collector := New()
	for _, of := range []*contract.Contract{c, list} {
		if err := collector.Schema(of); err != nil {
			t.Fatal(err)
		}
	}
	values := []string{}
	for i := range 12 {
		event := map[string]any{
			"customer_email": fmt.Sprintf("alice%d@example.com", i), "contact": fmt.Sprintf("+4930123456%02d", i), "yes": fmt.Sprintf("v%d", i), "count": i,
			"known": "hush-hush", "labels": map[string]any{fmt.Sprintf("bob%d@example.com", i): "x"}, "we\"ird: #": "Alpha-Beta",
			"lines": []any{map[string]any{"comment": "call me please at home", "blob": fmt.Sprintf("zzq%d", i)}},
		}
		values = append(values, event["customer_email"].(string), event["contact"].(string), "hush-hush", "Alpha-Beta", "call me", "zzq", fmt.Sprintf("bob%d", i))
		data, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if err := collector.Event(c, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := collector.Event(c, []byte(`{"count":"hush-hush"}`)); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("an invalid event: %v", err)
	}
	text := Overlay(collector.Proposals(), "about\nthis")
	for _, value := range values {
		if strings.Contains(string(text), value) {
			t.Errorf("the overlay quotes %q:\n%s", value, text)
		}
	}
	overlay, err := mask.ParseOverlay("proposed.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := map[string]mask.Class{
		"/customer_email": mask.Email, "/contact": mask.Phone, "/lines/*/comment": mask.Text, "/lines/*/blob": mask.Text, "/labels/* names": mask.Email, "/count": mask.Internal,
		"/known": mask.Secret,
	}
	for subject, schema := range map[string]string{"shop.person.seen": people, "shop.list.made": `{"type":"array","items":{"type":"string"}}`} {
		found, err := compile(t, subject, schema, overlay).Classify()
		if err != nil {
			t.Fatal(err)
		}
		if left := found.Unclassified(); len(left) > 0 {
			t.Errorf("left without a class: %v\n%s", left, text)
		}
		for _, p := range found.Places {
			name := p.Pointer
			if p.Names {
				name += " names"
			}
			if class, ok := want[name]; ok && class != p.Class {
				t.Errorf("%s: %q, want %q\n%s", name, p.Class, class, text)
			}
		}
	}
}

// The proposals would be worth nothing: for schemas that somebody has classified
// by hand they would mostly say something else, or something that protects less.
func TestAgreesWithTheOverlayForGitHub(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles 291 schemas twice")
	}
	root := corpus(t)
	files, err := folder.Read("github", os.DirFS(filepath.Join(root, "schemas")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../schemas/github/overlay.yaml")
	if err != nil {
		t.Skipf("no overlay to compare with: %v", err)
	}
	truth, err := mask.ParseOverlay("overlay.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	bare := map[string]*contract.Contract{}
	collector := New()
	for _, f := range files {
		if strings.HasPrefix(f.Subject, "github.common.") {
			continue
		}
		c, err := contract.Compile(f.Bundle, contract.Options{Subject: f.Subject})
		if err != nil {
			t.Fatal(err)
		}
		bare[f.Subject] = c
		if err := collector.Schema(c); err != nil {
			t.Fatal(err)
		}
	}
	events, _ := filepath.Glob(filepath.Join(root, "events", "*", "*.json"))
	for _, file := range events {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var action struct{ Action string }
		_ = json.Unmarshal(data, &action) // without one it is the entity's
		entity := "github." + filepath.Base(filepath.Dir(file))
		c := bare[entity+"."+action.Action]
		if c == nil {
			c = bare[entity]
		}
		if c != nil {
			_ = collector.Event(c, data) // some aren't valid
		}
	}
	proposals := collector.Proposals()
	proposed, err := mask.ParseOverlay("proposed.yaml", Overlay(proposals, "for a test"))
	if err != nil {
		t.Fatal(err)
	}
	same, safe, total := 0, 0, 0
	sameNames, safeNames, names := 0, 0, 0
	byName := map[string][2]mask.Class{}
	for _, f := range files {
		if bare[f.Subject] == nil {
			continue
		}
		a, b := classes(t, f, truth), classes(t, f, proposed)
		for at, class := range a {
			got, ok := b[at]
			if !ok || class == "" {
				continue
			}
			total++
			if got == class {
				same++
			}
			if mask.MoreProtective(class, got) == got {
				safe++
			}
			if _, known := byName[last(at)]; !known {
				byName[last(at)] = [2]mask.Class{class, got}
			}
		}
	}
	for name, pair := range byName {
		names++
		if pair[0] == pair[1] {
			sameNames++
		}
		if mask.MoreProtective(pair[0], pair[1]) == pair[1] {
			safeNames++
		} else if testing.Verbose() {
			t.Logf("%s: %s, proposed %s", name, pair[0], pair[1])
		}
	}
	t.Logf("%d events, %d proposals; of %d fields %.1f %% have the same class, %.1f %% one that protects as much or more; of %d names %.1f %% and %.1f %%",
		collector.Events(), len(proposals), total, percent(same, total), percent(safe, total), names, percent(sameNames, names), percent(safeNames, names))
	if percent(same, total) < 80 || percent(safe, total) < 95 {
		t.Error("the proposals agree less with what somebody classified by hand than they used to")
	}
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }

// last is the nearest name around a place.
func last(at string) string {
	at = strings.ReplaceAll(at, "/*", "")
	return at[strings.LastIndexByte(at, '/')+1:]
}

func classes(t *testing.T, f folder.File, overlay *mask.Overlay) map[string]mask.Class {
	t.Helper()
	c, err := contract.Compile(f.Bundle, contract.Options{Subject: f.Subject, Overlay: overlay})
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Classify()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]mask.Class{}
	for _, p := range found.Places {
		if p.Enumerated || len(p.Kinds) == 1 && (p.Kinds[0] == "boolean" || p.Kinds[0] == "object" || p.Kinds[0] == "array") {
			continue
		}
		at := p.Pointer
		if p.Names {
			at += "/(names)"
		}
		all[at] = mask.MoreProtective(all[at], p.Class)
	}
	return all
}

func corpus(t *testing.T) string {
	t.Helper()
	root := os.Getenv("LOCKSTEP_CORPUS")
	if root == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		root = filepath.Join(dir, "..", "..", "..", "shared", "corpus")
	}
	root = filepath.Join(root, "github-webhooks")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the corpus is absent: %v (set LOCKSTEP_CORPUS)", err)
	}
	return root
}
