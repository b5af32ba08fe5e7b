package topology

import (
	"reflect"

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
		},
		Keys: map[reflect.Type][]string{reflect.TypeFor[mask.Rule](): classNames()},
		Docs: map[string]string{
			"Policy.classes":   "What each class of data becomes in the destination. A class that is not named is withheld, and the event with it.",
			"Policy.defaults":  "What becomes of values that nobody classified.",
			"Rule.technique":   "pass: as it is. redact: a constant of the same type. drop: the property goes, where the schema allows it. token: a keyed token in the same format, equal for equal values. withhold: the whole event stays.",
			"Rule.as":          "For token, its form, if not the class's own: email, login, url and others. For redact, the text that stands in place of a string.",
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
	return []string{
		string(mask.Pass), string(mask.Redact), string(mask.Drop), string(mask.Token), string(mask.Withhold),
	}
}
