package registry

import (
	"fmt"
	"maps"
	"slices"
)

// Metadata is what is said about a schema beside its text. It never changes
// once it is registered; other metadata make another schema.
type Metadata struct {
	// Tags are words for places in the schema: from a path, as in
	// "**.ssn", to its tags.
	Tags map[string][]string `json:"tags,omitempty"`
	// Properties are free: an owner, an application's version.
	Properties map[string]string `json:"properties,omitempty"`
	// Sensitive names properties whose values are nobody else's business.
	Sensitive []string `json:"sensitive,omitempty"`
}

// Rule is a rule that clients apply to what they write or read. The registry
// keeps rules and does not run them.
type Rule struct {
	Name      string            `json:"name"`
	Doc       string            `json:"doc,omitempty"`
	Kind      string            `json:"kind,omitempty"` // TRANSFORM or CONDITION
	Mode      string            `json:"mode,omitempty"` // WRITE, READ, WRITEREAD, UPGRADE, DOWNGRADE or UPDOWN
	Type      string            `json:"type"`
	Tags      []string          `json:"tags,omitempty"`
	Params    map[string]string `json:"params,omitempty"`
	Expr      string            `json:"expr,omitempty"`
	OnSuccess string            `json:"onSuccess,omitempty"`
	OnFailure string            `json:"onFailure,omitempty"`
	Disabled  bool              `json:"disabled,omitempty"`
}

// RuleSet are a schema's rules, by when they apply.
type RuleSet struct {
	Migration []Rule `json:"migrationRules,omitempty"` // between versions
	Domain    []Rule `json:"domainRules,omitempty"`    // to a value
	Encoding  []Rule `json:"encodingRules,omitempty"`  // to its bytes
}

// The words that rules are made of.
var (
	ruleKinds      = []string{"", "TRANSFORM", "CONDITION"}
	domainModes    = []string{"", "WRITE", "READ", "WRITEREAD"}
	migrationModes = []string{"", "UPGRADE", "DOWNGRADE", "UPDOWN"}
)

// check refuses a rule set that no client could apply.
func (s *RuleSet) check() error {
	if s == nil {
		return nil
	}
	for _, list := range []struct {
		name  string
		rules []Rule
		modes []string
	}{{"migrationRules", s.Migration, migrationModes}, {"domainRules", s.Domain, domainModes}, {"encodingRules", s.Encoding, domainModes}} {
		seen := map[string]bool{}
		for i, rule := range list.rules {
			problem := ""
			switch {
			case rule.Name == "":
				problem = "has no name"
			case seen[rule.Name]:
				problem = fmt.Sprintf("has the name %q, which another one has", rule.Name)
			case rule.Type == "":
				problem = "has no type"
			case !slices.Contains(ruleKinds, rule.Kind):
				problem = fmt.Sprintf("is of kind %q; there are TRANSFORM and CONDITION", rule.Kind)
			case !slices.Contains(list.modes, rule.Mode):
				problem = fmt.Sprintf("has the mode %q; here there are %s", rule.Mode, list.modes[1:])
			}
			if problem != "" {
				return &Error{Code: CodeInvalidRuleSet, Message: fmt.Sprintf("invalid rule set: rule %d of %s %s", i+1, list.name, problem), Cure: "correct the rule"}
			}
			seen[rule.Name] = true
		}
	}
	return nil
}

func (m *Metadata) empty() bool {
	return m == nil || len(m.Tags) == 0 && len(m.Properties) == 0 && len(m.Sensitive) == 0
}

func (s *RuleSet) empty() bool {
	return s == nil || len(s.Migration) == 0 && len(s.Domain) == 0 && len(s.Encoding) == 0
}

// TagsByPath are the tags; nil for nil metadata.
func (m *Metadata) TagsByPath() map[string][]string {
	if m == nil {
		return nil
	}
	return m.Tags
}

// property is a property's value; empty if there is none.
func (m *Metadata) property(name string) string {
	if m == nil {
		return ""
	}
	return m.Properties[name]
}

// mergeMetadata lays each over those before it: tags of one place are united,
// a property's last value holds. It changes none of them.
func mergeMetadata(layers ...*Metadata) *Metadata {
	merged := &Metadata{Tags: map[string][]string{}, Properties: map[string]string{}}
	for _, layer := range layers {
		if layer == nil {
			continue
		}
		for place, tags := range layer.Tags {
			merged.Tags[place] = unite(merged.Tags[place], tags)
		}
		maps.Copy(merged.Properties, layer.Properties)
		merged.Sensitive = unite(merged.Sensitive, layer.Sensitive)
	}
	if merged.empty() {
		return nil
	}
	return merged
}

func unite(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// mergeRules lays each over those before it: of two rules with one name the
// later one holds.
func mergeRules(layers ...*RuleSet) *RuleSet {
	merged := &RuleSet{}
	for _, layer := range layers {
		if layer != nil {
			merged.Migration = overlay(merged.Migration, layer.Migration)
			merged.Domain = overlay(merged.Domain, layer.Domain)
			merged.Encoding = overlay(merged.Encoding, layer.Encoding)
		}
	}
	if merged.empty() {
		return nil
	}
	return merged
}

func overlay(base, over []Rule) []Rule {
	merged := make([]Rule, 0, len(base)+len(over))
	for _, rule := range base {
		if !slices.ContainsFunc(over, func(r Rule) bool { return r.Name == rule.Name }) {
			merged = append(merged, rule)
		}
	}
	return append(merged, over...)
}
