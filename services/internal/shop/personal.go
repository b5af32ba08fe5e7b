package shop

import "strings"

// searchable is the length in bytes from which a value can be looked for among
// other data without being met by chance.
const searchable = 8

// PersonalValues are the personal values that the first n events of a seed's
// history hold, raw, each once, in the order of their first appearance: names,
// e-mail addresses, telephone numbers, streets, bank accounts, IP addresses,
// and every text that customers or agents wrote about them. They are what a
// search for leaks looks for. Left out is what cannot be told from chance: a
// value of fewer than 8 bytes, cities, postal codes, dates, and the last
// digits of cards.
func PersonalValues(seed uint64, n int) []string {
	seen := map[string]bool{}
	var values []string
	if n <= 0 {
		return nil
	}
	for e := range All(seed, n) {
		for _, v := range e.Personal() {
			if !seen[v] {
				seen[v] = true
				values = append(values, v)
			}
		}
	}
	return values
}

// Personal are the event's own personal values, as PersonalValues describes them.
func (e Event) Personal() []string {
	var found findings
	switch p := e.Payload.(type) {
	case OrderCreated:
		found.add(p.Customer.Name, p.Customer.Email, p.Customer.Phone, p.Delivery.Instructions, p.Note)
		found.address(p.Delivery.Address)
		found.address(p.BillingAddress)
		for _, line := range p.Lines {
			for _, o := range line.Options {
				if o.Name == "engraving" || o.Name == "gift_note" {
					found.add(o.Value)
				}
			}
		}
	case OrderPaid:
		found.link(p.InvoiceURL)
	case OrderShipped:
		found.address(p.Address)
		for _, parcel := range p.Parcels {
			found.add(parcel.TrackingNumber)
			found.link(parcel.TrackingURL)
		}
	case OrderCancelled:
		found.add(p.Comment)
		if p.CancelledBy != nil {
			found.add(p.CancelledBy.Name)
		}
	case CustomerRegistered:
		found.person(&p.Person)
		found.add(p.Contact.Email, p.Contact.Phone)
		for i := range p.Addresses {
			found.address(&p.Addresses[i].Address)
		}
		found.consents(p.Consents)
		found.link(p.AvatarURL)
	case CustomerUpdated:
		found.person(p.Person)
		found.add(p.PreviousEmail)
		if p.Contact != nil {
			found.add(p.Contact.Email, p.Contact.Phone)
		}
		found.address(p.Address)
		found.consents(p.Consents)
	case CustomerClosed:
		found.add(p.Feedback)
	case PaymentAuthorized:
		found.payer(p.Payer)
		found.method(&p.Method)
	case PaymentCaptured:
		found.link(p.ReceiptURL)
	case PaymentRefunded:
		found.method(p.Method)
		found.add(p.AgentNote)
	case PaymentFailed:
		found.payer(p.Payer)
		found.method(&p.Method)
		found.add(p.Failure.Message)
	}
	return found
}

type findings []string

func (f *findings) add(values ...string) {
	for _, v := range values {
		if len(v) >= searchable {
			*f = append(*f, v)
		}
	}
}

// link adds a URL without its scheme, which every other URL has too.
func (f *findings) link(u string) { f.add(strings.TrimPrefix(u, "https://")) }

func (f *findings) person(p *Person) {
	if p != nil {
		f.add(p.GivenName, p.FamilyName, p.FullName)
	}
}

func (f *findings) address(a *Address) {
	if a != nil {
		f.add(a.Recipient, a.Street, a.Line2)
	}
}

func (f *findings) consents(list []Consent) {
	for _, c := range list {
		f.add(c.IP)
	}
}

func (f *findings) payer(p Payer) { f.add(p.Name, p.Email, p.IP) }

func (f *findings) method(m *Method) {
	if m != nil {
		f.add(m.Holder, m.IBAN, m.Account, m.Mandate)
	}
}
