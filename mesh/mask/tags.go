package mask

import "strings"

// tags are the words that Confluent's users tag fields with, in lower case and
// without separators.
var tags = map[string]Class{
	"pii": Sensitive, "personal": Sensitive, "sensitive": Sensitive, "phi": Sensitive, "confidential": Sensitive, "restricted": Sensitive,
	"private": Sensitive, "pci": Account, "creditcard": Account, "iban": Account, "account": Account, "ssn": Account,
	"email": Email, "phone": Phone, "phonenumber": Phone, "address": Address, "ip": IP, "ipaddress": IP, "url": URL, "uri": URL,
	"name": PersonName, "personname": PersonName, "username": Login, "login": Login, "location": Location, "birthdate": Date,
	"dateofbirth": Date, "date": Date, "secret": Secret, "password": Secret, "credential": Secret,
	"text": Text, "freetext": Text, "id": ID, "identifier": ID, "uuid": UUID, "amount": Amount, "public": Public, "internal": Internal,
}

// TagClass is the class that one of Confluent's free-form tags ("PII",
// "EMAIL", "lockstep:login") stands for. A tag "lockstep:<class>" or the name of
// a class means that class. Any other tag that isn't known here counts as
// Sensitive: somebody marked the field, and it is not for us to ignore that.
func TagClass(tag string) Class {
	name := strings.ToLower(strings.TrimSpace(tag))
	if class, ok := strings.CutPrefix(name, "lockstep:"); ok {
		return Class(class)
	}
	if Class(name).Known() {
		return Class(name)
	}
	if class, ok := tags[strings.NewReplacer("-", "", "_", "", " ", "").Replace(name)]; ok {
		return class
	}
	return Sensitive
}
