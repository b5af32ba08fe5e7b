package mask

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MinTokenBits is the least that a token may carry: a schema that leaves less
// room gets the event withheld instead of tokens that collide.
const MinTokenBits = 20

// Replace appends to dst, as JSON, what technique makes of v, a value of class
// ("" for an unclassified one) at a place of shape s (nil demands nothing): what
// a Field does for one value. Pass, Drop and Withhold make none. The error is a
// *Refusal, and dst must not be used then.
func (m *Masker) Replace(dst []byte, technique Technique, class Class, v Value, s *Shape) ([]byte, error) {
	return m.field(technique, class, s, v.Kind).Append(dst, v.Kind, []byte(v.Text), nil)
}

// makerOf is what makes the technique's values; nil for one that makes none.
func makerOf(t Technique) maker {
	switch t {
	case Redact:
		return func(f *Field, _ *Scratch, dst, _ []byte, _ *Event) ([]byte, error) {
			return append(dst, f.constant...), f.refusal
		}
	case Token:
		return makeToken
	case FPE:
		return makeFPE
	case DateShift:
		return makeShifted
	case Bucket:
		return makeBucket
	case Noise:
		return makeNoisy
	case Truncate:
		return makeTruncated
	case Hash:
		return makeHash
	case Encrypt:
		return makeEncrypted
	case Synthetic:
		return makeSynthetic
	case Constant:
		return makeConstant
	case CEL:
		return makeComputed
	case Scrub:
		return makeScrubbed
	default:
		return nil
	}
}

// redacted is the constant that stands in place of every value of the field.
func (f *Field) redacted() ([]byte, error) {
	if len(f.admitted) > 0 {
		return []byte(f.admitted[0]), nil
	}
	switch f.kind {
	case Null:
		return []byte("null"), nil
	case Bool:
		return []byte("false"), nil
	case Number:
		if n, ok := f.shape.redactedNumber(); ok {
			return appendNumber(nil, n), nil
		}
		return nil, unfit(Redact, f.kind)
	default:
		text, ok := f.shape.redactedString(f.recipe.As, newBitStream(sha256.Sum256([]byte("redacted"))))
		if !ok {
			return nil, unfit(Redact, f.kind)
		}
		return jsontext.AppendQuote(nil, text)
	}
}

// AppendRedacted appends to dst, as JSON, the nth of other constants than the one that
// Redact puts in place of the field's values, for items of an array of which no two
// may be alike. The error is a *Refusal: there may be too few that the schema admits.
func (f *Field) AppendRedacted(dst []byte, nth int) ([]byte, error) {
	switch {
	case len(f.admitted) > nth:
		return append(dst, f.admitted[nth]...), nil
	case len(f.admitted) > 0:
	case f.kind == String:
		text := f.recipe.As
		if text == "" {
			text = redactedText
		}
		text = fmt.Sprintf("%s %d", text, nth+1)
		bits := newBitStream(sha256.Sum256([]byte(text)))
		if f.demanded == nil && f.shape.admits([]byte(text)) {
			return appendQuoted(dst, []byte(text))
		}
		if f.demanded != nil {
			if made := f.demanded.write(nil, bits, nil); f.shape.admits(made) {
				return appendQuoted(dst, made)
			}
		} else if made, ok := f.shape.generated(nil, bits); ok {
			return appendQuoted(dst, made)
		}
	case f.kind == Number:
		if n, ok := f.shape.redactedNumber(); ok {
			step := big.NewRat(1, 1)
			if f.shape.MultipleOf != nil {
				step = f.shape.MultipleOf
			}
			for _, sign := range [...]int64{1, -1} {
				if other := new(big.Rat).Add(n, new(big.Rat).Mul(step, big.NewRat(sign*int64(nth), 1))); f.shape.admitsNumber(other) {
					return appendNumber(dst, other), nil
				}
			}
		}
	default:
	}
	return dst, unfit(Redact, f.kind)
}

// makeToken makes a keyed token of the value's canonical form.
func makeToken(f *Field, s *Scratch, dst, text []byte, _ *Event) ([]byte, error) {
	s.digest(f.mac, f.class, f.kind, text)
	return f.token(dst, s, text)
}

