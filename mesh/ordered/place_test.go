package ordered

import (
	"strconv"
	"strings"
	"testing"
)

// Guards against a place that is read from the wrong tokens: sequences would be
// mistaken for others, and events skipped.
func FuzzPlace(f *testing.F) {
	for _, seed := range []string{
		"$JS.ACK.ORDERS.c.1.20.7.1764497583074869543.0", "$JS.ACK.hub.ACC.ORDERS.c.1.20.7.1764497583074869543.3", "$JS.ACK.hub.ACC.ORDERS.c.1.20.7.1764497583074869543.3.rnd",
		"$JS.ACK.a.b.c.d.1.2.3.4.5.6.7.8", "$JS.ACK.ORDERS.c.1.0.7.1.0", "$JS.ACK.ORDERS.c.1.20.x.1.0", "$JS.ACK", "", "$JS.ACK.ORDERS.c.1.20.7.1", "$JS.ACK.ORDERS.c.1.99999999999999999999.7.1.0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		p, err := placeOf([]byte(reply))
		tokens := strings.Split(reply, ".")
		first := 5
		if len(tokens) > 9 {
			first = 7
		}
		ok := strings.HasPrefix(reply, "$JS.ACK.") && len(tokens) >= 9 && len(tokens) != 10
		var want [3]uint64
		for i := range want {
			if ok {
				n, err := strconv.ParseUint(tokens[first+i], 10, 64)
				want[i], ok = n, err == nil && n > 0 && len(tokens[first+i]) <= 19
			}
		}
		if ok != (err == nil) || ok && p != (Place{Sequence: want[0], delivered: want[1], StoredAt: int64(want[2])}) {
			t.Errorf("%q is %+v, %v", reply, p, err)
		}
	})
}
