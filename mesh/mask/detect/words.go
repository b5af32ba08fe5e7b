package detect

import (
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// hint is what a name, or a part of one, says.
type hint struct {
	class      mask.Class
	confidence float64
}

// names are whole names, in lower case and without separators, and phrases that
// a name may end or begin with. The longest that fits counts.
var names = map[string]hint{
	"email": {mask.Email, 0.8}, "mail": {mask.Email, 0.5}, "emailaddress": {mask.Email, 0.9}, "emailadr": {mask.Email, 0.9}, "emails": {mask.Email, 0.7},
	"phone": {mask.Phone, 0.8}, "phonenumber": {mask.Phone, 0.9}, "mobile": {mask.Phone, 0.7}, "telephone": {mask.Phone, 0.8}, "fax": {mask.Phone, 0.7},
	"telefon": {mask.Phone, 0.8}, "telefono": {mask.Phone, 0.8}, "tel": {mask.Phone, 0.6}, "handynummer": {mask.Phone, 0.8}, "msisdn": {mask.Phone, 0.9}, "phonenb": {mask.Phone, 0.9}, "phnenb": {mask.Phone, 0.9},
	"firstname": {mask.PersonName, 0.9}, "lastname": {mask.PersonName, 0.9}, "givenname": {mask.PersonName, 0.9}, "familyname": {mask.PersonName, 0.9},
	"middlename": {mask.PersonName, 0.9}, "maidenname": {mask.PersonName, 0.9}, "legalname": {mask.PersonName, 0.8}, "preferredname": {mask.PersonName, 0.8}, "birthname": {mask.PersonName, 0.9},
	"surname": {mask.PersonName, 0.9}, "fullname": {mask.PersonName, 0.9}, "displayname": {mask.PersonName, 0.6}, "recipient": {mask.PersonName, 0.5},
	"holder": {mask.PersonName, 0.6}, "holdername": {mask.PersonName, 0.8}, "cardname": {mask.PersonName, 0.8}, "customername": {mask.PersonName, 0.7}, "contactname": {mask.PersonName, 0.8}, "author": {mask.PersonName, 0.4},
	"creditcardname": {mask.PersonName, 0.8}, "cardholder": {mask.PersonName, 0.8}, "verifiedname": {mask.PersonName, 0.6}, "nameoncard": {mask.PersonName, 0.8}, "beneficiary": {mask.PersonName, 0.6}, "passengers": {mask.PersonName, 0.5},
	"vorname": {mask.PersonName, 0.9}, "nachname": {mask.PersonName, 0.9}, "familienname": {mask.PersonName, 0.9}, "prenom": {mask.PersonName, 0.9}, "apellido": {mask.PersonName, 0.9}, "apellidos": {mask.PersonName, 0.9},
	"nombre": {mask.PersonName, 0.5}, "cognome": {mask.PersonName, 0.9}, "imie": {mask.PersonName, 0.9}, "nazwisko": {mask.PersonName, 0.9}, "achternaam": {mask.PersonName, 0.9}, "voornaam": {mask.PersonName, 0.9},
	"inhaber": {mask.PersonName, 0.6}, "kontoinhaber": {mask.PersonName, 0.9}, "empfaenger": {mask.PersonName, 0.6}, "auftraggeber": {mask.PersonName, 0.6},
	"login": {mask.Login, 0.8}, "username": {mask.Login, 0.9}, "userlogin": {mask.Login, 0.9}, "handle": {mask.Login, 0.5}, "nickname": {mask.Login, 0.6}, "nick": {mask.Login, 0.5},
	"street": {mask.Address, 0.8}, "streetname": {mask.Address, 0.9}, "housenumber": {mask.Address, 0.8}, "address": {mask.Address, 0.6}, "addressline": {mask.Address, 0.9},
	"city": {mask.Address, 0.6}, "town": {mask.Address, 0.6}, "zip": {mask.Address, 0.8}, "zipcode": {mask.Address, 0.9}, "postalcode": {mask.Address, 0.9}, "postcode": {mask.Address, 0.9},
	"strasse": {mask.Address, 0.9}, "hausnummer": {mask.Address, 0.8}, "hausnr": {mask.Address, 0.8}, "plz": {mask.Address, 0.9}, "wohnort": {mask.Address, 0.9}, "ort": {mask.Address, 0.5}, "adresse": {mask.Address, 0.8}, "anschrift": {mask.Address, 0.8},
	"rue": {mask.Address, 0.7}, "ville": {mask.Address, 0.8}, "calle": {mask.Address, 0.8}, "ciudad": {mask.Address, 0.8}, "ulica": {mask.Address, 0.8}, "miasto": {mask.Address, 0.8}, "townnm": {mask.Address, 0.9}, "twnnm": {mask.Address, 0.9}, "strtnm": {mask.Address, 0.9},
	"adrline": {mask.Address, 0.9}, "bldgnb": {mask.Address, 0.9}, "pstcd": {mask.Address, 0.9}, "cityofbirth": {mask.Address, 0.8}, "birthplace": {mask.Address, 0.8}, "placeofbirth": {mask.Address, 0.8}, "geburtsort": {mask.Address, 0.8},
	"latitude": {mask.Location, 0.8}, "longitude": {mask.Location, 0.8}, "lat": {mask.Location, 0.7}, "lng": {mask.Location, 0.7}, "lon": {mask.Location, 0.7}, "long": {mask.Location, 0.4},
	"location": {mask.Location, 0.6}, "coordinates": {mask.Location, 0.8}, "geo": {mask.Location, 0.5}, "geohash": {mask.Location, 0.9}, "gps": {mask.Location, 0.8}, "polyline": {mask.Location, 0.8}, "timezone": {mask.Location, 0.4},
	"iban": {mask.Account, 0.9}, "bic": {mask.Account, 0.5}, "cardnumber": {mask.Account, 0.9}, "pan": {mask.Account, 0.5}, "creditcard": {mask.Account, 0.8}, "creditcardnumber": {mask.Account, 0.9}, "kontonummer": {mask.Account, 0.9},
	"accountnumber": {mask.Account, 0.8}, "taxid": {mask.Account, 0.8}, "vatid": {mask.Account, 0.7}, "ssn": {mask.Account, 0.9}, "socialsecuritynumber": {mask.Account, 0.9}, "routingnumber": {mask.Account, 0.7},
	"nationalid": {mask.Account, 0.8}, "nationalinsurance": {mask.Account, 0.8}, "passport": {mask.Account, 0.8}, "passportnumber": {mask.Account, 0.9}, "pesel": {mask.Account, 0.9}, "steuerid": {mask.Account, 0.9}, "driverlicense": {mask.Account, 0.8}, "licensenumber": {mask.Account, 0.7},
	"birthday": {mask.Date, 0.9}, "birthdate": {mask.Date, 0.9}, "dateofbirth": {mask.Date, 0.9}, "dob": {mask.Date, 0.7}, "at": {mask.Date, 0.3}, "date": {mask.Date, 0.4}, "geburtsdatum": {mask.Date, 0.9}, "geburtstag": {mask.Date, 0.9}, "birthdt": {mask.Date, 0.9},
	"timestamp": {mask.Date, 0.3}, "ip": {mask.IP, 0.7}, "ipaddress": {mask.IP, 0.9}, "clientip": {mask.IP, 0.9}, "remoteaddr": {mask.IP, 0.8},
	"url": {mask.URL, 0.8}, "uri": {mask.URL, 0.8}, "href": {mask.URL, 0.8}, "link": {mask.URL, 0.4}, "website": {mask.URL, 0.7}, "homepage": {mask.URL, 0.7}, "avatar": {mask.URL, 0.4},
	"uuid": {mask.UUID, 0.8}, "guid": {mask.UUID, 0.8}, "id": {mask.ID, 0.6}, "ids": {mask.ID, 0.6}, "nodeid": {mask.ID, 0.8}, "customerid": {mask.ID, 0.8}, "userid": {mask.ID, 0.8}, "fingerprint": {mask.ID, 0.5},
	"vin": {mask.ID, 0.8}, "plate": {mask.ID, 0.7}, "licenseplate": {mask.ID, 0.9}, "kennzeichen": {mask.ID, 0.8}, "imei": {mask.ID, 0.9}, "imsi": {mask.ID, 0.9}, "iccid": {mask.ID, 0.9}, "macaddress": {mask.ID, 0.9}, "serialnumber": {mask.ID, 0.7}, "ssid": {mask.Name, 0.6}, "filename": {mask.Name, 0.6},
	"password": {mask.Secret, 0.95}, "passwd": {mask.Secret, 0.95}, "secret": {mask.Secret, 0.9}, "token": {mask.Secret, 0.7}, "apikey": {mask.Secret, 0.95}, "writekey": {mask.Secret, 0.9}, "passwort": {mask.Secret, 0.95}, "pw": {mask.Secret, 0.7}, "passwordhash": {mask.Secret, 0.95}, "salt": {mask.Secret, 0.6},
	"accesstoken": {mask.Secret, 0.95}, "privatekey": {mask.Secret, 0.95}, "credential": {mask.Secret, 0.9}, "authorization": {mask.Secret, 0.7}, "pin": {mask.Secret, 0.5}, "cvv": {mask.Secret, 0.9}, "cvc": {mask.Secret, 0.9}, "tan": {mask.Secret, 0.5}, "otp": {mask.Secret, 0.7},
	"amount": {mask.Amount, 0.7}, "price": {mask.Amount, 0.5}, "total": {mask.Amount, 0.5}, "salary": {mask.Amount, 0.9}, "income": {mask.Amount, 0.8}, "balance": {mask.Amount, 0.7}, "bonus": {mask.Amount, 0.7}, "wage": {mask.Amount, 0.9}, "gehalt": {mask.Amount, 0.9}, "saldo": {mask.Amount, 0.8}, "betrag": {mask.Amount, 0.8}, "age": {mask.Amount, 0.6},
	"health": {mask.Sensitive, 0.7}, "gender": {mask.Sensitive, 0.6}, "sex": {mask.Sensitive, 0.7}, "nationality": {mask.Sensitive, 0.6}, "orientation": {mask.Sensitive, 0.5}, "race": {mask.Sensitive, 0.5}, "pronouns": {mask.Sensitive, 0.7}, "visastatus": {mask.Sensitive, 0.8},
	"comment": {mask.Text, 0.7}, "description": {mask.Text, 0.6}, "message": {mask.Text, 0.6}, "note": {mask.Text, 0.7}, "notes": {mask.Text, 0.7}, "body": {mask.Text, 0.6}, "remarks": {mask.Text, 0.7}, "verwendungszweck": {mask.Text, 0.8}, "ustrd": {mask.Text, 0.8},
	"text": {mask.Text, 0.6}, "title": {mask.Text, 0.4}, "subject": {mask.Text, 0.4}, "reason": {mask.Text, 0.4}, "bio": {mask.Text, 0.6}, "summary": {mask.Text, 0.5}, "useragent": {mask.Text, 0.6}, "query": {mask.Text, 0.5},
	"company": {mask.Name, 0.6}, "organization": {mask.Name, 0.5}, "team": {mask.Name, 0.5}, "name": {mask.Name, 0.4}, "nm": {mask.Name, 0.4}, "repository": {mask.Name, 0.4}, "hostname": {mask.Name, 0.5},
	"status": {mask.Internal, 0.6}, "state": {mask.Internal, 0.5}, "type": {mask.Internal, 0.5}, "kind": {mask.Internal, 0.5}, "version": {mask.Internal, 0.6}, "count": {mask.Internal, 0.6},
	"currency": {mask.Internal, 0.7}, "ccy": {mask.Internal, 0.7}, "language": {mask.Internal, 0.5}, "locale": {mask.Internal, 0.5}, "action": {mask.Internal, 0.6}, "country": {mask.Internal, 0.3}, "countrycode": {mask.Internal, 0.3},
	"contenttype": {mask.Internal, 0.7}, "mimetype": {mask.Internal, 0.7}, "mime": {mask.Internal, 0.7}, "method": {mask.Internal, 0.6}, "mode": {mask.Internal, 0.6}, "priority": {mask.Internal, 0.6},
	"severity": {mask.Internal, 0.6}, "category": {mask.Internal, 0.5}, "carrier": {mask.Internal, 0.6}, "gateway": {mask.Internal, 0.6}, "brand": {mask.Internal, 0.6}, "protocol": {mask.Internal, 0.7},
	"encoding": {mask.Internal, 0.7}, "format": {mask.Internal, 0.6}, "environment": {mask.Internal, 0.6}, "env": {mask.Internal, 0.6}, "op": {mask.Internal, 0.6}, "eventname": {mask.Internal, 0.6}, "table": {mask.Internal, 0.6},
	"tariff": {mask.Internal, 0.6}, "incoterm": {mask.Internal, 0.7}, "incoterms": {mask.Internal, 0.7}, "uom": {mask.Internal, 0.7}, "platform": {mask.Internal, 0.6}, "os": {mask.Internal, 0.6}, "visibility": {mask.Internal, 0.6}, "verb": {mask.Internal, 0.5},
	"firmware": {mask.Internal, 0.7}, "fw": {mask.Internal, 0.6}, "sdk": {mask.Internal, 0.6}, "specversion": {mask.Internal, 0.8}, "department": {mask.Internal, 0.5}, "costcentre": {mask.Internal, 0.6}, "costcenter": {mask.Internal, 0.6}, "lang": {mask.Internal, 0.5},
	"cabin": {mask.Internal, 0.6}, "flight": {mask.Internal, 0.6}, "flightnumber": {mask.Internal, 0.7}, "warehouse": {mask.Internal, 0.6}, "depot": {mask.Internal, 0.6},

	"devise": {mask.Internal, 0.7}, "waehrung": {mask.Internal, 0.7}, "moneda": {mask.Internal, 0.7}, "moeda": {mask.Internal, 0.7}, "divisa": {mask.Internal, 0.7}, "valuta": {mask.Internal, 0.7}, "通貨": {mask.Internal, 0.7},
	"statut": {mask.Internal, 0.6}, "estado": {mask.Internal, 0.5}, "estatus": {mask.Internal, 0.6}, "stato": {mask.Internal, 0.5}, "stan": {mask.Internal, 0.4}, "typ": {mask.Internal, 0.5}, "tipo": {mask.Internal, 0.5}, "prioritaet": {mask.Internal, 0.6}, "priorite": {mask.Internal, 0.6},
	"prioridad": {mask.Internal, 0.6}, "prioridade": {mask.Internal, 0.6},
	"ステータス": {mask.Internal, 0.6}, "状態": {mask.Internal, 0.5},
}

// sensitive are words that, wherever they stand in a name, say that it is about
// what the law singles out: a marital status is no status like others.
var sensitive = map[string]float64{
	"diagnosis": 0.9, "diagnoses": 0.9, "religion": 0.9, "religious": 0.9, "faith": 0.8, "belief": 0.8, "church": 0.7, "ethnicity": 0.9, "ethnic": 0.9, "disability": 0.9, "disabled": 0.5,
	"disease": 0.9, "illness": 0.9, "allergy": 0.9, "allergies": 0.9, "medication": 0.9, "medications": 0.9, "prescription": 0.8, "blood": 0.8, "pregnant": 0.9, "pregnancy": 0.9, "pregnancies": 0.9,
	"hiv": 0.9, "vaccination": 0.8, "vaccinated": 0.8, "smoker": 0.8, "sick": 0.7, "sickness": 0.8, "therapy": 0.8, "symptoms": 0.9, "biometric": 0.9, "genetic": 0.9,
	"marital": 0.8, "divorced": 0.8, "sexual": 0.9, "political": 0.8, "criminal": 0.9, "conviction": 0.8, "deceased": 0.7, "immigration": 0.8, "citizenship": 0.7, "dependents": 0.6, "children": 0.5, "konfession": 0.9, "geschlecht": 0.8,
}

// harmless are words that may stand before one for a state or kind without making
// it somebody's.
var harmless = words(
	"account access action address aggregate api app application batch build card channel charge check client code comment commit content customer data deployment delivery device document",
	"discount entity error event family file financial fulfillment http import invoice item job line log mandate media member message method mime network node object order os package page payment plan",
	"pipeline process product project publish purchase queue record refund release report request resource response review risk role run schema service session shipment shipping source step stream",
	"subscription sync system target task tax ticket transaction transfer transport trigger update upload user verification webhook workflow",
	"alarm alert audit basket booking cart cash chargeback checkout claim contract db department dispute engine experiment fee field firmware flag hardware incident inventory journal language ledger metric node ordering parcel",
	"pay pipeline price protocol quote rec region return route sensor server settlement sku stock support table topic trip unit variant vehicle version warehouse",
)

// joints are words that say little by themselves, in names of several.
var joints = words("at by first from full has in is last max min new of old on per previous sms sub to total with")

// counts are names of numbers that count and order things; a string that is called so
// may hold anything.
var counts = words(
	"attempts bytes coupons filesize items latency latencyms lines offset page pages pagesize position qty quantity rating retries retrycount revision rev seq seqno sequence sequencenumber stars totalcount",
	"menge anzahl cantidad quantidade groesse 数量",
)

// counting are last words that make a number of something, whatever stands before.
var counting = words("count version currency language locale quantity")

func words(lists ...string) map[string]bool {
	all := map[string]bool{}
	for _, list := range lists {
		for word := range strings.FieldsSeq(list) {
			all[word] = true
		}
	}
	return all
}
