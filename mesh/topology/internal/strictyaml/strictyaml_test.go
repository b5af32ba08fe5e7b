package strictyaml

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type colour string

func (colour) Choices() []string { return []string{"red", "green"} }

type settings struct {
	Text    string         `yaml:"text"`
	Number  int8           `yaml:"number"`
	Count   uint16         `yaml:"count"`
	Ratio   float64        `yaml:"ratio"`
	Flag    bool           `yaml:"flag"`
	Colour  colour         `yaml:"colour"`
	Far     *settings      `yaml:"far"`
	Weights map[colour]int `yaml:"weights"`
	Parts   []part         `yaml:"parts"`
	List    []string       `yaml:"list"`
}

type part struct {
	Name string `yaml:"-" key:"part"`
	Size int    `yaml:"size" require:"true"`
}

// Guards against a kind of value that is read as another one, and against
// text that does not come back as it was written.
func TestEveryKindRoundTrips(t *testing.T) {
	want := settings{
		Text: "a: b #c\n\"d\"", Number: -128, Count: 65535, Ratio: 0.25, Flag: true, Colour: "red",
		Far:     &settings{Text: "yes", List: []string{"1", "-", "null", "x"}},
		Weights: map[colour]int{"green": 2, "red": -1},
		Parts:   []part{{"z", 1}, {"a", 2}},
	}
	text, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	var got settings
	if _, problems := Decode(text, &got); len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v\n%s", got, want, text)
	}
}

// Guards against a value that is quietly rounded, cut or taken for another.
func TestKindsAreStrict(t *testing.T) {
	for _, c := range []struct{ text, code, says string }{
		{"text: 1", CodeWrongType, `put it in quotes: "1"`},
		{"text: true", CodeWrongType, `put it in quotes: "true"`},
		{"text: 2001-01-01", "", ""},
		{"text: yes", "", ""},
		{"number: 128", CodeBadValue, "out of range"},
		{"number: 1.5", CodeWrongType, "a whole number"},
		{"number: '1'", CodeWrongType, "a whole number"},
		{"number: 0x7f", "", ""},
		{"count: -1", CodeBadValue, "invalid syntax"},
		{"count: 65536", CodeBadValue, "out of range"},
		{"ratio: 1", "", ""},
		{"ratio: .inf", CodeWrongType, "a number"},
		{"ratio: x", CodeWrongType, "a number"},
		{"flag: yes", CodeWrongType, "true or false"},
		{"flag: True", "", ""},
		{"colour: gren", CodeBadValue, "did you mean green?"},
		{"colour: [red]", CodeWrongType, "one of red, green"},
		{"weights: {blue: 1}", CodeBadValue, "one of red, green"},
		{"weights: {red: much}", CodeWrongType, "a whole number"},
		{"parts: {a: {}}", CodeEmpty, "parts.a is empty"},
		{"parts: {a: {size: 1}, a: {size: 2}}", CodeDuplicate, "the part a is declared twice"},
		{"parts: [a]", CodeWrongType, "one key for each part"},
		{"far: {far: {txt: x}}", CodeUnknownKey, "did you mean text?"},
		{"list: [[a]]", CodeWrongType, "list[0] is a list"},
		{"name: x", CodeUnknownKey, "in the file"},
		{"- a", CodeWrongType, "the file is a list"},
	} {
		var into settings
		_, problems := Decode([]byte(c.text), &into)
		if c.code == "" {
			if len(problems) > 0 {
				t.Errorf("%s: %v", c.text, problems)
			}
			continue
		}
		if len(problems) != 1 || problems[0].Code != c.code || !strings.Contains(fmt.Sprint(problems[0]), c.says) {
			t.Errorf("%s: %+v, want %s: %s", c.text, problems, c.code, c.says)
		}
	}
}

// Guards against a suggestion that is no help: another word altogether, or
// none for a slip of the finger.
func TestNearest(t *testing.T) {
	known := []string{"production", "staging", "testing", "hub", "nats"}
	for written, want := range map[string]string{
		"prodution":  "production",
		"prod":       "production",
		"Staging":    "staging",
		"stagin":     "staging",
		"tseting":    "testing",
		"hib":        "hub",
		"nat":        "nats",
		"":           "",
		"x":          "",
		"berlin":     "",
		"stagnation": "",
	} {
		if got := Nearest(written, known); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
}
