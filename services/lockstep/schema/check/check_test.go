package check

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// before is a baseline of files.
type before struct {
	files map[string]folder.File
	level registry.Level
}

func baseline(t *testing.T, level registry.Level, files fstest.MapFS) *before {
	t.Helper()
	read, err := folder.Read("shop", files)
	if err != nil {
		t.Fatal(err)
	}
	b := &before{files: map[string]folder.File{}, level: level}
	for _, f := range read {
		b.files[f.Subject] = f
	}
	return b
}

func (b *before) Label() string { return "before" }

func (b *before) Level(context.Context, string) (registry.Level, string, error) {
	return b.level, "", nil
}

func (b *before) Subjects(context.Context, Domain) (names []string, complete bool, err error) {
	for name := range b.files {
		names = append(names, name)
	}
	return names, true, nil
}

func (b *before) Versions(_ context.Context, _ Domain, subject string, _ bool) ([]Version, error) {
	if f, ok := b.files[subject]; ok {
		return []Version{{Label: "before", Bundle: f.Bundle}}, nil
	}
	return nil, nil
}

func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

// A finding at the wrong place, or one that is missing, would let a change through
// or send its author to the wrong line.
func TestRun(t *testing.T) {
	const object = "{\n  \"type\": \"object\",\n  \"properties\": {\n    \"id\": {\"type\": \"string\"}\n  }\n}"
	for name, c := range map[string]struct {
		old, new fstest.MapFS
		level    registry.Level
		want     []string // place: severity: rule: subject
	}{
		"unchanged":       {files("a/b.schema.json", object), files("a/b.schema.json", object), registry.Backward, nil},
		"a type":          {files("a/b.schema.json", object), files("a/b.schema.json", strings.Replace(object, "string", "integer", 1)), registry.Backward, []string{"a/b.schema.json:4:12: error: type-removed: shop.a.b"}},
		"no level":        {files("a/b.schema.json", object), files("a/b.schema.json", strings.Replace(object, "string", "integer", 1)), registry.None, nil},
		"removed":         {files("a/b.schema.json", object, "a/c.schema.json", object), files("a/b.schema.json", object), registry.Backward, []string{".: error: subject-removed: shop.a.c"}},
		"stood in for":    {files("a/b.schema.json", object, "a/event.schema.json", object), files("a/event.schema.json", object), registry.Backward, nil},
		"badly stood in":  {files("a/b.schema.json", object, "a/event.schema.json", `{"type":"array"}`), files("a/event.schema.json", `{"type":"array"}`), registry.Backward, []string{"a/event.schema.json:1:1: error: subject-removed: shop.a.b"}},
		"shared, gone":    {files("common/x.schema.json", object, "a/b.schema.json", `{"$ref":"common/x.schema.json"}`), files("a/b.schema.json", object), registry.Backward, nil},
		"both directions": {files("a/b.schema.json", `{"maxLength":3}`), files("a/b.schema.json", `{"maxLength":2}`), registry.Full, []string{"a/b.schema.json:1:2: error: max-length-lowered: shop.a.b"}},
		"only forward":    {files("a/b.schema.json", `{"maxLength":3}`), files("a/b.schema.json", `{"maxLength":4}`), registry.Forward, []string{"a/b.schema.json:1:2: error: max-length-lowered: shop.a.b"}},
		"below a reference": {
			files("common/x.schema.json", `{"maxLength":3}`, "a/b.schema.json", `{"properties":{"x":{"$ref":"../common/x.schema.json"}}}`),
			files("common/x.schema.json", "{\n\"maxLength\":2}", "a/b.schema.json", `{"properties":{"x":{"$ref":"../common/x.schema.json"}}}`),
			registry.Backward,
			[]string{"common/x.schema.json:2:1: error: max-length-lowered: shop.a.b shop.common.x"},
		},
	} {
		report, err := Run(t.Context(), []Domain{{Name: "shop", Path: ".", FS: c.new}}, Options{Baseline: baseline(t, c.level, c.old)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, f := range report.Findings {
			subjects := strings.Join(append([]string{f.Subject}, f.Others...), " ")
			got = append(got, f.place()+": "+f.Severity+": "+f.Rule+": "+subjects)
			if f.Result == "incompatible" && len(f.Witness) == 0 {
				t.Errorf("%s: no witness: %+v", name, f)
			}
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// What a schema says must not break out of a workflow command or an XML report.
func TestEscaping(t *testing.T) {
	r := Report{
		Subjects: []Checked{{Domain: "a", Subject: "a.b", File: "x"}},
		Findings: []Finding{{Severity: Failure, Rule: "r", File: "a,b:c%\n.json", Line: 1, Column: 2, Subject: "a.b", Why: "::error::\r\n100% <&>\x00", Witness: []byte("\"]]>\"")}},
		Errors:   1,
	}
	var github, junit strings.Builder
	if err := errors.Join(r.GitHub(&github), r.JUnit(&junit)); err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(github.String(), "\n"); first != "::error file=a%2Cb%3Ac%25%0A.json,line=1,col=2,title=r::::error::%0D%0A100%25 <&>\x00%0Aof a.b%0Awitness: \"]]>\"" {
		t.Errorf("%q", first)
	}
	if text := junit.String(); strings.Contains(text, "<&>") || strings.Contains(text, "]]>") || strings.Contains(text, "\x00") || strings.Count(text, "<failure") != 1 {
		t.Errorf("%s", text)
	}
}

// A machine without git must be told so, and not that the folder is in no repository.
func TestNoGit(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := OpenGit(t.Context(), t.TempDir(), "main")
	var ours *cli.Error
	if !errors.As(err, &ours) || !errors.Is(err, exec.ErrNotFound) || ours.What != "the git command is not there" {
		t.Errorf("%v", err)
	}
}
