package mask

import (
	"bytes"
	"encoding/base64"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Guards against content that comes back in another form than it was in, or is read
// in another way than its readers do: what is taken is exactly what is written again.
func TestContentIsWrittenAsItWas(t *testing.T) {
	codings := []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding}
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringN(0, 40, -1).Draw(t, "text"))
		written := string(text)
		form := rapid.SampledFrom(Contents()).Draw(t, "form")
		if form != ContentJSON {
			written = rapid.SampledFrom(codings).Draw(t, "coding").EncodeToString(text)
		}
		held, encode, ok := form.Decode(written)
		if !ok || !bytes.Equal(held, text) {
			t.Fatalf("%s %q holds %q, %v", form, written, held, ok)
		}
		if again := string(encode(held)); again != written {
			t.Fatalf("%s %q is written as %q", form, written, again)
		}
	})
	for _, written := range []string{"YQ", "YR==", "YQ==\n", "Y Q=", "Y", "-+==", "/w==", "Y=Q="} {
		if held, _, ok := ContentBase64.Decode(written); ok != (written == "YQ") {
			t.Errorf("%q holds %q", written, held)
		}
	}
	if _, _, ok := Content("xml").Decode("a"); ok || Content("").Known() {
		t.Error("a content that nobody knows is known")
	}
}

// A hostile string would panic, or be taken for another text than it is.
func FuzzContent(f *testing.F) {
	f.Add("YWRhQGNvcnAudGVzdA==")
	f.Add("_-8")
	f.Fuzz(func(t *testing.T, written string) {
		for _, form := range Contents() {
			held, encode, ok := form.Decode(written)
			if !ok || form == ContentJSON {
				continue
			}
			if !utf8.Valid(held) {
				t.Fatalf("%q holds %q", written, held)
			}
			again, _, ok := form.Decode(string(encode(held)))
			if !ok || !bytes.Equal(again, held) {
				t.Fatalf("%q is written as %q", written, encode(held))
			}
		}
	})
}
