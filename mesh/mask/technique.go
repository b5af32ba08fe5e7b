package mask

import (
	"maps"
	"slices"
)

// Technique is what is done with a value.
type Technique string

// The techniques. What each keeps of a value and reveals about it is said by
// Keeps and Reveals.
const (
	// Pass leaves the value exactly as it is.
	Pass Technique = "pass"
	// Redact puts a constant in its place, of the same type and valid under the
	// schema: another one for each item of an array in which no two may be alike.
	Redact Technique = "redact"
	// Drop removes the value's property, where the schema doesn't require it, or
	// the value from its array. Where the schema requires it, the event is withheld.
	Drop Technique = "drop"
	// Token puts a keyed token in the value's place, in its format. A boolean has
	// no token: it becomes false.
	Token Technique = "token"
	// FPE encrypts the characters of an alphabet (FF1) and leaves separators.
	FPE Technique = "fpe"
	// DateShift moves a date by a number of days that depends on whom it is about.
	DateShift Technique = "date-shift"
	// Bucket puts the bound of an interval in a number's place.
	Bucket Technique = "bucket"
	// Noise moves a number a little, by what the key makes of it.
	Noise Technique = "noise"
	// Truncate keeps the beginning of a text, or a date or address to some precision.
	Truncate Technique = "truncate"
	// Hash puts a keyed hash (HMAC-SHA256) of the exact value in its place.
	Hash Technique = "hash"
	// Encrypt encrypts a text (AES-SIV), for the holders of the key to read again.
	Encrypt Technique = "encrypt"
	// Synthetic puts something invented in the value's place that looks real.
	Synthetic Technique = "synthetic"
	// Constant puts the rule's value in its place.
	Constant Technique = "constant"
	// CEL puts the result of an expression over value and event in its place.
	CEL Technique = "cel"
	// Scrub replaces, in free text, the identifiers that it finds, and what is
	// classified elsewhere in the event.
	Scrub Technique = "scrub"
	// Withhold keeps the whole event back.
	Withhold Technique = "withhold"
)

// techniqueInfo describes a technique.
type techniqueInfo struct {
	what, keeps, reveals string
	options              []string // the rule's options that it reads
	makes                bool     // it makes a new value: Field.Append does it
	reversible           bool
	bijection            bool
	needsEvent           bool
	partly               bool // it shows part of the value: not for secrets
}

var techniqueInfos = map[Technique]techniqueInfo{
	Pass: {
		what: "the value as it is", keeps: "everything", reveals: "everything", bijection: true, partly: true,
	},
	Redact: {
		what: "a constant of the same type, valid under the schema", keeps: "that there is a value, and its type",
		reveals: "nothing else; an empty string stays empty", options: []string{"as"}, makes: true,
	},
	Drop: {
		what: "nothing: the property or array item goes", keeps: "nothing", reveals: "nothing, or an array's length by what is missing",
	},
	Token: {
		what:    "a keyed token in the value's format",
		keeps:   "the format and equality: equal values of a class have equal tokens in one destination, and others elsewhere; a telephone number's country, whether an account is an IBAN or a card and its length, an address's family",
		reveals: "which values are equal, and how often each occurs", options: []string{"as"}, makes: true,
	},
	FPE: {
		what:    "the value's characters, encrypted with FF1 into others of the same alphabet",
		keeps:   "length, separators, a number's sign, equality and distinctness: it is a bijection, so that two values never become one",
		reveals: "length and separators, which values are equal and how often each occurs; check digits mostly don't fit any more, and a result may be somebody's number",
		options: []string{"alphabet"}, makes: true, reversible: true, bijection: true,
	},
	DateShift: {
		what:    "a date moved by up to so many days, the same for all dates of one subject",
		keeps:   "order and distances of one subject's dates, time of day, time zone, format",
		reveals: "the date to within the shift, the time of day, the distances; not the order of different subjects' dates",
		options: []string{"days", "by"}, makes: true, needsEvent: true, partly: true,
	},
	Bucket: {
		what: "the bound of the interval of the given size that a number lies in", keeps: "magnitude, and order between intervals",
		reveals: "the interval; a value at its bound stays as it is", options: []string{"size"}, makes: true, partly: true,
	},
	Noise: {
		what:    "a number that differs by up to a percentage, and always by the last decimal place at least",
		keeps:   "magnitude, number of decimals, equality; sums and means nearly, order only roughly",
		reveals: "the value to within the percentage; equal values stay equal", options: []string{"percent"}, makes: true, partly: true,
	},
	Truncate: {
		what: "the beginning: a text's first characters, a date to the year, month, day or hour, an address's network", keeps: "order of dates, groups that begin alike",
		reveals: "what it keeps of the value, exactly; of a text never the whole", options: []string{"length", "to"}, makes: true, partly: true,
	},
	Hash: {
		what: "64 hexadecimal digits: a keyed hash of the exact value; of a number, another number", keeps: "equality of exactly equal values",
		reveals: "which values are exactly equal, and how often each occurs", makes: true,
	},
	Encrypt: {
		what:    "the text encrypted with AES-SIV, as base64url; key holders at the origin read it again",
		keeps:   "everything, for holders of the key; equality and distinctness of exactly equal texts for everybody",
		reveals: "the length, which texts are exactly equal, and how often each occurs; everything, if the key is ever lost to somebody",
		makes:   true, reversible: true, bijection: true,
	},
	Synthetic: {
		what: "something invented of the same kind (a name, street, company, …), chosen by the keyed token", keeps: "kind, and equality",
		reveals: "which values are equal, and how often each occurs", options: []string{"as"}, makes: true,
	},
	Constant: {
		what: "the value that the rule gives", keeps: "that there is a value", reveals: "nothing else; an empty string stays empty", options: []string{"value"}, makes: true,
	},
	CEL: {
		what: "the result of an expression over value and event", keeps: "what the expression keeps", reveals: "what the expression reveals, of any field of the event",
		options: []string{"expression"}, makes: true, needsEvent: true,
	},
	Scrub: {
		what:    "the text, with the identifiers found in it and the event's other classified values replaced as their classes are",
		keeps:   "the rest of the text",
		reveals: "everything in the text that is neither recognised nor classified elsewhere in the event: detection finds most, and cannot promise all",
		makes:   true, needsEvent: true, partly: true,
	},
	Withhold: {what: "the whole event stays", keeps: "nothing", reveals: "that there is an event"},
}

