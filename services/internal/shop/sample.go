package shop

// SmallOrder and LargeOrder are two orders of a fixed size for measurements:
// about 500 bytes and about 4 KB of JSON, the same ones always.
func SmallOrder() Event { return sampleOrder(1) }

// LargeOrder is SmallOrder's counterpart of about 4 KB.
func LargeOrder() Event { return sampleOrder(25) }

func sampleOrder(lines int) Event {
	h := New(1)
	c := &customer{
		id: "5d1f0f5e-53a6-4a29-9f0c-0a4be6a8c1d2", full: "Żaneta O'Shaughnessy", email: "zaneta.oshaughnessy7@mailbox.invalid",
		phone: "+48512345678",
	}
	p := OrderCreated{
		OrderID:   "0b9bd1c5-3d0e-4a1c-8f6e-7c1d2e3f4a5b",
		Number:    "SO-26-0000042",
		CreatedAt: stamp(opening),
		Channel:   "web",
		Customer:  Buyer{CustomerID: c.id, Name: c.full, Email: c.email, Phone: c.phone},
		Delivery:  Delivery{Method: "pickup"},
	}
	if lines > 1 {
		p.Delivery = Delivery{Method: "courier", Address: &Address{
			Street: "Kastanienallee 7", City: "Köln", PostalCode: "50667", Country: "DE",
		}}
	}
	var sum Cents
	for i := range lines {
		a := catalogue[i%len(catalogue)]
		line := Line{Line: i + 1, SKU: a.sku, Title: a.title, Quantity: 1 + i%3, UnitPrice: Money{Amount: a.price, Currency: "EUR"}}
		if a.sized {
			line.Options = []Option{{"size", "M"}, {"colour", "indigo"}}
		}
		if i%6 == 5 {
			line.Discount = 15
		}
		sum += line.UnitPrice.Amount * Cents(line.Quantity) * (100 - line.Discount) / 100
		p.Lines = append(p.Lines, line)
	}
	p.Total = Money{Amount: sum, Currency: "EUR"}
	return h.event(Orders, "order", "created", p.OrderID, p)
}
