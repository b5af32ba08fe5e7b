package strictyaml

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Encode writes a struct that Decode has filled as YAML, so that Decode gives
// the same again. Keys that have no value are left out.
func Encode(from any) ([]byte, error) {
	tree, err := plainValue(reflect.ValueOf(from))
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	emit(&text, tree, 0)
	return text.Bytes(), nil
}

// emit writes a tree in block style. Texts are quoted wherever YAML could
// take them for something else, which the library's encoder does not do for
// each of them.
func emit(to *bytes.Buffer, tree any, indent int) {
	margin := strings.Repeat("  ", indent)
	switch tree := tree.(type) {
	case mapping:
		for i, row := range tree {
			if i > 0 || to.Len() > 0 && to.Bytes()[to.Len()-1] == '\n' {
				to.WriteString(margin)
			}
			to.WriteString(scalar(row.key) + ":")
			if isCollection(row.value) {
				to.WriteByte('\n')
				emit(to, row.value, indent+1)
				continue
			}
			to.WriteString(" " + scalar(row.value) + "\n")
		}
	case []any:
		for _, element := range tree {
			to.WriteString(margin + "- ")
			if isCollection(element) {
				emit(to, element, indent+1)
				continue
			}
			to.WriteString(scalar(element) + "\n")
		}
	}
}

func isCollection(value any) bool {
	switch value.(type) {
	case mapping, []any:
		return true
	}
	return false
}

// plainText is what every reader of YAML takes for text as it stands: words,
// paths, and addresses and quantities of a digit and a unit.
var plainText = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_./:+-]*[A-Za-z0-9_/.+-]|[A-Za-z]|[0-9]{1,3}(\.[0-9]{1,3}){3}:[0-9]+|[0-9]+([KMGT]i?B|B|ms|s|m|h))$`)

// notText is what some version of YAML takes for a truth value or nothing.
var notText = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|y|n|null)$`)

func scalar(value any) string {
	text, ok := value.(string)
	switch {
	case !ok:
		return fmt.Sprint(value)
	case plainText.MatchString(text) && !notText.MatchString(text):
		return text
	}
	return strconv.Quote(text)
}

// mapping is a mapping in order.
type mapping []row

type row struct {
	key   string
	value any
}

// plainValue turns a described value into ordered mappings, lists and scalars.
func plainValue(v reflect.Value) (any, error) {
	if v.Kind() == reflect.Pointer {
		return plainValue(v.Elem())
	}
	t := v.Type()
	if t.Implements(textMarshaler) {
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		return string(text), err
	}
	switch v.Kind() {
	case reflect.Struct:
		return plainStruct(v)
	case reflect.Slice:
		if k, ok := section(t); ok {
			return plainSection(v, k)
		}
		elements := make([]any, v.Len())
		for i := range elements {
			element, err := plainValue(v.Index(i))
			if err != nil {
				return nil, err
			}
			elements[i] = element
		}
		return elements, nil
	case reflect.Map:
		return plainMap(v)
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return v.Uint(), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	}
	return nil, fmt.Errorf("encode YAML: no value of such a file is a %s", t)
}

func plainStruct(v reflect.Value) (mapping, error) {
	var rows mapping
	for _, f := range fields(v.Type()) {
		value := v.FieldByIndex(f.index)
		if value.IsZero() {
			continue
		}
		inner, err := plainValue(value)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{f.name, inner})
	}
	return rows, nil
}

func plainSection(v reflect.Value, k keyed) (mapping, error) {
	rows := make(mapping, v.Len())
	for i := range rows {
		inner, err := plainStruct(v.Index(i))
		if err != nil {
			return nil, err
		}
		rows[i] = row{v.Index(i).Field(k.index).String(), inner}
	}
	return rows, nil
}

func plainMap(v reflect.Value) (mapping, error) {
	var rows mapping
	for each := v.MapRange(); each.Next(); {
		key, err := plainValue(each.Key())
		if err != nil {
			return nil, err
		}
		inner, err := plainValue(each.Value())
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{fmt.Sprint(key), inner})
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.key, b.key) })
	return rows, nil
}
