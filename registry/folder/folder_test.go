package folder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"
)

func in(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// A path would be registered under another subject than the one its events are
// looked up by, and every event of that type would be refused.
func TestSubjects(t *testing.T) {
	for name, want := range map[string]string{
		"issues/opened.schema.json":           "github.issues.opened",
		"issues/event.schema.json":            "github.issues",
		"issues.schema.json":                  "github.issues",
		"common/user.schema.json":             "github.common.user",
		"common/event.schema.json":            "github.common.event",
		"common/parts/user.schema.json":       "github.common.parts.user",
		"branch-rule/author_x.schema.json":    "github.branch-rule.author_x",
		"ünïcode/ж.schema.json":               "github.ünïcode.ж",
		"common.schema.json":                  "! common is not an entity",
		"event.schema.json":                   "! it belongs to no entity",
		"a/b/c.schema.json":                   "! it lies too deep",
		"a/b.c.schema.json":                   `! "b.c" cannot be part of a subject: a dot`,
		"a b/c.schema.json":                   `! "a b" cannot be part of a subject: white space`,
		"a/*.schema.json":                     `! "*" cannot be part of a subject`,
		"a/>.schema.json":                     `! ">" cannot be part of a subject`,
		"a/.schema.json":                      `! "" cannot be part of a subject: it is empty`,
		"a/x\u00a0y.schema.json":              "! \"x\\u00a0y\" cannot be part of a subject: white space",
		"common/a\x7f.schema.json":            `! "a\x7f" cannot be part of a subject`,
		"a/\xff.schema.json":                  `! "\xff" cannot be part of a subject: it is not valid UTF-8`,
		`a/b\c.schema.json`:                   `! "b\\c" cannot be part of a subject: a backslash`,
		"common/too/deep/is/fine.schema.json": "github.common.too.deep.is.fine",
	} {
		subject, problem := subjectOf("github", name)
		if refusal, refused := strings.CutPrefix(want, "! "); refused {
			if problem == nil || !strings.Contains(problem.Error(), refusal) || problem.Cure == "" || problem.File != name {
				t.Errorf("%q: %q, %v; want a problem with %q", name, subject, problem, refusal)
			}
		} else if problem != nil || subject != want {
			t.Errorf("%q: %q, %v; want %q", name, subject, problem, want)
		}
	}
}

// Files would be pushed before those that they refer to, or a reference would
// be given a name that the registry cannot find the "$ref" by.
func TestReadOrdersReferences(t *testing.T) {
	files, err := Read("shop", in(map[string]string{
		"a/made.schema.json":       `{"properties":{"by":{"$ref":"common/user.schema.json#/$defs/name"},"also":{"$ref":"common/user.schema.json"}}}`,
		"a/sent.schema.json":       `{"properties":{"by":{"$ref":"../z/event.schema.json"},"made":{"$ref":"./made.schema.json"},"self":{"$ref":"#"}}}`,
		"common/user.schema.json":  `{"$defs":{"name":{"type":"string"}},"properties":{"mail":{"$ref":"mail.schema.json"}}}`,
		"common/mail.schema.json":  `{"$id":"https://shop.test/mail","type":"string"}`,
		"z/event.schema.json":      `{"properties":{"mail":{"$ref":"https://shop.test/mail#"},"not":{"const":{"$ref":"data"}}}}`,
		"z/wide%20.schema.json":    `true`,
		"z/ж.schema.json":          `{"$ref":"z/wide%2520.schema.json"}`,
		"README.md":                `not a schema`,
		".git/broken.schema.json":  `{`,
		"common/package.json":      `{`,
		"common/.hidden/x.schema.": `{`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		line := f.Path + " " + f.Subject
		for _, r := range f.References {
			line += " [" + r.Name + " " + r.Path + " " + r.Subject + "]"
		}
		got = append(got, line)
	}
	want := []string{
		"common/mail.schema.json shop.common.mail",
		"common/user.schema.json shop.common.user [mail.schema.json common/mail.schema.json shop.common.mail]",
		"a/made.schema.json shop.a.made [common/user.schema.json common/user.schema.json shop.common.user]",
		"z/event.schema.json shop.z [https://shop.test/mail common/mail.schema.json shop.common.mail]",
		"a/sent.schema.json shop.a.sent [../z/event.schema.json z/event.schema.json shop.z] [./made.schema.json a/made.schema.json shop.a.made]",
		"z/wide%20.schema.json shop.z.wide%20",
		"z/ж.schema.json shop.z.ж [z/wide%2520.schema.json z/wide%20.schema.json shop.z.wide%20]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A folder's problems would come out one at a time, or without the place.
func TestReadReportsEverything(t *testing.T) {
	_, err := Read("shop", in(map[string]string{
		"a/ambiguous.schema.json":         `{"$ref":"common/twin.schema.json"}`,
		"a/common/twin.schema.json":       `{}`,
		"a/dup.schema.json":               "{\"type\":\"object\",\n  \"type\":\"object\"}",
		"a/fetch.schema.json":             "{\n  \"$ref\": \"https://example.com/x.json\"\n}",
		"a/fragment.schema.json":          `{"$ref":"common/deep/er/fine.schema.json#/$defs/none"}`,
		"a/half.schema.json":              "{\n  \"type\": ",
		"a/leaves.schema.json":            `{"$ref":"../../etc/passwd"}`,
		"a/missing.schema.json":           "{\n  \"properties\": {\n    \"ü\": {\"$ref\": \"common/usr.schema.json\"}\n  }\n}",
		"a/near.schema.json":              `{"$ref":"twin"}`,
		"a/needs-dup.schema.json":         `{"$ref":"dup.schema.json"}`,
		"a/pattern.schema.json":           "{\n  \"properties\": {\"x\": {\"pattern\": \"(?<a>\"}}\n}",
		"a/type.schema.json":              "{\n  \"type\": \"strin\"\n}",
		"b.schema.json":                   `{}`,
		"b/event.schema.json":             `{}`,
		"c/self.schema.json":              `{"properties":{"x":{"$ref":"c/self.schema.json"}}}`,
		"common/twin.schema.json":         `{}`,
		"common/ring-1.schema.json":       `{"properties":{"x":{"$ref":"ring-2.schema.json"}}}`,
		"common/ring-2.schema.json":       `{"items":{"$ref":"ring-3.schema.json"}}`,
		"common/ring-3.schema.json":       `{"items":{"$ref":"ring-1.schema.json"}}`,
		"common/uses-ring.schema.json":    `{"items":{"$ref":"ring-1.schema.json"}}`,
		"d/white space.schema.json":       `{}`,
		"d/refers-to-white.schema.json":   `{"$ref":"white%20space.schema.json"}`,
		"common/endless.schema.json":      `{"allOf":[{"$ref":"#"}]}`,
		"common/unknown-dr.schema.json":   `{"$schema":"https://json-schema.org/draft/2099-01/schema"}`,
		"common/not-object.schema.json":   `[]`,
		"common/deep/er/fine.schema.json": `{}`,
	}))
	golden(t, "problems.golden", err)
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("%T", err)
	}
	for _, p := range problems {
		if p.Cure == "" || p.Why == "" || p.What == "" || p.Code == "" {
			t.Errorf("%+v lacks a part", p)
		}
	}
	if below := problems.Below("schemas/shop"); !strings.HasPrefix(below[0].Error(), "schemas/shop/a/") {
		t.Errorf("not below its folder: %v", below[0])
	}
}

// A mistyped folder would be taken for one that has nothing to push.
func TestReadOfNothing(t *testing.T) {
	for name, err := range map[string]error{
		CodeEmpty:      second(Read("shop", in(map[string]string{"README.md": ""}))),
		CodeUnreadable: second(Read("shop", os.DirFS(filepath.Join(t.TempDir(), "none")))),
		CodeName:       second(Read("sh.op", in(map[string]string{"a/b.schema.json": "{}"}))),
	} {
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Code != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Real schemas, whose references are relative to the root in some files and to
// their own folder in others, would not be understood, or slowly.
func TestGitHubFolder(t *testing.T) {
	dir := filepath.Join(corpus(t), "github-webhooks", "schemas")
	start := time.Now()
	files, err := Read("github", os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files in %s", len(files), time.Since(start))
	if len(files) != 291 {
		t.Errorf("%d files, want 291", len(files))
	}
	registry := map[string]int{}
	results, err := Push(t.Context(), files, func(_ context.Context, subject string, _ []byte, refs []Reference) (int, int, error) {
		for _, r := range refs {
			if registry[r.Subject] != r.Version || r.Version == 0 {
				t.Errorf("%s refers to %s version %d, which is not registered", subject, r.Subject, r.Version)
			}
		}
		registry[subject] = 1
		return 1, len(registry), nil
	})
	if err != nil || len(results) != 291 || registry["github.issues.opened"] == 0 || registry["github.push"] == 0 || registry["github.common.user"] == 0 {
		t.Errorf("%d pushed, %v", len(results), err)
	}
}

// One refused file would keep the others from being registered, or what
// depends on it would be registered against a version that does not exist.
func TestPushGoesOn(t *testing.T) {
	files, err := Read("shop", in(map[string]string{
		"a/one.schema.json":       `{"$ref":"common/bad.schema.json"}`,
		"a/two.schema.json":       `{"$ref":"one.schema.json"}`,
		"b/fine.schema.json":      `{"$ref":"common/good.schema.json"}`,
		"common/bad.schema.json":  `{"title":"bad"}`,
		"common/good.schema.json": `{"title":"good"}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("not compatible")
	var asked []string
	results, err := Push(t.Context(), files, func(_ context.Context, subject string, _ []byte, _ []Reference) (int, int, error) {
		asked = append(asked, subject)
		if subject == "shop.common.bad" {
			return 0, 0, refusal
		}
		return 7, len(asked), nil
	})
	if !errors.Is(err, refusal) {
		t.Errorf("the registry's own error is lost: %v", err)
	}
	golden(t, "push.golden", err)
	if want := []string{"shop.common.bad", "shop.common.good", "shop.b.fine"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
	if want := []Result{{"common/good.schema.json", "shop.common.good", 7, 2}, {"b/fine.schema.json", "shop.b.fine", 7, 3}}; !slices.Equal(results, want) {
		t.Errorf("results %v, want %v", results, want)
	}

	calls := 0
	_, err = Push(t.Context(), files, func(context.Context, string, []byte, []Reference) (int, int, error) {
		calls++
		return 0, 0, fmt.Errorf("push: %w", Stop(refusal))
	})
	if calls != 1 || !errors.Is(err, refusal) || !strings.Contains(err.Error(), "4 more files") {
		t.Errorf("%d calls after an error that ends everything: %v", calls, err)
	}
}

// Some content of a file would crash the reader or be reported at a place that
// the file does not have.
func TestReadAnything(t *testing.T) {
	pieces := []string{
		`{`, `}`, `[`, `]`, `"`, `:`, `,`, "\n", `"$ref":"`, `a/b.schema.json`, `"$id":`, `"a/a.schema.json#/x"`, `"type":"object"`,
		`{"$ref":"a/b.schema.json"}`, `{"$ref":"b.schema.json"}`, `{"$ref":"#/x"}`, `{"properties":{"p":`, `"pattern":"("`, `true`, `null`, "\xff", `ж`,
	}
	rapid.Check(t, func(t *rapid.T) {
		files := map[string]string{}
		for _, name := range []string{"a/a.schema.json", "a/b.schema.json", "common/c.schema.json"} {
			files[name] = strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 6).Draw(t, name), "")
		}
		read, err := Read("d", in(files))
		if (err == nil) != (len(read) == 3) {
			t.Fatalf("%d files and %v", len(read), err)
		}
		var problems Problems
		if err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
			t.Fatalf("%T", err)
		}
		for _, p := range problems {
			if lines := 1 + strings.Count(files[p.File], "\n"); p.Line > lines {
				t.Fatalf("%v in a file of %d lines", p, lines)
			}
		}
	})
}
