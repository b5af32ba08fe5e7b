// Package known tells identifiers with a syntax of their own, and mostly a
// check sum, from other text: card numbers, IBANs, telephone numbers.
//
// It belongs here when masking and detection must agree about what something
// is. Both decide for themselves what follows.
package known

import "strings"

// Luhn reports whether the digits end with the check digit of ISO/IEC 7812.
func Luhn(digits string) bool {
	return len(digits) > 1 && luhnSum(digits, 0)%10 == 0
}

// LuhnDigit is the check digit for digits.
func LuhnDigit(digits string) byte {
	return byte('0' + (10-luhnSum(digits, 1)%10)%10)
}

// luhnSum sums up the digits, every second doubled; from is 1 if a check digit
// is to follow.
func luhnSum(digits string, from int) int {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if (i+from)%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum
}

// Card reports whether compact, without separators, is a payment card's
// number: 12 to 19 digits with a valid check digit, not all equal.
func Card(compact string) bool {
	return len(compact) >= 12 && len(compact) <= 19 && Digits(compact) && Luhn(compact) && strings.Trim(compact, compact[:1]) != ""
}

// Digits reports whether s consists of decimal digits, one at least.
func Digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// IBAN reports whether compact, in upper case and without separators, is an
// IBAN: a country, two check digits that fit, and 11 to 30 letters and digits.
func IBAN(compact string) bool {
	if len(compact) < 15 || len(compact) > 34 || !upper(compact[0]) || !upper(compact[1]) || !Digits(compact[2:4]) {
		return false
	}
	for i := range len(compact) {
		if c := compact[i]; !upper(c) && (c < '0' || c > '9') {
			return false
		}
	}
	return mod97(compact[4:]+compact[:4]) == 1
}

// IBANLength is how long IBANs of a country are; 0 where there are none.
func IBANLength(country string) int { return ibanLengths[country] }

var ibanLengths = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CR": 22,
	"CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22,
	"GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30,
	"KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31,
	"MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
	"SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}

// IBANDigits are the check digits of an IBAN of that country and account.
func IBANDigits(country, account string) (check [2]byte) {
	n := 98 - mod97(account+country+"00")
	return [2]byte{byte('0' + n/10), byte('0' + n%10)}
}

func mod97(s string) int {
	rest := 0
	for i := range len(s) {
		if c := s[i]; upper(c) {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest
}

func upper(c byte) bool { return c >= 'A' && c <= 'Z' }

// CallingCode is the country code with which the digits of a telephone number
// in international form begin (ITU-T E.164); empty if none does.
func CallingCode(digits string) string {
	code := 0
	for n := range min(3, len(digits)) {
		digit := digits[n] - '0'
		if digit > 9 || digit == 0 && n == 0 { // no code begins with 0
			break
		}
		if code = code*10 + int(digit); callingCodes[code] {
			return digits[:n+1]
		}
	}
	return ""
}

// callingCodes are the codes that are assigned to countries and territories.
var callingCodes = func() (codes [1000]bool) {
	for text := range strings.FieldsSeq(assignedCodes) {
		code := 0
		for _, c := range []byte(text) {
			code = code*10 + int(c-'0')
		}
		codes[code] = true
	}
	return codes
}()

const assignedCodes = " 1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66" +
	" 81 82 84 86 90 91 92 93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234" +
	" 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264" +
	" 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378" +
	" 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597" +
	" 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 687 688 689 690 691 692 850 852 853 855 856 880" +
	" 886 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979 992 993 994 995 996 998 "
