package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/known"
)

// maxWalk bounds how often a value is encrypted again because the schema
// doesn't admit what came of it: so often for one of walkLength characters, and
// less often for a longer one, since it costs more. A walk is on average as long
// as the part of the possible values that the schema admits is small.
const (
	maxWalk    = 2000
	walkLength = 32
)

// makeFPE encrypts the characters of the rule's alphabet in place, again and
// again until the schema admits the result: since the value itself is admitted,
// that ends, and is still a bijection (cycle walking).
func makeFPE(f *Field, s *Scratch, dst, text []byte, _ *Event) ([]byte, error) {
	if f.kind == Bool || f.recipe.fpe == nil {
		return dst, unfit(FPE, f.kind)
	}
	return f.cycle(s, dst, text, f.recipe.fpe.Encrypt)
}

// cycle walks with one step of the cipher, in either direction.
func (f *Field) cycle(s *Scratch, dst, text []byte, step func(numerals []uint16, tweak []byte) error) ([]byte, error) {
	r := f.recipe
	s.made = append(s.made[:0], text...)
	s.nums = s.nums[:0]
	for i, c := range text {
		switch n := r.numerals[c]; {
		case n >= 0:
			s.nums = append(s.nums, uint16(n))
		case f.kind == Number && i == 0 && c == '-':
		case f.kind == String && strings.IndexByte(separators, c) >= 0:
		default:
			return dst, &Refusal{
				Code: CodeUnsuitable, Why: "fpe found a character that is neither in the rule's alphabet nor a separator",
				Cure: "give the rule an alphabet that has all characters of such values, or another technique",
			}
		}
	}
	for walked, most := 1, 0; ; walked++ {
		if err := step(s.nums, nil); err != nil {
			return dst, &Refusal{Code: CodeUnsuitable, Why: err.Error(), Cure: "give the class another technique, such as token"}
		}
		at := 0
		for i, c := range s.made {
			if f.kind == String && r.numerals[c] >= 0 || f.kind == Number && c != '-' {
				s.made[i] = r.letters[s.nums[at]]
				at++
			}
		}
		if f.kind == String && f.admitsText(s.made) {
			return appendQuoted(dst, s.made)
		}
		if f.kind == Number && f.admitsInteger(s.made) {
			return append(dst, s.made...), nil
		}
		if walked == 1 { // a value that the schema doesn't admit itself may be on no way to one that it does
			if f.kind == String && f.admitsText(text) || f.kind == Number && f.admitsInteger(text) {
				most = maxWalk * walkLength / max(walkLength, len(s.nums))
			}
		}
		if walked >= most {
			return dst, unfit(FPE, f.kind)
		}
	}
}

// admitsInteger reports whether the digits are a number, and one that the
// schema admits. One without leading zeros stays one.
func (f *Field) admitsInteger(text []byte) bool {
	digits := bytes.TrimPrefix(text, []byte("-"))
	if !known.Digits(string(digits)) || digits[0] == '0' {
		return false
	}
	if len(f.admitted) == 0 && f.shape.anyNumber() {
		return true
	}
	n, ok := parseDecimal(string(text))
	return ok && f.admitsNumber(n)
}

// makeHash makes a keyed hash of exactly the value.
func makeHash(f *Field, s *Scratch, dst, text []byte, _ *Event) ([]byte, error) {
	if f.recipe.exact == nil {
		return dst, unfit(Hash, f.kind)
	}
	s.digestExactly(f.recipe.exact, text)
	if f.kind != String || len(f.admitted) > 0 {
		return f.token(dst, s, text)
	}
	s.made = hex.AppendEncode(s.made[:0], s.bits.block[:])
	if m := f.shape.MaxLength; m >= 16 && m < len(s.made) {
		s.made = s.made[:m]
	}
	return f.text(dst, s.made)
}

// makeEncrypted encrypts exactly the text.
func makeEncrypted(f *Field, s *Scratch, dst, text []byte, _ *Event) ([]byte, error) {
	if f.kind != String || f.recipe.seal == nil {
		return dst, &Refusal{
			Code: CodeUnsuitable, Why: fmt.Sprintf("encrypt is for texts, and a %s has no room for a ciphertext", f.kind), Cure: "give numbers a class of their own, with fpe or token",
		}
	}
	s.text = f.recipe.seal(s.text[:0], text)
	s.made = base64.RawURLEncoding.AppendEncode(s.made[:0], s.text)
	return f.text(dst, s.made)
}

// RevealFPE undoes the technique fpe: it gives the value, of a kind and at a place of
// the shape, that became what is masked. The masker must have the rule and the key
// that it was masked with: FF1 has no check, and under others gives another value.
// The error is a *Refusal; it holds nothing of either.
//
// Who may see raw values, and the record that somebody did, are the caller's to
// see to.
func (m *Masker) RevealFPE(class Class, shape *Shape, kind Kind, masked string) (string, error) {
	f := m.field(m.Technique(class), class, shape, kind)
	if f.technique != FPE || f.recipe.fpe == nil || kind != String && kind != Number {
		return "", &Refusal{
			Code: CodeNoTechnique, Why: fmt.Sprintf("the policy %s doesn't give the class %s the technique fpe, for texts or numbers", m.policy, class),
			Cure: "name the class and the policy that the value was masked by",
		}
	}
	s := m.Scratch()
	defer s.Release()
	made, err := f.cycle(s, nil, []byte(masked), f.recipe.fpe.Decrypt)
	if err != nil {
		return "", err
	}
	if kind == Number {
		return string(made), nil
	}
	text, err := jsontext.AppendUnquote(nil, made)
	if err != nil {
		return "", unfit(FPE, kind)
	}
	return string(text), nil
}

// Reveal decrypts what the technique encrypt made of a text of class for a
// destination, with whichever of the ring's keys it was made with, whose ID it
// returns. The error is a *Refusal; it holds nothing of either.
//
// Who may see raw values, and the record that somebody did, are the caller's to
// see to.
func (r *Ring) Reveal(destination string, class Class, encrypted string) (text, keyID string, err error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(encrypted)
	if err != nil {
		return "", "", &Refusal{Code: CodeUnsuitable, Why: "this is nothing that encrypt made: it is no base64url", Cure: "give the encrypted value as it stands in the event"}
	}
	for _, k := range slices.Backward(r.entries) {
		if k.key.IsZero() {
			continue
		}
		cipher, err := newSeal(k.key, destination, class)
		if err != nil {
			return "", "", &Refusal{Code: CodeNoKey, Why: err.Error(), Cure: "report this as a defect"}
		}
		if plain, err := cipher.Open(nil, sealed); err == nil {
			return string(plain), k.key.ID(), nil
		}
	}
	return "", "", &Refusal{
		Code: CodeNoKey, Why: fmt.Sprintf("none of the %d keys opens it as a value of class %s for %s", len(r.entries), class, destination),
		Cure: "check class and destination; if its key was destroyed, nobody can read it any more",
	}
}
