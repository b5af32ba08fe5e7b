package shop

import (
	"fmt"
	"math/big"
	"strings"
	"unicode"
)

// country is where customers live: how people are called there, how addresses,
// telephone numbers and bank accounts look.
type country struct {
	code, language, currency string
	perEuro                  int64 // what a euro buys there, in hundredths of the currency
	given, family            []string
	familyFirst              bool
	streets                  []string // %d stands for the house number
	places                   []place
	dial                     string // country code and the prefix of mobile numbers
	dialDigits               int    // digits after it
	iban                     string // country code and pattern: n a digit, c a letter; "" where there is none
}

// place is a town; its postal code's pattern is written like an IBAN's.
type place struct{ city, region, postal string }

// A name that isn't written in ASCII stands with the spelling that its bearer
// uses in an e-mail address: "Łukasz=lukasz".
var countries = []*country{
	{
		code: "DE", language: "de", currency: "EUR", perEuro: 100,
		given:   []string{"Anneliese", "Jörg=joerg", "Matthias", "Käthe=kaethe", "Friederike", "Hans-Peter", "Ayşe=ayse", "Mehmet", "Svenja", "Günther=guenther", "Wolfgang", "Leonie", "Thorben", "Roswitha"},
		family:  []string{"Müller-Lüdenscheidt=mueller-luedenscheidt", "Weiß=weiss", "Krautwurst", "von der Heide=vonderheide", "Öztürk=oeztuerk", "Schellenberger", "Bäumler=baeumler", "Trautmann", "Großkopf=grosskopf", "Yıldırım=yildirim", "Hufnagel", "Zwingenberger"},
		streets: []string{"Kastanienallee %d", "Große Bleichen %d", "Schönhauser Straße %d", "Am Mühlbach %d", "Karl-Marx-Platz %d", "Fährstraße %d"},
		places:  []place{{"Köln", "", "50nnn"}, {"München", "", "80nnn"}, {"Halle (Saale)", "", "06nnn"}, {"Lübeck", "", "235nn"}, {"Görlitz", "", "028nn"}},
		dial:    "+4915", dialDigits: 9, iban: "DEnnnnnnnnnnnnnnnnnn",
	},
	{
		code: "GB", language: "en", currency: "GBP", perEuro: 86,
		given:   []string{"Oluwaseun", "Siobhán=siobhan", "Rhys", "Gwendolyn", "Alasdair", "Priyanka", "Nigel", "Zoë=zoe", "Harriet", "Mohammed", "Anne-Marie", "Kwame"},
		family:  []string{"O'Shaughnessy=oshaughnessy", "Featherstonehaugh", "Adeyemi-Clarke", "MacDonald", "Llewellyn", "Chakrabarti", "St John=stjohn", "Winterbottom", "Okonkwo", "Fitzwilliam"},
		streets: []string{"%d Primrose Hill Road", "%d King's Parade", "%d Saint Giles' High Street", "%d Ffordd Caergybi", "Flat %d, Rowan Court"},
		places:  []place{{"Ynys Môn", "Anglesey", "LLnn ncc"}, {"Leamington Spa", "Warwickshire", "CVnn ncc"}, {"Kirkcaldy", "Fife", "KYn ncc"}, {"Stoke-on-Trent", "Staffordshire", "STn ncc"}},
		dial:    "+447", dialDigits: 9, iban: "GBccccnnnnnnnnnnnnnn",
	},
	{
		code: "ES", language: "es", currency: "EUR", perEuro: 100,
		given:   []string{"María José=mariajose", "Íñigo=inigo", "Begoña=begona", "Joaquín=joaquin", "Nuria", "Xabier", "Montserrat", "Álvaro=alvaro"},
		family:  []string{"Muñoz Núñez=munoznunez", "Etxeberria Agirre=etxeberria", "García-Lorca=garcialorca", "de la Fuente=delafuente", "Peñalver=penalver", "Llorens i Puig=llorenspuig"},
		streets: []string{"Calle de la Reina %d", "Avinguda Diagonal %d, 3º 2ª", "Plaza de España %d", "Paseo del Cañaveral %d"},
		places:  []place{{"A Coruña", "Galicia", "150nn"}, {"Logroño", "La Rioja", "260nn"}, {"L'Hospitalet de Llobregat", "Catalunya", "089nn"}},
		dial:    "+346", dialDigits: 8, iban: "ESnnnnnnnnnnnnnnnnnnnn",
	},
	{
		code: "FR", language: "fr", currency: "EUR", perEuro: 100,
		given:   []string{"Hélène=helene", "François-Xavier=fx", "Loïc=loic", "Solène=solene", "Théophile=theophile", "Maëlle=maelle", "Gaëtan=gaetan"},
		family:  []string{"d'Ormesson=dormesson", "Lefèvre-Béranger=lefevre", "N'Guyen=nguyen", "Châtelain=chatelain", "Saint-Exupéry=saintex", "Le Goff=legoff"},
		streets: []string{"%d bis, rue de l'Échiquier", "%d, allée des Érables", "%d, boulevard Maréchal-Juin", "%d, impasse du Moulin à Vent"},
		places:  []place{{"Saint-Étienne", "", "42nnn"}, {"Orléans", "", "450nn"}, {"Nîmes", "", "30nnn"}},
		dial:    "+336", dialDigits: 8, iban: "FRnnnnnnnnnncnnnnnnnncccnn",
	},
	{
		code: "PL", language: "pl", currency: "PLN", perEuro: 430,
		given:   []string{"Łukasz=lukasz", "Żaneta=zaneta", "Wojciech", "Małgorzata=malgorzata", "Świętosława=swietoslawa", "Grzegorz", "Bożena=bozena"},
		family:  []string{"Brzęczyszczykiewicz=brzeczyszczykiewicz", "Wąsowski=wasowski", "Żółć-Kowalska=zolc", "Szczepańska=szczepanska", "Ćwikliński=cwiklinski"},
		streets: []string{"ul. Żeromskiego %d", "ul. Świętokrzyska %d m. 4", "al. Jana Pawła II %d", "os. Złotej Jesieni %d"},
		places:  []place{{"Łódź", "łódzkie", "90-nnn"}, {"Kraków", "małopolskie", "31-nnn"}, {"Świnoujście", "zachodniopomorskie", "72-nnn"}},
		dial:    "+485", dialDigits: 8, iban: "PLnnnnnnnnnnnnnnnnnnnnnnnn",
	},
	{
		code: "SE", language: "sv", currency: "SEK", perEuro: 1120,
		given:   []string{"Åsa=asa", "Björn=bjorn", "Gunnel", "Östen=osten", "Linnéa=linnea", "Sölve=solve"},
		family:  []string{"Sjöström=sjostrom", "Ångström=angstrom", "af Klercker=afklercker", "Hägglöf=hagglof", "Nyqvist", "Öberg-Dahl=oberg"},
		streets: []string{"Övre Slottsgatan %d", "Södra Vägen %d", "Åkervägen %d", "Björkallén %d"},
		places:  []place{{"Göteborg", "", "41n nn"}, {"Umeå", "", "90n nn"}, {"Örnsköldsvik", "", "89n nn"}},
		dial:    "+467", dialDigits: 8, iban: "SEnnnnnnnnnnnnnnnnnnnn",
	},
	{
		code: "GR", language: "el", currency: "EUR", perEuro: 100,
		given:   []string{"Ελένη=eleni", "Γιώργος=giorgos", "Παναγιώτα=panagiota", "Σταύρος=stavros"},
		family:  []string{"Παπαδοπούλου=papadopoulou", "Χατζηγιάννης=chatzigiannis", "Καραμανλής=karamanlis", "Οικονόμου=oikonomou"},
		streets: []string{"Λεωφόρος Κηφισίας %d", "Οδός Ερμού %d", "Αγίου Δημητρίου %d"},
		places:  []place{{"Θεσσαλονίκη", "Μακεδονία", "54n nn"}, {"Ηράκλειο", "Κρήτη", "71n nn"}},
		dial:    "+3069", dialDigits: 8, iban: "GRnnnnnnnnnnnnnnnnnnnnnnn",
	},
	{
		code: "JP", language: "ja", currency: "JPY", perEuro: 16400, familyFirst: true,
		given:   []string{"太郎=taro", "美咲=misaki", "健一=kenichi", "さくら=sakura"},
		family:  []string{"山田=yamada", "佐々木=sasaki", "勅使河原=teshigawara", "小鳥遊=takanashi"},
		streets: []string{"中央区銀座四丁目%d番", "北区赤羽台二丁目%d番", "左京区下鴨泉川町%d"},
		places:  []place{{"東京", "東京都", "104-nnnn"}, {"京都市", "京都府", "606-nnnn"}},
		dial:    "+8190", dialDigits: 8,
	},
	{
		code: "US", language: "en", currency: "USD", perEuro: 109,
		given:   []string{"LaKeisha", "Renée=renee", "Xochitl", "Jebediah", "Guadalupe", "Thuy-Linh", "Dwayne", "Mackenzie"},
		family:  []string{"Vandersloot", "Washington-Diaz", "Nakamura-Ortiz", "Kowalczyk", "Featherington", "Begaye", "McAllister"},
		streets: []string{"%d Old Mill Road", "%d W. Cermak Rd., Apt. 3B", "%d Camino Cañada", "P.O. Box %d"},
		places:  []place{{"Cañon City", "CO", "812nn"}, {"Walla Walla", "WA", "993nn"}, {"Baton Rouge", "LA", "708nn"}},
		dial:    "+1", dialDigits: 10,
	},
}

