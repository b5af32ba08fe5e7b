// Package folder reads a domain's schemas from files and pushes them to a
// registry.
//
// A file's path is its subject: issues/opened.schema.json of the domain github
// is github.issues.opened, issues/event.schema.json (or issues.schema.json) is
// github.issues, the schema of the whole entity, and whatever is below common/
// holds definitions that others share: common/user.schema.json is
// github.common.user. A "$ref" leads to another file of the folder by its path.
//
// What a path means and how files hang together belongs here. How a subject is
// kept, and whether a version may follow another, is the registry's.
package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// Suffix ends the names of the files that are schemas. Other files are not
// looked at, and neither are folders whose names begin with a dot.
const Suffix = ".schema.json"

// File is one schema of a folder. It is immutable.
type File struct {
	Path     string // relative to the folder, separated by /
	Subject  string // the registry subject
	Document *jsonschema.Document
	Bundle   *jsonschema.Bundle // the document with what it refers to; it compiles
	// References are the other files that it refers to, by the name that its
	// "$ref"s use, sorted by that name.
	References []FileReference
}

// FileReference is a "$ref" that leads from one file to another.
type FileReference struct {
	Name    string // as "$ref" has it, without its fragment
	Path    string // the file it leads to
	Subject string // and that one's subject
}

// Read reads the schemas below fsys as those of domain, in an order in which
// every file comes after those that it refers to. A "$ref" to another file is
// relative to the folder's root, or to the file it stands in (always so if it
// begins with "./" or "../"), or it is that file's "$id", if that is an
// absolute URI. Each file is compiled with what it refers to.
//
// An error is Problems: everything that is wrong, at once. Then there are no
// files.
func Read(domain string, fsys fs.FS) ([]File, error) {
	r := &reader{domain: domain, fsys: fsys, files: map[string]*File{}, texts: map[string][]byte{}, broken: map[string]bool{}}
	if why := badToken(domain); why != "" {
		r.report(Problem{
			Code: CodeName, File: ".", What: fmt.Sprintf("the domain %q cannot begin a subject", domain), Why: why,
			Cure: "name the domain as mesh.yaml does: lower case letters, digits and hyphens",
		})
		return nil, r.problems
	}
	r.walk()
	r.link()
	ordered := r.order()
	r.compile(ordered)
	if len(r.problems) > 0 {
		r.problems.sort()
		return nil, r.problems
	}
	files := make([]File, len(ordered))
	for i, name := range ordered {
		files[i] = *r.files[name]
	}
	return files, nil
}

// reader gathers the files of one folder and what is wrong with them.
type reader struct {
	domain   string
	fsys     fs.FS
	files    map[string]*File  // those that parsed, by path
	texts    map[string][]byte // of all that could be read
	broken   map[string]bool   // files that have a problem, or refer to one that could not be parsed
	problems Problems
}

func (r *reader) report(p Problem) {
	r.broken[p.File] = true
	r.problems = append(r.problems, p)
}

// walk reads and parses every schema file.
func (r *reader) walk() {
	found := 0
	subjects := map[string]string{} // to paths
	err := fs.WalkDir(r.fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			r.unreadable(name, err)
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			if name != "." && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, Suffix):
			return nil
		}
		found++
		r.read(name, subjects)
		return nil
	})
	if err != nil {
		r.unreadable(".", err)
	}
	if found == 0 && len(r.problems) == 0 {
		r.report(Problem{
			Code: CodeEmpty, File: ".", What: "the folder holds no schemas",
			Why: "no file in it ends in " + Suffix, Cure: "name the files <entity>/<action>" + Suffix,
		})
	}
}

// read takes in one file.
func (r *reader) read(name string, subjects map[string]string) {
	subject, problem := subjectOf(r.domain, name)
	if problem != nil {
		r.report(*problem)
	} else if other, taken := subjects[subject]; taken {
		r.report(Problem{
			Code: CodeCollision, File: name, What: fmt.Sprintf("%s is the subject of two files", subject),
			Why: "the other one is " + other, Cure: "remove or rename one of them",
		})
	} else {
		subjects[subject] = name
	}
	text, err := readBounded(r.fsys, name)
	if err != nil {
		r.unreadable(name, err)
		return
	}
	r.texts[name] = text
	document, err := jsonschema.Parse(text)
	if err != nil {
		r.report(schemaProblem(name, text, err))
		return
	}
	r.files[name] = &File{Path: name, Subject: subject, Document: document}
}

func (r *reader) unreadable(name string, err error) {
	r.report(Problem{
		Code: CodeUnreadable, File: name, What: "it cannot be read", Why: err.Error(),
		Cure: "check the path and its permissions", cause: err,
	})
}

// readBounded reads a file, but no more of it than shows that it is too large.
func readBounded(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, jsonschema.MaxBytes+1))
	return text, errors.Join(err, f.Close())
}

// compile compiles each file with what it refers to, referenced ones first.
// What depends on a broken file is passed over: it would only repeat it.
func (r *reader) compile(ordered []string) {
	bundles := make(map[string]*jsonschema.Bundle, len(ordered))
	for _, name := range ordered {
		file := r.files[name]
		// A circle is broken too, so what is referred to comes before.
		if r.broken[name] || slices.ContainsFunc(file.References, func(ref FileReference) bool { return bundles[ref.Path] == nil }) {
			continue
		}
		b := &jsonschema.Bundle{Document: file.Document, References: make(map[string]*jsonschema.Bundle, len(file.References))}
		for _, ref := range file.References {
			b.References[ref.Name] = bundles[ref.Path]
		}
		if _, err := b.Compile(); err != nil {
			p := schemaProblem(name, r.texts[name], err)
			if p.Line == 0 {
				p.Line, p.Column = find(r.texts[name], dangling(b))
			}
			r.report(p)
			continue
		}
		bundles[name], file.Bundle = b, b
	}
}

// schemaProblem places an error of package jsonschema in the file.
func schemaProblem(name string, text []byte, err error) Problem {
	p := Problem{Code: CodeSchema, File: name, What: "it is no usable JSON Schema", Why: err.Error(), cause: err}
	var schema *jsonschema.Error
	var strict *strictjson.Error
	switch {
	case errors.As(err, &strict):
		p.Code, p.What, p.Why, p.Cure = CodeSyntax, "it is not strict JSON", strict.Problem, strict.Cure
		p.Line, p.Column = placeOf(text, strict.Offset)
	case errors.As(err, &schema):
		p.Why, p.Cure = schema.Problem, schema.Cure
		if schema.Pointer != "" {
			p.What = "it is no usable JSON Schema at " + schema.Pointer
		}
		if schema.Name == "" && schema.Pointer != "" || schema.Code == jsonschema.CodeNotASchema {
			p.Line, p.Column = find(text, schema.Pointer)
		}
	}
	return p
}

// clean is path.Join for a reference, or "" where it leads out of the folder.
func clean(dir, target string) string {
	joined := path.Join(dir, target)
	if !fs.ValidPath(joined) || joined == "." {
		return ""
	}
	return joined
}
