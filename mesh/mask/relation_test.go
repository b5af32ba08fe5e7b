package mask

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// oneOfAKind draws a value that a technique suits, of the class that its rule here is
// for, with what the technique looks at beside it.
func oneOfAKind(t *rapid.T, technique Technique) (Value, *Event) {
	e := subject(fmt.Sprint("customer ", rapid.IntRange(0, 5).Draw(t, "subject")))
	switch technique {
	case DateShift:
		return str(fmt.Sprintf("%d-%02d-%02d", rapid.IntRange(1930, 2030).Draw(t, "year"), rapid.IntRange(1, 12).Draw(t, "month"), rapid.IntRange(1, 28).Draw(t, "day"))), e
	case Bucket, Noise:
		return num(rapid.StringMatching(`[1-9][0-9]{0,6}(\.[0-9]{1,2})?`).Draw(t, "number")), e
	case FPE:
		return str(rapid.StringMatching(`[0-9A-Za-z]{8,20}`).Draw(t, "text")), e
	default:
	}
	return str(rapid.StringN(1, 40, 120).Draw(t, "text")), e
}

func classFor(technique Technique) Class {
	if technique == DateShift {
		return Date
	}
	return Internal
}

// Guards against a technique that makes two of one value, or one of two that it
// promises to keep apart.
func TestEqualAndDistinctValues(t *testing.T) {
	for _, technique := range makingTechniques() {
		t.Run(string(technique), func(t *testing.T) {
			class := classFor(technique)
			// Two maskers, so that nothing that one has seen matters.
			m, other := withRule(t, class, technique, sampleRules()[technique]), withRule(t, class, technique, sampleRules()[technique])
			rapid.Check(t, func(t *rapid.T) {
				v, e := oneOfAKind(t, technique)
				another, _ := oneOfAKind(t, technique)
				one, err := apply(inRapid(t), m, class, v, nil, e)
				if err != nil {
					return
				}
				if again := must(inRapid(t), other, class, v, nil, e); again != one {
					t.Fatalf("%v becomes %s, and %s", v, one, again)
				}
				two, err := apply(inRapid(t), m, class, another, nil, e)
				if err == nil && technique.Bijective() && v != another && one == two {
					t.Fatalf("%v and %v both become %s", v, another, one)
				}
			})
		})
	}
	for technique, text := range collisions {
		if never := text == "never"; never != technique.Bijective() {
			t.Errorf("%s: two values become one %s, and it is a bijection: %v", technique, text, technique.Bijective())
		}
	}
}

// Guards against collisions that are more frequent than people are told: as many as
// chance gives with the bits that the form has.
func TestCollisionsAreAsStated(t *testing.T) {
	count := func(words []string) float64 { return float64(len(words)) }
	for _, c := range []struct {
		name      string
		class     Class
		technique Technique
		bits      float64 // as Form, or Collides, states it
		n         int
	}{
		{"people's names", PersonName, Synthetic, 24, 20_000},
		{"companies", Name, Synthetic, 20, 5_000},
		{"streets", Address, Synthetic, 35, 200_000},
		{"accounts", Login, Synthetic, 35, 200_000},
		{"telephone numbers", Phone, Token, 29, 60_000},
		{"cities", Address, Token, 32, 100_000},
		{"opaque tokens", ID, Token, 128, 50_000},
	} {
		r := Rule{}
		if c.name == "cities" {
			r.As = string(FormCity)
		}
		m := withRule(t, c.class, c.technique, r)
		seen, collided := map[string]bool{}, 0
		for i := range c.n {
			value := fmt.Sprint("value ", i)
			if c.class == Phone {
				value = fmt.Sprintf("+49%d", 30_000_000+i)
			}
			out := must(t, m, c.class, str(value), nil, nil)
			if seen[out] {
				collided++
			}
			seen[out] = true
		}
		expected := float64(c.n) * float64(c.n) / math.Exp2(c.bits+1)
		if high := expected + 5*math.Sqrt(expected) + 1; float64(collided) > high {
			t.Errorf("%s: %d of %d collide, and %.1f are to be expected of %.0f bits", c.name, collided, c.n, expected, c.bits)
		}
	}
	for what, bits := range map[string]float64{
		"streets":  math.Log2(498 * count(roots) * count(endings) * count(ways) * count(roots) * count(townEndings)),
		"accounts": math.Log2(count(firstNames) * count(roots) * count(endings) * 1e6),
	} {
		if bits < 35 {
			t.Errorf("synthetic %s have %.1f bits", what, bits)
		}
	}
}

