package nativeapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/nativeapi"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
)

// Guards against input that is answered with a failure of the server, with a
// sentence that does not help, or not at all.
func TestHostile(t *testing.T) {
	s, _ := serve(t)
	const versions = "/api/v1/subjects/s/versions"
	if status, _, answer := send(t, s, http.MethodPost, versions, `{"schema":{"type":"object"}}`); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code, says               string
	}{
		{"no such path", "GET", "/api/v1/nothing", "", 404, "not_found", "/docs"},
		{"the bare root", "GET", "/api/v1/", "", 404, "not_found", "/docs"},
		{"a wrong method", "DELETE", "/api/v1/registry", "", 405, "method_not_allowed", "GET"},
		{"an unknown method", "BREW", "/api/v1/subjects/s", "", 405, "method_not_allowed", "GET"},
		{"an unknown query", "GET", "/api/v1/subjects?limt=3", "", 422, "invalid_request", "limt"},
		{"a limit of 0", "GET", "/api/v1/subjects?limit=0", "", 422, "invalid_request", "limit"},
		{"a limit that is no number", "GET", "/api/v1/subjects?limit=many", "", 422, "invalid_request", "limit"},
		{"a state that there is not", "GET", versions + "?state=gone", "", 422, "invalid_request", "state"},
		{"version 0", "GET", versions + "/0", "", 422, "invalid_request", "version"},
		{"a version of 40 digits", "GET", versions + "/" + strings.Repeat("9", 40), "", 422, "invalid_request", "version"},
		{"a version beyond 31 bits", "GET", versions + "/9999999999", "", 422, "invalid_version", "2^31"},
		{"a version that is not there", "GET", versions + "/9", "", 404, "version_not_found", "list"},
		{"a subject that is not there", "GET", "/api/v1/subjects/x", "", 404, "subject_not_found", "list the subjects"},
		{"a subject of 300 bytes", "POST", "/api/v1/subjects/" + strings.Repeat("s", 300) + "/versions", `{"schema":{}}`, 422, "invalid_request", "subject"},
		{"a control character in a subject", "POST", "/api/v1/subjects/a%00b/versions", `{"schema":{}}`, 422, "invalid_subject", "control character"},
		{"no UTF-8 in a subject", "POST", "/api/v1/subjects/%FF/versions", `{"schema":{}}`, 422, "invalid_subject", "UTF-8"},
		{"no body", "POST", versions, "", 400, "invalid_request", "body"},
		{"no JSON", "POST", versions, `{"schema":`, 400, "invalid_json", "JSON"},
		{"trailing data", "POST", versions, `{"schema":{}} x`, 400, "invalid_json", ""},
		{"a key twice", "POST", versions, `{"schema":{},"schema":true}`, 400, "invalid_json", "schema"},
		{"a key twice, escaped", "POST", versions, `{"schema":{},"\u0073chema":true}`, 400, "invalid_json", ""},
		{"no UTF-8", "POST", versions, "{\"schema\":\"\xff\"}", 400, "invalid_json", "UTF-8"},
		{"an array", "POST", versions, `[]`, 422, "invalid_request", "object"},
		{"null", "POST", versions, `null`, 422, "invalid_request", ""},
		{"an unknown field", "POST", versions, `{"schema":{},"schemaType":"JSON"}`, 422, "invalid_request", "schemaType"},
		{"an unknown field inside", "POST", versions, `{"schema":{},"references":[{"name":"a","subject":"s","version":1,"x":1}]}`, 422, "invalid_request", "references[0].x"},
		{"no schema", "POST", versions, `{}`, 422, "invalid_request", "schema"},
		{"a schema that is a number", "POST", versions, `{"schema":5}`, 422, "invalid_schema", "schema"},
		{"a schema that is no schema", "POST", versions, `{"schema":{"type":"nothing"}}`, 422, "invalid_schema", ""},
		{"a reference to nothing", "POST", versions, `{"schema":{"$ref":"a"},"references":[{"name":"a","subject":"x","version":1}]}`, 422, "invalid_schema", "register what is referred to first"},
		{"a retired registration", "POST", versions, `{"schema":{},"state":"retired"}`, 422, "invalid_request", "state"},
		{"a state that there is not", "PUT", versions + "/1/state", `{"state":"gone"}`, 422, "invalid_request", "state"},
		{"back to draft", "PUT", versions + "/1/state", `{"state":"draft"}`, 422, "invalid_request", "state"},
		{"a long reason", "PUT", versions + "/1/state", `{"state":"retired","reason":"` + strings.Repeat("x", 1001) + `"}`, 422, "invalid_request", "reason"},
		{"a control character in the owner", "PUT", "/api/v1/subjects/s/about", `{"team":"a\u0001"}`, 422, "invalid_text", "control character"},
		{"a long owner", "PUT", "/api/v1/subjects/s/about", `{"team":"` + strings.Repeat("x", 101) + `"}`, 422, "invalid_request", "team"},
		{"a consumer's long name", "PUT", "/api/v1/subjects/s/consumers/" + strings.Repeat("n", 129), `{}`, 422, "invalid_request", "name"},
		{"a consumer with a control character", "PUT", "/api/v1/subjects/s/consumers/a%01", `{}`, 422, "invalid_report", "control character"},
		{"a consumer's negative version", "PUT", "/api/v1/subjects/s/consumers/n", `{"version":-1}`, 422, "invalid_request", "version"},
		{"a revision that is none", "GET", "/api/v1/changes?after=x", "", 422, "invalid_request", "after"},
		{"a revision beyond 64 bits", "GET", "/api/v1/changes?after=9999999999999999999999", "", 422, "invalid_request", "after"},
		{"10 MB", "POST", versions, `{"schema":"` + strings.Repeat("x", 10<<20) + `"}`, 413, "too_large", "bytes"},
		{"7 MB of brackets", "POST", versions, strings.Repeat("[", 7<<20), 400, "invalid_json", ""},
		{"a schema of 100,000 levels", "POST", versions, `{"schema":"` + strings.Repeat(`{\"not\":`, 100_000) + "{}" + strings.Repeat("}", 100_000) + `"}`, 422, "invalid_schema", ""},
		{"an expression that explodes", "POST", versions, `{"schema":{"pattern":"` + strings.Repeat("(a{0,1000}", 500) + strings.Repeat(")", 500) + `"}}`, 422, "invalid_schema", ""},
		{"more than a message may have", "POST", versions, `{"schema":{"description":"` + strings.Repeat("x", 1<<20-30) + `"}}`, 422, "too_large", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, answer := send(t, s, c.method, c.path, c.body)
			var p nativeapi.Problem
			if err := json.Unmarshal([]byte(answer), &p); err != nil || header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %s %.300s", status, header.Get("Content-Type"), answer)
			}
			if status != c.status || p.Status != status || p.Code != c.code || p.Type != "urn:lockstep:problem:"+c.code || !strings.Contains(p.Detail, c.says) || p.What == "" || p.Title == "" {
				t.Errorf("%d %.500s, want %d %s with %q", status, answer, c.status, c.code, c.says)
			}
			if status == http.StatusMethodNotAllowed && header.Get("Allow") == "" {
				t.Error("nothing says which methods are allowed")
			}
		})
	}
	for _, media := range []string{"text/plain", "application/xml", "nonsense;;"} {
		if status, _, answer := send(t, s, http.MethodPost, versions, `{"schema":{}}`, "Content-Type", media); status != http.StatusUnsupportedMediaType || !strings.Contains(answer, "unsupported_media_type") {
			t.Errorf("%s: %d %s", media, status, answer)
		}
	}
	for _, media := range []string{"application/json; charset=utf-8", "application/vnd.schemaregistry.v1+json"} {
		if status, _, answer := send(t, s, http.MethodPost, versions, `{"schema":{"type":"object"}}`, "Content-Type", media, "Accept", "application/vnd.schemaregistry.v1+json"); status != http.StatusOK {
			t.Errorf("%s: %d %s", media, status, answer)
		}
	}
	if status, _, answer := send(t, s, http.MethodGet, "/api/v1/subjects", "", "Accept", "text/html"); status != http.StatusOK {
		t.Errorf("a browser gets %d %s", status, answer)
	}
}