// token makes a token out of the scratch's bits.
func (f *Field) token(dst []byte, s *Scratch, text []byte) ([]byte, error) {
	switch {
	case len(f.admitted) > 0:
		return append(dst, f.admitted[s.bits.below(len(f.admitted))]...), nil
	case f.kind == Bool:
		return append(dst, "false"...), nil
	case f.kind == Number && f.free:
		return strconv.AppendInt(dst, 1+int64(s.bits.uint64()%maxSafeInteger), 10), nil
	case f.kind == Number && f.grid != nil:
		return f.grid.token(&s.bits).append(dst), nil
	case f.kind == Number:
		n, ok := f.shape.numberToken(&s.bits)
		if !ok {
			return dst, unfit(f.technique, f.kind)
		}
		return appendNumber(dst, n), nil
	}
	start := len(dst)
	dst = append(f.form.write(append(dst, '"'), &s.bits, text), '"') // forms need no escapes
	made := dst[start+1 : len(dst)-1]
	if f.fits || f.shape.admits(made) {
		return dst, nil
	}
	if f.demanded != nil {
		return dst[:start], unfit(f.technique, f.kind)
	}
	made, ok := f.shape.generated(s.made[:0], &s.bits)
	if !ok {
		return dst[:start], unfit(f.technique, f.kind)
	}
	s.made = made
	return jsontext.AppendQuote(dst[:start], made)
}

// KeyToken is the token for a name in a map, as one of class, where names are of
// shape s (nil demands nothing); or what another technique makes of it that the class
// has, if it Renames. The error is a *Refusal.
func (m *Masker) KeyToken(class Class, name string, s *Shape) (string, error) {
	if technique := m.Technique(class); class != "" && technique != Token && technique.Renames() {
		made, err := m.Field(class, s, false, String).Append(nil, String, []byte(name), nil)
		if err != nil {
			return "", err
		}
		text, err := jsontext.AppendUnquote(nil, made)
		return string(text), err
	}
	label := string(class)
	if class == "" {
		label = labelUnclassified
	}
	v := Value{Kind: String, Text: name}
	bits := newBitStream(m.digest(label, canonical(class, v)))
	token := forms[m.form(class)].write(nil, bits, []byte(name))
	if s == nil || s.admits(token) {
		return string(token), nil
	}
	token, ok := s.generated(nil, bits)
	if !ok {
		return "", &Refusal{
			Code: CodeUnfit,
			Why:  "no token for a name in this map fits the patterns and lengths that the schema demands of names there",
			Cure: "if the patterns admit the schema's own words only, classify the names as a class that the policy passes; else widen the patterns",
		}
	}
	return string(token), nil
}

// form is what a token of class looks like, unless the schema demands otherwise.
func (m *Masker) form(class Class) Form {
	if as := Form(m.rules[class].As); as.Known() && m.rules[class].Technique != Redact {
		return as
	}
	if info, ok := classes[class]; ok {
		return info.form
	}
	return Opaque
}

func unfit(technique Technique, kind Kind) *Refusal {
	return &Refusal{
		Code: CodeUnfit,
		Why:  fmt.Sprintf("no %s for a %s fits the format, pattern, length or range that the schema demands there", technique, kind),
		Cure: "widen the schema there, drop the field, or give its class another technique",
	}
}

// enumerated are the admitted values of one kind.
func (s *Shape) enumerated(kind Kind) []string {
	var found []string
	for _, text := range s.Enum {
		if kindOf(text) == kind {
			found = append(found, text)
		}
	}
	return found
}

func kindOf(text string) Kind {
	switch jsontext.Value(text).Kind() {
	case '"':
		return String
	case '0':
		return Number
	case 't', 'f':
		return Bool
	}
	return Null
}

// generated makes a token that fits where none of a form does: by the schema's
// pattern, else of letters and digits, as many as there may be.
func (s *Shape) generated(dst []byte, bits *bitStream) ([]byte, bool) {
	for _, p := range s.patterns {
		if text, ok := s.fromPattern(p, bits, MinTokenBits); ok {
			return append(dst, text...), true
		}
	}
	if n := s.maxLength(26); n*5 >= MinTokenBits && n <= maxGenerated {
		for left := n; left > 0; left -= 48 {
			dst = bits.letters(dst, min(left, 48))
		}
		return dst, s.admits(dst)
	}
	return dst, false
}

