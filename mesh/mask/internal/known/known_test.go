package known

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A card number or an IBAN would be taken for something else, or something else for one.
func TestCheckDigits(t *testing.T) {
	for text, want := range map[string]bool{
		"4111111111111111": true, "378282246310005": true, "4111111111111112": false, "0000000000000000": false, "41111111111": false,
		"41111111111111111111": false, "411111111111111a": false, "": false,
	} {
		if Card(text) != want {
			t.Errorf("card %s is %v", text, !want)
		}
	}
	for text, want := range map[string]bool{
		"DE89370400440532013000": true, "GB29NWBK60161331926819": true, "NO9386011117947": true, "DE88370400440532013000": false,
		"de89370400440532013000": false, "DE8937040044": false, "1E89370400440532013000": false, "": false,
	} {
		if IBAN(text) != want {
			t.Errorf("IBAN %s is %v", text, !want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{10,17}`).Draw(t, "digits")
		if full := digits + string(LuhnDigit(digits)); !Luhn(full) || strings.Trim(full, full[:1]) != "" && !Card(full) {
			t.Fatalf("%s has another check digit", full)
		}
		account := rapid.StringMatching(`[0-9A-Z]{11,30}`).Draw(t, "account")
		check := IBANDigits("ZZ", account)
		if full := "ZZ" + string(check[:]) + account; !IBAN(full) {
			t.Fatalf("%s has other check digits", full)
		}
	})
	for country, length := range ibanLengths {
		if len(country) != 2 || length < 15 || length > 34 {
			t.Errorf("%s: %d", country, length)
		}
	}
}

// A number's country would be another one's.
func TestCallingCode(t *testing.T) {
	for digits, want := range map[string]string{
		"14155550132": "1", "4930901820": "49", "35312345678": "353", "79161234567": "7", "99912345678": "", "21012345": "", "": "", "2": "", "49": "49",
	} {
		if got := CallingCode(digits); got != want {
			t.Errorf("%s has the code %q, want %q", digits, got, want)
		}
	}
}