// inversions are how many pairs of a sequence are out of order, of all its pairs.
func inversions(values []string, less func(a, b string) bool) (n, pairs int) {
	for i := range values {
		for j := i + 1; j < len(values); j++ {
			if values[i] == values[j] {
				continue
			}
			if pairs++; less(values[j], values[i]) {
				n++
			}
		}
	}
	return n, pairs
}

func numerically(a, b string) bool {
	x, _ := new(big.Rat).SetString(a)
	y, _ := new(big.Rat).SetString(b)
	return x.Cmp(y) < 0
}

func alphabetically(a, b string) bool { return a < b }

// Guards against a technique that tells which of two values is the greater without
// saying so, and against one that says so and doesn't keep it.
func TestOrderIsKeptOnlyWhereItIsSaid(t *testing.T) {
	const n = 200
	dates, numbers, texts := make([]string, n), make([]string, n), make([]string, n)
	for i := range n {
		dates[i] = fmt.Sprintf("%d-%02d-%02d", 1950+i/4, 1+i%4*3, 1+i%28)
		numbers[i] = fmt.Sprint(1_000_000 + 7919*i)
		texts[i] = fmt.Sprintf("customer%06d", 37*i)
	}
	for _, c := range []struct {
		name      string
		technique Technique
		rule      Rule
		values    []string
		kind      Kind
		subject   func(i int) string // whom a value is about
		kept      bool
	}{
		{"pass", Pass, Rule{}, texts, String, nil, true},
		{"bucket", Bucket, Rule{Size: "10000"}, numbers, Number, nil, true},
		{"truncate", Truncate, Rule{To: "year"}, dates, String, nil, true},
		{"date-shift of one", DateShift, Rule{Days: 3000, By: ID}, dates, String, func(int) string { return "c-1" }, true},
		{"token", Token, Rule{}, texts, String, nil, false},
		{"token of numbers", Token, Rule{}, numbers, Number, nil, false},
		{"token as a date", Token, Rule{As: string(FormDate)}, dates, String, nil, false},
		{"hash", Hash, Rule{}, texts, String, nil, false},
		{"encrypt", Encrypt, Rule{}, texts, String, nil, false},
		{"synthetic", Synthetic, Rule{As: string(FormPersonName)}, texts, String, nil, false},
		{"fpe", FPE, Rule{Alphabet: "alphanumeric"}, texts, String, nil, false},
		{"fpe of numbers", FPE, Rule{}, numbers, Number, nil, false},
	} {
		class := classFor(c.technique)
		m := withRule(t, class, c.technique, c.rule)
		made := make([]string, n)
		for i, value := range c.values {
			if c.technique == Pass {
				made[i] = value
				continue
			}
			id := ""
			if c.subject != nil {
				id = c.subject(i)
			}
			made[i] = strings.Trim(must(t, m, class, Value{c.kind, value}, nil, subject(id)), `"`)
		}
		less := alphabetically
		if c.kind == Number {
			less = numerically
		}
		inverted, pairs := inversions(made, less)
		// Of n values in no order, so many pairs are inverted, give or take that much.
		half, sigma := float64(pairs)/2, math.Sqrt(float64(n*(n-1)*(2*n+5))/72)
		switch off := math.Abs(float64(inverted)-half) / sigma; {
		case c.kept && inverted > 0:
			t.Errorf("%s: %d of %d pairs change their order", c.name, inverted, pairs)
		case !c.kept && off > 5:
			t.Errorf("%s: %d of %d pairs change their order, %.1f sigma off a half", c.name, inverted, pairs, off)
		}
	}
	// Of different subjects, the days by which dates lie apart tell no more than to
	// within the shift: those of one day are spread over all of it.
	m, spread := withRule(t, Date, DateShift, Rule{Days: 3000, By: ID}), map[string]bool{}
	for i := range n {
		spread[must(t, m, Date, str("1990-05-17"), nil, subject(fmt.Sprint("c-", i)))] = true
	}
	if len(spread) < n*9/10 {
		t.Errorf("one day becomes %d days of %d subjects", len(spread), n)
	}
}

