package mask

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The bounds on an overlay file: it is small, and YAML can be made to grow.
const (
	maxOverlayBytes = 1 << 20
	maxOverlayMarks = 50_000
)

// ParseOverlay reads an overlay file, as the package's documentation describes
// it; file is the name that problems are reported under. The error is Problems:
// all that is wrong, each with file:line:col.
func ParseOverlay(file string, data []byte) (*Overlay, error) {
	p := &overlayParser{file: file, overlay: &Overlay{file: file, properties: map[string]Mark{}, lines: map[string]int{}}}
	p.parse(data)
	if len(p.problems) > 0 {
		return nil, p.problems
	}
	return p.overlay, nil
}

type overlayParser struct {
	file     string
	overlay  *Overlay
	problems Problems
	ids      int
	marks    int
}

func (p *overlayParser) problem(node ast.Node, what, why, cure string) {
	problem := Problem{File: p.file, Line: 1, Col: 1, What: what, Why: why, Cure: cure}
	// A mapping's own token is its first colon; it begins at its first key.
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		node = m.Values[0].Key
	} else if v, ok := node.(*ast.MappingValueNode); ok {
		node = v.Key
	}
	if node != nil && node.GetToken() != nil && node.GetToken().Position != nil {
		at := node.GetToken().Position
		problem.Line, problem.Col = at.Line, at.Column
	}
	p.problems = append(p.problems, problem)
}

func (p *overlayParser) parse(data []byte) {
	if len(data) > maxOverlayBytes {
		p.problem(nil, fmt.Sprintf("the file has %d bytes", len(data)), fmt.Sprintf("an overlay has %d at most", maxOverlayBytes), "split it by domain")
		return
	}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		problem := Problem{File: p.file, Line: 1, Col: 1, What: "not YAML", Why: err.Error(), Cure: "correct the syntax there"}
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			problem.Why = syntax.Message
			if syntax.Token != nil && syntax.Token.Position != nil {
				problem.Line, problem.Col = syntax.Token.Position.Line, syntax.Token.Position.Column
			}
		}
		p.problems = append(p.problems, problem)
		return
	}
	var body ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			p.problem(doc.Body, "a second YAML document", "an overlay is one document", "remove it, or merge it into the first")
			return
		}
		body = doc.Body
	}
	if body == nil {
		p.problem(nil, "the file is empty", "an overlay that classifies nothing withholds everything", "add properties, definitions or subjects")
		return
	}
	for _, e := range p.entries(body, "an overlay") {
		switch e.key {
		case "properties":
			p.properties(e.value)
		case "definitions":
			p.definitions(e.value)
		case "subjects":
			p.subjects(e.value)
		default:
			p.problem(e.node, fmt.Sprintf("unknown key %q", e.key), "an overlay has properties, definitions and subjects", "use one of them, or remove it")
		}
	}
}

// entry is one entry of a mapping.
type entry struct {
	key   string
	node  ast.Node // the key's
	value ast.Node
}

// entries lists a mapping's entries, and reports what is none. Anchors, aliases
// and tags are refused: a file that decides what leaks should read as it is.
func (p *overlayParser) entries(node ast.Node, what string) []entry {
	var values []*ast.MappingValueNode
	switch node := node.(type) {
	case *ast.MappingNode:
		values = node.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{node}
	default:
		p.problem(node, what+" is a mapping", "there is something else here", "write it as key: value")
		return nil
	}
	var entries []entry
	for _, v := range values {
		key, ok := scalar(v.Key)
		if !ok {
			p.problem(v.Key, "this key is no plain text", "anchors, aliases, tags and merge keys can't be used here", "write the key as text")
			continue
		}
		entries = append(entries, entry{key, v.Key, v.Value})
	}
	return entries
}

func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode:
		return n.Token.Value, true
	case *ast.BoolNode:
		return n.Token.Value, true
	case *ast.NullNode:
		return n.Token.Value, n.Token.Value != ""
	case *ast.FloatNode:
		return n.Token.Value, true
	}
	return "", false
}

