package shop

import (
	"fmt"
	"net/url"
	"time"
)

// article is something the shop sells.
type article struct {
	sku, title string
	price      Cents // in euros
	grams      int
	sized      bool // comes in sizes and colours
	engraved   bool // can be engraved
}

var catalogue = []article{
	{sku: "TEA-0042", title: "Assam, second flush, 250 g", price: 1190, grams: 290},
	{sku: "TEA-0107", title: "Sencha “Yabukita”, 100 g", price: 1450, grams: 130},
	{sku: "TEA-0311", title: "Thé des Mariniers, 20 sachets", price: 690, grams: 80},
	{sku: "POT-1001", title: "Teapot, cast iron, 0.8 l", price: 6900, grams: 1900, engraved: true},
	{sku: "POT-1007", title: "Filiżanka ze spodkiem, porcelain", price: 2490, grams: 450, engraved: true},
	{sku: "POT-1020", title: "Matcha bowl, raku", price: 8500, grams: 520},
	{sku: "BAG-2003", title: "Linen apron", price: 3900, grams: 350, sized: true},
	{sku: "BAG-2010", title: "Wool socks, hand-knitted", price: 1995, grams: 120, sized: true},
	{sku: "BAG-2044", title: "Rain jacket “Ålesund”", price: 14900, grams: 780, sized: true},
	{sku: "BOK-3100", title: "The Book of Tea (hardcover)", price: 2200, grams: 410, engraved: true},
	{sku: "BOK-3177", title: "Teegeschichten aus Ostfriesland", price: 1480, grams: 300},
	{sku: "GFT-9001", title: "Gift box, large", price: 550, grams: 200, engraved: true},
	{sku: "GFT-9050", title: "Voucher by e-mail", price: 5000},
}

// purchase is an order on its way through the shop.
type purchase struct {
	*customer
	orderID, paymentID string
	total              Money
	method             Method
	lines              []Line
	grams              int
	address            *Address
	attempts           int
	paid, shipped      bool
	cancelled          bool
}

// order lets c place an order; what becomes of it is planned at once.
func (h *History) order(c *customer) Event {
	h.orders++
	o := &purchase{customer: c, orderID: h.uuid(), method: c.method}
	if h.chance(0.1) {
		o.method = h.method(c)
	}
	number := fmt.Sprintf("SO-%s-%07d", h.clock.Format("06"), h.orders)
	p := OrderCreated{
		OrderID:   o.orderID,
		Number:    number,
		CreatedAt: stamp(h.clock),
		Channel:   from(h, []string{"web", "web", "web", "app", "app", "phone", "store"}),
		Customer:  Buyer{CustomerID: c.id, Name: c.full, Email: c.email},
		Lines:     h.basket(o),
	}
	if h.chance(0.5) {
		p.Customer.Phone = c.phone
	}
	var sum Cents
	for _, line := range p.Lines {
		sum += line.UnitPrice.Amount * Cents(line.Quantity) * (100 - line.Discount) / 100
	}

	switch roll := h.rng.IntN(10); {
	case o.grams == 0:
		p.Delivery.Method = "digital"
	case roll == 0:
		p.Delivery.Method = "pickup"
	default:
		home := c.home
		if h.chance(0.1) {
			home.Recipient = from(h, h.customers).full
		}
		o.address = &home
		p.Delivery = Delivery{Method: "courier", Address: &home}
		fee := Money{Amount: c.price(495), Currency: c.land.currency}
		p.ShippingFee = &fee
		sum += fee.Amount
		if h.chance(0.15) {
			p.Delivery.NotBefore = day(h.clock.AddDate(0, 0, 2+h.rng.IntN(5)))
		}
		if h.chance(0.2) {
			p.Delivery.Instructions = fmt.Sprintf(from(h, []string{
				"Ring twice, ask for %s.", "Bitte bei %s im Erdgeschoss abgeben.", "Laisser chez la voisine, %s",
				"Zadzwonić: %s", "Deixe com o porteiro. A/C: %s", "置き配希望。%s",
			}), from(h, []string{c.full, c.phone}))
		}
	}
	if c.billing != nil && h.chance(0.5) {
		p.BillingAddress = c.billing
	}
	if h.chance(0.1) {
		p.Voucher = from(h, []string{"SPRING26", "TEATIME", "WELCOME10"})
	}
	if h.chance(0.1) {
		p.Note = fmt.Sprintf(from(h, []string{
			"Invoice to %s <%s>, please.", "It's a surprise! Don't write to %s (%s).", "Kundin seit 2011: %s, %s – danke!",
		}), c.full, c.email)
	}
	o.total = Money{Amount: sum, Currency: c.land.currency}
	o.lines = p.Lines
	p.Total = o.total

	h.plan(h.between(2*time.Second, 40*time.Second), func() (Event, bool) { return h.pay(o) })
	if h.chance(0.08) {
		h.plan(h.between(10*time.Minute, 6*time.Hour), func() (Event, bool) { return h.cancel(o, "customer_request") })
	}
	c.open++
	return h.event(Orders, "order", "created", o.orderID, p)
}

