package main

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
	"github.com/lockstep-mesh/lockstep/services/internal/schematest"
)

// The two deliveries of the corpus that are not valid, and one of the places.
var broken = map[string]string{
	"check_run/rerequested.payload.json":                   "/check_run/app/updated_at",
	"check_run/rerequested.with-organization.payload.json": "/check_run/app/updated_at",
}

// hopeless are schemas that admit no document with the fields that they name.
var hopeless = []string{"github.secret_scanning_alert_location.created"}

// ordinary are logins and names that are words as well: the product's own
// name, a library's, and the one of a field.
var ordinary = []string{"github", "electron", "username"}

func overlay(t testing.TB) *mask.Overlay {
	t.Helper()
	const name = "github/overlay.yaml"
	text, err := schemas.FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	o, err := mask.ParseOverlay(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func sample(t testing.TB) *topology.Mesh {
	t.Helper()
	m, err := topology.LoadFS(schemas.FS, schemas.SampleMesh)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// masker masks under a policy of the sample mesh.
func masker(t testing.TB, policy, destination string) *mask.Masker {
	t.Helper()
	p, ok := sample(t).Policy(policy)
	if !ok {
		t.Fatalf("the sample mesh has no policy %s", policy)
	}
	return newMasker(t, policy, p.Policy, destination)
}

func newMasker(t testing.TB, name string, p mask.Policy, destination string) *mask.Masker {
	t.Helper()
	key, err := mask.LoadOrCreateKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := mask.New(name, p, destination, key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// github are GitHub's schemas under our overlay.
type github struct {
	bundles   map[string]*jsonschema.Bundle
	options   contract.Options
	contracts map[string]*contract.Contract
	reference map[string]*v5.Schema
	documents map[string][][]byte // valid examples by event type
}

// loaded is shared by the tests: compiling all of it takes a while.
var loaded *github

func loadGitHub(t testing.TB) *github {
	t.Helper()
	if loaded != nil {
		return loaded
	}
	domain, ok := sample(t).Domain("github")
	if !ok {
		t.Fatal("the sample mesh has no domain github")
	}
	loaded = &github{
		bundles:   schematest.Load(t, "github", schematest.Corpus(t, "github-webhooks", "schemas")),
		options:   contract.Options{Version: 1, Overlay: overlay(t), Open: domain.Write == topology.WriteOpen},
		contracts: map[string]*contract.Contract{},
		reference: map[string]*v5.Schema{},
	}
	return loaded
}

func (g *github) contract(t testing.TB, subject string) *contract.Contract {
	t.Helper()
	if c, ok := g.contracts[subject]; ok {
		return c
	}
	options := g.options
	options.Subject = subject
	c, err := contract.Compile(g.bundles[subject], options)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	schema, err := g.bundles[subject].Compile()
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	g.contracts[subject], g.reference[subject] = c, schema
	return c
}

// event is one delivery of the corpus.
type event struct {
	name    string // folder and file
	subject string // registry subject of its schema
	data    []byte
	value   any
}

func (g *github) events(t testing.TB) []event {
	t.Helper()
	dir := schematest.Corpus(t, "github-webhooks", "events")
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no events in %s (%v)", dir, err)
	}
	events := make([]event, 0, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		value, err := strictjson.Decode(data, strictjson.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		entity := filepath.Base(filepath.Dir(file))
		e := event{name: entity + "/" + filepath.Base(file), subject: "github." + entity, data: data, value: value}
		if object, ok := value.(map[string]any); ok {
			if action, ok := object["action"].(string); ok && g.bundles[e.subject+"."+action] != nil {
				e.subject += "." + action
			}
		}
		events = append(events, e)
	}
	return events
}

// Guards against schemas that the contract cannot compile, and against verdicts
// that differ from the known ones: 271 valid deliveries and two that are not.
func TestGitHubVerdicts(t *testing.T) {
	g := loadGitHub(t)
	valid := 0
	for _, e := range g.events(t) {
		err := g.contract(t, e.subject).Validate(e.data)
		pointer, isBroken := broken[e.name]
		var invalid *contract.Invalid
		switch {
		case err == nil && !isBroken:
			valid++
		case err == nil:
			t.Errorf("%s passes, and is broken at %s", e.name, pointer)
		case !errors.As(err, &invalid) || !isBroken:
			t.Errorf("%s: %v", e.name, err)
		case !slices.ContainsFunc(invalid.Violations, func(v contract.Violation) bool { return v.Pointer == pointer }):
			t.Errorf("%s is broken at %s, and refused for %v", e.name, pointer, invalid.Violations)
		}
	}
	if valid != 271 {
		t.Errorf("%d deliveries are valid, want 271", valid)
	}
}

// Guards against deliveries that do not reach staging, against masked ones that
// are invalid there, against names that get through in any disguise, and
// against people who become two, or two who become one.
func TestGitHubCrossesMasked(t *testing.T) {
	g := loadGitHub(t)
	events := g.events(t)
	for _, policy := range []string{"testers", "strict"} {
		t.Run(policy, func(t *testing.T) {
			m := masker(t, policy, "staging")
			found := collect(events)
			crossed := 0
			var all []byte
			for _, e := range events {
				if broken[e.name] != "" {
					continue
				}
				c := g.contract(t, e.subject)
				masked, stats, err := c.Mask(nil, e.data, m)
				if err != nil {
					t.Errorf("%s: %v", e.name, err)
					continue
				}
				crossed++
				if stats.Changed() == 0 {
					t.Errorf("%s: nothing is masked", e.name)
				}
				checkValid(t, g, e, masked)
				value, err := strictjson.Decode(masked, strictjson.Limits{})
				if err != nil {
					t.Fatalf("%s: %v", e.name, err)
				}
				found.pair(e.value, value)
				all = append(append(all, masked...), '\n')
			}
			if crossed != 271 {
				t.Errorf("%d deliveries cross, want 271", crossed)
			}
			leaks(t, all, found)
			found.checkTokens(t)
		})
	}
}

// checkValid asks the reference validator, which Mask does not.
func checkValid(t *testing.T, g *github, e event, masked []byte) {
	t.Helper()
	value, err := strictjson.Decode(masked, strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.reference[e.subject].Validate(value); err != nil {
		t.Errorf("%s, masked: %v", e.name, err)
	}
}

// personal is what names people and accounts in the raw deliveries.
type personal struct {
	logins, emails, names map[string]bool
	tokens, owners        map[string]string // login to token, and back
	differ                map[string]bool   // logins with more than one token
}

// collect walks the deliveries as they came in.
func collect(events []event) *personal {
	p := &personal{
		logins: map[string]bool{}, emails: map[string]bool{}, names: map[string]bool{},
		tokens: map[string]string{}, owners: map[string]string{}, differ: map[string]bool{},
	}
	for _, e := range events {
		p.walk("", e.value)
	}
	return p
}

func (p *personal) walk(parent string, value any) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			p.walk(parent, item)
		}
	case map[string]any:
		for name, child := range value {
			text, _ := child.(string)
			switch {
			case text == "":
			case name == "login":
				p.logins[text] = true
			case name == "email":
				p.emails[text] = true
			case name == "name" && slices.Contains([]string{"user", "author", "committer", "pusher"}, parent):
				p.names[text] = true
			}
			p.walk(name, child)
		}
	}
}

// secrets are the values to look for.
func (p *personal) secrets() []string {
	var all []string
	for _, values := range []map[string]bool{p.logins, p.emails, p.names} {
		for value := range values {
			if !slices.Contains(ordinary, strings.ToLower(value)) {
				all = append(all, value)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// pair follows a document and its masked form and notes each login's token.
func (p *personal) pair(raw, masked any) {
	switch raw := raw.(type) {
	case []any:
		for i, item := range raw {
			p.pair(item, masked.([]any)[i])
		}
	case map[string]any:
		object := masked.(map[string]any)
		for name, child := range raw {
			counterpart, ok := object[name]
			if !ok {
				continue // a name in a map, which is masked itself
			}
			if login, ok := child.(string); ok && (name == "login" || name == "username") {
				token := counterpart.(string)
				if known, ok := p.tokens[login]; ok && known != token {
					p.differ[login] = true
				}
				p.tokens[login], p.owners[token] = token, login
			}
			p.pair(child, counterpart)
		}
	}
}

// checkTokens demands that logins and tokens are one to one. GitHub's own
// account is a constant in some schemas and so passes there.
func (p *personal) checkTokens(t *testing.T) {
	t.Helper()
	if len(p.tokens) < 20 {
		t.Fatalf("only %d logins", len(p.tokens))
	}
	for login := range p.differ {
		if login != "github" {
			t.Errorf("the login %s has more than one token", login)
		}
	}
	if len(p.owners) < len(p.tokens) {
		t.Errorf("%d logins share %d tokens", len(p.tokens), len(p.owners))
	}
}

func leaks(t *testing.T, masked []byte, found *personal) {
	t.Helper()
	lowered := strings.ToLower(string(masked))
	for _, secret := range found.secrets() {
		for _, form := range schematest.Find(lowered, secret) {
			i := strings.Index(lowered, strings.ToLower(form))
			t.Errorf("%q leaks as %q: …%s…", secret, form, masked[max(0, i-60):min(len(masked), i+len(form)+40)])
		}
	}
}

// Guards against a search whose list of what to look for has become short.
func TestWhatIsSearchedFor(t *testing.T) {
	g := loadGitHub(t)
	found := collect(g.events(t))
	if len(found.logins) != 23 || len(found.emails) != 6 || len(found.names) != 5 {
		t.Errorf("%d logins, %d e-mail addresses, %d names; want 23, 6, 5: %v %v %v", len(found.logins), len(found.emails), len(found.names),
			slices.Sorted(maps.Keys(found.logins)), slices.Sorted(maps.Keys(found.emails)), slices.Sorted(maps.Keys(found.names)))
	}
	var raw []byte
	for _, e := range g.events(t) {
		raw = append(raw, e.data...)
	}
	for _, secret := range found.secrets() {
		if len(schematest.Find(strings.ToLower(string(raw)), secret)) == 0 {
			t.Errorf("the search does not find %q where it stands", secret)
		}
	}
}

// allClasses lets every class through and withholds what has none.
func allClasses() mask.Policy {
	p := mask.Policy{
		Classes:  map[string]mask.Rule{},
		Defaults: mask.Defaults{String: mask.Withhold, Number: mask.Withhold, Boolean: mask.Withhold, Enum: mask.Withhold, Key: mask.Withhold},
	}
	for _, class := range mask.Classes() {
		p.Classes[string(class)] = mask.Rule{Technique: mask.Pass}
	}
	p.Classes[string(mask.Secret)] = mask.Rule{Technique: mask.Redact}
	return p
}

// Guards against a field, in any of the 291 schemas, that the overlay forgot:
// every value of documents that hold all there is has a class, enumerations and
// booleans too.
func TestOverlayClassifiesEverything(t *testing.T) {
	g := loadGitHub(t)
	m := newMasker(t, "all", allClasses(), "nowhere")
	for _, e := range g.events(t) {
		if broken[e.name] == "" {
			if _, _, err := g.contract(t, e.subject).Mask(nil, e.data, m); err != nil {
				t.Errorf("%s: %v", e.name, err)
			}
		}
	}
	for subject, documents := range g.examples(t) {
		for _, document := range documents {
			if _, _, err := g.contract(t, subject).Mask(nil, document, m); err != nil {
				t.Errorf("%s: %v", subject, err)
			}
		}
	}
}

// Guards against masked documents that are invalid, for all that the schemas
// admit and the corpus does not happen to hold.
func TestExamplesCrossMasked(t *testing.T) {
	g := loadGitHub(t)
	m := masker(t, "testers", "staging")
	for subject, documents := range g.examples(t) {
		for _, document := range documents {
			masked, _, err := g.contract(t, subject).Mask(nil, document, m)
			if err != nil {
				t.Errorf("%s: %v", subject, err)
			} else if !json.Valid(masked) {
				t.Errorf("%s: the masked document is no JSON", subject)
			}
		}
	}
}

// examples are valid documents of every event type that hold all there is.
func (g *github) examples(t *testing.T) map[string][][]byte {
	t.Helper()
	if g.documents != nil {
		return g.documents
	}
	g.documents = map[string][][]byte{}
	for _, subject := range slices.Sorted(maps.Keys(g.bundles)) {
		if strings.HasPrefix(subject, "github.common.") {
			continue
		}
		for _, document := range schematest.Examples(g.bundles[subject]) {
			if g.contract(t, subject).Validate(document) == nil {
				g.documents[subject] = append(g.documents[subject], document)
			}
		}
		if len(g.documents[subject]) == 0 && !slices.Contains(hopeless, subject) {
			t.Errorf("%s: no example is valid", subject)
		}
	}
	return g.documents
}