// mailHosts are under names that nobody can own (RFC 2606, RFC 6761).
var mailHosts = []string{"postfach.test", "mailbox.invalid", "kontor.test", "correo.test", "uni-sternwarte.test", "xn--bcher-kva.test", "poczta.invalid"}

// spell splits a name into how it is written and how it stands in an e-mail address.
func spell(name string) (written, ascii string) {
	written, ascii, ok := strings.Cut(name, "=")
	if !ok {
		ascii = strings.ToLower(strings.ReplaceAll(written, " ", ""))
	}
	return written, ascii
}

// customer is somebody who has an account.
type customer struct {
	id, given, family, full string
	email, phone, ip, birth string
	mailGiven, mailFamily   string // how the name stands in the e-mail address
	serial                  int
	land                    *country
	home                    Address
	billing                 *Address
	method                  Method
	open                    int // orders and payments that are not finished
}

// person invents somebody without an account yet.
func (h *History) person() *customer {
	h.serial++
	land := from(h, countries)
	c := &customer{id: h.uuid(), serial: h.serial, land: land}
	c.given, c.mailGiven = spell(from(h, land.given))
	c.rename(spell(from(h, land.family)))
	c.email = h.mailbox(c)
	c.phone = land.dial + h.digits(land.dialDigits)
	c.ip = fmt.Sprintf("%d.%d.%d.%d", 77+h.rng.IntN(18), h.rng.IntN(256), h.rng.IntN(256), 1+h.rng.IntN(254))
	c.birth = day(opening.AddDate(-18-h.rng.IntN(70), 0, -h.rng.IntN(365)))
	c.home = h.address(land)
	if h.chance(0.2) {
		billing := h.address(land)
		c.billing = &billing
	}
	c.method = h.method(c)
	return c
}

