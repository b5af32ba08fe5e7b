package mask

import (
	"maps"
	"slices"
)

// Class says what kind of data a value is. Policies give each class a
// technique; a class that a policy doesn't name is withheld.
type Class string

// The vocabulary. It is closed: a misspelt class must be found and not quietly
// protect nothing.
const (
	Public     Class = "public"      // may be seen by anybody: product names, licences, texts that are published
	Internal   Class = "internal"    // the business's own, about no person: states, counters, versions, technical names
	Date       Class = "date"        // a date or time that tells something about a person, as a birthday does
	Amount     Class = "amount"      // money or a quantity that tells something about a person or a customer
	ID         Class = "id"          // an identifier that means nothing outside its system: customer number, node id
	UUID       Class = "uuid"        // the same in the form of a UUID
	IP         Class = "ip"          // a network address
	URL        Class = "url"         // an address on the web, or a template of one, that may hold names or ids
	Name       Class = "name"        // the name of a thing that may tell whose it is: repository, company, team
	Login      Class = "login"       // a user's or organisation's account name
	PersonName Class = "person-name" // a person's name, whole or a part of it
	Location   Class = "location"    // where somebody is: coordinates, a place
	Phone      Class = "phone"       // a telephone number
	Email      Class = "email"       // an e-mail address
	Address    Class = "address"     // a postal address, or a part of it
	Account    Class = "account"     // a bank account, a payment card, a tax or social security number
	Sensitive  Class = "sensitive"   // health, belief, origin and the like: what the law singles out
	Text       Class = "text"        // free text, in which anything may stand
	Secret     Class = "secret"      // a credential: password, token, key
)

// classInfo describes a class.
type classInfo struct {
	rank int  // how protective it is: of two classes for one value, the higher rank wins
	form Form // what a token of it looks like unless the policy or the schema says otherwise
	what string
}

var classes = map[Class]classInfo{
	Public:     {0, Opaque, "may be seen by anybody"},
	Internal:   {10, Opaque, "the business's own, about no person"},
	Date:       {20, FormMoment, "a date or time that tells something about a person"},
	Amount:     {25, FormAmount, "money or a quantity that tells something about a person or customer"},
	ID:         {30, FormID, "an identifier that means nothing outside its system"},
	UUID:       {31, FormUUID, "an identifier in the form of a UUID"},
	IP:         {40, FormIP, "a network address"},
	URL:        {41, FormURL, "an address on the web, or a template of one"},
	Name:       {42, FormName, "the name of a thing that may tell whose it is"},
	Login:      {50, FormLogin, "a user's or organisation's account name"},
	PersonName: {51, FormPersonName, "a person's name, whole or a part of it"},
	Location:   {55, Opaque, "where somebody is"},
	Phone:      {60, FormPhone, "a telephone number"},
	Email:      {61, FormEmail, "an e-mail address"},
	Address:    {62, FormAddress, "a postal address, or a part of it"},
	Account:    {70, FormAccount, "a bank account, payment card, tax or social security number"},
	Sensitive:  {80, Opaque, "what the law singles out: health, belief, origin"},
	Text:       {90, Opaque, "free text, in which anything may stand"},
	Secret:     {100, Opaque, "a credential"},
}

// Known reports whether c is in the vocabulary.
func (c Class) Known() bool { _, ok := classes[c]; return ok }

// Describe says in a few words what c is for; it is empty for an unknown class.
func (c Class) Describe() string { return classes[c].what }

// MoreProtective returns that of two classes whose data needs more protection;
// it decides where several apply to one value. A class that nobody knows beats
// every other, so that the value is withheld; an absent one ("") beats none.
func MoreProtective(a, b Class) Class {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	case !a.Known():
		return a
	case !b.Known():
		return b
	case classes[b].rank > classes[a].rank:
		return b
	}
	return a
}

// Classes is the vocabulary, least protective first.
func Classes() []Class {
	return slices.SortedFunc(maps.Keys(classes), func(a, b Class) int { return classes[a].rank - classes[b].rank })
}