func (p *overlayParser) properties(node ast.Node) {
	for _, e := range p.entries(node, "properties") {
		if mark, ok := p.mark(e.value); ok {
			p.overlay.properties[e.key] = mark
			p.overlay.lines[e.key] = lineOf(e.node)
		}
	}
}

func (p *overlayParser) definitions(node ast.Node) {
	for _, e := range p.entries(node, "definitions") {
		if e.key == "" {
			p.problem(e.node, "a definition without a name", "no reference can lead to it", "write the reference's name as $ref has it")
			continue
		}
		name, fragment, _ := strings.Cut(e.key, "#")
		p.overlay.definitions = append(p.overlay.definitions, definition{name: name, fragment: fragment, marks: p.pointers(e)})
	}
}

func (p *overlayParser) subjects(node ast.Node) {
	for _, e := range p.entries(node, "subjects") {
		if problem := badSubject(e.key); problem != "" {
			p.problem(e.node, fmt.Sprintf("%q is no registry subject", e.key), problem, "write it as domain.entity.action; * stands for one token, a final > for the rest")
			continue
		}
		p.overlay.subjects = append(p.overlay.subjects, subjectMarks{subject: e.key, marks: p.pointers(e)})
	}
}

func badSubject(subject string) string {
	tokens := strings.Split(subject, ".")
	for i, t := range tokens {
		switch {
		case t == "":
			return "it has an empty token"
		case t == ">" && i < len(tokens)-1:
			return "> stands only at the end"
		case t != "*" && t != ">" && strings.ContainsAny(t, "*> \t"):
			return "token " + strconv.Quote(t) + " mixes a wildcard or white space with text"
		}
	}
	return ""
}

// pointers reads the marks of one definition or subject: one mark for the
// whole, or pointers with their marks.
func (p *overlayParser) pointers(e entry) *Path {
	root := p.path(0)
	root.written.entry = e.key
	if _, ok := scalar(e.value); ok || p.isMark(e.value) {
		if mark, ok := p.mark(e.value); ok {
			root.Mark, root.written.line = &mark, lineOf(e.node)
		}
		return root
	}
	for _, e := range p.entries(e.value, fmt.Sprintf("%q", e.key)) {
		at := root
		if e.key != "" && e.key != "/" {
			if e.key[0] != '/' {
				p.problem(e.node, fmt.Sprintf("%q is no JSON pointer", e.key), "a pointer begins with /", "write it as /"+e.key)
				continue
			}
			for token := range strings.SplitSeq(e.key[1:], "/") {
				at = p.step(at, token)
			}
		}
		mark, ok := p.mark(e.value)
		if !ok {
			continue
		}
		if at.Mark != nil {
			p.problem(e.node, fmt.Sprintf("%q stands here twice", e.key), "only one mark can count", "remove one of them")
			continue
		}
		at.Mark, at.written.line = &mark, lineOf(e.node)
	}
	return root
}

func (p *overlayParser) step(from *Path, token string) *Path {
	if token == "*" {
		if from.any == nil {
			from.any = p.path(from.Literal)
			from.any.written = from.written.step(token)
		}
		return from.any
	}
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
	if from.named == nil {
		from.named = map[string]*Path{}
	}
	if from.named[name] == nil {
		from.named[name] = p.path(from.Literal + 1)
		from.named[name].written = from.written.step(token)
	}
	return from.named[name]
}

// lineOf is the line that a key stands in, from 1.
func lineOf(key ast.Node) int {
	if key == nil || key.GetToken() == nil || key.GetToken().Position == nil {
		return 0
	}
	return key.GetToken().Position.Line
}

func (p *overlayParser) path(literal int) *Path {
	p.ids++
	return &Path{id: p.ids, Literal: literal}
}

// isMark tells a mark in its long form from pointers.
func (p *overlayParser) isMark(node ast.Node) bool {
	var values []*ast.MappingValueNode
	switch node := node.(type) {
	case *ast.MappingNode:
		values = node.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{node}
	}
	for _, v := range values {
		if key, _ := scalar(v.Key); key == "class" || key == "keys" || key == "when" || key == "content" || key == "pattern" {
			return true
		}
	}
	return false
}

