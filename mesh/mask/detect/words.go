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
	"forename": {mask.PersonName, 0.9}, "forenames": {mask.PersonName, 0.9}, "fname": {mask.PersonName, 0.9}, "lname": {mask.PersonName, 0.9}, "givennames": {mask.PersonName, 0.9}, "firstnm": {mask.PersonName, 0.9},
	"lastnm": {mask.PersonName, 0.9}, "surnm": {mask.PersonName, 0.9}, "zuname": {mask.PersonName, 0.9}, "rufname": {mask.PersonName, 0.9}, "geburtsname": {mask.PersonName, 0.9}, "fornavn": {mask.PersonName, 0.9},
	"etternavn": {mask.PersonName, 0.9}, "efternavn": {mask.PersonName, 0.9}, "tussenvoegsel": {mask.PersonName, 0.9}, "primerapellido": {mask.PersonName, 0.9}, "segundoapellido": {mask.PersonName, 0.9},
	"primernombre": {mask.PersonName, 0.9}, "nombrecompleto": {mask.PersonName, 0.9}, "nomecompleto": {mask.PersonName, 0.9}, "sobrenome": {mask.PersonName, 0.9}, "nomefamiglia": {mask.PersonName, 0.9},
	"nomdefamille": {mask.PersonName, 0.9}, "nomdenaissance": {mask.PersonName, 0.9}, "氏名": {mask.PersonName, 0.9}, "姓名": {mask.PersonName, 0.9}, "お名前": {mask.PersonName, 0.9}, "フリガナ": {mask.PersonName, 0.9},
	"ふりがな": {mask.PersonName, 0.9}, "カナ氏名": {mask.PersonName, 0.9}, "氏名カナ": {mask.PersonName, 0.9}, "口座名義": {mask.PersonName, 0.9}, "担当者名": {mask.PersonName, 0.9}, "signedby": {mask.PersonName, 0.7},
	"nextofkin": {mask.PersonName, 0.7}, "dependant": {mask.PersonName, 0.7}, "dependants": {mask.PersonName, 0.7}, "spousename": {mask.PersonName, 0.7}, "mothersname": {mask.PersonName, 0.7}, "fathersname": {mask.PersonName, 0.7},
	"maidennm": {mask.PersonName, 0.7}, "paxname": {mask.PersonName, 0.7}, "passengername": {mask.PersonName, 0.7}, "guestname": {mask.PersonName, 0.7}, "patientname": {mask.PersonName, 0.7}, "employeename": {mask.PersonName, 0.7},
	"studentname": {mask.PersonName, 0.7}, "teachername": {mask.PersonName, 0.7}, "drivername": {mask.PersonName, 0.7}, "accountname": {mask.PersonName, 0.7}, "payeename": {mask.PersonName, 0.7}, "payername": {mask.PersonName, 0.7},
	"名前": {mask.PersonName, 0.7}, "担当者": {mask.PersonName, 0.7}, "nom": {mask.PersonName, 0.6}, "nome": {mask.PersonName, 0.6}, "pasajero": {mask.PersonName, 0.6}, "passageiro": {mask.PersonName, 0.6}, "aluno": {mask.PersonName, 0.6},
	"alumno": {mask.PersonName, 0.6}, "elev": {mask.PersonName, 0.6}, "paciente": {mask.PersonName, 0.6}, "versicherungsnehmer": {mask.PersonName, 0.6}, "beneficiaire": {mask.PersonName, 0.6}, "destinataire": {mask.PersonName, 0.6},
	"titulaire": {mask.PersonName, 0.6}, "titular": {mask.PersonName, 0.6}, "courriel": {mask.Email, 0.8}, "correo": {mask.Email, 0.8}, "correoelectronico": {mask.Email, 0.8}, "emailaddr": {mask.Email, 0.8},
	"mailadresse": {mask.Email, 0.8}, "posta": {mask.Email, 0.8}, "メールアドレス": {mask.Email, 0.8}, "メール": {mask.Email, 0.8}, "eposta": {mask.Email, 0.8}, "celular": {mask.Phone, 0.8}, "telefone": {mask.Phone, 0.8},
	"telephonenumber": {mask.Phone, 0.8}, "cellphone": {mask.Phone, 0.8}, "mobilenumber": {mask.Phone, 0.8}, "mobilephone": {mask.Phone, 0.8}, "telno": {mask.Phone, 0.8}, "telnr": {mask.Phone, 0.8}, "mobilnummer": {mask.Phone, 0.8},
	"rufnummer": {mask.Phone, 0.8}, "telefonnummer": {mask.Phone, 0.8}, "fon": {mask.Phone, 0.8}, "portable": {mask.Phone, 0.8}, "電話番号": {mask.Phone, 0.8}, "携帯": {mask.Phone, 0.8}, "携帯電話": {mask.Phone, 0.8}, "携帯番号": {mask.Phone, 0.8},
	"domicilio": {mask.Address, 0.8}, "indirizzo": {mask.Address, 0.8}, "endereco": {mask.Address, 0.8}, "bairro": {mask.Address, 0.8}, "cidade": {mask.Address, 0.8}, "municipio": {mask.Address, 0.8}, "colonia": {mask.Address, 0.8},
	"logradouro": {mask.Address, 0.8}, "commune": {mask.Address, 0.8}, "codepostal": {mask.Address, 0.8}, "codigopostal": {mask.Address, 0.8}, "cep": {mask.Address, 0.8}, "citta": {mask.Address, 0.8}, "comune": {mask.Address, 0.8},
	"straat": {mask.Address, 0.8}, "woonplaats": {mask.Address, 0.8}, "gata": {mask.Address, 0.8}, "postnr": {mask.Address, 0.8}, "postort": {mask.Address, 0.8}, "postleitzahl": {mask.Address, 0.8},
	"lieferadresse": {mask.Address, 0.8}, "rechnungsadresse": {mask.Address, 0.8}, "住所": {mask.Address, 0.8}, "郵便番号": {mask.Address, 0.8}, "都道府県": {mask.Address, 0.8}, "市区町村": {mask.Address, 0.8}, "番地": {mask.Address, 0.8},
	"建物名": {mask.Address, 0.8}, "voie": {mask.Address, 0.8}, "addr": {mask.Address, 0.6}, "adr": {mask.Address, 0.6}, "cty": {mask.Address, 0.6}, "homeaddress": {mask.Address, 0.6},
	"streetaddress": {mask.Address, 0.6}, "mailingaddress": {mask.Address, 0.6}, "postaladdress": {mask.Address, 0.6}, "lugarnacimiento": {mask.Address, 0.6}, "lieudenaissance": {mask.Address, 0.6}, "nino": {mask.Account, 0.8},
	"ninumber": {mask.Account, 0.8}, "cpf": {mask.Account, 0.8}, "cnpj": {mask.Account, 0.8}, "dni": {mask.Account, 0.8}, "nif": {mask.Account, 0.8}, "curp": {mask.Account, 0.8}, "rfc": {mask.Account, 0.8}, "bsn": {mask.Account, 0.8},
	"siren": {mask.Account, 0.8}, "siret": {mask.Account, 0.8}, "codicefiscale": {mask.Account, 0.8}, "personnummer": {mask.Account, 0.8}, "sozialversicherungsnummer": {mask.Account, 0.8}, "steuernummer": {mask.Account, 0.8},
	"sortcode": {mask.Account, 0.8}, "accountno": {mask.Account, 0.8}, "accountnr": {mask.Account, 0.8}, "accnum": {mask.Account, 0.8}, "cardno": {mask.Account, 0.8},
	"kreditkartennummer": {mask.Account, 0.8}, "kartennummer": {mask.Account, 0.8}, "docnumber": {mask.Account, 0.8}, "documentnumber": {mask.Account, 0.8}, "idnumber": {mask.Account, 0.8}, "nhsnumber": {mask.Account, 0.8},
	"mrn": {mask.Account, 0.8}, "マイナンバー": {mask.Account, 0.8}, "カード番号": {mask.Account, 0.8}, "口座番号": {mask.Account, 0.8}, "knownt": {mask.Account, 0.6}, "passportno": {mask.Account, 0.6}, "dlno": {mask.Account, 0.6},
	"dlnumber": {mask.Account, 0.6}, "driverslicense": {mask.Account, 0.6}, "ktn": {mask.Account, 0.6}, "frequentflyer": {mask.Account, 0.6}, "frequentflyernumber": {mask.Account, 0.6}, "geb": {mask.Date, 0.9},
	"gebdatum": {mask.Date, 0.9}, "fechanacimiento": {mask.Date, 0.9}, "fechadenacimiento": {mask.Date, 0.9}, "datanascimento": {mask.Date, 0.9}, "datadenascimento": {mask.Date, 0.9}, "datenaissance": {mask.Date, 0.9},
	"datedenaissance": {mask.Date, 0.9}, "dataurodzenia": {mask.Date, 0.9}, "geboortedatum": {mask.Date, 0.9}, "生年月日": {mask.Date, 0.9}, "誕生日": {mask.Date, 0.9}, "gpslatitude": {mask.Location, 0.7},
	"gpslongitude": {mask.Location, 0.7}, "latlng": {mask.Location, 0.7}, "latlon": {mask.Location, 0.7}, "geopoint": {mask.Location, 0.7}, "centroid": {mask.Location, 0.7}, "remark": {mask.Text, 0.7},
	"instructions": {mask.Text, 0.7}, "deliveryinstructions": {mask.Text, 0.7}, "giftmessage": {mask.Text, 0.7}, "transcript": {mask.Text, 0.7}, "verbatim": {mask.Text, 0.7}, "feedback": {mask.Text, 0.7},
	"bemerkung": {mask.Text, 0.7}, "hinweis": {mask.Text, 0.7}, "kommentar": {mask.Text, 0.7}, "beschreibung": {mask.Text, 0.7}, "hergang": {mask.Text, 0.7}, "aussage": {mask.Text, 0.7}, "commentaire": {mask.Text, 0.7},
	"consignes": {mask.Text, 0.7}, "observaciones": {mask.Text, 0.7}, "observacao": {mask.Text, 0.7}, "observacoes": {mask.Text, 0.7}, "comentario": {mask.Text, 0.7},
	"備考": {mask.Text, 0.7}, "メモ": {mask.Text, 0.7}, "employeeno": {mask.ID, 0.7}, "employeenumber": {mask.ID, 0.7}, "customerno": {mask.ID, 0.7}, "customernumber": {mask.ID, 0.7}, "memberid": {mask.ID, 0.7},
	"membernumber": {mask.ID, 0.7}, "patientid": {mask.ID, 0.7}, "studentid": {mask.ID, 0.7}, "deviceid": {mask.ID, 0.7}, "mac": {mask.ID, 0.7}, "bssid": {mask.ID, 0.7}, "advertisingid": {mask.ID, 0.7}, "visitorid": {mask.ID, 0.7},
	"cookieid": {mask.ID, 0.7}, "eid": {mask.ID, 0.7}, "puk": {mask.Secret, 0.8}, "jwt": {mask.Secret, 0.8}, "sessiontoken": {mask.Secret, 0.8}, "cookie": {mask.Secret, 0.8}, "cookies": {mask.Secret, 0.8},
	"setcookie": {mask.Secret, 0.8}, "refreshtoken": {mask.Secret, 0.8}, "idtoken": {mask.Secret, 0.8}, "bearer": {mask.Secret, 0.8}, "passphrase": {mask.Secret, 0.8}, "securitycode": {mask.Secret, 0.8}, "暗証番号": {mask.Secret, 0.8},
	"パスワード": {mask.Secret, 0.8}, "montant": {mask.Amount, 0.7}, "importe": {mask.Amount, 0.7}, "valor": {mask.Amount, 0.7}, "preis": {mask.Amount, 0.7}, "lohn": {mask.Amount, 0.7}, "nomina": {mask.Amount, 0.7},
	"sueldo": {mask.Amount, 0.7}, "salario": {mask.Amount, 0.7}, "salaire": {mask.Amount, 0.7}, "grosspay": {mask.Amount, 0.7}, "netpay": {mask.Amount, 0.7}, "wages": {mask.Amount, 0.7},
	"status": {mask.Internal, 0.6}, "state": {mask.Internal, 0.5}, "type": {mask.Internal, 0.5}, "kind": {mask.Internal, 0.5}, "version": {mask.Internal, 0.6}, "count": {mask.Internal, 0.6},
	"currency": {mask.Internal, 0.7}, "ccy": {mask.Internal, 0.7}, "language": {mask.Internal, 0.5}, "locale": {mask.Internal, 0.5}, "action": {mask.Internal, 0.6}, "country": {mask.Internal, 0.3}, "countrycode": {mask.Internal, 0.3},
	"contenttype": {mask.Internal, 0.7}, "mimetype": {mask.Internal, 0.7}, "mime": {mask.Internal, 0.7}, "method": {mask.Internal, 0.55}, "mode": {mask.Internal, 0.55}, "priority": {mask.Internal, 0.55},
	"severity": {mask.Internal, 0.55}, "category": {mask.Internal, 0.5}, "carrier": {mask.Internal, 0.55}, "gateway": {mask.Internal, 0.55}, "brand": {mask.Internal, 0.55}, "protocol": {mask.Internal, 0.7},
	"encoding": {mask.Internal, 0.7}, "format": {mask.Internal, 0.55}, "environment": {mask.Internal, 0.55}, "env": {mask.Internal, 0.55}, "op": {mask.Internal, 0.55}, "eventname": {mask.Internal, 0.55}, "table": {mask.Internal, 0.55},
	"tariff": {mask.Internal, 0.55}, "incoterm": {mask.Internal, 0.7}, "incoterms": {mask.Internal, 0.7}, "uom": {mask.Internal, 0.7}, "platform": {mask.Internal, 0.55}, "os": {mask.Internal, 0.55}, "visibility": {mask.Internal, 0.55}, "verb": {mask.Internal, 0.5},
	"firmware": {mask.Internal, 0.7}, "fw": {mask.Internal, 0.55}, "sdk": {mask.Internal, 0.6}, "specversion": {mask.Internal, 0.8}, "department": {mask.Internal, 0.5}, "costcentre": {mask.Internal, 0.55}, "costcenter": {mask.Internal, 0.55}, "lang": {mask.Internal, 0.5},
	"cabin": {mask.Internal, 0.55}, "flight": {mask.Internal, 0.55}, "flightnumber": {mask.Internal, 0.7}, "warehouse": {mask.Internal, 0.55}, "depot": {mask.Internal, 0.55},

	"devise": {mask.Internal, 0.7}, "waehrung": {mask.Internal, 0.7}, "moneda": {mask.Internal, 0.7}, "moeda": {mask.Internal, 0.7}, "divisa": {mask.Internal, 0.7}, "valuta": {mask.Internal, 0.7}, "通貨": {mask.Internal, 0.7},
	"statut": {mask.Internal, 0.55}, "estado": {mask.Internal, 0.5}, "estatus": {mask.Internal, 0.55}, "stato": {mask.Internal, 0.5}, "stan": {mask.Internal, 0.4}, "typ": {mask.Internal, 0.5}, "tipo": {mask.Internal, 0.5}, "prioritaet": {mask.Internal, 0.55}, "priorite": {mask.Internal, 0.55},
	"prioridad": {mask.Internal, 0.55}, "prioridade": {mask.Internal, 0.55},
	"ステータス": {mask.Internal, 0.55}, "状態": {mask.Internal, 0.5},
}

