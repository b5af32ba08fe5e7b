package shop

import (
	"fmt"
	"net/url"
	"time"
)

// pay is one attempt to have an order's amount reserved.
func (h *History) pay(o *purchase) (Event, bool) {
	if o.cancelled {
		return Event{}, false
	}
	o.attempts++
	o.paymentID = h.uuid()
	payer := Payer{CustomerID: o.id, Name: o.full, Email: o.email}
	if h.chance(0.7) {
		payer.IP = o.ip
	}
	if h.chance(0.09) {
		return h.fail(o, payer), true
	}

	p := PaymentAuthorized{
		PaymentID: o.paymentID, OrderID: o.orderID, AuthorizedAt: stamp(h.clock),
		Payer: payer, Method: o.method, Amount: o.total,
	}
	if o.method.Type == "card" {
		p.Risk = &Risk{Score: h.rng.IntN(60), Checks: []Check{{"address", h.chance(0.9)}, {"velocity", true}, {"3ds", h.chance(0.95)}}}
		p.ExpiresAt = stamp(h.clock.AddDate(0, 0, 7))
	}
	h.plan(h.between(time.Minute, 30*time.Minute), func() (Event, bool) { return h.capture(o) })
	return h.event(Payments, "payment", "authorized", o.paymentID, p), true
}

// fail is an attempt that did not succeed: another follows, or the order is over.
func (h *History) fail(o *purchase, payer Payer) Event {
	p := PaymentFailed{
		PaymentID: o.paymentID, OrderID: o.orderID, FailedAt: stamp(h.clock),
		Payer: payer, Method: o.method, Amount: o.total,
		Failure: Failure{Code: from(h, []string{"insufficient_funds", "declined", "timeout", "authentication_failed"})},
	}
	p.Failure.Retryable = o.attempts < 2
	if h.chance(0.5) {
		p.Failure.Message = fmt.Sprintf("%s: refused for %s (%s)", p.Failure.Code, o.full, o.email)
	}
	if p.Failure.Retryable {
		h.plan(h.between(30*time.Second, 5*time.Minute), func() (Event, bool) { return h.pay(o) })
	} else {
		h.plan(h.between(time.Second, 10*time.Second), func() (Event, bool) { return h.cancel(o, "payment_failed") })
	}
	return h.event(Payments, "payment", "failed", o.paymentID, p)
}

func (h *History) capture(o *purchase) (Event, bool) {
	if o.cancelled {
		return Event{}, false // the reservation lapses
	}
	o.paid = true
	p := PaymentCaptured{
		PaymentID: o.paymentID, OrderID: o.orderID, CapturedAt: stamp(h.clock), CustomerID: o.id, Amount: o.total,
		Fee: &Money{Amount: o.total.Amount*14/1000 + 25, Currency: o.total.Currency},
	}
	if h.chance(0.6) {
		p.Settlement = &Settlement{Date: day(h.clock.AddDate(0, 0, 2)), Reference: "STL-" + h.digits(10)}
	}
	if h.chance(0.4) {
		p.ReceiptURL = fmt.Sprintf("https://pay.shop.test/r/%s?to=%s", o.paymentID, url.QueryEscape(o.email))
	}
	h.plan(h.between(time.Second, 8*time.Second), func() (Event, bool) { return h.settle(o) })
	return h.event(Payments, "payment", "captured", o.paymentID, p), true
}

// settle is the order learning that it is paid.
func (h *History) settle(o *purchase) (Event, bool) {
	if o.cancelled {
		return Event{}, false
	}
	p := OrderPaid{OrderID: o.orderID, CustomerID: o.id, PaymentID: o.paymentID, PaidAt: stamp(h.clock), Amount: o.total}
	if h.chance(0.5) {
		p.InvoiceURL = fmt.Sprintf("https://shop.test/invoices/%s?for=%s", o.orderID, url.QueryEscape(o.full))
	}
	if h.chance(0.02) {
		h.plan(h.between(time.Hour, 20*time.Hour), func() (Event, bool) { return h.cancel(o, "out_of_stock") })
	} else {
		h.plan(h.between(2*time.Hour, 30*time.Hour), func() (Event, bool) { return h.ship(o) })
	}
	return h.event(Orders, "order", "paid", o.orderID, p), true
}

// refund sends money back; with it an order is finished.
func (h *History) refund(o *purchase, reason string) Event {
	p := PaymentRefunded{
		PaymentID: o.paymentID, OrderID: o.orderID, RefundedAt: stamp(h.clock), CustomerID: o.id,
		Amount: o.total, Reason: reason, Full: true,
	}
	if reason == "goodwill" {
		p.Amount.Amount, p.Full = o.total.Amount/5, false
	}
	if o.land.iban != "" && h.chance(0.3) {
		p.Method = &Method{Type: "sepa_debit", IBAN: h.iban(o.land.iban), Holder: o.full}
	}
	if h.chance(0.5) {
		p.AgentNote = fmt.Sprintf("Called %s on %s, agreed.", o.full, o.phone)
	}
	o.open--
	return h.event(Payments, "payment", "refunded", o.paymentID, p)
}
