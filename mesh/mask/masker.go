package mask

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// Masker makes values safe for one destination: a policy, compiled, with the
// keys for that destination. It is immutable and safe for concurrent use.
type Masker struct {
	policy      string // name@digest
	destination string
	key         Key
	rules       map[Class]Rule
	recipes     map[Class]*recipe
	defaults    Defaults
	macs        map[string]*mac
	inText      map[Class]*Field // what scrub puts in place of what it finds; nil if no rule scrubs
	subjects    map[Class]bool   // whose first value says whom a date is about
	documents   bool             // a rule looks at the whole document
	scratches   *sync.Pool
	fields      *fields
}

// The labels under which what is no value of a class is tokenised. They are no
// classes, so their tokens equal those of no value in a payload.
const (
	labelUnclassified = "unclassified"
	labelMessageID    = "message-id"
	labelTraceID      = "trace-id"
	labelSpanID       = "span-id"
)

// New compiles a policy for a destination, under the origin's root key. It
// needs a name, a destination and a key; what Policy.Validate reports doesn't
// stop it, but is withheld.
func New(policyName string, p Policy, destination string, k Key) (*Masker, error) {
	if policyName == "" || destination == "" {
		return nil, &Refusal{
			Code: CodeNoPolicy, Why: fmt.Sprintf("policy %q for destination %q: both need a name", policyName, destination),
			Cure: "name the policy and the destination environment",
		}
	}
	if k.IsZero() {
		return nil, &Refusal{
			Code: CodeNoKey, Why: "there is no root key, and without one no token can be made",
			Cure: "load the origin's key, or let one be made",
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, &Refusal{Code: CodeNoPolicy, Why: "the policy can't be written down: " + err.Error(), Cure: "correct the policy"}
	}
	digest := sha256.Sum256(text)
	m := &Masker{
		policy: policyName + "@" + hex.EncodeToString(digest[:6]), destination: destination, key: k,
		rules: map[Class]Rule{}, recipes: map[Class]*recipe{}, defaults: p.Defaults.Resolve(), macs: map[string]*mac{},
		subjects: map[Class]bool{}, scratches: new(sync.Pool), fields: &fields{known: map[string]*Field{}},
	}
	for class := range classes {
		m.macs[string(class)] = m.newMAC("token", string(class))
	}
	for _, label := range []string{labelUnclassified, labelMessageID, labelTraceID, labelSpanID} {
		m.macs[label] = m.newMAC("token", label)
	}
	scrubs := false
	for name, rule := range p.Classes {
		class := Class(name)
		if !class.Known() || len(rule.validate(class)) > 0 {
			continue // no rule: the class is withheld
		}
		r, err := m.newRecipe(class, rule)
		if err != nil {
			return nil, &Refusal{
				Code: CodeNoPolicy, Why: fmt.Sprintf("the rule for %s can't be prepared: %v", class, err), Cure: "report this as a defect, with the policy",
			}
		}
		m.rules[class], m.recipes[class] = rule, r
		scrubs = scrubs || rule.Technique == Scrub
		m.documents = m.documents || rule.Technique == CEL && readsEvent(rule.Expression)
		if rule.Technique == DateShift {
			m.subjects[rule.By] = true
		}
	}
	if scrubs {
		m.inText = m.fieldsInText()
	}
	return m, nil
}

// Policy is the policy's name and digest, NAME@DIGEST: two policies of one
// name that differ have different ones.
func (m *Masker) Policy() string { return m.policy }

// Destination is the environment that the masker masks for.
func (m *Masker) Destination() string { return m.destination }

// KeyID is the public name of the root key behind the tokens.
func (m *Masker) KeyID() string { return m.key.ID() }

// String names the policy, the destination and the key's id.
func (m *Masker) String() string {
	return fmt.Sprintf("mask.Masker(%s to %s, key %s)", m.policy, m.destination, m.key.ID())
}

// Technique is what becomes of values of class; Withhold for a class that the
// policy has no rule for, or that nobody knows.
func (m *Masker) Technique(class Class) Technique {
	if rule, ok := m.rules[class]; ok && class.Known() {
		return rule.Technique
	}
	return Withhold
}

// Notes reports whether some technique looks at the event's values of class, so
// that an Event without them wouldn't do.
func (m *Masker) Notes(class Class) bool {
	if m.subjects[class] {
		return true
	}
	if m.inText == nil || class == "" {
		return false
	}
	t := m.Technique(class)
	return t != Pass && t != Scrub
}

// ReadsDocument reports whether some technique looks at an Event's Document.
func (m *Masker) ReadsDocument() bool { return m.documents }

// Rule is the rule for class, with the technique's options; false for a class
// that is withheld for want of a valid one.
func (m *Masker) Rule(class Class) (Rule, bool) {
	rule, ok := m.rules[class]
	return rule, ok
}

// Default is what becomes of an unclassified value; enumerated says that the
// schema enumerates the values that are possible at its place.
func (m *Masker) Default(kind Kind, enumerated bool) Technique {
	var t Technique
	switch {
	case kind == Null:
		t = m.defaults.Null
	case enumerated:
		t = m.defaults.Enum
	case kind == Bool:
		t = m.defaults.Boolean
	case kind == Number:
		t = m.defaults.Number
	default:
		t = m.defaults.String
	}
	if t == Pass || t == Redact || t == Drop || t == Token {
		return t
	}
	return Withhold
}

// DefaultKey is what becomes of a name in a map that nobody classified: Pass,
// Token or Withhold.
func (m *Masker) DefaultKey() Technique {
	if t := m.defaults.Key; t == Pass || t == Token {
		return t
	}
	return Withhold
}

// Token is an opaque keyed token of 26 letters and digits (128 bits), fit for a
// subject, for value as one of class. Equal (class, value) have equal tokens; a
// class of the vocabulary brings values to their canonical form first. A class
// outside the vocabulary is a name space of its own.
func (m *Masker) Token(class, value string) string {
	digest := m.digest(class, canonical(Class(class), Value{Kind: String, Text: value}))
	return string(newBitStream(digest).letters(nil, 26))
}

// MessageID is the token for a message's id (Nats-Msg-Id, ce-id): equal ids
// have equal tokens, so that deduplication goes on working. An empty id stays
// empty.
func (m *Masker) MessageID(id string) string {
	if id == "" {
		return ""
	}
	return string(newBitStream(m.digest(labelMessageID, id)).letters(nil, 26))
}

// TraceParent masks a W3C traceparent header: version and flags stay, the
// trace's and the span's ids become keyed ids of the same form, so that a trace
// still hangs together. What is no traceparent gives ok false, and must not be
// sent on.
func (m *Masker) TraceParent(header string) (masked string, ok bool) {
	parts := strings.Split(header, "-")
	if len(parts) != 4 || parts[0] != "00" || !lowerHex(parts[1], 32) || !lowerHex(parts[2], 16) || !lowerHex(parts[3], 2) ||
		strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return "", false
	}
	trace, span := m.digest(labelTraceID, parts[1]), m.digest(labelSpanID, parts[2])
	trace[0] |= 1 // an id of zeros is invalid
	span[0] |= 1
	return fmt.Sprintf("00-%x-%x-%s", trace[:16], span[:8], parts[3]), true
}

func lowerHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdef") == ""
}

// digest is the keyed hash of a canonical value.
func (m *Masker) digest(label, value string) [sha256.Size]byte {
	mac, ok := m.macs[label]
	if !ok {
		mac = m.newMAC("token", label)
	}
	s := m.Scratch()
	defer s.Release()
	return [sha256.Size]byte(s.hasher.sum(mac, []byte(value)))
}

// newMAC derives a key for a purpose, so that what is made for another one has
// nothing in common with it.
func (m *Masker) newMAC(purpose, label string) *mac {
	return newMAC(m.key.derive(keyInfo(purpose, m.destination, label)))
}

// keyInfo is what a key is derived for. Lengths keep ("a", "bc") and ("ab", "c") apart.
func keyInfo(purpose, destination, label string) string {
	return fmt.Sprintf("lockstep/%s/1\x00%d\x00%s\x00%d\x00%s", purpose, len(destination), destination, len(label), label)
}

// The codes of a Refusal. They are stable: programs may compare them.
const (
	CodeNoKey       = "no_key"       // there is no key to make tokens with
	CodeNoPolicy    = "no_policy"    // there is no usable policy
	CodeUnfit       = "unfit"        // no token or constant fits what the schema demands
	CodeNoTechnique = "no_technique" // the technique can't make a value
	CodeUnsuitable  = "unsuitable"   // the value isn't of the kind that the technique is for
	CodeNoSubject   = "no_subject"   // nothing in the event says whom a date is about
	CodeExpression  = "expression"   // the rule's expression failed for the event
	CodeFault       = "mask_fault"   // a defect in a technique
)

// Refusal says why a value could not be masked. It never holds the value.
type Refusal struct {
	Code string // one of the codes above
	Why  string
	Cure string
}

// Error says why and how to mend it, in one line.
func (r *Refusal) Error() string { return fmt.Sprintf("masking (%s): %s; %s", r.Code, r.Why, r.Cure) }
