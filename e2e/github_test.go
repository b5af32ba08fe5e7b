package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// devSecret is the webhook secret of `lockstep dev`.
const devSecret = "dev-secret"

// delivery is one webhook delivery of the corpus.
type delivery struct {
	file, event string
	body        []byte
	value       any
}

func deliveries(t *testing.T) []delivery {
	t.Helper()
	root := filepath.Join(corpus(t, "github-webhooks"), "events")
	var all []delivery
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		one := delivery{file: filepath.Base(filepath.Dir(path)) + "/" + d.Name(), event: filepath.Base(filepath.Dir(path)), body: body}
		all = append(all, one)
		return json.Unmarshal(body, &all[len(all)-1].value)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// people gathers what names people in a payload: logins and e-mails wherever
// they stand, and names of users, authors, committers and pushers.
func people(value any, role string, into map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		_, isUser := v["login"]
		for key, child := range v {
			if text, ok := child.(string); ok && text != "" {
				switch {
				case key == "login", key == "email":
					into[text] = key
				case key == "name" && (isUser || role == "author" || role == "committer" || role == "pusher"):
					into[text] = key
				}
			}
			people(child, key, into)
		}
	case []any:
		for _, child := range v {
			people(child, role, into)
		}
	}
}

// ordinary are words that also occur where they name nobody.
var ordinary = map[string]bool{"github": true, "GitHub": true, "electron": true, "username": true}

// needles are all encodings under which a value is searched for.
func needles(value string) []string {
	quoted, _ := json.Marshal(value)
	set := map[string]bool{value: true, strings.Trim(string(quoted), `"`): true, url.QueryEscape(value): true, url.PathEscape(value): true}
	for offset := range 3 { // base64 begins a group at any of three places
		encoded := base64.StdEncoding.EncodeToString(append(make([]byte, offset), value...))
		first := (offset*8 + 5) / 6
		last := (offset + len(value)) * 8 / 6
		if core := encoded[first:last]; len(core) >= 6 {
			set[core] = true
			set[strings.NewReplacer("+", "-", "/", "_").Replace(core)] = true
		}
	}
	var list []string
	for n := range set {
		list = append(list, n)
	}
	sort.Strings(list)
	return list
}