// rename gives c a family name and its spelling in e-mail addresses.
func (c *customer) rename(family, ascii string) {
	c.family, c.mailFamily = family, ascii
	c.full = c.given + " " + family
	if c.land.familyFirst {
		c.full = family + " " + c.given
	}
}

// mailbox is an e-mail address that nobody else has: it ends in the customer's
// serial number.
func (h *History) mailbox(c *customer) string {
	var local string
	switch n := h.rng.IntN(20); {
	case n < 8:
		local = fmt.Sprintf("%s.%s%d", c.mailGiven, c.mailFamily, c.serial)
	case n < 12:
		local = fmt.Sprintf("%c.%s%d", c.mailGiven[0], c.mailFamily, c.serial)
	case n < 15:
		local = fmt.Sprintf("%s.%s+shop%d", c.mailGiven, c.mailFamily, c.serial)
	case n < 18:
		local = fmt.Sprintf("%s_%s_%02d", c.mailFamily, c.mailGiven, c.serial)
	case n < 19:
		local = fmt.Sprintf("%s.%s%d", strings.ToUpper(c.mailGiven), strings.ToUpper(c.mailFamily), c.serial)
	default: // RFC 6531 allows it, and few programs expect it
		local = fmt.Sprintf("%s.%d", strings.ToLower(strings.ReplaceAll(c.given, " ", "")), c.serial)
	}
	return local + "@" + from(h, mailHosts)
}

// address invents an address in a country.
func (h *History) address(land *country) Address {
	p := from(h, land.places)
	a := Address{
		Street:     fmt.Sprintf(from(h, land.streets), 1+h.rng.IntN(400)),
		City:       p.city,
		Region:     p.region,
		PostalCode: h.fill(p.postal),
		Country:    land.code,
	}
	if h.chance(0.15) {
		a.Line2 = fmt.Sprintf("c/o %s", from(h, []string{"Villa Sonnenschein", "Atelier Nº 7", "Hinterhaus, 2. OG", "Unit 12/b", "Escalera B"}))
	}
	return a
}

// method invents what a customer pays with.
func (h *History) method(c *customer) Method {
	holder := strings.ToUpper(c.full)
	switch n := h.rng.IntN(10); {
	case n < 5 || n < 8 && c.land.iban == "":
		return Method{
			Type: "card", Brand: from(h, []string{"visa", "mastercard", "amex", "jcb"}), Last4: h.digits(4),
			Holder: holder, Expires: fmt.Sprintf("%02d/%02d", 1+h.rng.IntN(12), 27+h.rng.IntN(5)),
		}
	case n < 8:
		return Method{Type: "sepa_debit", IBAN: h.iban(c.land.iban), Holder: c.full, Mandate: "MNDT-" + h.digits(9)}
	default:
		return Method{Type: "wallet", Provider: from(h, []string{"paypal", "klarna", "swish", "blik"}), Account: c.email}
	}
}

// fill replaces the n of a pattern by digits and its c by capitals.
func (h *History) fill(pattern string) string {
	out := []byte(pattern)
	for i, b := range out {
		switch b {
		case 'n':
			out[i] = '0' + byte(h.rng.IntN(10))
		case 'c':
			out[i] = 'A' + byte(h.rng.IntN(26))
		}
	}
	return string(out)
}

// iban makes a bank account of a pattern, with check digits that are right
// (ISO 7064, modulo 97). The pattern has no place for them.
func (h *History) iban(pattern string) string {
	land, account := pattern[:2], h.fill(pattern[2:])
	var number strings.Builder
	for _, r := range account + land + "00" {
		if unicode.IsDigit(r) {
			number.WriteRune(r)
		} else {
			fmt.Fprintf(&number, "%d", r-'A'+10)
		}
	}
	n, _ := new(big.Int).SetString(number.String(), 10)
	rest := new(big.Int).Mod(n, big.NewInt(97)).Int64()
	return fmt.Sprintf("%s%02d%s", land, 98-rest, account)
}