// Guards against a panic, a failure or a request that never ends, whatever is asked.
func FuzzRequest(f *testing.F) {
	js := natstest.Start(f).Connect()
	api, err := nativeapi.New(open(f, js, true))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(api.Close)
	for line := range strings.Lines(story) {
		method, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		path, body, _ := strings.Cut(rest, " ")
		f.Add(method, path, body)
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if strings.HasPrefix(path, "/api/v1/changes") && !strings.Contains(path, "follow=false") {
			t.Skip("it is meant to last")
		}
		request, err := http.NewRequest(method, "http://registry/", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		if request.URL, err = url.ParseRequestURI(path); err != nil {
			t.Skip()
		}
		w, began := httptest.NewRecorder(), time.Now()
		api.ServeHTTP(w, request)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s %s %q took %v", method, path, body, took)
		}
		if w.Code >= http.StatusInternalServerError && w.Code != http.StatusNotImplemented {
			t.Errorf("%s %s %q: %d %s", method, path, body, w.Code, w.Body)
		}
		if method != http.MethodHead && w.Code >= http.StatusBadRequest && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: the refusal is no JSON: %s", method, path, w.Body)
		}
	})
}

func ExampleAPI() {
	fmt.Println(nativeapi.Paths())
	// Output: [/api/v1/ /openapi.json /docs]
}