// collisions say when two values of a class become one. Where it is chance, the odds
// that it happens to any two of n values are about n²/2^(bits+1); see Form and
// synthetic.go for the bits.
var collisions = map[Technique]string{
	Pass:      "never",
	Redact:    "always",
	Drop:      "always: nothing is left of either",
	Token:     "with odds of about n²/2^81 among n values in most forms, n²/2^65 among people's names, n²/2^54 among numbers, n²/2^30 among coordinates, n²/2^43 among streets, n²/2^30 among telephone numbers; often among cities, IPv4 addresses, dates, and where the schema leaves little room",
	FPE:       "never",
	DateShift: "never those of one subject; those of different subjects may",
	Bucket:    "if they lie in one interval",
	Noise:     "at times, if they are that close",
	Truncate:  "if they begin alike",
	Hash:      "with odds of about n²/2^257 among n texts, unless the schema cuts them short, and n²/2^54 among numbers",
	Encrypt:   "never",
	Synthetic: "with odds of about n²/2^25 among n people's names, n²/2^21 among companies, n²/2^36 among streets and accounts; often among cities",
	Constant:  "always",
	CEL:       "if the expression makes one of them",
	Scrub:     "if they differ only in what is replaced",
	Withhold:  "never: neither crosses",
}

// Techniques lists all techniques, sorted.
func Techniques() []Technique { return slices.Sorted(maps.Keys(techniqueInfos)) }

// Known reports whether t is a technique.
func (t Technique) Known() bool { _, ok := techniqueInfos[t]; return ok }

// Describe says in a few words what stands in a value's place; it is empty for
// an unknown technique.
func (t Technique) Describe() string { return techniqueInfos[t].what }

// Keeps says what of a value stays useful in the destination.
func (t Technique) Keeps() string { return techniqueInfos[t].keeps }

// Reveals says what somebody in the destination learns about the values.
func (t Technique) Reveals() string { return techniqueInfos[t].reveals }

// Collides says when two different values of a class become one, and with which odds
// where that is chance.
func (t Technique) Collides() string { return collisions[t] }

// Reversible reports whether who holds the origin's key can make the value
// again from what stands in its place.
func (t Technique) Reversible() bool { return techniqueInfos[t].reversible }

// Bijective reports whether two values of one class never become one.
func (t Technique) Bijective() bool { return techniqueInfos[t].bijection }

// NeedsEvent reports whether the technique looks at more of the event than the value.
func (t Technique) NeedsEvent() bool { return techniqueInfos[t].needsEvent }

// Renames reports whether the technique can give names in maps: it makes another text
// of each, so that there are as many as there were.
func (t Technique) Renames() bool {
	switch t {
	case Token, Hash, Synthetic, FPE, Encrypt:
		return true
	default:
		return false
	}
}

// Options are the names of a rule's options that the technique reads.
func (t Technique) Options() []string { return slices.Clone(techniqueInfos[t].options) }