// mark reads a class, or {class: …, keys: …, content: …, pattern: …, when: …, else: …}.
func (p *overlayParser) mark(node ast.Node) (mark Mark, ok bool) {
	if p.marks++; p.marks == maxOverlayMarks+1 {
		p.problem(node, "too many marks", fmt.Sprintf("an overlay has %d at most", maxOverlayMarks), "split it by domain")
	}
	if p.marks > maxOverlayMarks {
		return Mark{}, false
	}
	if name, ok := scalar(node); ok {
		class, ok := p.class(node, name)
		return Mark{Class: class}, ok
	}
	before := len(p.problems)
	for _, e := range p.entries(node, "a mark, if it is no class by itself,") {
		if e.key == "when" {
			mark.When = p.when(e.value)
			continue
		}
		name, isText := scalar(e.value)
		if e.key == "content" {
			if mark.Content = Content(name); !isText || !mark.Content.Known() {
				p.problem(e.value, "this is no content", "nobody could say what the string holds", "use one of "+join(Contents()))
			}
			continue
		}
		if e.key == "pattern" {
			if _, err := regexp.Compile(name); !isText || name == "" || err != nil {
				p.problem(e.value, "this is no pattern", "no token could be made after it", `write a regular expression as in a schema's "pattern"`)
			}
			mark.Pattern = name
			continue
		}
		if !isText {
			p.problem(e.value, "this is no class", "a class is one word", "use one of "+join(Classes()))
			return Mark{}, false
		}
		class, _ := p.class(e.value, name)
		switch e.key {
		case "class":
			mark.Class = class
		case "keys":
			mark.Keys = class
		case "else":
			mark.Else = class
		default:
			p.problem(e.node, fmt.Sprintf("unknown key %q", e.key), "a mark has class, keys, content, pattern, when and else", "remove it; pointers begin with /")
		}
	}
	if len(p.problems) > before {
		return mark, false
	}
	switch {
	case mark.When != nil && mark.Class == "":
		p.problem(node, "a condition without a class", "it decides nothing", "give the mark the class that holds under the condition")
	case mark.Else != "" && mark.When == nil:
		p.problem(node, "else without when", "it would never hold", "give the mark a condition, or remove else")
	case mark == (Mark{}):
		p.problem(node, "a mark without a class", "it says nothing", "give it a class, or remove it")
	}
	return mark, len(p.problems) == before
}

// when reads a condition, {at: …, in: […]}.
func (p *overlayParser) when(node ast.Node) *When {
	var when When
	for _, e := range p.entries(node, "a condition") {
		switch e.key {
		case "at":
			at, ok := scalar(e.value)
			if !ok || at == "" {
				p.problem(e.value, "this is no place", "at is a JSON pointer, or the name of a property beside the value", "write it as /path/to/it or name")
				return nil
			}
			when.At = at
		case "in":
			list, ok := e.value.(*ast.SequenceNode)
			if !ok {
				p.problem(e.value, "this is no list", "in lists the values for which the class holds", "write it as [a, b]")
				return nil
			}
			for _, item := range list.Values {
				text, ok := scalar(item)
				if !ok {
					p.problem(item, "this is no plain value", "only texts, numbers, true, false and null can be compared", "write the value out")
					return nil
				}
				when.In = append(when.In, text)
			}
		default:
			p.problem(e.node, fmt.Sprintf("unknown key %q", e.key), "a condition has at and in", "use one of them, or remove it")
			return nil
		}
	}
	if when.At == "" || len(when.In) == 0 {
		p.problem(node, "half a condition", "it needs both the place and the values", "write it as {at: owner_type, in: [User]}")
		return nil
	}
	return &when
}

func (p *overlayParser) class(node ast.Node, name string) (Class, bool) {
	if class := Class(name); class.Known() {
		return class, true
	}
	p.problem(node, fmt.Sprintf("%q is no class", name), "no policy could have a rule for it", "use one of "+join(Classes()))
	return "", false
}
