package shop

import (
	"fmt"
	"strconv"
)

// Cents is an amount of money in hundredths of its currency; in JSON it is a
// number with at most two decimals.
type Cents int64

// MarshalJSON writes the amount exactly, without going through a float.
func (c Cents) MarshalJSON() ([]byte, error) {
	sign, n := "", int64(c)
	if n < 0 {
		sign, n = "-", -n
	}
	switch whole, rest := n/100, n%100; {
	case rest == 0:
		return fmt.Appendf(nil, "%s%d", sign, whole), nil
	case rest%10 == 0:
		return fmt.Appendf(nil, "%s%d.%d", sign, whole, rest/10), nil
	default:
		return fmt.Appendf(nil, "%s%d.%02d", sign, whole, rest), nil
	}
}

// UnmarshalJSON reads what MarshalJSON writes, and any number that is it.
func (c *Cents) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(string(data), 64)
	if err != nil {
		return fmt.Errorf("amount %q is no number: %w", data, err)
	}
	if f >= 0 {
		*c = Cents(f*100 + 0.5)
	} else {
		*c = Cents(f*100 - 0.5)
	}
	return nil
}

// Money is an amount in a currency.
type Money struct {
	Amount   Cents  `json:"amount"`
	Currency string `json:"currency"`
}

// Address is a postal address.
type Address struct {
	Recipient  string `json:"recipient,omitempty"`
	Street     string `json:"street"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
}

// OrderCreated is orders.order.created.
type OrderCreated struct {
	OrderID        string   `json:"order_id"`
	Number         string   `json:"number"`
	CreatedAt      string   `json:"created_at"`
	Channel        string   `json:"channel"`
	Customer       Buyer    `json:"customer"`
	Delivery       Delivery `json:"delivery"`
	BillingAddress *Address `json:"billing_address,omitempty"`
	Lines          []Line   `json:"lines"`
	Voucher        string   `json:"voucher,omitempty"`
	ShippingFee    *Money   `json:"shipping_fee,omitempty"`
	Total          Money    `json:"total"`
	Note           string   `json:"note,omitempty"`
}

// Buyer is a customer as an order knows them.
type Buyer struct {
	CustomerID string `json:"customer_id"`
	Name       string `json:"name"`
	Email      string `json:"email"`
	Phone      string `json:"phone,omitempty"`
}

// Delivery is how an order reaches its customer.
type Delivery struct {
	Method       string   `json:"method"`
	Address      *Address `json:"address,omitempty"`
	NotBefore    string   `json:"not_before,omitempty"`
	Instructions string   `json:"instructions,omitempty"`
}

// Line is one article of an order.
type Line struct {
	Line      int      `json:"line"`
	SKU       string   `json:"sku"`
	Title     string   `json:"title"`
	Quantity  int      `json:"quantity"`
	UnitPrice Money    `json:"unit_price"`
	Discount  Cents    `json:"discount,omitempty"` // hundredths: 15 is 0.15
	Options   []Option `json:"options,omitempty"`
}

// Option is something chosen for an article.
type Option struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// OrderPaid is orders.order.paid.
type OrderPaid struct {
	OrderID    string `json:"order_id"`
	CustomerID string `json:"customer_id"`
	PaymentID  string `json:"payment_id"`
	PaidAt     string `json:"paid_at"`
	Amount     Money  `json:"amount"`
	InvoiceURL string `json:"invoice_url,omitempty"`
}

// OrderShipped is orders.order.shipped.
type OrderShipped struct {
	OrderID    string   `json:"order_id"`
	CustomerID string   `json:"customer_id"`
	ShippedAt  string   `json:"shipped_at"`
	Carrier    string   `json:"carrier"`
	Address    *Address `json:"address,omitempty"`
	Parcels    []Parcel `json:"parcels"`
	Complete   bool     `json:"complete"`
}

// Parcel is one parcel of a shipment.
type Parcel struct {
	TrackingNumber string `json:"tracking_number"`
	TrackingURL    string `json:"tracking_url,omitempty"`
	WeightKg       Cents  `json:"weight_kg,omitempty"` // hundredths of a kilogram
	Lines          []int  `json:"lines"`
}

// OrderCancelled is orders.order.cancelled.
type OrderCancelled struct {
	OrderID     string `json:"order_id"`
	CustomerID  string `json:"customer_id"`
	CancelledAt string `json:"cancelled_at"`
	Reason      string `json:"reason"`
	RefundDue   bool   `json:"refund_due"`
	CancelledBy *Actor `json:"cancelled_by,omitempty"`
	Comment     string `json:"comment,omitempty"`
}

// Actor is a person who did something to an order.
type Actor struct {
	Role string `json:"role"`
	Name string `json:"name,omitempty"`
}

// CustomerRegistered is customers.customer.registered.
type CustomerRegistered struct {
	CustomerID   string          `json:"customer_id"`
	RegisteredAt string          `json:"registered_at"`
	Person       Person          `json:"person"`
	Contact      Contact         `json:"contact"`
	Addresses    []AddressForUse `json:"addresses"`
	Consents     []Consent       `json:"consents,omitempty"`
	AvatarURL    string          `json:"avatar_url,omitempty"`
	ReferredBy   string          `json:"referred_by,omitempty"`
}

// Person is a natural person.
type Person struct {
	GivenName  string `json:"given_name"`
	FamilyName string `json:"family_name"`
	FullName   string `json:"full_name,omitempty"`
	BirthDate  string `json:"birth_date,omitempty"`
}

// Contact is how to reach a customer.
type Contact struct {
	Email    string `json:"email"`
	Phone    string `json:"phone,omitempty"`
	Language string `json:"language,omitempty"`
}

// AddressForUse is an address and what it is for.
type AddressForUse struct {
	Use     string  `json:"use"`
	Address Address `json:"address"`
}

// Consent is what a customer agreed to.
type Consent struct {
	Purpose string `json:"purpose"`
	Granted bool   `json:"granted"`
	At      string `json:"at"`
	IP      string `json:"ip,omitempty"`
}

// CustomerUpdated is customers.customer.updated.
type CustomerUpdated struct {
	CustomerID    string    `json:"customer_id"`
	UpdatedAt     string    `json:"updated_at"`
	Changed       []string  `json:"changed"`
	Person        *Person   `json:"person,omitempty"`
	Contact       *Contact  `json:"contact,omitempty"`
	Address       *Address  `json:"address,omitempty"`
	PreviousEmail string    `json:"previous_email,omitempty"`
	Consents      []Consent `json:"consents,omitempty"`
}

// CustomerClosed is customers.customer.closed.
type CustomerClosed struct {
	CustomerID string `json:"customer_id"`
	ClosedAt   string `json:"closed_at"`
	Reason     string `json:"reason"`
	EraseBy    string `json:"erase_by,omitempty"`
	Feedback   string `json:"feedback,omitempty"`
}

// PaymentAuthorized is payments.payment.authorized.
type PaymentAuthorized struct {
	PaymentID    string `json:"payment_id"`
	OrderID      string `json:"order_id"`
	AuthorizedAt string `json:"authorized_at"`
	Payer        Payer  `json:"payer"`
	Method       Method `json:"method"`
	Amount       Money  `json:"amount"`
	Risk         *Risk  `json:"risk,omitempty"`
	ExpiresAt    string `json:"expires_at,omitempty"`
}

// Payer is who pays.
type Payer struct {
	CustomerID string `json:"customer_id"`
	Name       string `json:"name"`
	Email      string `json:"email"`
	IP         string `json:"ip,omitempty"`
}

// Method is what a payment is made with; Type says which of the other fields it has.
type Method struct {
	Type     string `json:"type"`
	Brand    string `json:"brand,omitempty"`
	Last4    string `json:"last4,omitempty"`
	Holder   string `json:"holder,omitempty"`
	Expires  string `json:"expires,omitempty"`
	IBAN     string `json:"iban,omitempty"`
	Mandate  string `json:"mandate,omitempty"`
	Provider string `json:"provider,omitempty"`
	Account  string `json:"account,omitempty"`
}

// Risk is the outcome of a fraud check.
type Risk struct {
	Score  int     `json:"score"`
	Checks []Check `json:"checks"`
}

// Check is one part of a fraud check.
type Check struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
}

// PaymentCaptured is payments.payment.captured.
type PaymentCaptured struct {
	PaymentID  string      `json:"payment_id"`
	OrderID    string      `json:"order_id"`
	CapturedAt string      `json:"captured_at"`
	CustomerID string      `json:"customer_id"`
	Amount     Money       `json:"amount"`
	Fee        *Money      `json:"fee,omitempty"`
	Settlement *Settlement `json:"settlement,omitempty"`
	ReceiptURL string      `json:"receipt_url,omitempty"`
}

// Settlement is when and where captured money arrives.
type Settlement struct {
	Date      string `json:"date"`
	Reference string `json:"reference"`
}

// PaymentRefunded is payments.payment.refunded.
type PaymentRefunded struct {
	PaymentID  string  `json:"payment_id"`
	OrderID    string  `json:"order_id"`
	RefundedAt string  `json:"refunded_at"`
	CustomerID string  `json:"customer_id"`
	Amount     Money   `json:"amount"`
	Reason     string  `json:"reason"`
	Full       bool    `json:"full"`
	Method     *Method `json:"method,omitempty"`
	AgentNote  string  `json:"agent_note,omitempty"`
}

// PaymentFailed is payments.payment.failed.
type PaymentFailed struct {
	PaymentID string  `json:"payment_id"`
	OrderID   string  `json:"order_id"`
	FailedAt  string  `json:"failed_at"`
	Payer     Payer   `json:"payer"`
	Method    Method  `json:"method"`
	Amount    Money   `json:"amount"`
	Failure   Failure `json:"failure"`
}

// Failure is why a payment failed.
type Failure struct {
	Code      string `json:"code"`
	Retryable bool   `json:"retryable"`
	Message   string `json:"message,omitempty"`
}
