package topology

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/schemas"
)

func sample(t testing.TB) *Mesh {
	t.Helper()
	m, err := LoadFS(schemas.FS, schemas.SampleMesh)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func sampleText(t testing.TB) []byte {
	t.Helper()
	text, err := fs.ReadFile(schemas.FS, schemas.SampleMesh)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Guards against a shipped sample that is not accepted, warns, or does not
// declare what dev, demo and the documentation build upon.
func TestSample(t *testing.T) {
	m := sample(t)
	if w := m.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %v", w)
	}
	var environments []string
	for _, e := range m.Environments() {
		environments = append(environments, e.Name)
		if e.Durability != "" {
			t.Errorf("%s has the durability %s; the sample leaves it to the command", e.Name, e.Durability)
		}
	}
	if want := []string{"production", "staging", "testing", "edge-berlin"}; !slices.Equal(environments, want) {
		t.Errorf("environments %v, want %v", environments, want)
	}
	hub := m.Hub()
	if hub.Name != "production" || hub.Listen.NATS.String() != "127.0.0.1:4222" ||
		hub.Listen.Registry.String() != "127.0.0.1:8081" || hub.Listen.HTTP.String() != "127.0.0.1:8080" {
		t.Errorf("the hub is %+v", hub)
	}
	for _, leaf := range m.LeavesOf("production") {
		if leaf.Dial != "nats://127.0.0.1:7422" {
			t.Errorf("%s dials %q", leaf.Name, leaf.Dial)
		}
		if len(m.RoutesTo(leaf.Name)) != 1 {
			t.Errorf("%d routes lead to %s", len(m.RoutesTo(leaf.Name)), leaf.Name)
		}
	}
	for _, d := range m.Domains() {
		folder, ok, err := m.Schemas(d.Name)
		if err != nil || ok != (d.Name != "github") {
			t.Errorf("schemas of %s: %v, %v", d.Name, ok, err)
		} else if ok {
			if found, _ := fs.Glob(folder, "*/*.schema.json"); len(found) == 0 {
				t.Errorf("no schemas in the folder of %s", d.Name)
			}
		}
		overlay, err := m.Overlay(d.Name)
		if err != nil || (overlay != nil) != (d.Name == "github") {
			t.Errorf("overlay of %s: %v, %v", d.Name, overlay, err)
		}
	}
}

// Guards against a sample in which a class was forgotten where people look for
// all of them, so that events are withheld for no reason they can see.
func TestSampleNamesEveryClass(t *testing.T) {
	m := sample(t)
	for _, name := range []string{"testers", "strict"} {
		p, _ := m.Policy(name)
		for _, class := range mask.Classes() {
			if _, ok := p.Classes[string(class)]; !ok {
				t.Errorf("the policy %s has no rule for %s", name, class)
			}
		}
	}
}

// Guards against the editor's schema falling behind the parser.
func TestEditorSchemaIsShipped(t *testing.T) {
	generated, err := EditorSchema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../../schemas/"+schemas.MeshSchema, string(generated))
	if first, _, _ := strings.Cut(string(sampleText(t)), "\n"); first != "# yaml-language-server: $schema=./"+schemas.MeshSchema {
		t.Errorf("the sample begins with %q, by which no editor finds the schema", first)
	}
}

func editorSchema(t *testing.T) *v5.Schema {
	t.Helper()
	generated, err := EditorSchema()
	if err != nil {
		t.Fatal(err)
	}
	compiler := v5.NewCompiler()
	if err := compiler.AddResource("mesh.json", bytes.NewReader(generated)); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("mesh.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// Guards against an editor that underlines what the parser accepts, or is
// silent about keys, types and choices that the parser refuses.
func TestEditorSchemaAgreesWithParser(t *testing.T) {
	schema := editorSchema(t)
	check := func(t *testing.T, text []byte, want bool) {
		t.Helper()
		var document any
		if err := yaml.Unmarshal(text, &document); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document); (err == nil) != want {
			t.Errorf("valid for the editor: %v, want %v: %v", err == nil, want, err)
		}
	}
	check(t, sampleText(t), true)
	for _, name := range []string{"minimal", "several-origins", "with-warnings"} {
		text, err := os.ReadFile("testdata/accepted-" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		check(t, text, true)
	}
	// Each change is one that needs no look at another place of the file.
	for _, change := range [][2]string{
		{"role: hub", "role: boss"},
		{"role: hub", "roles: hub"},
		{"nats: 127.0.0.1:4222", "nats: 4222"},
		{"nats: 127.0.0.1:4222", "nats: localhost"},
		{"limit: 20GiB", "limit: 20"},
		{"owner: team-shop", "owner: [team-shop, team-accounts]"},
		{"owner: team-shop", ""},
		{"origins: [production]", "origins: []"},
		{"origins: [production]", "origins: production"},
		{"  orders:\n    owner", "  Orders:\n    owner"},
		{"mode: realtime", "mode: hourly"},
		{"public: {technique: pass}", "pubic: {technique: pass}"},
		{"public: {technique: pass}", "public: {technique: past}"},
		{"string: withhold", "strings: withhold"},
		{"\nroutes:", "\nroute:"},
	} {
		t.Run(change[1], func(t *testing.T) {
			text := bytes.Replace(sampleText(t), []byte(change[0]), []byte(change[1]), 1)
			if _, err := Parse("mesh.yaml", text); err == nil {
				t.Errorf("the parser accepts %q for %q", change[1], change[0])
			}
			check(t, text, false)
		})
	}
}

// Guards against a key without documentation in the editor.
func TestEveryKeyIsDocumented(t *testing.T) {
	generated, err := EditorSchema()
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := yaml.Unmarshal(generated, &schema); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, node any)
	walk = func(path string, node any) {
		object, _ := node.(map[string]any)
		properties, _ := object["properties"].(map[string]any)
		for key, property := range properties {
			if described, _ := property.(map[string]any); described["description"] == nil {
				t.Errorf("%s.%s has no description", path, key)
			}
		}
		for key, inner := range object {
			walk(path+"/"+key, inner)
		}
	}
	walk("", schema)
}

// Guards against techniques that the editor offers and masking does not know.
func TestEditorOffersKnownTechniques(t *testing.T) {
	for _, technique := range techniques() {
		p := mask.Policy{Classes: map[string]mask.Rule{"email": {Technique: mask.Technique(technique)}}}
		for _, problem := range p.Validate() {
			if problem.Path == "classes.email.technique" { // some need options besides
				t.Errorf("%s: %v", technique, problem)
			}
		}
	}
}

var keyLine = regexp.MustCompile(`^( *(?:- )?)([a-z]+):`)

// Guards against a problem that is reported at another line or column than it
// stands at: each key of the sample is misspelt in turn.
func TestProblemsStandWhereTheyAre(t *testing.T) {
	lines := strings.Split(string(sampleText(t)), "\n")
	declared := map[string]bool{}
	for _, names := range [][]string{
		{"production", "staging", "testing", "orders", "customers", "payments", "github", "testers", "strict", "edge"},
	} {
		for _, name := range names {
			declared[name] = true
		}
	}
	tried := 0
	for i, line := range lines {
		m := keyLine.FindStringSubmatch(line)
		if len(m) == 0 || declared[m[2]] {
			continue
		}
		tried++
		changed := slices.Clone(lines)
		changed[i] = m[1] + "zz" + line[len(m[1]):]
		_, err := Parse("mesh.yaml", []byte(strings.Join(changed, "\n")))
		var problems Problems
		errors.As(err, &problems)
		if !slices.ContainsFunc(problems, func(p Problem) bool {
			return p.Line == i+1 && p.Column == len(m[1])+1 && (p.Code == CodeUnknownKey || p.Code == CodePolicy)
		}) {
			t.Errorf("line %d %q: no problem at its column: %v", i+1, changed[i], err)
		}
	}
	if tried < 60 {
		t.Errorf("only %d keys were tried", tried)
	}
}

// Guards against accessors that hand out the mesh's own memory.
func TestAccessorsReturnCopies(t *testing.T) {
	m := sample(t)
	before, err := m.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append(m.Domains(), m.DomainsAt("staging")...) {
		d.Origins[0] = "nowhere"
	}
	for _, r := range append(m.Routes(), m.RoutesTo("staging")...) {
		r.Domains[0] = "nothing"
	}
	m.Environments()[0].Name = "nobody"
	for _, p := range m.Policies() {
		p.Classes["email"] = mask.Rule{Technique: mask.Pass}
	}
	p, _ := m.Policy("testers")
	p.Classes["email"] = mask.Rule{Technique: mask.Pass}
	after, err := m.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the mesh has changed")
	}
}

// Guards against accessors that leave something out or invent it.
func TestAccessors(t *testing.T) {
	text, err := os.ReadFile("testdata/accepted-several-origins.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse("mesh.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	domains := func(list []Domain) (names []string) {
		for _, d := range list {
			names = append(names, d.Name)
		}
		return names
	}
	routes := func(list []Route) (names []string) {
		for _, r := range list {
			names = append(names, r.String())
		}
		return names
	}
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"originated by edge-rome", domains(m.DomainsOriginatedBy("edge-rome")), []string{"orders"}},
		{"originated by production", domains(m.DomainsOriginatedBy("production")), []string{"menus"}},
		{"at production", domains(m.DomainsAt("production")), []string{"orders", "menus"}},
		{"at edge-berlin", domains(m.DomainsAt("edge-berlin")), []string{"orders", "menus"}},
		{"at edge-rome", domains(m.DomainsAt("edge-rome")), []string{"orders"}},
		{"at nowhere", domains(m.DomainsAt("nowhere")), nil},
		{"from production", routes(m.RoutesFrom("production")), []string{"production→edge-berlin"}},
		{"to production", routes(m.RoutesTo("production")), []string{"edge-berlin→production", "edge-rome→production"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	if rome, ok := m.Environment("edge-rome"); !ok || rome.DurabilityOr(DurabilityInterval) != DurabilityAlways || !rome.Listen.NATS.Auto() {
		t.Errorf("edge-rome is %+v", rome)
	}
	if hub := m.Hub(); hub.DurabilityOr(DurabilityInterval) != DurabilityInterval || !hub.Listen.NATS.EveryInterface() {
		t.Errorf("the hub is %+v", hub)
	}
	if _, ok := m.Environment("nowhere"); ok {
		t.Error("there is an environment nowhere")
	}
	if d, _ := m.Domain("orders"); d.Write != WriteOpen {
		t.Errorf("orders is written %s", d.Write)
	}
	if d, _ := m.Domain("menus"); d.Write != WriteClosed {
		t.Errorf("menus is written %q; closed is the default", d.Write)
	}
}

// Guards against a digest that changes with the writing of a policy, or does
// not change with its meaning.
func TestPolicyDigest(t *testing.T) {
	digest := func(p mask.Policy) string {
		t.Helper()
		d, err := Policy{Name: "p", Policy: p}.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	base := mask.Policy{Classes: map[string]mask.Rule{"email": {Technique: mask.Token}, "public": {Technique: mask.Pass}}}
	const known = "1c51e42fbe5b7729"
	if got := digest(base); got != known {
		t.Errorf("the digest of a policy became %s: destinations would take every event for one under another policy", got)
	}
	explicit := base
	explicit.Defaults = explicit.Defaults.Resolve()
	if digest(explicit) != digest(base) {
		t.Error("defaults written out change the digest")
	}
	for _, other := range []mask.Policy{
		{Classes: map[string]mask.Rule{"email": {Technique: mask.Redact}, "public": {Technique: mask.Pass}}},
		{Classes: map[string]mask.Rule{"email": {Technique: mask.Token, As: "login"}, "public": {Technique: mask.Pass}}},
		{Classes: map[string]mask.Rule{"email": {Technique: mask.Token}}},
		{Classes: base.Classes, Defaults: mask.Defaults{String: mask.Redact}},
	} {
		if digest(other) == digest(base) {
			t.Errorf("%+v has the digest of another policy", other)
		}
	}
	reference, err := Policy{Name: "testers", Policy: base}.Reference()
	if err != nil || reference != "testers@"+known {
		t.Errorf("reference %q, %v", reference, err)
	}
}
