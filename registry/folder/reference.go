package folder

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// link finds the file behind every reference.
func (r *reader) link() {
	ids := r.ids()
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		file := r.files[name]
		for _, ref := range file.Document.References() {
			target, problem := r.resolve(name, ref, ids)
			if problem != nil {
				problem.File = name
				problem.Line, problem.Column = find(r.texts[name], firstUse(file.Document, ref))
				r.report(*problem)
				continue
			}
			t := r.files[target]
			if t == nil { // it was found, and what is wrong with it is reported
				r.broken[name] = true
				continue
			}
			file.References = append(file.References, FileReference{Name: ref, Path: target, Subject: t.Subject})
		}
	}
}

// ids are the files by the absolute URIs that their "$id"s give them.
func (r *reader) ids() map[string][]string {
	ids := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		schema, ok := r.files[name].Document.Value().(map[string]any)
		if !ok {
			continue
		}
		for _, keyword := range []string{"$id", "id"} {
			id, _ := schema[keyword].(string)
			if id = strings.TrimSuffix(id, "#"); absolute(id) {
				ids[id] = append(ids[id], name)
				break
			}
		}
	}
	return ids
}

func absolute(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.IsAbs()
}

// resolve is the path of the file that ref, written in the file name, leads
// to. A file that is there, but broken, is found.
func (r *reader) resolve(name, ref string, ids map[string][]string) (string, *Problem) {
	if absolute(ref) {
		return r.byID(ref, ids)
	}
	target := ref
	if plain, err := url.PathUnescape(ref); err == nil {
		target = plain
	}
	beside := clean(path.Dir(name), target)
	candidates := []string{clean("", target), beside}
	if strings.HasPrefix(target, "./") || strings.HasPrefix(target, "../") {
		candidates = []string{beside}
	}
	var found []string
	for _, c := range candidates {
		if c != "" && r.has(c) && !slices.Contains(found, c) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 2:
		return "", &Problem{
			Code: CodeReference, What: fmt.Sprintf("%q may mean two files", ref),
			Why:  fmt.Sprintf("there is %s and there is %s", found[0], found[1]),
			Cure: `begin the reference with "./" or "../" to mean the file's own folder, or rename one of the files`,
		}
	}
	tried := slices.DeleteFunc(slices.Compact(candidates), func(c string) bool { return c == "" })
	why := "it leads out of the folder"
	if len(tried) > 0 {
		why = "there is no " + strings.Join(tried, " and no ")
	}
	cure := "correct the path, or add the file"
	if len(tried) > 0 && !strings.HasSuffix(tried[0], Suffix) {
		cure = "name the file in full, with " + Suffix
	}
	if near := r.nearest(target); near != "" {
		cure = "did you mean " + near + "?"
	}
	return "", &Problem{Code: CodeReference, What: fmt.Sprintf("%q leads to no file", ref), Why: why, Cure: cure}
}

func (r *reader) byID(ref string, ids map[string][]string) (string, *Problem) {
	switch found := ids[ref]; len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", &Problem{
			Code: CodeReference, What: fmt.Sprintf("%q leads to no file", ref), Why: "no file has this $id, and nothing is ever fetched",
			Cure: "put a copy of that schema into the folder, and refer to its path",
		}
	default:
		return "", &Problem{
			Code: CodeReference, What: fmt.Sprintf("%q may mean several files", ref),
			Why: strings.Join(found, " and ") + " have this $id", Cure: "refer to the file by its path",
		}
	}
}

// has reports whether there is a schema file at a path, sound or not.
func (r *reader) has(name string) bool {
	_, ok := r.texts[name]
	return ok || r.broken[name]
}

// nearest is the one file of the same base name as target, "" if there is none
// or more than one.
func (r *reader) nearest(target string) string {
	near := ""
	for name := range r.texts {
		if path.Base(name) == path.Base(target) || strings.TrimSuffix(path.Base(name), Suffix) == path.Base(target) {
			if near != "" {
				return ""
			}
			near = name
		}
	}
	return near
}

// firstUse is the JSON pointer of the first reference to ref in a document.
func firstUse(d *jsonschema.Document, ref string) string {
	for at, schema := range d.Schemas() {
		for _, keyword := range []string{"$ref", "$dynamicRef"} {
			value, _ := schema[keyword].(string)
			if target, _, _ := strings.Cut(value, "#"); value != "" && target == ref {
				return at + "/" + keyword
			}
		}
	}
	return ""
}

// dangling is the JSON pointer of the first "$ref" in a document whose fragment
// leads nowhere; that of the document's root if there is none.
func dangling(b *jsonschema.Bundle) string {
	for at, schema := range b.Document.Schemas() {
		ref, _ := schema["$ref"].(string)
		target, fragment, _ := strings.Cut(ref, "#")
		document := b.Document
		if target != "" {
			if b.References[target] == nil {
				continue
			}
			document = b.References[target].Document
		}
		if plain, err := url.PathUnescape(fragment); err == nil {
			fragment = plain
		}
		if _, ok := jsonschema.Find(document.Value(), fragment); !ok {
			return at + "/$ref"
		}
	}
	return ""
}

// order lists the files so that each comes after those that it refers to,
// otherwise by path, and reports circles.
func (r *reader) order() []string {
	const entered, left = 1, 2
	state := map[string]int{}
	ordered := make([]string, 0, len(r.files))
	var trail []string
	var visit func(string)
	visit = func(name string) {
		switch state[name] {
		case left:
			return
		case entered:
			r.circle(trail[slices.Index(trail, name):])
			return
		}
		state[name] = entered
		trail = append(trail, name)
		for _, ref := range r.files[name].References {
			visit(ref.Path)
		}
		trail = trail[:len(trail)-1]
		state[name] = left
		ordered = append(ordered, name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		visit(name)
	}
	return ordered
}

// circle reports files that refer to each other in a circle, once.
func (r *reader) circle(members []string) {
	if slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Code == CodeCircle && slices.Contains(members, p.File) }) {
		return
	}
	first, next := members[0], members[0]
	if len(members) > 1 {
		next = members[1]
	}
	p := Problem{
		Code: CodeCircle, File: first, What: "schemas refer to each other in a circle: " + strings.Join(append(slices.Clone(members), first), " → "),
		Why:  "a version is registered after those that it refers to, and none of these can be the first",
		Cure: "move what they share into a file of its own, or put them into one file, under $defs",
	}
	if len(members) == 1 {
		p.What, p.Why = "it refers to itself by its file name", "a version is registered after those that it refers to"
		p.Cure = `refer to itself as "#"`
	}
	for _, ref := range r.files[first].References {
		if ref.Path == next {
			p.Line, p.Column = find(r.texts[first], firstUse(r.files[first].Document, ref.Name))
			break
		}
	}
	for _, member := range members {
		r.broken[member] = true
	}
	r.report(p)
}