// fromPattern makes a string of at least minBits that matches a pattern and
// all else that the shape demands.
func (s *Shape) fromPattern(p pattern, bits *bitStream, minBits float64) (string, bool) {
	if p.gen == nil {
		return "", false
	}
	for _, repeat := range [...]int{16, 12, 26, 8, 6, 4, 32, 3, 2, 1, 0} {
		text, entropy, ok := p.gen.generate(bits, repeat)
		if ok && entropy >= minBits && s.admits([]byte(text)) {
			return text, true
		}
	}
	return s.beyondPattern(p, bits)
}

// beyondPattern adds letters after or before what a pattern says, as one that is
// not tied to both ends lets it: what matters of ^cus_ is not that there is nothing more.
func (s *Shape) beyondPattern(p pattern, bits *bitStream) (string, bool) {
	const added, least = 16, MinTokenBits/5 + 1
	text, _, ok := p.gen.generate(bits, 1)
	n := added
	if s.MaxLength > 0 {
		n = min(n, s.MaxLength-characters([]byte(text)))
	}
	if n = max(n, s.MinLength-characters([]byte(text))); !ok || n < least || n > maxGenerated {
		return "", false
	}
	var more []byte
	for left := n; left > 0; left -= 48 {
		more = bits.letters(more, min(left, 48))
	}
	for _, made := range [...]string{text + string(more), string(more) + text} {
		if s.admits([]byte(made)) {
			return made, true
		}
	}
	return "", false
}

// redactedText stands in place of a string that was redacted.
const redactedText = "[redacted]"

// plainRedactedText does so where patterns admit letters alone; it is base64, too.
const plainRedactedText = "redacted"

// redactedFormats are the constants for the formats of JSON Schema.
var redactedFormats = map[string]string{
	"date-time": "1970-01-01T00:00:00Z", "date": "1970-01-01", "time": "00:00:00Z", "duration": "P0D",
	"email": "redacted@example.com", "idn-email": "redacted@example.com",
	"hostname": "redacted.example.com", "idn-hostname": "redacted.example.com",
	"ipv4": "192.0.2.0", "ip-address": "192.0.2.0", "ipv6": "2001:db8::",
	"uri": "https://example.com/redacted", "iri": "https://example.com/redacted", "uri-template": "https://example.com/redacted",
	"uri-reference": "https://example.com/redacted", "uriref": "https://example.com/redacted", "iri-reference": "https://example.com/redacted",
	"uuid": "00000000-0000-8000-8000-000000000000", "regex": "redacted", "json-pointer": "/redacted", "relative-json-pointer": "0/redacted",
}

func (s *Shape) redactedString(text string, bits *bitStream) (string, bool) {
	if constant, ok := redactedFormats[s.Format]; ok {
		return constant, s.admits([]byte(constant))
	}
	if text == "" {
		text = redactedText
	}
	if runes := []rune(text); s.MaxLength > 0 && len(runes) > s.MaxLength {
		text = string(runes[:s.MaxLength])
	} else if len(runes) < s.MinLength && s.MinLength <= maxGenerated {
		text += strings.Repeat("x", s.MinLength-len(runes))
	}
	for _, text := range [...]string{text, plainRedactedText} {
		if s.admits([]byte(text)) {
			return text, true
		}
	}
	for _, p := range s.patterns {
		if text, ok := s.fromPattern(p, bits, 0); ok {
			return text, true
		}
	}
	return "", false
}

// maxSafeInteger is the largest integer that a double, and so JavaScript, holds
// exactly.
const maxSafeInteger = 1<<53 - 1

// numberToken makes a positive integer below 2^53 where the schema lets it,
// and else what its range and its steps admit.
func (s *Shape) numberToken(bits *bitStream) (*big.Rat, bool) {
	if s.MultipleOf == nil && s.Minimum == nil && s.Maximum == nil && s.Above == nil && s.Below == nil {
		return new(big.Rat).SetInt64(1 + int64(bits.uint64()%maxSafeInteger)), true
	}
	for _, step := range s.steps() {
		low, high := s.rangeIn(step)
		count := new(big.Int).Sub(high, low)
		count.Add(count, big.NewInt(1))
		if count.Cmp(big.NewInt(1<<MinTokenBits)) < 0 {
			continue
		}
		var random [16]byte
		bits.fill(random[:])
		k := new(big.Int).SetBytes(random[:])
		k.Mod(k, count).Add(k, low)
		n := new(big.Rat).Mul(new(big.Rat).SetInt(k), step)
		if s.admitsNumber(n) {
			return n, true
		}
	}
	return nil, false
}

