package detect

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// This file tells what is the business's own and about no person. It says so of words
// and forms alone that nobody is recognised by, whatever they are values of: what it
// doesn't know stays protected.

// byWords looks whether all samples are words that programs use for states and kinds,
// or media types.
func (c *collector) byWords(samples []string) {
	n, media := 0, 0
	for _, sample := range samples {
		switch sample = strings.TrimSpace(sample); {
		case sample == "":
			continue
		case mediaType.MatchString(sample):
			media++
		case !isState(sample):
			return
		}
		n++
	}
	switch {
	case n < fewSamples/2:
	case media == n:
		c.add(mask.Internal, 0.8, fmt.Sprintf("%d of %d samples are media types", n, n))
		c.states = true
	default:
		c.add(mask.Internal, 0.65, fmt.Sprintf("all of %d samples are words that programs use for states and kinds", n))
		c.states = true
	}
}

var mediaType = regexp.MustCompile(`^(application|audio|font|image|message|model|multipart|text|video)/[a-z0-9][a-z0-9.+-]{0,60}$`)

// isState reports whether a text is made of words for states and kinds, and at most one
// digit behind several of them, as in us-east-1: a flat 12 is none.
func isState(text string) bool {
	const long, many = 40, 4
	digits := 0
	for _, r := range text {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	words := split(text)
	if len(text) > long || digits > 1 || digits > 0 && len(words) < 2 {
		return false
	}
	return len(words) > 0 && len(words) <= many && !slices.ContainsFunc(words, func(word string) bool {
		return !states[word] && !harmless[word] && !harmless[strings.TrimSuffix(word, "s")] && (len(words) == 1 || !parts[word])
	})
}

// State reports whether a text is made of words for states and kinds of things.
func State(text string) bool { return isState(text) }

// ofProcess reports whether a field holds times at which a program or a business did
// something, as its name says and all samples show: they are of this century, and have
// a time of day unless the name speaks of a business's days.
func ofProcess(name, format string, samples []string) (evidence string, ok bool) {
	words := split(name)
	if len(words) == 0 {
		return "", false
	}
	last := words[len(words)-1]
	before := words
	if moments[last] && (len(words) > 1 || alone[last]) {
		before = words[:len(words)-1]
	} else if !processes[last] {
		return "", false
	}
	days := false
	for _, word := range before {
		if !processes[word] && !moments[word] && !recorded[word] && !(harmless[word] || word == "last") {
			return "", false
		}
		days = days || businessDays[word]
	}
	if len(before) > 0 && !slices.ContainsFunc(before, func(word string) bool { return processes[word] || recorded[word] }) {
		return "", false
	}
	seen := 0
	for _, sample := range samples {
		if sample = strings.TrimSpace(sample); sample == "" {
			continue
		}
		if timed, ok := thisCentury(sample); !ok || !timed && !days {
			return "", false
		}
		seen++
	}
	if seen == 0 && format != "date-time" {
		return "", false
	}
	return fmt.Sprintf("its name says when a process did something, and %d of %d samples are times of this century", seen, seen), true
}

// thisCentury reports whether a text is a day since 2000, or a number that programs
// write for a time since then, and whether it has a time of day.
func thisCentury(text string) (timed, ok bool) {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		for n > 1e10 {
			n /= 1000
		}
		year := time.Unix(int64(n), 0).UTC().Year()
		return true, n > 0 && year >= 2001 && year < 2060
	}
	if len(text) < len(time.DateOnly) {
		return false, false
	}
	day, err := time.Parse(time.DateOnly, text[:len(time.DateOnly)])
	rest := text[len(time.DateOnly):]
	return rest != "", err == nil && day.Year() >= 2000 && day.Year() < 2060 && (rest == "" || timeFollows(rest))
}

// ofProduct reports whether a field holds codes of products, as its name says and
// all samples show.
func ofProduct(name string, samples []string) bool {
	return products[strings.Join(split(name), "")] && !slices.ContainsFunc(samples, func(sample string) bool { return !isCode(sample) || strings.Contains(sample, "@") })
}

// ofCount reports whether a field holds counts or places in an order of things, as
// its name says and all samples show.
func ofCount(name string, samples []string) bool {
	return counts[strings.Join(split(name), "")] && len(samples) > 0 && !slices.ContainsFunc(samples, func(sample string) bool { return strings.Trim(sample, "0123456789.-") != "" })
}

// Product reports whether a field of this name says which product something is.
func Product(name string) bool { return products[strings.Join(split(name), "")] }

// products are whole names for what says which product something is.
var products = words("sku skus ean gtin asin isbn upc plu mpn productid productcode productnumber productsku articlenumber articleid articlecode itemcode itemsku artikelnummer artikelnr hscode variantid codigoproducto codigoproduto 商品コード 商品番号 品番")

// moments are words with which names of times end.
var moments = words("at on time date datetime timestamp ts dt tm utc epoch millis em am zeit zeitpunkt datum fecha hora 日時")

// alone are those that are whole names of them.
var alone = words("at time timestamp ts datetime")

