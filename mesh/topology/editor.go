package topology

import (
	"reflect"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
)

// EditorSchema is the JSON Schema of mesh.yaml, for editors to complete and
// check it by. It is generated from the types that the parser reads into; what
// it cannot say, such as that a route's ends exist, is Parse's to check.
func EditorSchema() ([]byte, error) {
	names := map[string]string{}
	for _, kind := range []string{"environment", "domain", "policy"} {
		names[kind] = nameSyntax.String()
	}
	return strictyaml.EditorSchema(reflect.TypeFor[file](), strictyaml.Hints{
		Title: "Lockstep mesh",
		Names: names,
		Types: map[reflect.Type]map[string]any{
			reflect.TypeFor[mask.Technique](): {"type": "string", "enum": techniques()},
			reflect.TypeFor[mask.Class]():     {"type": "string", "enum": classNames()},
			reflect.TypeFor[mask.Decimal]():   {"type": []string{"number", "string"}},
		},
		Keys: map[reflect.Type][]string{reflect.TypeFor[mask.Rule](): classNames()},
		Docs: map[string]string{
			"Policy.classes":   "What each class of data becomes in the destination. A class that is not named is withheld, and the event with it.",
			"Policy.defaults":  "What becomes of values that nobody classified.",
			"Rule.technique":   describeTechniques(),
			"Rule.as":          "For token and synthetic, the form, if not the class's own: email, login, url and others. For redact, the text that stands in place of a string.",
			"Rule.days":        "For date-shift: how many days a date is moved at most, either way; 1 to 3650.",
			"Rule.by":          "For date-shift: the class whose first value in the event says whom the date is about. All dates of one subject are moved alike.",
			"Rule.size":        "For bucket: the width of an interval, as in size: 10.",
			"Rule.percent":     "For noise: how much a number may change, as in percent: 5.",
			"Rule.length":      "For truncate: how many characters of a text are kept.",
			"Rule.to":          "For truncate: what is kept of a date (year, month, day, hour) or of an IP address (network).",
			"Rule.alphabet":    "For fpe: the characters that are encrypted: digits (when left out), hex, lower, upper, letters, alphanumeric, or the characters themselves.",
			"Rule.value":       "For constant: what stands in the value's place.",
			"Rule.expression":  "For cel: an expression over value and event, which must give a value of the same type. token(text) makes a keyed token.",
			"Defaults.string":  "Unclassified strings. Left out: withhold.",
			"Defaults.number":  "Unclassified numbers. Left out: withhold.",
			"Defaults.boolean": "Unclassified booleans. Left out: pass.",
			"Defaults.null":    "Nulls. Left out: pass.",
			"Defaults.enum":    "Unclassified values that the schema enumerates. Left out: pass.",
			"Defaults.key":     "Names of properties that the schema admits without naming them. Left out: withhold.",
		},
	})
}

func techniques() []string {
	names := make([]string, 0, len(mask.Techniques()))
	for _, t := range mask.Techniques() {
		names = append(names, string(t))
	}
	return names
}

// describeTechniques is a line for each technique: what stands in a value's
// place, and what somebody in the destination learns of it.
func describeTechniques() string {
	var b strings.Builder
	for i, t := range mask.Techniques() {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(string(t) + ": " + t.Describe() + ". It reveals " + t.Reveals() + ".")
	}
	return b.String()
}
