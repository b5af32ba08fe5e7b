package detect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// each draws samples from a few values in turn.
func each(values ...string) []string {
	return many(24, func(i int) string { return values[i%len(values)] })
}

// Testers would see tokens where an order's status, a product's code or the time of a
// change stood, and could do nothing with the events.
func TestBusinessIsReadable(t *testing.T) {
	for _, test := range []struct {
		name    string
		samples []string
	}{
		{"Outcome", each("success", "denied")},
		{"rat", each("LTE", "NR")},
		{"statut", each("cree", "en_transit", "livre")},
		{"EventName", each("GetUser", "ResetPassword", "ListOrders")},
		{"ステータス", each("新規", "既存")},
		{"region", each("eu-central-1", "us-east-1")},
		{"devise", each("EUR")},
		{"datacontenttype", each("application/json", "text/csv")},
		{"ct", each("image/png", "application/vnd.ms-excel")},
		{"result", each("OK", "DENIED")},
		{"verb", each("follow", "mute")},
		{"tier", each("gold", "silver")},
		{"carrier", each("DHL", "UPS")},
		{"paymentMethod", each("BACS", "card")},
		{"createdAt", each("2026-05-01T10:00:00Z", "2026-06-02 11:30:00")},
		{"last_updated", each("2026-05-01T10:00:00.123+02:00")},
		{"EventTime", each("2026-05-01T10:00:00Z")},
		{"ts", each("1790000000", "1790000060")},
		{"CreDtTm", each("2026-05-01T10:00:00")},
		{"invoice_due_date", each("2026-05-01")},
		{"invoice_date", each("2026-05-01", "2026-06-01")},
		{"eingangsdatum", each("2026-05-01")},
		{"lancadoEm", each("2026-05-01T10:00:00Z")},
		{"order-created-on", each("2026-05-01T09:00:00Z")},
		{"sku", many(24, func(i int) string { return fmt.Sprintf("TSH-%03d-L", i) })},
		{"articleNumber", each("4711")},
		{"qty", each("1", "2")},
		{"Stars", each("1", "5")},
		{"数量", each("3")},
		{"seq-no", each("14")},
	} {
		found := Field(test.name, "", test.samples)
		if len(found) == 0 || found[0].Class != mask.Internal || found[0].Confidence <= 0.4 {
			t.Errorf("%s: %+v", test.name, found)
		}
	}
	if found := Field("published_at", "date-time", nil); len(found) == 0 || found[0].Class != mask.Internal {
		t.Errorf("a time of a process, without samples: %+v", found)
	}
}

// What tells of somebody would pass for a state, a count, a product or the time of a
// process, because it is called or looks a little like one.
func TestBusinessIsNobodys(t *testing.T) {
	for _, test := range []struct {
		name, format string
		samples      []string
	}{
		{"birth_time", "date-time", each("2024-05-01T10:00:00Z")},
		{"admitted_at", "date-time", nil},
		{"last_seen_at", "", each("2026-05-01T10:00:00Z")},
		{"hired_on", "", each("2019-05-01")},
		{"created_on", "", each("1961-05-01")},
		{"issued_at", "", each("2019-05-01")},
		{"due_date", "", each("2026-12-24")},
		{"delivery_date", "", each("2026-12-24")},
		{"released", "", each("2026-12-24")},
		{"user_date", "", each("2019-05-01")},
		{"customerTime", "", each("2026-05-01T10:00:00Z")},
		{"date", "", each("1990-01-02", "1971-03-04")},
		{"updated", "", each("aurelia", "2026-05-01T10:00:00Z")},
		{"kind", "", each("open", "Núria")},
		{"who", "", each("open", "aurelia")},
		{"where", "", each("Flat 3", "Unit 301", "flat 12")},
		{"where", "", each("silver flat 12")},
		{"wedding_state", "", each("open", "closed")},
		{"grp", "", each("ca", "me")},
		{"first_name", "", each("Silver", "Gold")},
		{"marital_outcome", "", each("open", "closed")},
		{"sku", "", each("aurelia@mail.invalid")},
		{"sku", "", each("a mug for Aurelia")},
		{"qty", "", each("aurelia")},
		{"seq", "", each("GATTACA")},
		{"shoe_qty_size", "", each("38", "41")},
		{"media", "", each("image/Aurelia Lovelace")},
		{"gender", "", each("none", "other")},
		{"sex", "", each("m", "f")},
		{"religion", "", each("none", "other")},
		{"性別", "", each("その他")},
	} {
		for _, s := range Field(test.name, test.format, test.samples) {
			if s.Class == mask.Internal && s.Confidence > 0.4 {
				t.Errorf("%s: %+v", test.name, s)
			}
		}
	}
	for _, word := range strings.Fields("female male married single divorced positive negative yes aurelia mark grace") {
		if states[word] || harmless[word] {
			t.Errorf("%s passes for a state", word)
		}
	}
}
