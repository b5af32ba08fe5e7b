package program

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

var numbers = []string{
	"0", "-0", "0.0", "-0.00", "0e10", "1", "-1", "1.0", "1e0", "10e-1", "0.1e1", "1.00000000000000000000000000000000000001", "9007199254740992", "9007199254740993",
	"18446744073709551615", "18446744073709551616", "18446744073709551617", "184467440737095516150", "1844674407370955161.5", "99999999999999999999", "-18446744073709551616",
	"1e19", "1e20", "1e21", "10000000000000000000", "1e-19", "1e-20", "1e-1000", "1e1000", "-1e1000", "0.01", "0.07", "19.99", "1e-2", "0.30000000000000004", "0.3", "100", "1e2", "7", "3", "1.5", "4.5", "123456789.123456789",
}

func checkNumbers(t *testing.T, a, b string) {
	t.Helper()
	x, ok := parseDecimal(a)
	y, ok2 := parseDecimal(b)
	if !ok || !ok2 {
		return
	}
	p, _ := new(big.Rat).SetString(a)
	q, _ := new(big.Rat).SetString(b)
	if got, want := x.compare(&y), p.Cmp(q); got != want {
		t.Errorf("compare %s, %s: %d, want %d", a, b, got, want)
	}
	if got, want := x.isInteger(), p.IsInt(); got != want {
		t.Errorf("%s an integer: %t, want %t", a, got, want)
	}
	if q.Sign() > 0 {
		if got, want := x.multipleOf(&y), new(big.Rat).Quo(p, q).IsInt(); got != want {
			t.Errorf("%s a multiple of %s: %t, want %t", a, b, got, want)
		}
	}
	if back, ok := decimalOf(p); ok && back.compare(&x) != 0 {
		t.Errorf("%s becomes %s by way of a fraction", a, back.text)
	}
}

// Numbers could be rounded: 2^53+1 taken for 2^53, 0.07 for no multiple of 0.01.
func TestNumbers(t *testing.T) {
	for _, a := range numbers {
		for _, b := range numbers {
			checkNumbers(t, a, b)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	random := func() string {
		var b strings.Builder
		b.WriteString([]string{"", "-"}[r.IntN(2)])
		b.WriteString(strconv.FormatUint(r.Uint64()>>r.IntN(64), 10))
		if r.IntN(2) == 0 {
			b.WriteString("." + strings.Repeat("0", r.IntN(4)) + strconv.Itoa(r.IntN(1000)))
		}
		if r.IntN(2) == 0 {
			b.WriteString("e" + strconv.Itoa(r.IntN(50)-25))
		}
		return b.String()
	}
	for range 20000 {
		checkNumbers(t, random(), random())
	}
}

func FuzzNumbers(f *testing.F) {
	for _, n := range numbers {
		f.Add(n, "0.01")
	}
	f.Fuzz(checkNumbers)
}

// A table could miss a name that is in it, or find one that isn't.
func TestTable(t *testing.T) {
	var names []string
	for i := range 300 {
		names = append(names, strings.Repeat("n", i%30)+strconv.Itoa(i))
	}
	names = append(names, "", "longer_name_than_16_bytes", "longer_name_than_17_bytes", "longer_nAme_than_16_bytes", "a", "a\x00", "\x00", "ä")
	for _, n := range []int{1, 2, 5, 64, len(names)} {
		table := newTable(names[len(names)-n:])
		for i, name := range names {
			want := i - (len(names) - n)
			if want < 0 {
				want = -1
			}
			exact := append(make([]byte, 0, len(name)), name...)
			if got := table.find(exact); got != want {
				t.Errorf("%q is at %d of %d, want %d", name, got, n, want)
			}
			inside := []byte(name + `":"more"`)
			if got := table.find(inside[:len(name)]); got != want {
				t.Errorf("%q in a document is at %d of %d, want %d", name, got, n, want)
			}
		}
	}
}
