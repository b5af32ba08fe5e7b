package topology

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
)

const solo = `environments:
  solo:
    role: hub
    listen: {nats: "127.0.0.1:0"}
domains:
  orders:
    owner: shop
    origins: [solo]
    schemas: SCHEMAS
    overlay: OVERLAY
`

func soloWith(folder, overlay string) string {
	return strings.NewReplacer("SCHEMAS", folder, "OVERLAY", overlay).Replace(solo)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Guards against schemas and overlays that are looked for beside the process
// and not beside mesh.yaml.
func TestLoadResolvesBesideTheFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "conf", "mesh.yaml"), soloWith("../events/orders", filepath.Join(dir, "overlay.yaml")))
	write(t, filepath.Join(dir, "events", "orders", "order", "created.schema.json"), "{}")
	write(t, filepath.Join(dir, "overlay.yaml"), "properties:\n  email: email\n")
	m, err := Load(filepath.Join(dir, "conf", "mesh.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	folder, ok, err := m.Schemas("orders")
	if err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if _, err := fs.Stat(folder, "order/created.schema.json"); err != nil {
		t.Error(err)
	}
	if overlay, err := m.Overlay("orders"); err != nil || overlay == nil {
		t.Errorf("overlay: %v, %v", overlay, err)
	}
}

// Guards against an embedded mesh that reaches out of its folder.
func TestEmbeddedPathsStayInside(t *testing.T) {
	fsys := fstest.MapFS{
		"secret.yaml":              {Data: []byte("properties: {email: email}\n")},
		"conf/orders/a.json":       {Data: []byte("{}")},
		"conf/overlay.yaml":        {Data: []byte("properties: {email: email}\n")},
		"conf/orders/overlay.yaml": {Data: []byte("properties: {email: email}\n")},
	}
	for _, c := range []struct {
		folder, overlay string
		refused         int
	}{
		{"orders", "overlay.yaml", 0},
		{"./orders/", "orders/../overlay.yaml", 0},
		{"..", "../secret.yaml", 2},
		{"/orders", "/conf/overlay.yaml", 2},
		{"orders/../..", "orders/../../secret.yaml", 2},
		{`'orders\..'`, `'..\secret.yaml'`, 2},
		{"missing", "missing.yaml", 2},
		{"overlay.yaml", "orders", 2},
	} {
		fsys["conf/mesh.yaml"] = &fstest.MapFile{Data: []byte(soloWith(c.folder, c.overlay))}
		_, err := LoadFS(fsys, "conf/mesh.yaml")
		var problems Problems
		if errors.As(err, &problems); len(problems) != c.refused {
			t.Errorf("%s, %s: %d problems, want %d: %v", c.folder, c.overlay, len(problems), c.refused, err)
		}
		for _, p := range problems {
			if p.Line < 9 || p.Column < 14 {
				t.Errorf("%s, %s: not at the path's place: %v", c.folder, c.overlay, p)
			}
		}
	}
}

// Guards against a missing or unreadable file that looks like a bad one, and
// against causes that callers cannot test for.
func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{filepath.Join(dir, "mesh.yaml"), dir} {
		_, err := Load(name)
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Code != CodeUnreadable || problems[0].Line != 0 {
			t.Errorf("%s: %v", name, err)
		}
		if missing := name != dir; errors.Is(err, fs.ErrNotExist) != missing {
			t.Errorf("%s: fs.ErrNotExist is not %v: %v", name, missing, err)
		}
	}
	if _, err := LoadFS(fstest.MapFS{}, "mesh.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("from a file system: %v", err)
	}
	write(t, filepath.Join(dir, "mesh.yaml"), soloWith("nowhere", "nothing.yaml"))
	if _, err := Load(filepath.Join(dir, "mesh.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("files that the mesh names: %v", err)
	}
}

// Guards against mistakes in an overlay that are reported at mesh.yaml, or one
// at a time.
func TestOverlayProblemsHaveTheirPlace(t *testing.T) {
	fsys := fstest.MapFS{
		"mesh.yaml":      {Data: []byte(soloWith("orders", "o/overlay.yaml"))},
		"orders/a.json":  {Data: []byte("{}")},
		"o/overlay.yaml": {Data: []byte("properties:\n  email: emial\n  login: logni\n")},
	}
	_, err := LoadFS(fsys, "mesh.yaml")
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Fatalf("%v", err)
	}
	for i, p := range problems {
		if p.File != "o/overlay.yaml" || p.Line != i+2 || p.Code != CodeOverlay {
			t.Errorf("%v", p)
		}
	}
}

// Guards against files that are asked of a mesh that has none, and quietly
// come out empty.
func TestParsedMeshHasNoFiles(t *testing.T) {
	m, err := Parse("mesh.yaml", []byte(soloWith("orders", "overlay.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Schemas("orders"); !errors.Is(err, ErrNoFiles) {
		t.Errorf("schemas: %v", err)
	}
	if _, err := m.Overlay("orders"); !errors.Is(err, ErrNoFiles) {
		t.Errorf("overlay: %v", err)
	}
	if folder, ok, err := m.Schemas("nothing"); folder != nil || ok || err != nil {
		t.Errorf("schemas of an unknown domain: %v, %v, %v", folder, ok, err)
	}
}

// Guards against a file that takes minutes or the whole memory to refuse.
func TestLargeFilesAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"bytes":   strings.Repeat("# long\n", strictyaml.MaxBytes),
		"keys":    strings.Repeat("a:\n", 80_000),
		"items":   "[" + strings.Repeat("a,", 120_000) + "]",
		"flow":    strings.Repeat("[", 10_000),
		"braces":  strings.Repeat("{a: ", 10_000),
		"lists":   strings.Repeat("- ", 10_000),
		"marks":   strings.Repeat("? ", 10_000),
		"anchors": strings.Repeat("&a ", 10_000),
		"tags":    strings.Repeat("!a ", 10_000),
		"indent": func() (text string) {
			for i := range 700 {
				text += strings.Repeat(" ", i) + "a:\n"
			}
			return text
		}(),
	} {
		_, err := Parse("mesh.yaml", []byte(text))
		var problems Problems
		if !errors.As(err, &problems) || problems[0].Code != CodeTooLarge && problems[0].Code != CodeSyntax {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Guards against problems that a program cannot read.
func TestProblemsAsJSON(t *testing.T) {
	_, err := Parse("mesh.yaml", []byte("domans: 1\n"))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	text, err := json.Marshal(problems[0])
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"code":"unknown_key","file":"mesh.yaml","line":1,"column":1,` +
		`"what":"unknown key \"domans\" in the file","why":"a key that nothing reads would be silently without effect","cure":"did you mean domains?"}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}