// price is what so many euro cents are where the customer lives.
func (c *customer) price(euroCents Cents) Cents {
	return euroCents * Cents(c.land.perEuro) / 100
}

// basket fills an order: one line mostly, sometimes a lot.
func (h *History) basket(o *purchase) []Line {
	n := 1
	for n < 25 && h.chance(0.45) {
		n++
	}
	lines := make([]Line, n)
	for i := range lines {
		a := from(h, catalogue)
		line := Line{
			Line: i + 1, SKU: a.sku, Title: a.title, Quantity: 1,
			UnitPrice: Money{Amount: o.price(a.price), Currency: o.land.currency},
		}
		if h.chance(0.3) {
			line.Quantity += h.rng.IntN(4)
		}
		if h.chance(0.12) {
			line.Discount = from(h, []Cents{5, 10, 15, 25})
		}
		if a.sized {
			line.Options = append(line.Options,
				Option{"size", from(h, []string{"S", "M", "L", "XL"})},
				Option{"colour", from(h, []string{"indigo", "grün", "écru", "rødt"})})
		}
		if a.engraved && h.chance(0.3) {
			line.Options = append(line.Options, Option{"engraving", fmt.Sprintf(
				from(h, []string{"Für %s ♥", "%s, 1st prize", "À %s, pour toujours", "\"%s\""}), o.full)})
		}
		o.grams += a.grams * line.Quantity
		lines[i] = line
	}
	return lines
}

func (h *History) ship(o *purchase) (Event, bool) {
	if o.cancelled {
		return Event{}, false
	}
	o.shipped = true
	p := OrderShipped{
		OrderID: o.orderID, CustomerID: o.id, ShippedAt: stamp(h.clock), Address: o.address, Complete: true,
		Carrier: from(h, []string{"DHL", "UPS", "PostNord", "InPost", "Royal Mail"}),
	}
	for rest := o.lines; len(rest) > 0; {
		take := min(len(rest), 1+h.rng.IntN(6))
		parcel := Parcel{TrackingNumber: fmt.Sprintf("JJD%s", h.digits(15)), WeightKg: Cents(o.grams*take/len(o.lines)/10 + 5)}
		parcel.TrackingURL = fmt.Sprintf("https://track.shop.test/%s?mail=%s", parcel.TrackingNumber, url.QueryEscape(o.email))
		for _, line := range rest[:take] {
			parcel.Lines = append(parcel.Lines, line.Line)
		}
		p.Parcels = append(p.Parcels, parcel)
		rest = rest[take:]
	}
	if h.chance(0.06) {
		h.plan(h.between(12*time.Hour, 72*time.Hour), func() (Event, bool) {
			return h.refund(o, from(h, []string{"returned", "damaged", "goodwill"})), true
		})
	} else {
		o.open--
	}
	return h.event(Orders, "order", "shipped", o.orderID, p), true
}

// cancel ends an order, unless it is gone already.
func (h *History) cancel(o *purchase, reason string) (Event, bool) {
	if o.shipped || o.cancelled {
		return Event{}, false
	}
	o.cancelled = true
	p := OrderCancelled{
		OrderID: o.orderID, CustomerID: o.id, CancelledAt: stamp(h.clock), Reason: reason, RefundDue: o.paid,
	}
	if reason == "customer_request" {
		p.CancelledBy = &Actor{Role: "customer", Name: o.full}
		if h.chance(0.6) {
			p.Comment = fmt.Sprintf(from(h, []string{
				"Ordered twice by mistake. Write to %s.", "Jag har ångrat mig. %s", "¡Ya no lo necesito! Contacto: %s",
			}), from(h, []string{o.email, o.phone, o.full}))
		}
	}
	if o.paid {
		h.plan(h.between(time.Hour, 5*time.Hour), func() (Event, bool) { return h.refund(o, "order_cancelled"), true })
	} else {
		o.open--
	}
	return h.event(Orders, "order", "cancelled", o.orderID, p), true
}
