package mask

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/lanes"
)

// A value would have the token of the one that was computed along with it, or of an
// earlier one.
func TestPairsAreHMACs(t *testing.T) {
	if !lanes.Available() {
		t.Skip("this processor has no lanes")
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) (m *mac, text, want []byte) {
			key := rapid.SliceOfN(rapid.Byte(), 0, sha256.BlockSize).Draw(t, label+"'s key")
			text = rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, label)
			reference := hmac.New(sha256.New, key)
			reference.Write(text)
			return newMAC(key), text, reference.Sum(nil)
		}
		var h hasher
		var waits []byte // the HMAC that waits; nil: none
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			switch step := rapid.SampledFrom([]string{"sum", "wait", "waited", "forget"}).Draw(t, "step"); {
			case step == "sum":
				m, text, want := draw("summed")
				if got := h.sum(m, text); !bytes.Equal(got, want) {
					t.Fatalf("%x has the HMAC %x, not %x", text, got, want)
				}
			case step == "wait" && waits == nil:
				if m, text, want := draw("waiting"); h.pair.takes(text) {
					h.pair.wait(m, text)
					waits = want
				}
			case step == "waited" && waits != nil:
				if got := h.pair.waited(); !bytes.Equal(got, waits) {
					t.Fatalf("what waited has the HMAC %x, not %x", got, waits)
				}
				waits = nil
			case step == "forget":
				h.pair.forget()
				waits = nil
			}
		}
	})
}

// A document would have a value at another one's place, half of one, or room that was
// never filled, because values waited for one another while others were made,
// remembered, refused or cut off.
func TestWhatIsMadeLaterIsMade(t *testing.T) {
	rules := sampleRules()
	policy := tokens()
	policy.Classes[string(Name)] = Rule{Technique: Synthetic}
	policy.Classes[string(Date)] = rules[DateShift]
	policy.Classes[string(Location)] = rules[Hash]
	policy.Classes[string(Account)] = rules[FPE]
	policy.Classes[string(Text)] = rules[Redact]
	m := masker(t, policy)
	shapes := []*Shape{nil, (&Shape{MaxLength: 30}).Compile(), {Format: "email"}, {Format: "ipv4"}, {Format: "uri"}, {Format: "uuid"}}
	drawn, waited, closed := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		drawn++
		for range rapid.IntRange(1, 3).Draw(t, "documents") {
			s := m.Scratch()
			before := s.Closed()
			if rapid.Bool().Draw(t, "values are new") {
				for i := range s.recent.patience {
					s.recent.patience[i] = -goneBy
				}
			}
			e := subject("cus_0123456789")
			start := rapid.StringMatching(`[a-z]{0,20}`).Draw(t, "start")
			got, want := []byte(start), []byte(start)
			for range rapid.IntRange(1, 30).Draw(t, "values") {
				class := rapid.SampledFrom([]Class{Email, Login, Address, Name, PersonName, Phone, IP, UUID, ID, Date, Location, Account, Text}).Draw(t, "class")
				kind := rapid.SampledFrom([]Kind{String, String, String, Number, Null}).Draw(t, "kind")
				text := []byte(rapid.SampledFrom([]string{"", "1", "2", "3", "1990-05-17", "4111 1111 1111 1111", "ada@example.org", "2001:db8::7", fmt.Sprintf("%0150d", 7), fmt.Sprintf("%056d", 7)}).Draw(t, "text"))
				if kind == Number {
					text = []byte("4711")
				}
				f := m.Field(class, rapid.SampledFrom(shapes).Draw(t, "shape"), false, kind)
				expected, wantErr := f.Append(nil, kind, text, e)
				length := len(got)
				ends := s.Closed()
				appending := f.MakeLater
				if rapid.IntRange(0, 3).Draw(t, "at once") == 0 {
					appending = f.Make
				}
				out, err := appending(s, got, kind, text, e)
				if (err == nil) != (wantErr == nil) {
					t.Fatalf("%s of %q: %v, not %v", f.Technique(), text, err, wantErr)
				}
				length -= s.Closed() - ends
				if err != nil { // the room for what waits stays
					got = out[:length]
					got = append(got, "null"...)
					want = append(want, "null"...)
				} else if got = out; s.waiting.field == nil && !bytes.Equal(got[length:], expected) {
					t.Fatalf("%s of %q: %s, not %s", f.Technique(), text, got[length:], expected)
				} else {
					want = append(want, expected...)
				}
				if s.waiting.field != nil {
					waited++
				}
				got, want = append(got, ','), append(want, ',')
				if rapid.IntRange(0, 5).Draw(t, "cut") == 0 { // as what is dropped is
					behind := len(got)
					got = append(got, "cut off"...)[:behind]
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "give up") == 0 {
				s.Forget()
			} else if got = s.Settle(got); !bytes.Equal(got, want) {
				t.Fatalf("%s\nis not\n%s", got, want)
			}
			closed += s.Closed() - before
			s.Release()
		}
	})
	// Of a few draws, as in short runs, none need have had to wait.
	if drawn >= 100 && lanes.Available() && (waited == 0 || closed == 0) {
		t.Errorf("%d values have waited, %d bytes were closed up", waited, closed)
	}
}
