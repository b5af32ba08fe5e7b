// Package canary plants values into documents that occur nowhere else, and taps
// connections, so that tests can tell by searching what has gone where.
//
// It belongs here when it makes values or records bytes. Which of them may be
// where is the tests' to say.
package canary

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// Value is one value that was planted.
type Value struct {
	Pointer string // where in its document; '*' for the index of an item and for a name that was planted
	Core    string // what is unique of it, in any form that it takes: 12 characters or more
	Text    string // as it stands in the document
}

// Planter makes values, no two alike. It is used by one goroutine.
type Planter struct {
	serial uint64
}

// letters have no case that a program could change unseen, and look like nothing
// that a masked value is made of.
var letters = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// Word is a new unique word of 14 small letters and digits.
func (p *Planter) Word() string {
	p.serial++
	var b [8]byte
	// An odd multiplier permutes the serials, so that neighbours look different.
	binary.BigEndian.PutUint64(b[:], p.serial*0x9e3779b97f4a7c15)
	return "q" + letters.EncodeToString(b[:])[:13]
}

// digits are a new unique number of n digits, n from 9 to 18.
func (p *Planter) digits(n int) string {
	p.serial++
	span := uint64(1)
	for range n - 1 {
		span *= 10
	}
	// The multiplier has no factor in common with powers of ten: another permutation.
	return strconv.FormatUint(span+(p.serial*7_393_913_987_653)%(8*span), 10)
}

// texts are values to try in a string's place, the most telling first.
func (p *Planter) texts(was string) []Value {
	word, digits := p.Word(), p.digits(12)
	plain := func(text string) Value { return Value{Core: text, Text: text} }
	var all []Value
	switch {
	case strings.Contains(was, "://"):
		scheme, _, _ := strings.Cut(was, "://")
		all = append(all, Value{Core: word, Text: scheme + "://canary.test/" + word})
	case strings.Contains(was, "@"):
		all = append(all, Value{Core: word, Text: word + "@canary.test"})
	case strings.Contains(was, "T") && strings.Contains(was, ":"):
		all = append(all, Value{Core: digits[:9], Text: "2024-05-06T07:08:09." + digits[:9] + "Z"})
	}
	if address, err := netip.ParseAddr(was); err == nil && address.Is6() {
		all = append(all, Value{Core: digits[:4] + ":" + digits[4:8] + ":" + digits[8:], Text: "fd00::" + digits[:4] + ":" + digits[4:8] + ":" + digits[8:]})
	}
	uuid := fmt.Sprintf("%s-%s-4%s-8%s-%s", p.digits(9)[:8], digits[:4], digits[4:7], digits[7:10], p.digits(12))
	return append(
		all,
		Value{Core: word, Text: `Żan "` + word + `" O'N <&>/ü`}, // in which every encoding differs
		plain(word), plain(strings.ToUpper(word[:1])+word[1:]), plain("+49151"+digits), plain(digits), plain(uuid),
		Value{Core: word, Text: word + "@canary.test"}, Value{Core: word, Text: "https://canary.test/" + word},
		plain(p.digits(16)), plain(p.digits(9)), plain(fmt.Sprintf("%040s", p.digits(18))),
	)
}

// numbers are values to try in a number's place.
func (p *Planter) numbers() []Value {
	var all []Value
	for _, n := range []int{15, 12, 9} {
		digits := p.digits(n)
		all = append(all, Value{Core: digits, Text: digits})
	}
	fraction := p.digits(9)
	return append(
		all,
		Value{Core: fraction[:7] + "." + fraction[7:], Text: fraction[:7] + "." + fraction[7:]},
		Value{Core: "0." + fraction, Text: "0." + fraction},
	)
}

// Bed is a document to plant in, again and again. What is found out about its
// places the first time is remembered. It is used by one goroutine.
type Bed struct {
	document []byte
	valid    func([]byte) bool
	choices  map[string]int // by pointer: the candidate that is valid there, or -1
}

// NewBed is a bed for a document that is valid.
func NewBed(document []byte, valid func([]byte) bool) *Bed {
	return &Bed{document: document, valid: valid}
}

