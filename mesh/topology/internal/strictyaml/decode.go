package strictyaml

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Decode reads the YAML document data into the struct that into points to.
// It goes on after each problem, so that what it returns is all of them, in
// the order of the file, and fills into with what could be understood.
func Decode(data []byte, into any) (*Positions, []Problem) {
	d := &decoder{at: &Positions{
		values: map[string]Position{"": {1, 1}},
		keys:   map[string]Position{},
		broken: map[string]bool{},
	}}
	root, problem := parse(data)
	switch {
	case problem != nil:
		d.problems = append(d.problems, *problem)
	case root == nil:
		d.problems = append(d.problems, Problem{
			Code: CodeEmpty, Position: Position{1, 1}, What: "the file is empty",
			Cure: "it needs " + list(requiredNames(reflect.TypeOf(into).Elem())),
		})
	default:
		d.value(root, scope{}, reflect.ValueOf(into).Elem())
	}
	Sort(d.problems)
	return d.at, d.problems
}

type decoder struct {
	at       *Positions
	problems []Problem
}

// meaningless is why nothing may be empty: it is mostly a slip of indentation.
const meaningless = "what stands in the file must say something"

// scope is where the decoder is: the path for Positions, and the same for
// people.
type scope struct {
	path, shown string
	required    bool
}

func (s scope) into(step string) scope {
	inner := scope{path: extend(s.path, step), shown: step}
	if s.shown != "" {
		inner.shown = s.shown + "." + step
	}
	return inner
}

// orRemove adds to a cure that the key may go, where it may.
func (s scope) orRemove(cure string) string {
	if s.required {
		return cure
	}
	return cure + ", or remove it"
}

func (s scope) element(i int) scope {
	return scope{path: extend(s.path, strconv.Itoa(i)), shown: fmt.Sprintf("%s[%d]", s.shown, i)}
}

// String names the place in a sentence.
func (s scope) String() string {
	if s.shown == "" {
		return "the file"
	}
	return s.shown
}

func (d *decoder) refuse(s scope, p Problem) {
	d.at.broken[s.path] = true
	d.problems = append(d.problems, p)
}

// value decodes node into v, which is settable.
func (d *decoder) value(node ast.Node, s scope, v reflect.Value) {
	node = d.plain(node, s)
	if node == nil {
		return
	}
	if _, noted := d.at.values[s.path]; !noted || s.path == "" {
		d.at.values[s.path] = start(node)
	}
	if node.Type() == ast.NullType {
		d.refuse(s, Problem{
			Code: CodeEmpty, Position: d.position(s), What: fmt.Sprintf("%s is empty", s),
			Why: meaningless, Cure: s.orRemove("give it " + article(v.Type())),
		})
		return
	}
	t := v.Type()
	switch {
	case isText(t):
		d.text(node, s, v)
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(node, s, v.Elem())
	case t.Kind() == reflect.Struct:
		d.structure(node, s, v, "")
	case t.Kind() == reflect.Slice:
		if k, ok := section(t); ok {
			d.section(node, s, v, k)
			return
		}
		d.list(node, s, v)
	case t.Kind() == reflect.Map:
		d.mapping(node, s, v)
	default:
		d.scalar(node, s, v)
	}
}

// plain takes anchors and tags off a node, reporting them; nil where nothing
// readable is left.
func (d *decoder) plain(node ast.Node, s scope) ast.Node {
	for depth := 0; node != nil && depth <= maxDepth; depth++ {
		var what string
		var inner ast.Node
		switch n := node.(type) {
		case *ast.AnchorNode:
			what, inner = "an anchor", n.Value
		case *ast.TagNode:
			what, inner = "a tag", n.Value
		case *ast.AliasNode:
			what = "an alias"
		case *ast.MappingKeyNode:
			what = "a key marked by `?`"
		case *ast.DirectiveNode:
			what = "a directive"
		default:
			return node
		}
		d.refuse(s, Problem{
			Code: CodeSyntax, Position: place(node.GetToken()), What: what + " is not read in this file",
			Why: "each line must stand for itself, so that a problem has one place", Cure: "write the value out",
		})
		node = inner
	}
	return nil
}

// position is where to point for the value at s: its own place, or for an
// empty one the key's.
func (d *decoder) position(s scope) Position {
	if at, ok := d.at.keys[s.path]; ok {
		return at
	}
	return d.at.values[s.path]
}

// pair is one key of a mapping with its value.
type pair struct {
	name  string
	at    Position
	value ast.Node
}

