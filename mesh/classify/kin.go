package classify

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/detect"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// kin is what the properties beside one are about: the state in an address is none
// of an order.
type kin byte

const (
	ofNothing kin = 0
	ofAddress kin = 1 << (iota - 1)
	ofPerson
	ofProduct
	ofMoney
	ofPrice // it is the amount of money that a product's price is
	ofPair  // a name and what it has as a value
)

// partOfAddress are names that beside parts of an address are such, too.
var partOfAddress = map[string]bool{
	"line": true, "state": true, "region": true, "province": true, "provincecode": true, "regioncode": true, "district": true, "county": true, "locality": true, "area": true,
	"building": true, "floor": true, "apartment": true, "suite": true, "number": true, "text": true, "prefecture": true, "neighbourhood": true, "neighborhood": true,
}

// families are the names of the properties of each object.
type families map[string]map[string]bool

// siblings finds out what stands beside what.
func siblings(places []contract.Place) families {
	all := families{}
	for _, p := range places {
		if !p.Names {
			all.add(p.Pointer)
		}
	}
	return all
}

// add notes all names on the way to a place.
func (f families) add(pointer string) {
	for pointer != "" {
		at := strings.LastIndexByte(pointer, '/')
		parent, name := pointer[:at], jsonschema.UnescapeToken(pointer[at+1:])
		if f[parent][name] {
			return
		}
		if f[parent] == nil {
			f[parent] = map[string]bool{}
		}
		f[parent][name] = true
		pointer = parent
	}
}

// of is what stands beside the property that leads to a place.
func (f families) of(pointer string) kin {
	pointer = strings.TrimRight(pointer, "/*")
	at := strings.LastIndexByte(pointer, '/')
	if at < 0 {
		return ofNothing
	}
	about := kinOf(f[pointer[:at]])
	// A price may be an object with an amount and a currency.
	parent := strings.TrimRight(pointer[:at], "/*")
	if above := strings.LastIndexByte(parent, '/'); about&ofMoney != 0 && above >= 0 && prices[plainName(jsonschema.UnescapeToken(parent[above+1:]))] && kinOf(f[parent[:above]])&ofProduct != 0 {
		about |= ofPrice
	}
	return about
}

// plainName is a name's words, written together.
func plainName(name string) string { return strings.Join(detect.Words(name), "") }

// kinOf is what an object with properties of these names is about.
func kinOf(names map[string]bool) kin {
	const sure = 0.7
	address, person, paired, about := 0, 0, 0, ofNothing
	for name := range names {
		h, ok := detect.Named(name)
		word := plainName(name)
		switch {
		case detect.Product(name):
			about |= ofProduct
		case currencies[word]:
			about |= ofMoney
		case pairNames[word], pairValues[word]:
			paired++
		}
		switch {
		case !ok:
		case h.Class == mask.Address:
			address++
		case h.Confidence >= sure && (h.Class == mask.Email || h.Class == mask.Phone || h.Class == mask.PersonName || h.Class == mask.Login):
			person++
		}
		if partOfAddress[word] {
			address++
		}
	}
	if paired == 2 && len(names) <= 3 {
		about |= ofPair
	}
	if address > 1 {
		about |= ofAddress
	}
	if person > 0 {
		about |= ofPerson
	}
	return about
}

// says is what the kin makes of a name that by itself says less.
func (k kin) says(name string) (class mask.Class, evidence string) {
	word := plainName(name)
	named, _ := detect.Named(name)
	switch {
	case k&ofAddress != 0 && (partOfAddress[word] || named.Class == mask.Address):
		return mask.Address, "parts of a postal address stand beside it"
	case k&ofPerson != 0 && word == "name":
		return mask.PersonName, "what identifies a person stands beside it"
	}
	return "", ""
}

// own is what the kin makes of a place whose own samples are known: what is less than
// its name may call for, for that place alone.
func (k kin) own(name string, at *values, known func(string) bool) (class mask.Class, evidence string) {
	word := plainName(name)
	switch {
	case at == nil || len(at.samples) == 0:
		return "", ""
	case k&ofProduct != 0 && prices[word] && at.numbers(), k&ofPrice != 0 && money[word] && at.numbers():
		return mask.Internal, "it is the price of a product, whose code stands beside it, and all samples are numbers"
	case k&ofMoney != 0 && money[word] && at.numbers():
		return mask.Amount, "a currency stands beside it, and all samples are numbers"
	case k&(ofProduct|ofPerson|ofAddress) == ofProduct && describing[word] && at.follow():
		return mask.Internal, "it describes a product, whose code stands beside it: to each code belongs one and the same text"
	case k&ofPair != 0 && pairNames[word] && at.all(known):
		return mask.Internal, "a value stands beside it, and all samples are words that name fields"
	}
	return "", ""
}

// wants reports whether the samples of a place itself are looked at.
func (k kin) wants(name string) bool {
	word := plainName(name)
	return k&ofPerson != 0 && word == "name" || k&ofProduct != 0 && (prices[word] || describing[word]) || k&ofMoney != 0 && money[word] || k&ofPair != 0 && pairNames[word]
}

// all reports whether something holds for all samples.
func (v *values) all(holds func(string) bool) bool {
	return !slices.ContainsFunc(v.samples, func(sample string) bool { return !holds(sample) })
}

func (v *values) numbers() bool { return v.all(decimal.MatchString) }

// decimal is a number, as people and programs write amounts.
var decimal = regexp.MustCompile(`^[+-]?[0-9]{1,12}([.,][0-9]{1,4})?$`)

// follow reports whether samples follow from the codes that stand beside them: what
// describes a product is the same whenever the product comes again, whoever buys it.
func (v *values) follow() bool {
	const least = 3
	again := 0
	for _, texts := range v.by {
		if len(texts) > 1 {
			return false
		}
		for _, n := range texts {
			if n >= least {
				again++
			}
		}
	}
	return again > 1 && again*2 > len(v.by) && v.all(func(sample string) bool { return len(detect.Text(sample)) == 0 })
}

func set(names string) map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		all[name] = true
	}
	return all
}

// What stands beside each other, by names without separators.
var (
	currencies = set("currency currencycode ccy curr cur devise waehrung moneda moeda divisa valuta 通貨")
	money      = set("value amount amt units cents minorunits gross net tax total subtotal fee betrag montant importe valor wert price unitprice")
	prices     = set("price unitprice listprice saleprice retailprice netprice grossprice cost unitcost preis einzelpreis stueckpreis precio preciounitario prix prixunitaire 単価 価格")
	describing = set("name title label variant colour color size material model category brand productname producttitle itemname artikelname bezeichnung 商品名")
	pairNames  = set("name key label field attribute property trait k")
	pairValues = set("value val values v content answer")
)
