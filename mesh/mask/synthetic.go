package mask

import (
	"strconv"
	"strings"
)

// makeSynthetic chooses something invented by the value's keyed token, so that
// equal values become equal ones everywhere in the destination. Where the
// schema doesn't admit it, or nothing is invented for the form, the token
// stands there.
func makeSynthetic(f *Field, s *Scratch, dst, text []byte, _ *Event) ([]byte, error) {
	s.digest(f.mac, f.class, f.kind, text)
	if f.invention == nil {
		return f.token(dst, s, text)
	}
	bits, start := s.bits, len(dst)
	dst = append(f.invention.write(append(dst, '"'), &s.bits, text), '"') // forms need no escapes
	if f.invents || f.admitsText(dst[start+1:len(dst)-1]) {
		return dst, nil
	}
	s.bits = bits
	return f.token(dst[:start], s, text)
}

// inventionFor is how something is invented for values of class, which the schema
// wants to have a format; nil if nothing is.
func (m *Masker) inventionFor(class Class, format string) *form {
	switch format {
	case "":
		return inventions[m.form(class)]
	case "email", "idn-email":
		return inventions[FormEmail]
	case "uri", "iri", "uri-reference", "iri-reference", "uriref":
		return inventions[FormURL]
	}
	return nil
}

// What the languages of what is invented are made of.
const (
	inventedName = `[A-Z][a-z]{2,12}`
	inventedNick = `[a-z]{3,7}\.[a-z]{5,12}[0-9]{6}`
)

// inventions are the forms of which realistic ones can be made. They are JSON
// strings' contents as they stand, as those of tokens are.
var inventions = map[Form]*form{
	FormPersonName: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		dst = append(append(dst, b.pick(firstNames)...), ' ', byte('A'+b.below(26)), '.', ' ')
		return surname(dst, b)
	}).within(12, 23, inventedName+` [A-Z]\. `+inventedName),
	FormName: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		dst = append(surname(dst, b), ' ')
		return append(append(append(dst, b.pick(trades)...), ' '), b.pick(companies)...)
	}).within(13, 33, inventedName+` `+inventedName+` [A-Z][A-Za-z]{1,7}`),
	FormLogin: formOf(func(dst []byte, b *bitStream, _ []byte) []byte { return nick(dst, b) }).within(15, 26, inventedNick),
	FormEmail: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.host(append(nick(dst, b), '@'))
	}).within(27, 38, inventedNick+`@`+hostClass),
	FormAddress: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		dst = append(strconv.AppendInt(dst, int64(1+b.below(498)), 10), ' ')
		dst = append(append(surname(dst, b), ' '), b.pick(ways)...)
		return town(append(dst, ", "...), b)
	}).within(18, 40, `[1-9][0-9]{0,2} `+inventedName+` `+inventedName+`, `+inventedName),
	FormCity: formOf(func(dst []byte, b *bitStream, _ []byte) []byte { return town(dst, b) }).within(5, 13, inventedName),
	FormURL: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return nick(append(b.host(append(dst, "https://"...)), '/'), b)
	}).within(35, 46, `https://`+hostClass+`/`+inventedNick),
}

// pick is one of some words.
func (b *bitStream) pick(words []string) string { return words[b.below(len(words))] }

func surname(dst []byte, b *bitStream) []byte {
	return append(append(dst, b.pick(roots)...), b.pick(endings)...)
}

func town(dst []byte, b *bitStream) []byte {
	return append(append(dst, b.pick(roots)...), b.pick(townEndings)...)
}

// nick is a name as accounts have it, with enough digits to tell them apart (38 bits).
func nick(dst []byte, b *bitStream) []byte {
	dst = append(append(dst, b.pick(lowerNames)...), '.')
	dst = append(append(dst, b.pick(lowerRoots)...), b.pick(endings)...)
	return b.digits(dst, 6)
}

// The words are invented or common; nobody in particular is meant.
var (
	firstNames = strings.Fields("Ada Aino Alba Alma Amir Anouk Anton Aria Arno Asha Bela Benno Bruno Calla Carl Cleo Cora Dana Dario Dina Edda Egon Elia" +
		" Elin Emil Enno Erik Esra Etta Ezra Fabio Faye Fenna Finn Flora Frida Gesa Gita Goran Greta Hana Hanno Hedda Henrik Hugo Ida Ilan" +
		" Ilse Imke Inga Ines Ivo Jana Jarek Joana Joris Juna Kaja Kalle Karim Keto Kira Klara Lale Lars Leila Lena Levi Lia Linus Liv Lore" +
		" Luca Luz Maja Malik Mara Marta Mats Mila Mira Moritz Nadia Neele Nico Nils Noor Nora Odile Ole Olga Orla Oskar Paco Paula Pelle" +
		" Pia Quentin Rafa Ragna Remo Rhea Rosa Runa Samir Selma Silas Sina Sofie Svea Tara Theo Thora Tilda Timo Tova Ugo Ulla Uma Vera" +
		" Veit Vito Wanda Wim Xenia Yara Yuna Zoe")
	roots = strings.Fields("Alder Amber Arden Ash Barn Beck Birch Black Blythe Bram Brook Cal Carr Cedar Clay Clear Cold Cray Dal Deer Dun Eagle East Elder" +
		" Elm Fair Fern Fox Glen Gold Green Grey Hal Hart Hawk Hazel Heath High Holm Iron Ivy Kel Kings Lang Lark Lin Long Mar Mill Moor" +
		" Moss North Oak Old Pen Pine Raven Red Ridge Rose Rowan Sand Sel Silver South Stan Stone Swan Thorn Wal West White Wil Wind Wolf Wynn")
	endings     = strings.Fields("bank beck berg born bourne bridge brook burn by combe cote croft dale den er feld field ford gard gate grove hall ham hart holm hurst kamp land ley low man mann mere mont more quist rup sen shaw son stead sted stein stone strand strom sund thorpe ton tree vale vik wald ward water way well wick win wood worth")
	townEndings = strings.Fields("berg borough bridge burg bury by dorf field ford hafen ham haven heim holm mouth pool port stad stadt stead ton vik ville wick worth")
	trades      = strings.Fields("Analytics Bakery Books Ceramics Foods Freight Gardens Instruments Labs Logistics Marine Mills Optics Outdoor Paper Systems Textiles Tools Trading Works Apparel Brewing Cycles Design Energy Furniture Glass Hardware Media Networks")
	companies   = strings.Fields("Group Ltd Inc GmbH Co BV Oy AB SA AG Srl Partners")
	ways        = strings.Fields("Street Road Lane Avenue Way Close Square Row Walk Hill")
	lowerNames  = lower(firstNames)
	lowerRoots  = lower(roots)
)

func lower(words []string) []string {
	low := make([]string, len(words))
	for i, word := range words {
		low[i] = strings.ToLower(word)
	}
	return low
}
