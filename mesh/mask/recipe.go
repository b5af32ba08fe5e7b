package mask

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/lockstep-mesh/lockstep/mesh/mask/fpe"
	"github.com/lockstep-mesh/lockstep/mesh/mask/siv"
)

// recipe is a class's rule with all that can be prepared of it.
type recipe struct {
	Rule

	number   *big.Rat // the bucket's size, or the noise's percentage
	fixed    *fixed   // the same, if it is one
	subjects *mac     // for what a subject's dates are moved by
	letters  []byte   // the characters that fpe encrypts
	numerals [256]int16
	fpe      *fpe.Cipher
	seal     func(dst, text []byte) []byte
	compute  *expression
	exact    *mac // for hashes and noise
}

func (m *Masker) newRecipe(class Class, rule Rule) (*recipe, error) {
	r := &recipe{Rule: rule}
	switch rule.Technique {
	case Bucket:
		r.number = rule.Size.rat()
	case Noise:
		r.number, r.exact = rule.Percent.rat(), m.newMAC("noise", string(class))
	case Hash:
		r.exact = m.newMAC("hash", string(class))
	case DateShift:
		r.subjects = m.newMAC("date-shift", string(rule.By))
	case FPE:
		r.letters = alphabetOf(rule.Alphabet)
		for i := range r.numerals {
			r.numerals[i] = int16(slices.Index(r.letters, byte(i)))
		}
		cipher, err := fpe.New(m.key.derive(keyInfo("fpe", m.destination, string(class))), len(r.letters))
		if err != nil {
			return nil, err
		}
		r.fpe = cipher
	case Encrypt:
		cipher, err := newSeal(m.key, m.destination, class)
		if err != nil {
			return nil, err
		}
		r.seal = func(dst, text []byte) []byte { return cipher.Seal(dst, text) }
	case CEL:
		program, err := compileExpression(rule.Expression, func(text string) string { return m.Token(string(class), text) })
		if err != nil {
			return nil, err
		}
		r.compute = program
	default:
	}
	if r.number != nil {
		if n, ok := fixedOf(r.number); ok {
			r.fixed = &n
		}
	}
	return r, nil
}

func newSeal(k Key, destination string, class Class) (*siv.Cipher, error) {
	cipher, err := siv.New(slices.Concat(
		k.derive(keyInfo("encrypt-mac", destination, string(class))), k.derive(keyInfo("encrypt-ctr", destination, string(class)))))
	if err != nil {
		return nil, fmt.Errorf("mask: preparing encryption: %w", err)
	}
	return cipher, nil
}

// alphabets are those that a rule may name.
var alphabets = map[string]string{
	"": "0123456789", "digits": "0123456789", "hex": "0123456789abcdef", "lower": lowers, "upper": uppers, "letters": lowers + uppers,
	"alphanumeric": "0123456789" + lowers + uppers,
}

const (
	lowers = "abcdefghijklmnopqrstuvwxyz"
	uppers = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	// separators are what fpe leaves where it is. They are no secret, unless a
	// rule's alphabet has them.
	separators = " -./:_()+"
)

func alphabetOf(name string) []byte {
	if named, ok := alphabets[name]; ok {
		return []byte(named)
	}
	return []byte(name)
}

// badAlphabet says what is wrong with an alphabet; nothing if it is empty.
func badAlphabet(name string) string {
	letters := alphabetOf(name)
	if len(letters) < 2 {
		return "one character leaves no choice"
	}
	for i, c := range letters {
		if c < ' ' || c > '~' {
			return "only printable ASCII characters can be listed"
		}
		if slices.Index(letters, c) != i {
			return fmt.Sprintf("%q stands in it twice", c)
		}
	}
	return ""
}
