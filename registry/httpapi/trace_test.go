package httpapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/httpapi"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a view over the stream that is there, or over a new one.
func open(t testing.TB, js jetstream.JetStream, create bool, options ...registry.Option) *registry.Registry {
	t.Helper()
	if create {
		if err := store.Create(t.Context(), js, store.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	log, err := store.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(t.Context(), log, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// serve runs the API over a registry of its own.
func serve(t testing.TB) (*httptest.Server, *registry.Registry) {
	t.Helper()
	r := open(t, natstest.Start(t).Connect(), true)
	s := httptest.NewServer(httpapi.New(r, httpapi.WithVersion("1.2.3", "abc")))
	t.Cleanup(s.Close)
	return s, r
}

// Guards against an API that answers otherwise than Confluent's clients expect:
// each file of requests is played against an empty registry, and the answers
// are compared with those that were looked at and kept.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.requests"))
	if err != nil || len(files) == 0 {
		t.Fatal("no traces", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".requests"), func(t *testing.T) {
			t.Parallel()
			s, _ := serve(t)
			got := play(t, s, file)
			golden := strings.TrimSuffix(file, ".requests") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs (run with -update, and look at the difference):\n%s", golden, difference(want, got))
			}
		})
	}
}

// play sends the requests of a file, one on each line:
//
//	METHOD path [header=value …] [body]
//
// A body begins with "{" or "@"; @name, with a schema after it, is short for a
// JSON schema to be registered. Lines that begin with # are kept as they are.
func play(t *testing.T, s *httptest.Server, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out bytes.Buffer
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			fmt.Fprintln(&out, line)
			continue
		}
		fmt.Fprintln(&out, ">", line)
		method, rest, _ := strings.Cut(line, " ")
		path, rest, _ := strings.Cut(rest, " ")
		header := http.Header{}
		for rest != "" && !strings.ContainsAny(rest[:1], "{@[") {
			var pair string
			pair, rest, _ = strings.Cut(rest, " ")
			name, value, _ := strings.Cut(pair, "=")
			header.Set(name, value)
		}
		if schema, ok := strings.CutPrefix(rest, "@"); ok {
			data, err := json.Marshal(map[string]string{"schemaType": "JSON", "schema": schema})
			if err != nil {
				t.Fatal(err)
			}
			rest = string(data)
		}
		status, media, answer := send(t, s, method, path, header, []byte(rest))
		note := ""
		if media != "application/vnd.schemaregistry.v1+json" {
			note = " " + media
		}
		answer = times.ReplaceAllString(strings.TrimSpace(answer), `"ts":0`)
		fmt.Fprintf(&out, "%d%s %s\n", status, note, reasons.ReplaceAllString(answer, "$1…"))
	}
	return out.Bytes()
}

// What the compatibility check and the parser say is theirs to say: only that
// they say something is kept.
var (
	times   = regexp.MustCompile(`"ts":\d{13}`)
	reasons = regexp.MustCompile(`((?:is incompatible with version \d+ of subject \\"[^"]*"|is not shown to be readable|is not shown to read the new data|invalid schema: schema [^ ]* \([a-z_]+\)): )(?:[^"\\]|\\.)*`)
)

func send(t testing.TB, s *httptest.Server, method, path string, header http.Header, body []byte) (status int, media, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	request.Header = header
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response.StatusCode, response.Header.Get("Content-Type"), string(data)
}

// difference shows the lines that differ.
func difference(want, got []byte) string {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	var out strings.Builder
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			fmt.Fprintf(&out, "line %d\n- %s\n+ %s\n", i+1, x, y)
		}
	}
	return out.String()
}
