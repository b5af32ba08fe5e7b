package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"pgregory.net/rapid"
)

const secret = "Żaneta O'Shaughnessy <z@x.invalid> & \"Sons\" / 置"

func compile(t testing.TB, values ...string) *Searcher {
	t.Helper()
	s, err := Compile(values)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// encodings are ways in which programs write a value, made without this
// package's help.
func encodings(value string) map[string]string {
	marshal := func(html bool) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if err := e.Encode(map[string]string{"k": value}); err != nil {
			panic(err)
		}
		return b.String()
	}
	all := map[string]string{
		"plain": "before " + value + " after", "json": marshal(false), "json with html": marshal(true),
		"query": "?q=" + url.QueryEscape(value) + "&r=", "path": "/p/" + url.PathEscape(value) + "/q",
		"url": (&url.URL{Scheme: "https", Host: "h", Path: "/" + value}).String(),
		"hex": fmt.Sprintf("0x%x", value), "HEX": fmt.Sprintf("%X", value),
		"lower": strings.ToLower(value), "upper": strings.ToUpper(value),
		"json in base64": base64.StdEncoding.EncodeToString([]byte(value)),
	}
	for _, format := range []string{`\u%04x`, `\u%04X`} {
		var b strings.Builder
		for _, unit := range utf16.Encode([]rune(value)) {
			fmt.Fprintf(&b, format, unit)
		}
		all["escaped "+format] = `"` + b.String() + `"`
	}
	for before := range 4 {
		for after := range 3 {
			text := []byte("abcd"[:before] + value + "xyz"[:after])
			all[fmt.Sprintf("base64 %d %d", before, after)] = base64.StdEncoding.EncodeToString(text)
			all[fmt.Sprintf("base64url %d %d", before, after)] = base64.RawURLEncoding.EncodeToString(text)
		}
	}
	return all
}

// A leak that some ordinary encoder has written in another way would not be
// seen, and a demonstration would claim that there is none.
func TestEveryForm(t *testing.T) {
	for _, value := range []string{secret, "+48512345678", "anna.k+x@mail.invalid", "track.test/a?mail=a%40b", "ÿÿÿÿ>>>???", "12345678"} {
		s := compile(t, value, "another value altogether", "yet another one")
		for name, text := range encodings(value) {
			found := 0
			s.Find([]byte(text), func(m Match) {
				if m.Value != value || m.Begin < 0 || m.End > len(text) {
					t.Errorf("%s: %+v", name, m)
				}
				found++
			})
			if found == 0 {
				t.Errorf("%q as %s is not found in %s", value, name, text)
			}
		}
	}
	ascii := `{"k":"\u017baneta O'Shaughnessy <z@x.invalid> & \"Sons\" \/ \u7f6e"}`
	reversed := false
	compile(t, "Anna Kowalska").Find([]byte("aNNA kOWALSKA"), func(m Match) {
		if m.Form != Case {
			t.Errorf("reversed case: %+v", m)
		}
		reversed = true
	})
	if !reversed {
		t.Error("reversed case is not found")
	}
	var report Report
	compile(t, secret).Bytes([]byte(ascii), "message 7", &report)
	if examples := report.Examples(); report.Found() != 1 || examples[0].Form != JSON || examples[0].Place != "message 7" {
		t.Errorf("an ASCII encoder's JSON: %v", report.Examples())
	}
}

// A search that reports what is not there would be switched off by its users.
func TestNothingFound(t *testing.T) {
	s := compile(t, secret, "Anna Kowalska", "+48512345678")
	for _, text := range []string{"", "Anna", "Anna Kowalsk", "nna Kowalska", "anna kowalsk", "+4851234567", strings.Repeat("x", 3<<20)} {
		s.Find([]byte(text), func(m Match) { t.Errorf("found %v in %q", m, text) })
	}
	compile(t).Find([]byte("anything at all"), func(m Match) { t.Errorf("no values, found %v", m) })
	if _, err := Compile([]string{"1234567"}); err == nil {
		t.Error("a value that is found by chance is accepted")
	}
}

