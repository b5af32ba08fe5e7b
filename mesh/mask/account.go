package mask

import (
	"bytes"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/known"
)

// writePhone keeps the country of a number in international form. Its national
// number begins with 000: no national number does, since 0 is a trunk prefix, 00
// leads abroad, or area codes begin with another digit. Where 000 is dialled for
// something else, and where there is no country, it is one of +999, a country
// code that nobody has.
func writePhone(dst []byte, b *bitStream, text []byte) []byte {
	code := ""
	var room [32]byte
	if digits := appendPhone(room[:0], bytes.TrimSpace(text)); len(digits) > 0 && digits[0] == '+' {
		code = known.CallingCode(string(digits[1:min(4, len(digits))]))
	}
	const australia = "61" // 000 is its emergency number
	if code == "" || code == australia {
		return b.digits(append(dst, "+999"...), 11)
	}
	dst = append(append(append(dst, '+'), code...), "000"...)
	return b.digits(dst, 9)
}

// writeAccount keeps what kind of account a value is.
func writeAccount(dst []byte, b *bitStream, text []byte) []byte {
	switch compact := compactAccount(text); {
	case known.IBAN(compact):
		return writeIBAN(dst, b, text)
	case known.Card(compact):
		return writeCard(dst, b, text)
	}
	return b.letters(dst, 26)
}

func compactAccount(text []byte) string {
	return strings.ToUpper(strings.Map(dropSeparators, string(bytes.TrimSpace(text))))
}

// writeIBAN keeps an IBAN's length. A German one stays German, with a bank code
// that begins with 0, as none does; every other becomes one of ZZ, a country
// code that ISO 3166 leaves to users and no country will ever have.
func writeIBAN(dst []byte, b *bitStream, text []byte) []byte {
	country, prefix, length := "ZZ", "", 22
	if compact := compactAccount(text); known.IBAN(compact) {
		length = len(compact)
		if compact[:2] == "DE" && length == 22 {
			country, prefix = "DE", "0"
		}
	}
	var account [34]byte
	n := copy(account[:], prefix)
	for n < length-4 {
		n = len(b.digits(account[:n], min(15, length-4-n)))
	}
	check := known.IBANDigits(country, string(account[:n]))
	return append(append(append(dst, country...), check[:]...), account[:n]...)
}

// writeCard keeps a card number's length. It begins with 9999: 9 is for
// national use, followed by a country, and there is no country 999.
func writeCard(dst []byte, b *bitStream, text []byte) []byte {
	length := 16
	if compact := compactAccount(text); known.Card(compact) {
		length = len(compact)
	}
	start := len(dst)
	dst = b.digits(append(dst, "9999"...), length-5)
	return append(dst, known.LuhnDigit(string(dst[start:])))
}
