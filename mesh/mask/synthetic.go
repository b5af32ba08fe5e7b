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
	if f.kind == String && len(f.admitted) == 0 {
		form := f.masker.form(f.class)
		switch f.shape.Format {
		case "email", "idn-email":
			form = FormEmail
		case "uri", "iri", "uri-reference", "iri-reference", "uriref":
			form = FormURL
		case "":
		default:
			form = ""
		}
		if invent, ok := inventions[form]; ok {
			bits := s.bits
			s.made = invent(s.made[:0], &s.bits, text)
			if f.admitsText(s.made) {
				return f.text(dst, s.made)
			}
			s.bits = bits
		}
	}
	return f.token(dst, s, text)
}

// inventions are the forms of which realistic ones can be made.
var inventions = map[Form]formWriter{
	FormPersonName: func(dst []byte, b *bitStream, _ []byte) []byte {
		dst = append(append(dst, pick(b, firstNames)...), ' ', byte('A'+b.below(26)), '.', ' ')
		return surname(dst, b)
	},
	FormName: func(dst []byte, b *bitStream, _ []byte) []byte {
		dst = append(surname(dst, b), ' ')
		return append(append(append(dst, pick(b, trades)...), ' '), pick(b, companies)...)
	},
	FormLogin: func(dst []byte, b *bitStream, _ []byte) []byte { return nick(dst, b) },
	FormEmail: func(dst []byte, b *bitStream, _ []byte) []byte { return b.host(append(nick(dst, b), '@')) },
	FormAddress: func(dst []byte, b *bitStream, _ []byte) []byte {
		dst = append(strconv.AppendInt(dst, int64(1+b.below(498)), 10), ' ')
		dst = append(append(surname(dst, b), ' '), pick(b, ways)...)
		dst = append(dst, ", "...)
		return town(dst, b)
	},
	FormCity: func(dst []byte, b *bitStream, _ []byte) []byte { return town(dst, b) },
	FormURL: func(dst []byte, b *bitStream, _ []byte) []byte {
		dst = b.host(append(dst, "https://"...))
		return nick(append(dst, '/'), b)
	},
}

// pick is one of a list of words.
func pick(b *bitStream, words string) string {
	list := wordLists[words]
	return list[b.below(len(list))]
}

func surname(dst []byte, b *bitStream) []byte {
	return append(append(dst, pick(b, roots)...), pick(b, endings)...)
}

func town(dst []byte, b *bitStream) []byte {
	return append(append(dst, pick(b, roots)...), pick(b, townEndings)...)
}

// nick is a name as accounts have it, with enough digits to tell them apart (38 bits).
func nick(dst []byte, b *bitStream) []byte {
	dst = append(append(dst, strings.ToLower(pick(b, firstNames))...), '.')
	dst = append(append(dst, strings.ToLower(pick(b, roots))...), strings.ToLower(pick(b, endings))...)
	return b.digits(dst, 6)
}

var wordLists = func() map[string][]string {
	lists := map[string][]string{}
	for _, words := range []string{firstNames, roots, endings, townEndings, trades, companies, ways} {
		lists[words] = strings.Fields(words)
	}
	return lists
}()

// The words are invented or common; nobody in particular is meant.
const (
	firstNames = "Ada Aino Alba Alma Amir Anouk Anton Aria Arno Asha Bela Benno Bruno Calla Carl Cleo Cora Dana Dario Dina Edda Egon Elia" +
		" Elin Emil Enno Erik Esra Etta Ezra Fabio Faye Fenna Finn Flora Frida Gesa Gita Goran Greta Hana Hanno Hedda Henrik Hugo Ida Ilan" +
		" Ilse Imke Inga Ines Ivo Jana Jarek Joana Joris Juna Kaja Kalle Karim Keto Kira Klara Lale Lars Leila Lena Levi Lia Linus Liv Lore" +
		" Luca Luz Maja Malik Mara Marta Mats Mila Mira Moritz Nadia Neele Nico Nils Noor Nora Odile Ole Olga Orla Oskar Paco Paula Pelle" +
		" Pia Quentin Rafa Ragna Remo Rhea Rosa Runa Samir Selma Silas Sina Sofie Svea Tara Theo Thora Tilda Timo Tova Ugo Ulla Uma Vera" +
		" Veit Vito Wanda Wim Xenia Yara Yuna Zoe"
	roots = "Alder Amber Arden Ash Barn Beck Birch Black Blythe Bram Brook Cal Carr Cedar Clay Clear Cold Cray Dal Deer Dun Eagle East Elder" +
		" Elm Fair Fern Fox Glen Gold Green Grey Hal Hart Hawk Hazel Heath High Holm Iron Ivy Kel Kings Lang Lark Lin Long Mar Mill Moor" +
		" Moss North Oak Old Pen Pine Raven Red Ridge Rose Rowan Sand Sel Silver South Stan Stone Swan Thorn Wal West White Wil Wind Wolf Wynn"
	endings     = "bank beck berg born bourne bridge brook burn by combe cote croft dale den er feld field ford gard gate grove hall ham hart holm hurst kamp land ley low man mann mere mont more quist rup sen shaw son stead sted stein stone strand strom sund thorpe ton tree vale vik wald ward water way well wick win wood worth"
	townEndings = "berg borough bridge burg bury by dorf field ford hafen ham haven heim holm mouth pool port stad stadt stead ton vik ville wick worth"
	trades      = "Analytics Bakery Books Ceramics Foods Freight Gardens Instruments Labs Logistics Marine Mills Optics Outdoor Paper Systems Textiles Tools Trading Works Apparel Brewing Cycles Design Energy Furniture Glass Hardware Media Networks"
	companies   = "Group Ltd Inc GmbH Co BV Oy AB SA AG Srl Partners"
	ways        = "Street Road Lane Avenue Way Close Square Row Walk Hill"
)