// A value that lies across two blocks of a file would be missed or counted twice.
func TestReadAcrossBlocks(t *testing.T) {
	s := compile(t, secret, "Anna Kowalska")
	for _, at := range []int{0, 1, block - len(secret), block - 20, block - 1, block, block + 1, 2*block - 5, 2*block + 100} {
		text := bytes.Repeat([]byte("."), 2*block+200)
		copy(text[at:], secret)
		for name, r := range map[string]io.Reader{"whole": bytes.NewReader(text), "piecemeal": iotest.HalfReader(bytes.NewReader(text))} {
			var report Report
			if err := s.Read(r, "file", &report); err != nil {
				t.Fatal(err)
			}
			want := Finding{Value: secret, Form: Plain, Place: "file", Offset: int64(at)}
			if got := report.Examples(); report.Found() != 1 || got[0] != want {
				t.Errorf("%s, at %d: %v", name, at, got)
			}
			if report.Bytes() != int64(len(text)) {
				t.Errorf("%s: %d of %d bytes searched", name, report.Bytes(), len(text))
			}
		}
	}
	var report Report
	if err := s.Read(iotest.ErrReader(os.ErrPermission), "file", &report); err == nil {
		t.Error("an unreadable file counts as clean")
	}
}

// A file of a store, or a file's name, would be left out of the search.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"jetstream/MESH/1.blk":          "....Anna Kowalska....",
		"jetstream/MESH/obs/meta.inf":   `{"x":"` + base64.StdEncoding.EncodeToString([]byte("7Anna Kowalska")) + `"}`,
		"keys/orders.Anna Kowalska.txt": "nothing here",
		"empty":                         "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var report Report
	if err := compile(t, "Anna Kowalska").Tree(t.Context(), dir, "staging", &report); err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, f := range report.Examples() {
		places = append(places, fmt.Sprintf("%s %s %d", filepath.ToSlash(f.Place), f.Form, f.Offset))
	}
	want := "staging/jetstream/MESH/1.blk plain 4|staging/jetstream/MESH/obs/meta.inf base64 8|the name of staging/keys/orders.Anna Kowalska.txt plain 12"
	if got := strings.Join(places, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := compile(t, "Anna Kowalska").Tree(t.Context(), filepath.Join(dir, "none"), "staging", &report); err == nil {
		t.Error("a directory that is not there counts as clean")
	}
}

// The fast search would give another answer than the plain one.
func TestAgainstPlainSearch(t *testing.T) {
	alphabet := []rune("ab")
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom(alphabet), MinLength, 14, -1), 1, 12).Draw(t, "values")
		text := rapid.StringOfN(rapid.RuneFrom(alphabet), 0, 200, -1).Draw(t, "text")
		s, err := Compile(values)
		if err != nil {
			t.Fatal(err)
		}
		got, want := map[string]int{}, map[string]int{}
		s.Find([]byte(text), func(m Match) {
			if m.Form == Plain {
				got[fmt.Sprint(m.Value, m.Begin)]++
			}
		})
		for _, v := range values {
			for i := range text {
				if strings.HasPrefix(text[i:], v) {
					want[fmt.Sprint(v, i)] = 1
				}
			}
		}
		if len(got) != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for k, n := range want {
			if got[k] != n {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}

// BenchmarkFind searches what looks like a store for fifty thousand customers.
func BenchmarkFind(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]string, 50_000)
	for i := range values {
		values[i] = fmt.Sprintf("person.%d.%x@mail.invalid", i, rng.Uint64())
	}
	s := compile(b, values...)
	text := make([]byte, 1<<20)
	for i := range text {
		text[i] = `{"customer":"token.0123456789abcdef@example.com"},`[(i*7+rng.IntN(3))%50]
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Find(text, func(m Match) { b.Errorf("found %v", m) })
	}
}
