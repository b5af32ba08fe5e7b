package strictyaml

import (
	"encoding"
	"reflect"
	"strings"
)

// field is one key that a struct describes.
type field struct {
	name     string
	doc      string
	example  string
	single   string
	required bool
	owner    reflect.Type // the struct that declares it
	index    []int
	typ      reflect.Type
}

// fields returns the keys of a struct type in the order of declaration.
func fields(t reflect.Type) []field {
	var described []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if options == "inline" {
			for _, inner := range fields(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				described = append(described, inner)
			}
			continue
		}
		if name == "-" || name == "" || !f.IsExported() {
			continue
		}
		described = append(described, field{
			name:     name,
			doc:      f.Tag.Get("doc"),
			example:  f.Tag.Get("example"),
			single:   f.Tag.Get("single"),
			required: f.Tag.Get("require") == "true",
			owner:    t,
			index:    []int{i},
			typ:      f.Type,
		})
	}
	return described
}

// names returns the keys' names.
func names(described []field) []string {
	list := make([]string, len(described))
	for i, f := range described {
		list[i] = f.name
	}
	return list
}

// keyed is a section: a slice of structs written as a mapping, one field of
// which is the mapping's key.
type keyed struct {
	kind  string // what the key names, for messages
	twice string // why it may not be declared twice
	index int
	doc   string
	typ   reflect.Type // of the key field
}

// section reports whether t is a slice that is written as a mapping.
func section(t reflect.Type) (keyed, bool) {
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Struct {
		return keyed{}, false
	}
	element := t.Elem()
	for i := range element.NumField() {
		f := element.Field(i)
		if kind := f.Tag.Get("key"); kind != "" {
			return keyed{kind: kind, twice: f.Tag.Get("twice"), index: i, doc: f.Tag.Get("doc"), typ: f.Type}, true
		}
	}
	return keyed{}, false
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
)

// isText reports whether t has a syntax of its own.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textUnmarshaler) }

// choices returns the values of an enumeration, nil for other types.
func choices(t reflect.Type) []string {
	if t.Kind() != reflect.String {
		return nil
	}
	if c, ok := reflect.Zero(t).Interface().(interface{ Choices() []string }); ok {
		return c.Choices()
	}
	return nil
}
