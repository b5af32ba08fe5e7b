package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/httpapi"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
)

// body is a registration of a schema.
func body(t testing.TB, schema string) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]string{"schemaType": "JSON", "schema": schema})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Guards against input that costs the server its answer: whatever is too large
// or too deep is refused as such, and the next request is answered.
func TestLargeAndDeepInput(t *testing.T) {
	s, _ := serve(t)
	many := func(n int, member string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, member, i)
		}
		return b.String()
	}
	for _, c := range []struct {
		name   string
		body   []byte
		status int
		code   string
	}{
		{"10 MB of a schema", body(t, `{"description":"`+strings.Repeat("x", 10<<20)+`"}`), 413, `"error_code":413`},
		{"10 MB of no JSON", []byte(strings.Repeat("[", 10<<20)), 413, `"error_code":413`},
		{"7 MB of brackets", []byte(strings.Repeat("[", 7<<20)), 400, `"error_code":400`},
		{"7 MB of a schema", body(t, `{"description":"`+strings.Repeat("x", 7<<20)+`"}`), 422, `"error_code":42201`},
		{"more than a message may have", body(t, `{"description":"`+strings.Repeat("x", 1<<20-30)+`"}`), 422, `"error_code":422`},
		{"a schema of 100,000 levels", body(t, strings.Repeat(`{"not":`, 100_000)+"{}"+strings.Repeat("}", 100_000)), 422, `"error_code":42201`},
		{"a schema of 150 levels", body(t, strings.Repeat(`{"not":`, 150)+"{}"+strings.Repeat("}", 150)), 200, ""},
		{"a body of 1,000 levels", []byte(strings.Repeat(`{"schema":`, 1000) + "1" + strings.Repeat("}", 1000)), 400, `"error_code":400`},
		{"5,000 properties", body(t, `{"properties":{`+many(5000, `"p%d":{}`)+`}}`), 200, ""},
		{"2,000 references to nothing", []byte(`{"schemaType":"JSON","schema":"{}","references":[` + many(2000, `{"name":"n%d","subject":"s","version":1}`) + `]}`), 422, `"error_code":42201`},
		{"an expression of 1,000 repetitions", body(t, `{"pattern":"`+strings.Repeat("(a{0,1000}", 500)+strings.Repeat(")", 500)+`"}`), 422, `"error_code":42201`},
		{"a lone surrogate", []byte(`{"schemaType":"JSON","schema":"{\"title\":\"\ud800\"}"}`), 400, `"error_code":400`},
		{"no UTF-8", []byte("{\"schemaType\":\"JSON\",\"schema\":\"\xff\"}"), 400, `"error_code":400`},
	} {
		t.Run(c.name, func(t *testing.T) {
			subject := "/subjects/" + url.PathEscape("hostile."+strings.ReplaceAll(c.name, " ", "_")) + "/versions"
			status, _, answer := send(t, s, http.MethodPost, subject, http.Header{}, c.body)
			if status != c.status || !strings.Contains(answer, c.code) {
				t.Errorf("%d %.300s, want %d %s", status, answer, c.status, c.code)
			}
		})
	}
	if status, _, _ := send(t, s, http.MethodGet, "/subjects", http.Header{}, nil); status != http.StatusOK {
		t.Errorf("afterwards: %d", status)
	}
}

// Guards against a panic, a 500 or a request that never ends, whatever is asked.
func FuzzRequest(f *testing.F) {
	r := open(f, natstest.Start(f).Connect(), true)
	handler := httpapi.New(r)
	for _, seed := range []struct{ method, path, body string }{
		{"POST", "/subjects/a/versions", `{"schemaType":"JSON","schema":"{}"}`},
		{"POST", "/subjects/a%2Fb/versions?normalize=true", `{"schemaType":"JSON","schema":"{\"type\":\"object\"}","metadata":{"properties":{"a":"b"}}}`},
		{"POST", "/compatibility/subjects/a/versions/latest?verbose=true", `{"schemaType":"JSON","schema":"{\"type\":\"string\"}"}`},
		{"PUT", "/config/a", `{"compatibility":"FULL","alias":"b"}`},
		{"PUT", "/mode/a?force=true", `{"mode":"IMPORT"}`},
		{"DELETE", "/subjects/a/versions/1?permanent=true", ""},
		{"GET", "/subjects/:.:a/versions/latest", ""},
		{"GET", "/contexts/:.:/schemas?deleted=true&limit=-1&offset=9", ""},
	} {
		f.Add(seed.method, seed.path, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		request, err := http.NewRequest(method, "http://registry/", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		if request.URL, err = url.ParseRequestURI(path); err != nil {
			t.Skip()
		}
		w, began := httptest.NewRecorder(), time.Now()
		handler.ServeHTTP(w, request)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s %s %q took %v", method, path, body, took)
		}
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s %q: %d %s", method, path, body, w.Code, w.Body)
		}
		if method != http.MethodHead && w.Code != http.StatusOK && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: the refusal is no JSON: %s", method, path, w.Body)
		}
	})
}
