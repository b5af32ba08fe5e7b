package schematest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// Guards against a search that finds nothing because it looks wrong.
func TestFind(t *testing.T) {
	const text = "Żaneta O'Shaughnessy <z+1@kontor.test>"
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"plain":   text,
		"upper":   strings.ToUpper(text),
		"JSON":    string(quoted),
		"escapes": `\u017b\u0061\u006E\u0065\u0074\u0061\u0020\u004f\u0027\u0053\u0068\u0061\u0075\u0067\u0068\u006e\u0065\u0073\u0073\u0079\u0020\u003c\u007a\u002b\u0031\u0040\u006b\u006f\u006e\u0074\u006f\u0072\u002e\u0074\u0065\u0073\u0074\u003e`,
		"query":   url.QueryEscape(text),
		"path":    url.PathEscape(text),
		"hex":     hex.EncodeToString([]byte(text)),
		"base64":  base64.StdEncoding.EncodeToString([]byte(text)),
		"within":  base64.StdEncoding.EncodeToString([]byte("a" + text + "bc")),
		"further": base64.URLEncoding.EncodeToString([]byte("ab" + text + "?")),
	} {
		if len(Find(strings.ToLower("… "+data+" …"), text)) == 0 {
			t.Errorf("%s: not found in %s", name, data)
		}
	}
	if found := Find(strings.ToLower("user-0123 https://example.org/abc"), text); len(found) > 0 {
		t.Errorf("found %q where it does not stand", found)
	}
}
