package topology

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// FuzzParse guards against a file that makes the parser panic or hang, a
// refusal without a place in the file, and an accepted mesh that is another
// one once written and read again.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(files, "../../schemas/mesh.yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("mesh.yaml", data)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("the error is a %T without problems", err)
			}
			lines := 1 + strings.Count(string(data), "\n") + strings.Count(string(data), "\r")
			for _, p := range problems {
				if p.Line < 1 || p.Line > lines || p.Column < 1 || p.What == "" || p.Code == "" {
					t.Errorf("not a place in %d lines: %v", lines, p)
				}
			}
			return
		}
		sameAgain(t, m)
	})
}

func sameAgain(t interface {
	Helper()
	Fatalf(string, ...any)
}, m *Mesh,
) {
	t.Helper()
	text, err := m.YAML()
	if err != nil {
		t.Fatalf("%v", err)
	}
	again, err := Parse("mesh.yaml", text)
	if err != nil {
		t.Fatalf("written and read again it is refused: %v\n%s", err, text)
	}
	if !reflect.DeepEqual(again.file, m.file) {
		t.Fatalf("written and read again it is another mesh\nread    %+v\nwritten %+v\n%s", again.file, m.file, text)
	}
}

// Guards against meshes that are accepted and change on being written and
// read: texts that YAML takes for something else, sizes, addresses.
func TestRandomMeshesRoundTrip(t *testing.T) {
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		f := randomFile(t)
		m, err := (&Mesh{name: "mesh.yaml"}).changed(f)
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		accepted++
		f.ensureDefaults()
		if !reflect.DeepEqual(m.file, f) {
			t.Fatalf("read it is another mesh\nread    %+v\nwritten %+v", m.file, f)
		}
		sameAgain(t, m)
	})
	if accepted == 0 {
		t.Error("no mesh was accepted")
	}
}

// randomFile makes a sound mesh of awkward values.
func randomFile(t *rapid.T) file {
	names := rapid.StringMatching(`[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?`).Filter(func(s string) bool {
		// Names are told apart from one another elsewhere; here they are to be sound.
		return sound(s) && s != "audit" && s != "topology" && !strings.HasPrefix(s, "to-") && !strings.Contains(s, "-to")
	})
	address := func(label string) Address {
		host := rapid.SampledFrom([]string{"", "0.0.0.0", "127.0.0.1", "::", "::1", "fe80::1%eth0", "example.com", "LOCALHOST", "1e5.net", "0x1f"}).Draw(t, label)
		return Address{Host: host, Port: AutoPort}
	}
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"true", "null", "~", "1", "1e3", "0x10", "-", "? a", "a: b", "#x", "[a]", "{a}", "*x", "&x", "!x", "'", `"`, "|", ">", "%", "@x", "`", "a #b", "yes", "<<", "=", "-1", ".inf", "2001-01-01", `\`, "a\nb", " a", "a ", "a\tb", "ü€😀"}),
		rapid.StringMatching(`[ -~]{1,20}`),
	).Filter(func(s string) bool { return strings.TrimSpace(s) != "" })

	var f file
	for _, name := range rapid.SliceOfNDistinct(names, 1, 4, rapid.ID).Draw(t, "environments") {
		e := Environment{
			Name:       name,
			Role:       RoleLeaf,
			Listen:     Listen{NATS: address("nats"), HTTP: rapid.SampledFrom([]Address{{}, {Host: "::1", Port: AutoPort}}).Draw(t, "http")},
			Store:      Store{Limit: Size(rapid.Int64Range(0, 1<<62).Draw(t, "limit"))},
			Durability: rapid.SampledFrom([]Durability{"", DurabilityAlways, DurabilityInterval}).Draw(t, "durability"),
		}
		if len(f.Environments) == 0 {
			e.Role, e.Listen.Leaf = RoleHub, address("leaf")
		} else {
			e.Hub = f.Environments[0].Name
			e.Dial = rapid.SampledFrom([]string{"", "tls://hub.example.com:7422", "nats://[::1]:1"}).Draw(t, "dial")
		}
		f.Environments = append(f.Environments, e)
	}
	hub := f.Environments[0].Name
	for _, name := range rapid.SliceOfNDistinct(names, 1, 4, rapid.ID).Draw(t, "domains") {
		f.Domains = append(f.Domains, Domain{
			Name: name, Owner: text.Draw(t, "owner"), Origins: []string{hub},
			Schemas: rapid.SampledFrom([]string{"", "orders", "a b", "1"}).Draw(t, "schemas"),
			Write:   rapid.SampledFrom([]WriteMode{"", WriteClosed, WriteOpen}).Draw(t, "write"),
		})
	}
	classes := rapid.SampledFrom([]string{"email", "public", "text", "date"})
	f.Policies = []Policy{{Name: "p", Policy: mask.Policy{
		Classes:  map[string]mask.Rule{classes.Draw(t, "class"): {Technique: mask.Redact, As: text.Draw(t, "as")}},
		Defaults: mask.Defaults{String: rapid.SampledFrom([]mask.Technique{"", mask.Redact}).Draw(t, "default")},
	}}}
	for _, e := range f.Environments[1:] {
		f.Routes = append(f.Routes, Route{
			From: hub, To: e.Name, Policy: "p", Domains: []string{f.Domains[len(f.Domains)-1].Name},
			Mode: rapid.SampledFrom([]Mode{"", ModeRealtime}).Draw(t, "mode"),
		})
	}
	return f
}
