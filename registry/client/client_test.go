package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/registry/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Guards against an answer that is taken for something else, and a failure that
// does not say what failed: of servers that are no registry, of registries that
// are in trouble, and of none at all.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name      string
		status    int
		body      string
		code      int
		temporary bool
		says      string
	}{
		{"a refusal", 422, `{"error_code":42201,"message":"invalid schema"}`, 42201, false, "registry: invalid schema (42201)"},
		{"not found", 404, `{"error_code":40401,"message":"Subject 'a' not found."}`, 40401, false, "Subject 'a' not found."},
		{"a problem", 409, `{"code":"state_transition","detail":"it is retired"}`, 0, false, "registry: it is retired (state_transition)"},
		{"in trouble", 500, `{"error_code":50001,"message":"no disk"}`, 50001, true, "no disk"},
		{"no primary", 503, `{"error_code":50003,"message":"away"}`, 50003, true, "away"},
		{"too many requests", 429, `slow down`, 0, true, "HTTP status 429: slow down"},
		{"a proxy's page", 502, `<html>Bad Gateway</html>`, 0, true, "HTTP status 502"},
		{"another server", 404, `404 page not found`, 0, false, "GET http://"},
		{"no JSON", 200, `<html>`, 0, true, "no JSON"},
		{"another JSON", 200, `{"a":1}`, 0, true, "no JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer s.Close()
			r, err := client.New(s.URL, client.WithAttempts(2))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			_, err = r.Versions(t.Context(), "a")
			var failure *client.Error
			if !errors.As(err, &failure) || failure.Status != c.status || client.CodeOf(err) != c.code || failure.Temporary() != c.temporary || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v: %v", failure, err)
			}
			if tried := asked.Load() == 2; tried != c.temporary {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	url := strings.Replace(s.URL, "http://", "http://ada:secret@", 1)
	s.Close()
	r, err := client.New(url, client.WithAttempts(2))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Subjects(t.Context())
	var failure *client.Error
	if !errors.As(err, &failure) || failure.Status != 0 || !failure.Temporary() {
		t.Errorf("%v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the password is in the failure: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Subjects(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// Guards against an address that is taken and then fails at each call.
func TestAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"http://127.0.0.1:8081": true, "https://registry.example/base/": true,
		"127.0.0.1:8081": false, "": false, "ftp://a": false, "http://": false, "http://a b": false,
	} {
		if _, err := client.New(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	var path atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.URL.EscapedPath())
		_, _ = io.WriteString(w, "[]")
	}))
	defer s.Close()
	r, err := client.New(s.URL + "/base/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Versions(t.Context(), "a/b ../c"); err != nil || path.Load() != "/base/subjects/a%2Fb%20..%2Fc/versions" {
		t.Errorf("asked for %v, %v", path.Load(), err)
	}
}