// Plant puts unique values in the place of every string, number and name of a
// map in the document for which one stays valid. What it leaves, it returns the
// pointers of: constants, enumerations, and what is too short to be searched for.
func (p *Planter) Plant(bed *Bed) (planted []byte, values []Value, left []string, err error) {
	root, err := strictjson.Decode(bed.document, strictjson.Limits{})
	if err != nil {
		return nil, nil, nil, err
	}
	g := &garden{Planter: p, root: root, bed: bed, choices: map[string]int{}, known: bed.choices != nil}
	if !g.known && !g.holds() {
		return nil, nil, nil, fmt.Errorf("the document is not valid to begin with")
	}
	g.visit(root, "", func(v any) { g.root = v })
	if !g.holds() { // items of one array that want different things, for instance
		bed.choices = nil
		return p.Plant(bed)
	}
	bed.choices = g.choices
	planted, err = json.Marshal(g.root)
	return planted, g.values, g.left, err
}

// garden is one document on its way.
type garden struct {
	*Planter
	root    any
	bed     *Bed
	known   bool // the bed's choices are taken without trying
	choices map[string]int
	values  []Value
	left    []string
	held    []func() // write what strings hold back into them, the innermost first
}

func (g *garden) holds() bool {
	for _, write := range slices.Backward(g.held) {
		write()
	}
	text, err := json.Marshal(g.root)
	return err == nil && g.bed.valid(text)
}

// visit plants in value and below; set puts another one in its place.
func (g *garden) visit(value any, pointer string, set func(any)) {
	switch v := value.(type) {
	case map[string]any:
		g.names(v, pointer)
	case []any:
		for i := range v {
			g.visit(v[i], pointer+"/*", func(next any) { v[i] = next })
		}
	case string:
		if g.inside(v, pointer, set) {
			return
		}
		g.try(g.texts(v), pointer, set, value, func(c Value) any { return c.Text })
	case json.Number:
		g.try(g.numbers(), pointer, set, value, func(c Value) any { return json.Number(c.Text) })
	}
}

// inside plants in the JSON that a string holds, as it stands or in base64.
func (g *garden) inside(text, pointer string, set func(any)) bool {
	encode := func(held []byte) string { return string(held) }
	held, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		encode = base64.StdEncoding.EncodeToString
	} else {
		held = []byte(text)
	}
	if len(held) == 0 || held[0] != '{' && held[0] != '[' {
		return false
	}
	root, err := strictjson.Decode(held, strictjson.Limits{})
	if err != nil {
		return false
	}
	g.held = append(g.held, func() {
		if text, err := json.Marshal(root); err == nil {
			set(encode(text))
		}
	})
	g.visit(root, pointer, func(next any) { root = next })
	g.holds()
	g.held = g.held[:len(g.held)-1]
	return true
}

func (g *garden) try(candidates []Value, pointer string, set func(any), was any, value func(Value) any) {
	first, last := 0, len(candidates)
	if g.known {
		first = max(g.bed.choices[pointer], 0)
		if last = first + 1; g.bed.choices[pointer] < 0 {
			last = 0
		}
	}
	for i := first; i < last; i++ {
		c := candidates[i]
		set(value(c))
		if g.known || g.holds() {
			c.Pointer = pointer
			g.values = append(g.values, c)
			g.choices[pointer] = i
			return
		}
	}
	set(was)
	g.left = append(g.left, pointer)
	g.choices[pointer] = -1
}

// names goes through an object's members, and gives them new names where the
// schema admits any: there, names are data.
func (g *garden) names(object map[string]any, pointer string) {
	free := g.free(object, pointer)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		shown, member := name, object[name]
		rename := func(v any) {
			delete(object, name)
			name, _ = v.(string)
			object[name] = member
		}
		if free {
			before := len(g.values)
			g.try(g.texts(name), pointer+"/*", rename, name, func(c Value) any { return c.Text })
			if len(g.values) > before {
				shown = "*"
			}
		}
		g.visit(member, pointer+"/"+jsonschema.EscapeToken(shown), func(next any) { object[name] = next })
	}
}

// free reports whether an object may have one more property of any name. Inside of
// strings, where no validator looks, it may if its names begin with an underscore.
func (g *garden) free(object map[string]any, pointer string) bool {
	if len(g.held) > 0 {
		return !slices.ContainsFunc(slices.Collect(maps.Keys(object)), func(name string) bool { return !strings.HasPrefix(name, "_") })
	}
	key := pointer + "/"
	if g.known {
		g.choices[key] = g.bed.choices[key]
		return g.choices[key] == 1
	}
	g.choices[key] = -1
	extra, tried := g.Word(), map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		member := object[name]
		kind := fmt.Sprintf("%T", member)
		if tried[kind] {
			continue
		}
		tried[kind] = true
		object[extra] = member
		admitted := g.holds()
		delete(object, extra)
		if admitted {
			g.choices[key] = 1
			return true
		}
	}
	return false
}