// Guards against a destination, or who has a rotated key's tokens, learning something
// of another's: what a technique makes of a value under one key says nothing of what it
// makes of it under another, for every technique whose results are keyed.
func TestTechniquesAreUnrelatedAcrossKeys(t *testing.T) {
	const n = 600
	other, err := NewKey([]byte("another key of the same origin!!"))
	if err != nil {
		t.Fatal(err)
	}
	for _, technique := range []Technique{Token, Hash, Encrypt, FPE, Synthetic, Noise, DateShift} {
		r := sampleRules()[technique]
		r.Technique = technique
		switch technique {
		case DateShift:
			r.Days = 2000
		case Synthetic:
			r.As = string(FormName)
		default:
		}
		class := classFor(technique)
		p := Policy{Classes: map[string]Rule{string(class): r}}
		renewed, err := New("test", p, "staging", other)
		if err != nil {
			t.Fatal(err)
		}
		here := masker(t, p)
		for name, there := range map[string]*Masker{"another destination": maskerFor(t, p, "testing"), "another key": renewed} {
			same, up := 0, 0
			var ranks [2][]string
			for i := range n {
				v, e := str(fmt.Sprintf("customer%08d", 31*i)), subject(fmt.Sprint("c-", i))
				switch technique {
				case DateShift:
					v = str("1990-05-17")
				case Noise:
					v = num(fmt.Sprint(5_000_000 + i))
				default:
				}
				a, b := strings.Trim(must(t, here, class, v, nil, e), `"`), strings.Trim(must(t, there, class, v, nil, e), `"`)
				if a == b {
					same++
				}
				if (a < v.Text) == (b < v.Text) {
					up++
				}
				ranks[0], ranks[1] = append(ranks[0], a), append(ranks[1], b)
			}
			// Companies' names have 20 bits, shifts 4,000 values, noise 500,000.
			if same > 4 {
				t.Errorf("%s: %d of %d values become the same under %s", technique, same, n, name)
			}
			if technique == Noise || technique == DateShift { // the sign of the change
				if d := math.Abs(float64(up)-n/2) / (math.Sqrt(n) / 2); d > 5 {
					t.Errorf("%s: %d of %d move the same way under %s: %.1f sigma", technique, up, n, name, d)
				}
			}
			// The order of the ones says nothing of the order of the others.
			order := make([]int, n)
			for i := range order {
				order[i] = i
			}
			slices.SortFunc(order, func(i, j int) int { return strings.Compare(ranks[0][i], ranks[0][j]) })
			sorted := make([]string, n)
			for i, at := range order {
				sorted[i] = ranks[1][at]
			}
			inverted, pairs := inversions(sorted, alphabetically)
			if d := math.Abs(float64(inverted)-float64(pairs)/2) / math.Sqrt(float64(n*(n-1)*(2*n+5))/72); d > 5 && technique != Noise {
				t.Errorf("%s: %d of %d pairs are in another order under %s: %.1f sigma", technique, inverted, pairs, name, d)
			}
		}
	}
}