// pairs returns the keys of a mapping in order, duplicates (which it reports)
// left out; ok is false where node is no mapping (which it reports too).
func (d *decoder) pairs(node ast.Node, s scope, t reflect.Type, duplicate func(name string, first Position) (what, why string)) ([]pair, bool) {
	mapping, ok := node.(ast.MapNode)
	if !ok {
		d.wrongType(node, s, t)
		return nil, false
	}
	var found []pair
	first := map[string]Position{}
	for rows := mapping.MapRange(); rows.Next(); {
		key := rows.KeyValue()
		at := start(key.Key)
		scalar, ok := key.Key.(ast.ScalarNode)
		if !ok || key.Key.IsMergeKey() {
			d.refuse(s, Problem{
				Code: CodeSyntax, Position: at, What: fmt.Sprintf("a key of %s is not a plain word", s),
				Why: "merge keys, `?` keys, anchors and tags on keys are not read in this file", Cure: "write the keys and their values out",
			})
			continue
		}
		name := scalar.GetToken().Value
		if before, twice := first[name]; twice {
			what, why := fmt.Sprintf("%s stands twice in %s", name, s), ""
			if duplicate != nil {
				what, why = duplicate(name, before)
			}
			d.refuse(s, Problem{
				Code: CodeDuplicate, Position: at, What: what, Why: why,
				Cure: fmt.Sprintf("the first one is at line %d: keep one of them", before.Line),
			})
			continue
		}
		first[name] = at
		found = append(found, pair{name, at, key.Value})
	}
	if len(found) == 0 {
		d.refuse(s, Problem{
			Code: CodeEmpty, Position: d.position(s), What: fmt.Sprintf("%s is empty", s),
			Why: meaningless, Cure: s.orRemove("fill it"),
		})
		return nil, false
	}
	return found, true
}

// structure decodes a mapping whose keys are described. kind is what the
// mapping stands for, where it has a name of its own.
func (d *decoder) structure(node ast.Node, s scope, v reflect.Value, kind string) {
	pairs, ok := d.pairs(node, s, v.Type(), nil)
	if !ok {
		return
	}
	described := fields(v.Type())
	seen := map[string]bool{}
	for _, p := range pairs {
		i := indexOf(described, p.name)
		if i < 0 {
			if meant := Nearest(p.name, names(described)); meant != "" {
				seen[meant] = true // so that it is not called missing besides
				d.at.broken[s.into(meant).path] = true
			}
			d.refuse(s, Problem{
				Code: CodeUnknownKey, Position: p.at, What: fmt.Sprintf("unknown key %q in %s", p.name, s),
				Why: "a key that nothing reads would be silently without effect", Cure: Suggest(p.name, names(described)),
			})
			continue
		}
		seen[p.name] = true
		inner := s.into(p.name)
		inner.required = described[i].required
		d.at.keys[inner.path] = p.at
		if several, ok := p.value.(*ast.SequenceNode); ok && described[i].single != "" {
			d.refuse(inner, Problem{
				Code: CodeWrongType, Position: start(several), What: fmt.Sprintf("%s is a list", inner),
				Why: described[i].single, Cure: "write one name",
			})
			continue
		}
		d.value(p.value, inner, v.FieldByIndex(described[i].index))
	}
	for _, f := range described {
		if f.required && !seen[f.name] {
			d.missing(s, f, kind)
		}
	}
}

func (d *decoder) missing(s scope, f field, kind string) {
	subject := s.String()
	if kind != "" {
		subject = kind
	}
	inner := s.into(f.name)
	why, cure := clause(f.doc), fmt.Sprintf("add `%s:`", f.name)
	if values := choices(f.typ); values != nil {
		why, cure = "", fmt.Sprintf("add `%s:` with one of %s", f.name, strings.Join(values, ", "))
	} else if f.example != "" {
		cure += fmt.Sprintf(", for example `%s: %s`", f.name, f.example)
	}
	d.refuse(inner, Problem{
		Code: CodeMissing, Position: d.position(s), What: fmt.Sprintf("%s has no %q", subject, f.name), Why: why, Cure: cure,
	})
}

// section decodes a mapping into a slice, in the file's order.
func (d *decoder) section(node ast.Node, s scope, v reflect.Value, k keyed) {
	pairs, ok := d.pairs(node, s, v.Type(), func(name string, _ Position) (string, string) {
		return fmt.Sprintf("the %s %s is declared twice", k.kind, name), k.twice
	})
	if !ok {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(pairs), len(pairs)))
	for i, p := range pairs {
		inner := s.into(p.name)
		d.at.keys[inner.path] = p.at
		element := v.Index(i)
		element.Field(k.index).SetString(p.name)
		value := d.plain(p.value, inner)
		if value == nil {
			continue
		}
		if value.Type() == ast.NullType {
			d.value(value, inner, element)
			continue
		}
		d.at.values[inner.path] = start(value)
		d.structure(value, inner, element, k.kind+" "+p.name)
	}
}

func (d *decoder) mapping(node ast.Node, s scope, v reflect.Value) {
	pairs, ok := d.pairs(node, s, v.Type(), nil)
	if !ok {
		return
	}
	t := v.Type()
	v.Set(reflect.MakeMapWithSize(t, len(pairs)))
	for _, p := range pairs {
		inner := s.into(p.name)
		d.at.keys[inner.path] = p.at
		key := reflect.New(t.Key()).Elem()
		if err := set(key, p.name); err != nil {
			d.refuse(inner, refusal(p.at, p.name, inner, err))
			continue
		}
		element := reflect.New(t.Elem()).Elem()
		d.value(p.value, inner, element)
		v.SetMapIndex(key, element)
	}
}

