package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/leak"
)

// Guards against a rotation that a running environment takes on late, half or
// not at all, that loses or withholds events, or that leaves a destination's older
// and newer data without a way to be joined.
func TestRotationWithOverlap(t *testing.T) {
	m := startTwo(t, ruleOfNotes)
	m.publish(t, 0, 50, "private")
	m.verified(t, 50, 0)
	var keys struct {
		Keys []struct{ ID, State string } `json:"keys"`
	}
	m.run(t, 1, nil, "key", "rotate")
	before := rootKeys(t, m)
	m.run(t, 0, &keys, "key", "rotate", "--yes", "--overlap", "720h")
	roots := rootKeys(t, m)
	if len(before) != 1 || len(roots) != 2 {
		t.Fatalf("the key file holds %d keys, and %d after the rotation", len(before), len(roots))
	}
	if len(keys.Keys) != 2 || keys.Keys[0].State != "active" || keys.Keys[1].State != "retiring" {
		t.Fatalf("the keys: %+v", keys)
	}
	renewed, old := keys.Keys[0].ID, keys.Keys[1].ID
	m.publish(t, 50, 50, "private")
	m.verified(t, 100, 0)
	m.processes["production"].kill(t)
	m.start(t, "production")
	m.publish(t, 100, 50, "private")
	m.verified(t, 150, 0)

	for person, tokens := range m.exactlyOnce(t, 150) {
		if len(tokens) != 2 {
			t.Errorf("person %s has %d tokens, not one of each key", person, len(tokens))
		}
	}
	var page struct {
		Old, New string
		Pairs    []struct{ Old, New string }
		Skipped  int
	}
	m.run(t, 0, &page, "key", "map", "--class", "email", "--to", "staging", "--domain", "orders")
	if page.Old != old || page.New != renewed || len(page.Pairs) != 10 || page.Skipped != 0 {
		t.Fatalf("the mapping: %+v", page)
	}
	to := map[string]string{}
	for _, p := range page.Pairs {
		to[p.Old] = p.New
	}
	people, encrypted := map[string]map[string]bool{}, map[string]string{}
	for _, msg := range m.arrived(t, 150) {
		var o noted
		if err := json.Unmarshal(msg.Data(), &o); err != nil {
			t.Fatal(err)
		}
		key, want := msg.Headers().Get(wire.HeaderKeyID), renewed
		if o.Serial < 50 {
			want = old
		}
		if key != want {
			t.Errorf("event %d was masked with %s, not %s", o.Serial, key, want)
		}
		if o.Serial%10 == 3 {
			encrypted[key] = o.Account
		}
		email := o.Email
		if key == old {
			email = to[email]
		}
		person := strconv.Itoa(o.Serial % 10)
		if people[person] == nil {
			people[person] = map[string]bool{}
		}
		people[person][email] = true
	}
	for person, tokens := range people {
		if len(tokens) != 1 {
			t.Errorf("person %s is %d people, mapped", person, len(tokens))
		}
	}
	// What was encrypted is shown again, to key holders and on record, whichever
	// key it was; once that is destroyed, to nobody.
	reveal := func(exit int, token string) string {
		var shown struct{ Value string }
		m.run(t, exit, &shown, "mask", "reveal", "--class", "account", "--to", "staging", "--", token)
		return shown.Value
	}
	for key, token := range encrypted {
		if got := reveal(0, token); got != "DE-3" || len(encrypted) != 2 {
			t.Errorf("under %s is revealed %q", key, got)
		}
	}
	m.run(t, 1, nil, "key", "destroy", old, "--yes") // it was promised to be kept
	m.run(t, 0, nil, "key", "destroy", old, "--yes", "--early")
	reveal(1, encrypted[old])
	reveal(0, encrypted[renewed])
	m.run(t, 1, nil, "key", "map", "--class", "email", "--to", "staging", "--domain", "orders")
	if stdout, err := run(t, "key", "list", "--data", m.data, "--mesh", m.file); err != nil || bytes.Contains(stdout, []byte("corp.test")) {
		t.Errorf("%v\n%s", err, stdout)
	}
	if left := rootKeys(t, m); len(left) != 1 {
		t.Errorf("the key file holds %d keys after one of two was destroyed", len(left))
	}
	noKeyIsShown(t, m, roots)
}

// rootKeys are the keys of production's key file, in hexadecimal.
func rootKeys(t *testing.T, m *twoOf) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.data, "production", "keys", "mask.key"))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`\b[0-9a-f]{64}\b`).FindAllString(string(text), -1)
}

// noKeyIsShown searches for keys, as text and as bytes, in everything but the key file:
// what both environments store, log and answer, and what the commands say that dump
// what is configured.
func noKeyIsShown(t *testing.T, m *twoOf, roots []string) {
	t.Helper()
	searcher, err := leak.Compile(roots)
	if err != nil {
		t.Fatal(err)
	}
	look := func(where string, text []byte) {
		searcher.Find(text, func(match leak.Match) { t.Errorf("%s shows a key (%s)", where, match.Form) })
		for _, root := range roots {
			key, err := hex.DecodeString(root)
			if err != nil {
				t.Fatal(err)
			}
			for _, form := range [][]byte{key, []byte(base64.StdEncoding.EncodeToString(key)), []byte(base64.RawURLEncoding.EncodeToString(key))} {
				if bytes.Contains(text, form) {
					t.Errorf("%s shows a key", where)
				}
			}
		}
	}
	for _, args := range [][]string{{"key", "list"}, {"status"}, {"quarantine", "list"}, {"mask", "coverage"}, {"mask", "explain", "orders.order.placed", "--to", "staging"}} {
		for _, format := range []string{"table", "json", "yaml"} {
			stdout, err := run(t, slices.Concat(args, []string{"--data", m.data, "--mesh", m.file, "-o", format})...)
			if err != nil {
				t.Error(err)
			}
			look(strings.Join(args, " "), stdout)
		}
	}
	for name, address := range m.http {
		for _, path := range []string{"/healthz", "/readyz", "/api/v1/status", "/debug/vars", "/debug/pprof/", "/metrics"} {
			look(name+path, fetch(t, "http://"+address+path))
		}
	}
	for name, p := range m.processes {
		p.stop(t)
		look("the log of "+name, []byte(p.log()))
	}
	files := 0
	err = filepath.WalkDir(m.data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path, filepath.Join(m.data, "production", "keys")) {
			return err
		}
		content, err := os.ReadFile(path)
		files++
		look(path, content)
		return err
	})
	if err != nil || files < 20 {
		t.Errorf("%d files, %v", files, err)
	}
}

// fetch is what a server answers, whatever its status.
func fetch(t *testing.T, url string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