// steps are what numeric tokens are multiples of, best first.
func (s *Shape) steps() []*big.Rat {
	switch {
	case s.MultipleOf != nil && s.MultipleOf.Sign() > 0:
		return []*big.Rat{s.MultipleOf}
	case s.Integer:
		return []*big.Rat{big.NewRat(1, 1)}
	}
	return []*big.Rat{big.NewRat(1, 1), big.NewRat(1, 10_000_000)}
}

// rangeIn are the first and last multiple of step that the bounds admit. Where
// there is no bound, it is such that the numbers are positive and safe, or as
// near to that as the other bound lets them.
func (s *Shape) rangeIn(step *big.Rat) (low, high *big.Int) {
	safe := floor(new(big.Rat).Quo(new(big.Rat).SetInt64(maxSafeInteger), step))
	if s.Minimum != nil {
		low = ceil(new(big.Rat).Quo(s.Minimum, step))
	}
	if s.Above != nil {
		above := new(big.Int).Add(floor(new(big.Rat).Quo(s.Above, step)), big.NewInt(1))
		if low == nil || above.Cmp(low) > 0 {
			low = above
		}
	}
	if s.Maximum != nil {
		high = floor(new(big.Rat).Quo(s.Maximum, step))
	}
	if s.Below != nil {
		below := new(big.Int).Sub(ceil(new(big.Rat).Quo(s.Below, step)), big.NewInt(1))
		if high == nil || below.Cmp(high) < 0 {
			high = below
		}
	}
	one := big.NewInt(1)
	switch {
	case low == nil && high == nil:
		return one, safe
	case low == nil && high.Cmp(big.NewInt(1<<MinTokenBits)) > 0:
		return one, high
	case low == nil:
		return new(big.Int).Sub(high, safe), high
	case high == nil && low.Cmp(new(big.Int).Rsh(safe, 1)) < 0:
		return low, safe
	case high == nil:
		return low, new(big.Int).Add(low, safe)
	}
	if low.Sign() <= 0 && new(big.Int).Sub(high, one).Cmp(big.NewInt(1<<MinTokenBits)) > 0 {
		low = one
	}
	return low, high
}

// redactedNumber is 0, or the admitted number nearest to it.
func (s *Shape) redactedNumber() (*big.Rat, bool) {
	candidates := []*big.Rat{new(big.Rat)}
	for _, step := range []*big.Rat{s.MultipleOf, big.NewRat(1, 1), big.NewRat(1, 10_000_000)} {
		if step == nil || step.Sign() <= 0 {
			continue
		}
		low, high := s.rangeIn(step)
		for _, k := range []*big.Int{low, high} {
			candidates = append(candidates, new(big.Rat).Mul(new(big.Rat).SetInt(k), step))
		}
	}
	for _, bound := range []*big.Rat{s.Minimum, s.Maximum} {
		if bound != nil {
			candidates = append(candidates, bound)
		}
	}
	var nearest *big.Rat
	for _, n := range candidates {
		if s.admitsNumber(n) && (nearest == nil || new(big.Rat).Abs(n).Cmp(new(big.Rat).Abs(nearest)) < 0) {
			nearest = n
		}
	}
	return nearest, nearest != nil
}

func floor(r *big.Rat) *big.Int {
	return new(big.Int).Div(r.Num(), r.Denom()) // Euclidean; the denominator is positive
}

func ceil(r *big.Rat) *big.Int {
	return new(big.Int).Neg(floor(new(big.Rat).Neg(r)))
}

// appendNumber writes n exactly if its decimal expansion ends, which it does
// for all that comes from decimal bounds and steps.
func appendNumber(dst []byte, n *big.Rat) []byte {
	if n.IsInt() {
		return n.Num().Append(dst, 10)
	}
	digits, exact := n.FloatPrec()
	if !exact {
		digits = int(math.Max(float64(digits), 20))
	}
	return append(dst, n.FloatString(digits)...)
}