func (d *decoder) list(node ast.Node, s scope, v reflect.Value) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		d.wrongType(node, s, v.Type())
		return
	}
	if len(sequence.Values) == 0 {
		d.refuse(s, Problem{
			Code: CodeEmpty, Position: d.position(s), What: fmt.Sprintf("%s is empty", s),
			Why: meaningless, Cure: s.orRemove("list at least one"),
		})
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(sequence.Values), len(sequence.Values)))
	for i, element := range sequence.Values {
		d.value(element, s.element(i), v.Index(i))
	}
}

// text decodes a scalar whose type has its own syntax.
func (d *decoder) text(node ast.Node, s scope, v reflect.Value) {
	written, ok := scalarText(node)
	if !ok {
		d.wrongType(node, s, v.Type())
		return
	}
	if err := set(v, written); err != nil {
		d.refuse(s, refusal(start(node), written, s, err))
	}
}

func (d *decoder) scalar(node ast.Node, s scope, v reflect.Value) {
	written, ok := scalarText(node)
	if !ok {
		d.wrongType(node, s, v.Type())
		return
	}
	values := choices(v.Type())
	_, isText := node.(*ast.StringNode)
	_, isLiteral := node.(*ast.LiteralNode)
	_, isBool := node.(*ast.BoolNode)
	_, isInteger := node.(*ast.IntegerNode)
	_, isFloat := node.(*ast.FloatNode)
	fits := false
	switch v.Kind() {
	case reflect.String:
		fits = isText || isLiteral || values != nil
	case reflect.Bool:
		fits = isBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		fits = isInteger
	case reflect.Float32, reflect.Float64:
		fits = isInteger || isFloat
	}
	if !fits {
		d.wrongType(node, s, v.Type())
		return
	}
	if values != nil && !slices.Contains(values, written) {
		d.refuse(s, Problem{
			Code: CodeBadValue, Position: start(node), What: fmt.Sprintf("%s cannot be %q", s, written),
			Why: "it is one of " + strings.Join(values, ", "), Cure: suggestOr(written, values, "write one of them"),
		})
		return
	}
	if v.Kind() == reflect.String && strings.TrimSpace(written) == "" {
		d.refuse(s, Problem{
			Code: CodeEmpty, Position: start(node), What: fmt.Sprintf("%s is empty", s),
			Why: meaningless, Cure: s.orRemove("fill it"),
		})
		return
	}
	if err := set(v, written); err != nil {
		d.refuse(s, refusal(start(node), written, s, err))
	}
}

// set stores a scalar's text in v.
func set(v reflect.Value, written string) error {
	if own, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return own.UnmarshalText([]byte(written))
	}
	switch v.Kind() {
	case reflect.String:
		if values := choices(v.Type()); values != nil && !slices.Contains(values, written) {
			return fmt.Errorf("it is one of %s", strings.Join(values, ", "))
		}
		v.SetString(written)
		return nil
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(written))
		v.SetBool(b)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(written, 0, v.Type().Bits())
		v.SetInt(n)
		return number(err)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(written, 0, v.Type().Bits())
		v.SetUint(n)
		return number(err)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(written, v.Type().Bits())
		v.SetFloat(n)
		return number(err)
	}
	return fmt.Errorf("no value of this file is a %s", v.Type())
}

// number leaves the function's name out of strconv's error.
func number(err error) error {
	var bad *strconv.NumError
	if errors.As(err, &bad) {
		return bad.Err
	}
	return err
}

func refusal(at Position, written string, s scope, err error) Problem {
	p := Problem{Code: CodeBadValue, Position: at, What: fmt.Sprintf("%s cannot be %q", s, written), Why: err.Error()}
	var own Refusal
	if errors.As(err, &own) {
		what, why, cure := own.Explain()
		p.What, p.Why, p.Cure = fmt.Sprintf("%s: %s", s, what), why, cure
	}
	return p
}

// scalarText is a scalar as it is written; false for collections.
func scalarText(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func (d *decoder) wrongType(node ast.Node, s scope, t reflect.Type) {
	found, quotable := describeNode(node)
	cure := "write " + article(t) + " here"
	switch {
	case quotable && t.Kind() == reflect.String:
		cure = fmt.Sprintf("put it in quotes: %q", node.GetToken().Value)
	case t.Kind() == reflect.Struct && quotable:
		if described := fields(t); len(described) > 0 && described[0].typ.Kind() == reflect.String {
			cure = fmt.Sprintf("write {%s: %s}", described[0].name, node.GetToken().Value)
		}
	case t.Kind() == reflect.Slice && quotable:
		cure = fmt.Sprintf("write it as a list: [%s]", node.GetToken().Value)
	}
	d.refuse(s, Problem{
		Code: CodeWrongType, Position: start(node), What: fmt.Sprintf("%s is %s", s, found),
		Why: "it takes " + article(t), Cure: cure,
	})
}