// Guards against the whole point failing on data that nobody here made: real
// deliveries under real schemas must be taken, carried whole, and name nobody
// where they arrive.
func TestGitHubDeliveriesCrossMasked(t *testing.T) {
	all := deliveries(t)
	data := t.TempDir()
	d, p := startDev(t, data)
	out, err := run(t, "schema", "push", "--domain", "github", "--dir", filepath.Join(corpus(t, "github-webhooks"), "schemas"), "--registry", d.Registry)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("schema push: %s", lastLine(out))
	if _, err := run(t, "schema", "push", "--domain", "github", "--dir", filepath.Join(corpus(t, "github-webhooks"), "schemas"), "--registry", d.Registry); err != nil {
		t.Fatalf("pushing again is not idempotent: %v", err)
	}

	stored, refused := 0, map[string]string{}
	for i, one := range all {
		status, body := deliver(t, d.Webhooks, one, fmt.Sprintf("delivery-%d", i), devSecret)
		switch status {
		case http.StatusAccepted:
			stored++
		case http.StatusUnprocessableEntity:
			refused[one.file] = body
		default:
			t.Errorf("%s: status %d: %s", one.file, status, body)
		}
	}
	if stored != 271 || len(refused) != 2 {
		t.Errorf("%d deliveries stored and %d refused, not 271 and 2", stored, len(refused))
	}
	for _, file := range []string{"check_run/rerequested.payload.json", "check_run/rerequested.with-organization.payload.json"} {
		if !strings.Contains(refused[file], "updated_at") {
			t.Errorf("%s: the refusal does not name updated_at: %s", file, refused[file])
		}
	}
	for file, body := range refused {
		t.Logf("refused %s: %s", file, body)
	}
	if status, body := deliver(t, d.Webhooks, all[0], "unsigned", "another secret"); status != http.StatusUnauthorized {
		t.Errorf("a delivery with a wrong signature: status %d: %s", status, body)
	}

	staging := connect(t, d.Environments["staging"].NATS, d.Environments["staging"].Credentials)
	messages := read(t, staging, "GITHUB", 271)
	raw := map[string]string{}
	for _, one := range all {
		people(one.value, "", raw)
	}
	var personal []string
	kinds := map[string]int{}
	for value, kind := range raw {
		if !ordinary[value] {
			personal = append(personal, value)
			kinds[kind]++
		}
	}
	t.Logf("searching for %v", kinds)
	if len(personal) < 28 {
		t.Errorf("too little to search for: %v", kinds)
	}
	checkValid(t, d, messages)
	checkSameToken(t, d, messages)
	for _, m := range messages {
		var text bytes.Buffer
		text.WriteString(m.Subject())
		for name, values := range m.Headers() {
			fmt.Fprintf(&text, "\n%s: %s", name, values)
		}
		text.WriteByte('\n')
		text.Write(m.Data())
		search(t, "staging's message "+m.Subject(), text.Bytes(), personal)
	}
	p.stop(t)
	for _, environment := range []string{"staging"} {
		files := 0
		err := filepath.WalkDir(filepath.Join(data, environment), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			search(t, path, append([]byte(path+"\n"), content...), personal)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if files < 5 {
			t.Errorf("only %d files under %s: nothing was searched", files, environment)
		}
	}
	search(t, "the log", []byte(p.log()), personal)
	// A search that finds nothing anywhere would prove nothing.
	if production, err := grep(filepath.Join(data, "production"), personal[0]); err != nil || !production {
		t.Errorf("the search does not find %q in production's own store (%v)", personal[0], err)
	}
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

func deliver(t *testing.T, endpoint string, one delivery, id, secret string) (int, string) {
	t.Helper()
	sum := hmac.New(sha256.New, []byte(secret))
	sum.Write(one.body)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, bytes.NewReader(one.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", one.event)
	request.Header.Set("X-GitHub-Delivery", id)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(sum.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func connect(t *testing.T, address, credentials string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(address, nats.UserCredentials(credentials))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// read gives the stream's events, once there are n.
func read(t *testing.T, nc *nats.Conn, stream string, n int) []jetstream.Msg {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	var got []jetstream.Msg
	for len(got) < n {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("after %d of %d messages of %s: %v", len(got), n, stream, err)
		}
		got = append(got, m)
	}
	if m, err := messages.Next(jetstream.NextMaxWait(500 * time.Millisecond)); err == nil {
		t.Errorf("more than %d messages: %s", n, m.Subject())
	}
	return got
}

// checkValid validates every message under the schema that its header names,
// as read from staging's own replica of the registry.
func checkValid(t *testing.T, d dev, messages []jetstream.Msg) {
	t.Helper()
	replica, err := client.New(d.Environments["staging"].Registry)
	if err != nil {
		t.Fatal(err)
	}
	known, compiled := map[string]*jsonschema.Bundle{}, map[string]*contract.Contract{}
	for _, m := range messages {
		subject, _, ok := wire.ParseDataSchema(m.Headers().Get(wire.HeaderCEDataSchema))
		if !ok {
			t.Fatalf("%s names the schema %q", m.Subject(), m.Headers().Get(wire.HeaderCEDataSchema))
		}
		version := m.Headers().Get(wire.HeaderSchemaVersion)
		key := subject + "@" + version
		if compiled[key] == nil {
			bundle := bundleFrom(t, replica, known, subject, version)
			if compiled[key], err = contract.Compile(bundle, contract.Options{Subject: subject}); err != nil {
				t.Fatal(err)
			}
		}
		if err := compiled[key].Validate(m.Data()); err != nil {
			t.Errorf("%s: %v", m.Subject(), err)
		}
	}
}

// bundleFrom is a version with what it refers to, as a registry has it. What is
// known is not asked for again.
func bundleFrom(t *testing.T, from *client.Client, known map[string]*jsonschema.Bundle, subject, version string) *jsonschema.Bundle {
	t.Helper()
	key := subject + "@" + version
	if b := known[key]; b != nil {
		return b
	}
	s, err := from.Version(t.Context(), subject, version)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.Parse([]byte(s.Schema))
	if err != nil {
		t.Fatal(err)
	}
	b := &jsonschema.Bundle{Document: document, References: map[string]*jsonschema.Bundle{}}
	known[key] = b
	for _, r := range s.References {
		b.References[r.Name] = bundleFrom(t, from, known, r.Subject, fmt.Sprint(r.Version))
	}
	return b
}

// checkSameToken compares each login of the raw events with what stands in its
// place: always the same for the same login, another for another.
func checkSameToken(t *testing.T, d dev, masked []jetstream.Msg) {
	t.Helper()
	production := read(t, connect(t, d.Environments["production"].NATS, d.Environments["production"].Credentials), "GITHUB", 271)
	tokens, logins := map[string]string{}, map[string]string{}
	for i := range production {
		var before, after any
		if err := json.Unmarshal(production[i].Data(), &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(masked[i].Data(), &after); err != nil {
			t.Fatal(err)
		}
		pairs(before, after, func(login, token string) {
			if ordinary[login] {
				return // one of GitHub's own schemas demands the login "github"
			}
			if was, ok := tokens[login]; ok && was != token {
				t.Errorf("login %q became %q and %q", login, was, token)
			}
			if was, ok := logins[token]; ok && was != login {
				t.Errorf("logins %q and %q both became %q", was, login, token)
			}
			tokens[login], logins[token] = token, login
		})
	}
	if len(tokens) < 20 {
		t.Errorf("only %d logins were compared", len(tokens))
	}
}

func pairs(before, after any, found func(login, token string)) {
	switch b := before.(type) {
	case map[string]any:
		a, ok := after.(map[string]any)
		if !ok {
			return
		}
		for key, child := range b {
			if login, ok := child.(string); ok && key == "login" {
				token, _ := a[key].(string)
				found(login, token)
			}
			pairs(child, a[key], found)
		}
	case []any:
		a, _ := after.([]any)
		for i := range b {
			if i < len(a) {
				pairs(b[i], a[i], found)
			}
		}
	}
}

func search(t *testing.T, where string, content []byte, personal []string) {
	t.Helper()
	for _, value := range personal {
		for _, n := range needles(value) {
			if i := bytes.Index(content, []byte(n)); i >= 0 {
				from, to := max(0, i-40), min(len(content), i+len(n)+40)
				t.Errorf("%s holds %q (as %q): …%q…", where, value, n, content[from:to])
			}
		}
	}
}

func grep(root, value string) (found bool, err error) {
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || found {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || bytes.Contains(content, []byte(value))
		return err
	})
	return found, err
}
