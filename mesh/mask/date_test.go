package mask

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A person's dates would change their order, or another's shift be told from
// theirs; and dates would move by another's days, or not at all.
func TestDateShift(t *testing.T) {
	m := withRule(t, Date, DateShift, Rule{Days: 30, By: ID})
	shifts := map[int]int{}
	for i := range 300 {
		e := subject(fmt.Sprint("c-", i))
		var shift int
		for j, date := range []string{"1990-02-28", "2024-02-29T23:59:60.5+05:30", "2023-12-31 10:00"} {
			out := text(t, must(t, m, Date, str(date), nil, e))
			if out[10:] != date[10:] {
				t.Fatalf("%s becomes %s", date, out)
			}
			from, _ := time.Parse(time.DateOnly, date[:10])
			to, err := time.Parse(time.DateOnly, out[:10])
			if err != nil {
				t.Fatal(err)
			}
			days := int(to.Sub(from) / (24 * time.Hour))
			if days == 0 || days > 30 || days < -30 || j > 0 && days != shift {
				t.Fatalf("%s moves by %d days, the one before by %d", date, days, shift)
			}
			shift = days
		}
		if out := must(t, m, Date, num("1700000000"), nil, e); out != fmt.Sprint(1700000000+86400*shift) {
			t.Fatalf("seconds become %s", out)
		}
		if out := must(t, m, Date, num("1700000000123"), nil, e); out != fmt.Sprint(1700000000123+86400000*shift) {
			t.Fatalf("milliseconds become %s", out)
		}
		shifts[shift]++
	}
	if len(shifts) < 50 {
		t.Errorf("only %d different shifts of 300 subjects", len(shifts))
	}
	for v, e := range map[Value]*Event{str("2024-02-01"): nil, str("2024-02-02"): {}, str("yesterday"): subject("x"), str("2024-02-31"): subject("x"), num("1e30"): subject("x"), str("9999-12-31"): subject("c-7")} {
		if out, err := apply(t, m, Date, v, nil, e); err == nil && v.Text != "9999-12-31" {
			t.Errorf("%v becomes %s", v, out)
		}
	}
}

// A number would move too far, not at all, or out of its interval; equal ones
// would become different ones.
func TestNoiseAndBuckets(t *testing.T) {
	noise := withRule(t, Amount, Noise, Rule{Percent: "5"})
	bucket := withRule(t, Amount, Bucket, Rule{Size: "0.5"})
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,3})?`).Draw(t, "number")
		v := rapid.SampledFrom([]Value{num(literal), str(literal)}).Draw(t, "value")
		n, _ := new(big.Rat).SetString(literal)
		moved := must(inRapid(t), noise, Amount, v, nil, nil)
		m, ok := new(big.Rat).SetString(strings.Trim(moved, `"`))
		if !ok || m.Cmp(n) == 0 || must(inRapid(t), noise, Amount, v, nil, nil) != moved {
			t.Fatalf("%v becomes %s", v, moved)
		}
		places, _ := n.FloatPrec()
		if v.Kind == String {
			_, fraction, _ := strings.Cut(literal, ".")
			places = len(fraction)
		}
		unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil))
		most := new(big.Rat).Mul(new(big.Rat).Abs(n), big.NewRat(5, 100))
		if most.Cmp(unit) < 0 {
			most = unit
		}
		if m.Sub(m, n).Abs(m).Cmp(most) > 0 {
			t.Fatalf("%v becomes %s: more than 5 %% off", v, moved)
		}
		low, _ := new(big.Rat).SetString(strings.Trim(must(inRapid(t), bucket, Amount, num(literal), nil, nil), `"`))
		if d := new(big.Rat).Sub(n, low); d.Sign() < 0 || d.Cmp(big.NewRat(1, 2)) >= 0 {
			t.Fatalf("%s is in the bucket %s", literal, low)
		}
	})
	for _, test := range []struct {
		m    *Masker
		v    Value
		s    *Shape
		want string
	}{
		{bucket, str("12.70"), nil, `"12.50"`},
		{bucket, num("12.7"), &Shape{Minimum: big.NewRat(63, 5)}, "13"},
		{withRule(t, Amount, Bucket, Rule{Size: "1000"}), num("999.99"), nil, "0"},
		{withRule(t, Amount, Bucket, Rule{Size: "10"}), num("-1"), nil, "-10"},
	} {
		if got := must(t, test.m, Amount, test.v, test.s, nil); got != test.want {
			t.Errorf("%v becomes %s, want %s", test.v, got, test.want)
		}
	}
	for _, v := range []Value{str("12 €"), str("1e99"), {Bool, "true"}, str("0x10")} {
		for _, m := range []*Masker{noise, bucket} {
			if out, err := apply(t, m, Amount, v, nil, nil); err == nil {
				t.Errorf("%v becomes %s", v, out)
			}
		}
	}
	if out := must(t, noise, Amount, num("100"), &Shape{MultipleOf: big.NewRat(5, 1)}, nil); out != "95" && out != "105" {
		t.Errorf("100 in steps of 5 becomes %s", out)
	}
}

// More would be kept than the rule says, or a short value be shown whole.
func TestTruncate(t *testing.T) {
	for _, test := range []struct {
		rule Rule
		v    Value
		want string
	}{
		{Rule{Length: 2}, str("Müller"), `"Mü"`},
		{Rule{Length: 2}, str("Mü"), `"M"`},
		{Rule{Length: 5}, str("x"), `""`},
		{Rule{To: "year"}, str("1990-05-17"), `"1990-01-01"`},
		{Rule{To: "month"}, str("1990-05-17T10:11:12.5+02:00"), `"1990-05-01T00:00:00+02:00"`},
		{Rule{To: "day"}, str("1990-05-17T10:11Z"), `"1990-05-17T00:00Z"`},
		{Rule{To: "hour"}, str("1990-05-17 10:11:12"), `"1990-05-17 10:00:00"`},
		{Rule{To: "month"}, num("1700000000"), "1698796800"},
		{Rule{To: "hour"}, num("1700000000123"), "1699999200000"},
		{Rule{To: "network"}, str("203.0.113.77"), `"203.0.113.0"`},
		{Rule{To: "network"}, str("2001:db8:1:2::3"), `"2001:db8:1::"`},
		{Rule{To: "network"}, str("::ffff:203.0.113.77"), `"203.0.113.0"`},
	} {
		if got := must(t, withRule(t, Internal, Truncate, test.rule), Internal, test.v, nil, nil); got != test.want {
			t.Errorf("%+v of %v is %s, want %s", test.rule, test.v, got, test.want)
		}
	}
	for v, rule := range map[Value]Rule{str("May 1990"): {To: "year"}, num("12345"): {Length: 2}, str("host"): {To: "network"}} {
		if out, err := apply(t, withRule(t, Internal, Truncate, rule), Internal, v, nil, nil); err == nil {
			t.Errorf("%+v of %v is %s", rule, v, out)
		}
	}
	if out, err := apply(t, withRule(t, Internal, Truncate, Rule{Length: 3}), Internal, str("ada@example.org"), &Shape{Format: "email"}, nil); err == nil {
		t.Errorf("half an address passes: %s", out)
	}
}
