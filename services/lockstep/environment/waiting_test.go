package environment

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/route"
)

// Guards against an alarm that misses what waits, that goes on when it was released, or
// that calls for somebody because a policy does what it says.
func TestWaitingIsWhatIsOnRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, last := newWatch(zerolog.Nop(), maxWaiting), map[string]route.Record{}
		for range rapid.IntRange(0, 60).Draw(t, "records") {
			r := route.Record{
				To: rapid.SampledFrom([]string{"staging", "testing"}).Draw(t, "to"), Domain: "orders", OriginSequence: rapid.Uint64Range(1, 12).Draw(t, "sequence"),
				Code: rapid.SampledFrom([]string{contract.CodePolicy, contract.CodeFault, mask.CodeNoKey}).Draw(t, "code"),
			}
			switch rapid.IntRange(0, 3).Draw(t, "settled") {
			case 0:
				r.Released = &route.Release{At: time.Now()}
			case 1:
				r.Crossed = true
			}
			body, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			subject := fmt.Sprintf("withheld.%s.%s.%d", r.To, r.Domain, r.OriginSequence)
			w.take(subject, body)
			last[subject] = r
		}
		want, total := map[string]int{}, 0
		for _, r := range last {
			if !r.Settled() {
				want[r.To+" "+r.Code]++
				total++
			}
		}
		for _, found := range w.waiting() {
			if found.Events != want[found.To+" "+found.Code] || found.AtLeast || found.Fault != (found.Code != contract.CodePolicy) {
				t.Fatalf("%+v, want %v", found, want)
			}
			delete(want, found.To+" "+found.Code)
		}
		if len(want) > 0 || w.known != total {
			t.Fatalf("%v are not told, and %d are known of %d", want, w.known, total)
		}
	})
	w := newWatch(zerolog.Nop(), 2)
	for i := range 3 {
		w.take(fmt.Sprintf("withheld.staging.orders.%d", i), []byte(`{"code":"fault"}`))
	}
	w.take("withheld.staging.orders.x", []byte(`{"code":"fault"}`))
	w.take("withheld.staging.orders.9", []byte(`{`))
	if got := w.waiting(); len(got) != 1 || got[0].Events != 2 || !got[0].AtLeast {
		t.Errorf("beyond the bound: %+v", got)
	}
}