// sensitive are words that, wherever they stand in a name, say that it is about
// what the law singles out: a marital status is no status like others.
var sensitive = map[string]float64{
	"diagnosis": 0.9, "diagnoses": 0.9, "religion": 0.9, "religious": 0.9, "faith": 0.8, "belief": 0.8, "church": 0.7, "ethnicity": 0.9, "ethnic": 0.9, "disability": 0.9, "disabled": 0.5,
	"disease": 0.9, "illness": 0.9, "allergy": 0.9, "allergies": 0.9, "medication": 0.9, "medications": 0.9, "prescription": 0.8, "blood": 0.8, "pregnant": 0.9, "pregnancy": 0.9, "pregnancies": 0.9,
	"hiv": 0.9, "vaccination": 0.8, "vaccinated": 0.8, "smoker": 0.8, "sick": 0.7, "sickness": 0.8, "therapy": 0.8, "symptoms": 0.9, "biometric": 0.9, "genetic": 0.9,
	"marital": 0.8, "divorced": 0.8, "sexual": 0.9, "political": 0.8, "criminal": 0.9, "conviction": 0.8, "deceased": 0.7, "immigration": 0.8, "citizenship": 0.7, "dependents": 0.6, "children": 0.5, "konfession": 0.9, "geschlecht": 0.8,
	"union": 0.6, "creed": 0.8, "sexuality": 0.9, "refugee": 0.9, "asylum": 0.9, "addiction": 0.9, "chronic": 0.8, "handicap": 0.8, "handicapped": 0.9, "impairment": 0.8, "abortion": 0.9, "fertility": 0.9, "felony": 0.9, "offence": 0.7, "parole": 0.9, "alcohol": 0.7, "tobacco": 0.7, "smokes": 0.9, "smoking": 0.8, "diet": 0.7, "dietary": 0.7, "disorder": 0.8, "mental": 0.8, "psychiatric": 0.9, "injury": 0.8, "injuries": 0.9, "symptom": 0.9, "surgery": 0.9, "cancer": 0.9, "wheelchair": 0.9, "specimen": 0.7, "bankrupt": 0.7,
	"diagnose": 0.9, "krankheit": 0.9, "schwanger": 0.9, "behinderung": 0.9, "familienstand": 0.8, "gewerkschaft": 0.9, "allergien": 0.9, "verletzungen": 0.9, "maladie": 0.9, "grossesse": 0.9, "syndicat": 0.9, "enfermedad": 0.9, "embarazada": 0.9, "discapacidad": 0.9,
	"alergias": 0.9, "sindicato": 0.9, "doenca": 0.9, "deficiencia": 0.9, "gravida": 0.9, "estadocivil": 0.8, "sexo": 0.7, "sexe": 0.7, "性別": 0.8, "病歴": 0.9, "宗教": 0.9,
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
var joints = words("at by utm first from full has in is last max min new of old on per previous sms sub to total with")

// counts are names of numbers that count and order things; a string that is called so
// may hold anything.
var counts = words(
	"attempts bytes coupons filesize items latency latencyms lines offset page pages pct percent percentage pagesize position qty quantity rating retries retrycount revision rev seq seqno sequence sequencenumber stars taxrate totalcount vatrate",
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
