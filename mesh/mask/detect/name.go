package detect

import (
	"fmt"
	"strings"
	"unicode"

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
	"email": {mask.Email, 0.8}, "mail": {mask.Email, 0.5}, "emailaddress": {mask.Email, 0.9},
	"phone": {mask.Phone, 0.8}, "phonenumber": {mask.Phone, 0.9}, "mobile": {mask.Phone, 0.7}, "telephone": {mask.Phone, 0.8}, "fax": {mask.Phone, 0.7},
	"firstname": {mask.PersonName, 0.9}, "lastname": {mask.PersonName, 0.9}, "givenname": {mask.PersonName, 0.9}, "familyname": {mask.PersonName, 0.9},
	"surname": {mask.PersonName, 0.9}, "fullname": {mask.PersonName, 0.9}, "displayname": {mask.PersonName, 0.6}, "recipient": {mask.PersonName, 0.5},
	"holder": {mask.PersonName, 0.6}, "customername": {mask.PersonName, 0.7}, "contactname": {mask.PersonName, 0.8}, "author": {mask.PersonName, 0.4},
	"login": {mask.Login, 0.8}, "username": {mask.Login, 0.9}, "userlogin": {mask.Login, 0.9}, "handle": {mask.Login, 0.5}, "nickname": {mask.Login, 0.6},
	"street": {mask.Address, 0.8}, "streetname": {mask.Address, 0.9}, "housenumber": {mask.Address, 0.8}, "address": {mask.Address, 0.6}, "addressline": {mask.Address, 0.9},
	"city": {mask.Address, 0.6}, "town": {mask.Address, 0.6}, "zip": {mask.Address, 0.8}, "zipcode": {mask.Address, 0.9}, "postalcode": {mask.Address, 0.9}, "postcode": {mask.Address, 0.9},
	"latitude": {mask.Location, 0.8}, "longitude": {mask.Location, 0.8}, "lat": {mask.Location, 0.5}, "lng": {mask.Location, 0.6}, "lon": {mask.Location, 0.5},
	"location": {mask.Location, 0.6}, "coordinates": {mask.Location, 0.8}, "geo": {mask.Location, 0.5},
	"iban": {mask.Account, 0.9}, "bic": {mask.Account, 0.5}, "cardnumber": {mask.Account, 0.9}, "pan": {mask.Account, 0.5}, "creditcard": {mask.Account, 0.8},
	"accountnumber": {mask.Account, 0.8}, "taxid": {mask.Account, 0.8}, "vatid": {mask.Account, 0.7}, "ssn": {mask.Account, 0.9}, "socialsecuritynumber": {mask.Account, 0.9},
	"birthday": {mask.Date, 0.9}, "birthdate": {mask.Date, 0.9}, "dateofbirth": {mask.Date, 0.9}, "dob": {mask.Date, 0.7}, "at": {mask.Date, 0.3}, "date": {mask.Date, 0.4},
	"timestamp": {mask.Date, 0.3}, "ip": {mask.IP, 0.7}, "ipaddress": {mask.IP, 0.9}, "clientip": {mask.IP, 0.9}, "remoteaddr": {mask.IP, 0.8},
	"url": {mask.URL, 0.8}, "uri": {mask.URL, 0.8}, "href": {mask.URL, 0.8}, "link": {mask.URL, 0.4}, "website": {mask.URL, 0.7}, "homepage": {mask.URL, 0.7}, "avatar": {mask.URL, 0.4},
	"uuid": {mask.UUID, 0.8}, "guid": {mask.UUID, 0.8}, "id": {mask.ID, 0.6}, "nodeid": {mask.ID, 0.8}, "customerid": {mask.ID, 0.8}, "userid": {mask.ID, 0.8}, "sku": {mask.Internal, 0.4},
	"password": {mask.Secret, 0.95}, "passwd": {mask.Secret, 0.95}, "secret": {mask.Secret, 0.9}, "token": {mask.Secret, 0.7}, "apikey": {mask.Secret, 0.95},
	"accesstoken": {mask.Secret, 0.95}, "privatekey": {mask.Secret, 0.95}, "credential": {mask.Secret, 0.9}, "authorization": {mask.Secret, 0.7}, "pin": {mask.Secret, 0.5}, "cvv": {mask.Secret, 0.9},
	"amount": {mask.Amount, 0.7}, "price": {mask.Amount, 0.5}, "total": {mask.Amount, 0.5}, "salary": {mask.Amount, 0.9}, "income": {mask.Amount, 0.8}, "balance": {mask.Amount, 0.7},
	"health": {mask.Sensitive, 0.7}, "diagnosis": {mask.Sensitive, 0.9}, "religion": {mask.Sensitive, 0.9}, "ethnicity": {mask.Sensitive, 0.9}, "gender": {mask.Sensitive, 0.6},
	"nationality": {mask.Sensitive, 0.6}, "disability": {mask.Sensitive, 0.9}, "orientation": {mask.Sensitive, 0.5},
	"comment": {mask.Text, 0.7}, "description": {mask.Text, 0.6}, "message": {mask.Text, 0.6}, "note": {mask.Text, 0.7}, "notes": {mask.Text, 0.7}, "body": {mask.Text, 0.6},
	"text": {mask.Text, 0.6}, "title": {mask.Text, 0.4}, "subject": {mask.Text, 0.4}, "reason": {mask.Text, 0.4}, "bio": {mask.Text, 0.6}, "summary": {mask.Text, 0.5},
	"company": {mask.Name, 0.6}, "organization": {mask.Name, 0.5}, "team": {mask.Name, 0.5}, "name": {mask.Name, 0.4}, "repository": {mask.Name, 0.4}, "hostname": {mask.Name, 0.5},
	"status": {mask.Internal, 0.6}, "state": {mask.Internal, 0.5}, "type": {mask.Internal, 0.5}, "kind": {mask.Internal, 0.5}, "version": {mask.Internal, 0.6}, "count": {mask.Internal, 0.6},
	"currency": {mask.Internal, 0.7}, "language": {mask.Internal, 0.5}, "locale": {mask.Internal, 0.5}, "quantity": {mask.Internal, 0.5}, "action": {mask.Internal, 0.6}, "country": {mask.Internal, 0.3},
}

// byName looks a field's name up as a whole, then its last words, then its first.
func (c *collector) byName(name string) {
	words := split(name)
	if len(words) == 0 {
		return
	}
	for n := len(words); n > 0; n-- {
		end, begin := strings.Join(words[len(words)-n:], ""), strings.Join(words[:n], "")
		if h, ok := names[end]; ok {
			if n == len(words) {
				c.add(h.class, h.confidence, fmt.Sprintf("it is called %s", name))
			} else {
				c.add(h.class, h.confidence*0.8, fmt.Sprintf("its name ends with %s", strings.Join(words[len(words)-n:], " ")))
			}
			return
		}
		if h, ok := names[begin]; ok {
			c.add(h.class, h.confidence*0.6, fmt.Sprintf("its name begins with %s", strings.Join(words[:n], " ")))
			return
		}
	}
}

// split is a name's words in lower case: of first_name, firstName, first-name
// and HTMLUrl alike.
func split(name string) []string {
	var words []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			words = append(words, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r):
			flush()
			continue
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1])):
			flush()
		}
		word.WriteRune(r)
	}
	flush()
	return words
}