// processes are words for what programs and businesses do, as names of times have them.
// What happens to people isn't there: they are born, hired, admitted and seen.
var processes = words(
	"accepted activated added approved archived assigned billing billed built cached canceled cancelled captured changed charged closed commit committed completed confirmed created creation cre deactivated deleted",
	"delivered delivery deployed disabled dismissed dispatched due emitted enabled ended enqueued escalated executed exported extracted failed fetched finished fired fixed flushed fulfilled generated handled happened",
	"imported indexed ingested inserted installed invoiced issued loaded locked logged merged modified occurred opened ordered packed paid persisted picked placed posted posting processed published",
	"pushed queued received recorded refunded rejected released removed reopened replayed reported resolved retried returned run scheduled sent settled settlement shipped starred started stored submitted succeeded suspended synced",
	"triggered unlocked update updated withdrawn",
	"erstellt geaendert aktualisiert geloescht gesendet empfangen gebucht bezahlt storniert eingegangen eingangsdatum rechnungsdatum lieferdatum bestelldatum buchungsdatum valuta cree modifie envoye creado actualizado modificado enviado recibido pagado criado atualizado enviado lancado pago 登録",
)

// recorded are words for what happens to things alone, so that its time is a thing's, too.
var recorded = words("audit batch billing build delivery deployment event invoice job log order payment record release request response run server settlement shipment sync system task transaction")

// businessDays are words that make a day one of a business, and of nobody. Children are
// due and delivered, too, and people are released: of such, a time of day is asked for.
var businessDays = words("billing created creation invoice invoiced modified order ordered paid payment posted posting publish published settled settlement ship shipment shipped shipping transaction update updated eingangsdatum rechnungsdatum lieferdatum bestelldatum buchungsdatum")

// states are words for states and kinds of things. What tells something of a person,
// such as a sex or a family's state, isn't there, nor are names, even those that are
// words.
var states = words(
	"aborted accept accepted active added approved archived authorised authorized auto automatic available away backordered billed blocked booked bounced broken busy cancelled canceled captured changed charged checked",
	"clear closed complete completed confirmed connected created debug declined default degraded delayed delete deleted delivered denied deprecated disabled disconnected dispatched done down draft dropped due duplicate",
	"enabled ended error escalated exception expired fail failed failure fatal final finished fulfilled full hidden idle ignored inactive incomplete info initial inserted internal invalid invoiced issued live locked",
	"lost manual merged missing modified new none normal notice off offline ok okay online open opened outstanding overdue packed paid partial partially passed paused pending picked placed",
	"planned posted preparing printed processed processing progress published queued read ready received reconciled refunded refused registered rejected released removed reopened replaced requested reserved resolved restored resumed retry",
	"retrying returned reversed revoked running scheduled sealed sent settled shipped skipped solved started stopped stored submitted succeeded success successful superseded suspended synced timeout to trace transit triggered",
	"unavailable unconfirmed undelivered unfulfilled unknown unlocked unpaid unpublished unread up updated valid verified void voided waiting warn warning",
	"critical high highest low lowest major medium minor trivial urgent emergency blocker external private protected public restricted shared visible",
	"android api app bot browser call cash chat cli desktop email fax ios kiosk mail mobile phone pos push sms store web website widget",
	"create get head insert list options patch post put reset update upsert write login logout password",
	"ach adyen amex bacs bank card cheque credit debit invoice klarna maestro mastercard paypal prepaid sepa stripe swift transfer visa voucher wire applepay googlepay",
	"annual annually basic bronze daily economy enterprise express flat free gold hourly lite monthly one once overnight plus premium pro quarterly same silver standard trial unlimited weekly yearly day next",
	"backup dev development main master primary production replica sandbox secondary staging test testing",
	"block follow join leave like mute share subscribe unblock unfollow unmute unsubscribe problem question",
	"aud brl cad chf cny czk dkk eur gbp hkd huf inr jpy krw mxn nok nzd pln ron sek sgd try usd zar",
	"bluetooth cellular edge ethernet gprs gsm lte nfc nr qr rfid umts usb wifi zigbee",
	"csv html http https json pdf text xml audio image images video document",
	"celsius cm count fahrenheit gb hour hours kb kg km kwh mb min minute minutes ml mm ms pcs percent piece pieces second seconds",
	"abgelehnt abgeschlossen aktiv bearbeitung bezahlt eingegangen erledigt geliefert genehmigt geschlossen hoch in inaktiv mittel neu niedrig offen pruefung reguliert storniert versendet",
	"actif annule attente en expedie ferme inactif livre ouvert paye cree termine cours",
	"abierto activa activo aprobado bajo alto cancelado cerrado entregado enviado nuevo pagado pendiente rechazado aberto ativo ativa concluido entregue fechado inativo pago pendente novo",
	"新規 既存 完了 未完了 有効 無効 処理中 発送済 キャンセル",
)

// parts are words that are of states and kinds only beside others: alone they may be
// names or initials.
var parts = words("af ap by ca central east eu for from gov in me north northeast not of on or sa south southeast the to tech us west with")
