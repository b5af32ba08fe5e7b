package shop

import (
	"fmt"
	"net/url"
	"time"
)

// The shop keeps at most so many accounts: above it, as many people leave as come.
const fullHouse = 50_000

// arrive is somebody turning up at the shop; the next one follows a few minutes later.
func (h *History) arrive() (Event, bool) {
	h.plan(h.between(20*time.Second, 24*time.Minute), h.arrive)

	n := len(h.customers)
	switch roll := h.rng.Float64(); {
	case n == 0 || roll < 0.22 && n < fullHouse:
		return h.register(), true
	case roll < 0.30:
		return h.update(h.someone()), true
	case n > 3 && roll < 0.325 || n >= fullHouse && roll < 0.54:
		return h.leave()
	default:
		return h.order(h.someone()), true
	}
}

// someone is a customer; those who came lately come more often.
func (h *History) someone() *customer {
	n := len(h.customers)
	if n > 20 && h.chance(0.4) {
		return h.customers[n-1-h.rng.IntN(n/5)]
	}
	return from(h, h.customers)
}

func (h *History) register() Event {
	c := h.person()
	p := CustomerRegistered{
		CustomerID:   c.id,
		RegisteredAt: stamp(h.clock),
		Person:       Person{GivenName: c.given, FamilyName: c.family, FullName: c.full},
		Contact:      Contact{Email: c.email, Language: c.land.language},
		Addresses:    []AddressForUse{{Use: "home", Address: c.home}},
		Consents:     []Consent{h.consent(c, "newsletter", h.chance(0.5))},
	}
	if h.chance(0.4) {
		p.Person.BirthDate = c.birth
	}
	if h.chance(0.75) {
		p.Contact.Phone = c.phone
	}
	if c.billing != nil {
		p.Addresses = append(p.Addresses, AddressForUse{Use: "billing", Address: *c.billing})
	}
	if h.chance(0.3) {
		p.Consents = append(p.Consents, h.consent(c, "profiling", h.chance(0.3)))
	}
	if h.chance(0.2) {
		p.AvatarURL = fmt.Sprintf("https://cdn.shop.test/avatars/%s.jpg", url.PathEscape(c.full))
	}
	if len(h.customers) > 0 && h.chance(0.15) {
		p.ReferredBy = from(h, h.customers).id
	}

	h.customers = append(h.customers, c)
	if h.chance(0.8) {
		h.plan(h.between(2*time.Minute, 50*time.Minute), func() (Event, bool) {
			c.open--
			return h.order(c), true
		})
		c.open++ // whoever is about to order doesn't leave before
	}
	return h.event(Customers, "customer", "registered", c.id, p)
}

// update changes something of an account: usually the address.
func (h *History) update(c *customer) Event {
	p := CustomerUpdated{CustomerID: c.id, UpdatedAt: stamp(h.clock)}
	switch roll := h.rng.IntN(10); {
	case roll < 5:
		c.home = h.address(c.land)
		home := c.home
		p.Address, p.Changed = &home, []string{"address"}
	case roll < 7:
		p.PreviousEmail = c.email
		c.email = h.mailbox(c)
		p.Contact = &Contact{Email: c.email, Phone: c.phone, Language: c.land.language}
		p.Changed = []string{"contact"}
	case roll < 8: // marries, and moves in with somebody
		family, ascii := spell(from(h, c.land.family))
		c.rename(family, ascii)
		c.home = h.address(c.land)
		home := c.home
		p.Person = &Person{GivenName: c.given, FamilyName: c.family, FullName: c.full}
		p.Address, p.Changed = &home, []string{"person", "address"}
	default:
		p.Consents = []Consent{h.consent(c, "newsletter", h.chance(0.4)), h.consent(c, "partner_offers", false)}
		p.Changed = []string{"consent"}
	}
	return h.event(Customers, "customer", "updated", c.id, p)
}

// leave ends the account of somebody whose orders are all finished. Ten people
// are asked; if none of them is such a person, nothing happens.
func (h *History) leave() (Event, bool) {
	i, found := 0, false
	for range 10 {
		if i = h.rng.IntN(len(h.customers)); h.customers[i].open == 0 {
			found = true
			break
		}
	}
	if !found {
		return Event{}, false
	}
	c, last := h.customers[i], len(h.customers)-1
	h.customers[i], h.customers[last] = h.customers[last], nil
	h.customers = h.customers[:last]

	p := CustomerClosed{
		CustomerID: c.id,
		ClosedAt:   stamp(h.clock),
		Reason:     from(h, []string{"customer_request", "customer_request", "inactivity"}),
		EraseBy:    day(h.clock.AddDate(0, 0, 30)),
	}
	if p.Reason == "customer_request" && h.chance(0.5) {
		p.Feedback = fmt.Sprintf(from(h, []string{
			"Too much mail to %s, and nobody answers.",
			"Please delete everything you hold about %s. Merci !",
			"I have a second account, %s is no longer used.",
		}), c.email)
	}
	return h.event(Customers, "customer", "closed", c.id, p), true
}

func (h *History) consent(c *customer, purpose string, granted bool) Consent {
	return Consent{Purpose: purpose, Granted: granted, At: stamp(h.clock), IP: c.ip}
}
