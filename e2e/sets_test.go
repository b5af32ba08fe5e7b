package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/services/lockstep/leak"
)

// eventSet is a folder of testdata/sets: schemas and events as somebody else has them,
// without a class for anything, and what in the events is about people.
type eventSet struct {
	name, dir string
	events    map[string][][]byte // by type
	personal  struct {
		Joined []string `json:"joined"` // must be one token wherever it stands
		Others []string `json:"others"`
		// Readable are places, as type and pointer, that are about nobody.
		Readable []string `json:"readable"`
	}
}

func readSets(t *testing.T) []eventSet {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("testdata", "sets", "*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("there are no sets: %v", err)
	}
	var sets []eventSet
	for _, dir := range dirs {
		s := eventSet{name: filepath.Base(dir), dir: dir, events: map[string][][]byte{}}
		text, err := os.ReadFile(filepath.Join(dir, "personal.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &s.personal); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "events", "*", "*.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			lines, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			eventType := s.name + "." + filepath.Base(filepath.Dir(file)) + "." + strings.TrimSuffix(filepath.Base(file), ".ndjson")
			s.events[eventType] = bytes.Split(bytes.TrimSpace(lines), []byte("\n"))
		}
		sets = append(sets, s)
	}
	return sets
}

// setsMesh writes a mesh of two environments for the sets, with overlays or without.
func setsMesh(t *testing.T, dir string, sets []eventSet, overlays bool) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("environments:\n")
	for _, environment := range []string{"production:\n    role: hub", "staging:\n    role: leaf\n    hub: production"} {
		leaf := ""
		if strings.HasPrefix(environment, "production") {
			leaf = fmt.Sprintf("leaf: %q, ", freeAddress(t))
		}
		fmt.Fprintf(&b, "  %s\n    listen: {%snats: \"127.0.0.1:0\", registry: \"127.0.0.1:0\", http: \"127.0.0.1:0\"}\n    store: {limit: 1GiB}\n", environment, leaf)
	}
	b.WriteString("domains:\n")
	var names []string
	for _, s := range sets {
		names = append(names, s.name)
		fmt.Fprintf(&b, "  %s:\n    owner: somebody\n    origins: [production]\n", s.name)
		if overlays {
			fmt.Fprintf(&b, "    overlay: %s.yaml\n", s.name)
		}
	}
	fmt.Fprintf(&b, "routes:\n  - {from: production, to: staging, domains: [%s], policy: testers}\n", strings.Join(names, ", "))
	b.WriteString("policies:\n  testers:\n    classes:\n      public: {technique: pass}\n      internal: {technique: pass}\n")
	for class := range strings.FieldsSeq("date amount id uuid ip url name login person-name location phone email address account") {
		fmt.Fprintf(&b, "      %s: {technique: token}\n", class)
	}
	for class := range strings.FieldsSeq("sensitive text secret") {
		fmt.Fprintf(&b, "      %s: {technique: redact}\n", class)
	}
	file := filepath.Join(dir, fmt.Sprintf("mesh-%v.yaml", overlays))
	write(t, file, b.String())
	return file
}

// Guards against the first hour of somebody who brings events of their own, classifies
// nothing, and takes what `mask suggest` proposes: nothing about a person may cross, no
// event may stay behind, and testers must still find valid events that join, and read what
// is about nobody.
func TestOtherPeoplesEvents(t *testing.T) {
	sets := readSets(t)
	dir := t.TempDir()
	bare, file := setsMesh(t, dir, sets, false), setsMesh(t, dir, sets, true)
	for _, s := range sets {
		_, err := run(t, "mask", "suggest", "--mesh", bare, "--domain", s.name, "--schemas", s.name+"="+filepath.Join(s.dir, "schemas"),
			"--events", filepath.Join(s.dir, "events"), "--out", filepath.Join(dir, s.name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
	}
	const free = "127.0.0.1:0"
	data := filepath.Join(dir, "data")
	p := launch(t, []string{"LOCKSTEP_WEBHOOK_SECRET="}, "dev", "-o", "json", "--mesh", file, "--data", data, "--nats", free, "--registry", free, "--http", free, "--webhooks", free)
	var d dev
	p.await(t, &d)
	production, staging := d.Environments["production"], d.Environments["staging"]
	js, err := jetstream.New(connect(t, production.NATS, production.Credentials))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets {
		if _, err := run(t, "schema", "push", "--mesh", file, "--data", data, "--domain", s.name, "--dir", filepath.Join(s.dir, "schemas")); err != nil {
			t.Fatal(err)
		}
		n := 0
		var raw [][]byte
		for _, eventType := range slices.Sorted(maps.Keys(s.events)) {
			for _, event := range s.events[eventType] {
				if _, err := js.Publish(t.Context(), eventType, event); err != nil {
					t.Fatalf("%s: %v\n%s", eventType, err, event)
				}
				raw = append(raw, event)
				n++
			}
		}
		masked := read(t, connect(t, staging.NATS, staging.Credentials), strings.ToUpper(s.name), n)
		s.check(t, raw, masked)
	}
	// What staging stores and answers.
	var values []string
	for _, s := range sets {
		for _, value := range slices.Concat(s.personal.Joined, s.personal.Others) {
			if len(value) >= leak.MinLength {
				values = append(values, value)
			}
		}
	}
	searcher, err := leak.Compile(values)
	if err != nil {
		t.Fatal(err)
	}
	var report leak.Report
	if err := searcher.Tree(t.Context(), filepath.Join(data, "staging"), "staging", &report); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/status", "/metrics"} {
		searcher.Bytes(fetch(t, staging.HTTP+path), path, &report)
	}
	searcher.Bytes(fetch(t, staging.Registry+"/subjects"), "/subjects", &report)
	if report.Found() > 0 {
		t.Errorf("%d of %d personal values are in staging: %v", report.Found(), len(values), report.Examples())
	}
	if report.Bytes() < 100_000 {
		t.Errorf("only %d bytes were searched", report.Bytes())
	}
	if out, err := run(t, "status", "--mesh", file, "--data", data); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// check compares what staging has with what was published.
func (s eventSet) check(t *testing.T, raw [][]byte, masked []jetstream.Msg) {
	t.Helper()
	files, err := folder.Read(s.name, os.DirFS(filepath.Join(s.dir, "schemas")))
	if err != nil {
		t.Fatal(err)
	}
	contracts := map[string]*contract.Contract{}
	for _, f := range files {
		if contracts[f.Subject], err = contract.Compile(f.Bundle, contract.Options{Subject: f.Subject}); err != nil {
			t.Fatal(err)
		}
	}
	joined, tokens, from := map[string]bool{}, map[string]string{}, map[string]string{}
	for _, value := range s.personal.Joined {
		joined[value] = true
	}
	kept := 0
	seen := map[string]bool{}
	for i, m := range masked {
		subject := strings.Join(strings.Split(m.Subject(), ".")[2:5], ".")
		if err := contracts[subject].Validate(m.Data()); err != nil {
			t.Errorf("%s: a masked event is not valid: %v\n%s", subject, err, m.Data())
		}
		before, after := texts(t, raw[i]), texts(t, m.Data())
		if len(before) != len(after) {
			t.Errorf("%s: %d values became %d", subject, len(before), len(after))
			continue
		}
		for _, place := range s.personal.Readable {
			eventType, pointer, _ := strings.Cut(place, " ")
			if eventType != subject {
				continue
			}
			was, is := at(t, raw[i], pointer), at(t, m.Data(), pointer)
			if !slices.Equal(was, is) {
				t.Errorf("%s: %v became %v", place, was, is)
			}
			seen[place] = seen[place] || len(was) > 0
		}
		all := strings.ToLower(strings.Join(after, "\n"))
		for _, value := range slices.Concat(s.personal.Joined, s.personal.Others) {
			if strings.Contains(all, strings.ToLower(value)) {
				t.Errorf("%s: %q crosses\n%s", subject, value, m.Data())
			}
		}
		for n, value := range before {
			if value == after[n] {
				kept++
			}
			// A value that is redacted somewhere is lost there, and no join goes wrong.
			if !joined[value] || strings.Contains(after[n], "redacted") {
				continue
			}
			if was, known := tokens[value]; known && was != after[n] {
				t.Errorf("%s: %q is %q and %q in staging", subject, value, was, after[n])
			}
			if was, known := from[after[n]]; known && was != value {
				t.Errorf("%s: %q and %q are both %q in staging", subject, was, value, after[n])
			}
			tokens[value], from[after[n]] = after[n], value
		}
	}
	for _, place := range s.personal.Readable {
		if !seen[place] {
			t.Errorf("%s: nothing stands there", place)
		}
	}
	if len(tokens)*2 < len(joined) {
		t.Errorf("%s: of %d values that should join %d have tokens", s.name, len(joined), len(tokens))
	}
	t.Logf("%s: %d events, %d values as they were, %d of %d join", s.name, len(masked), kept, len(tokens), len(joined))
}

// at are the values at a place of a document, where * stands for every item.
func at(t *testing.T, document []byte, pointer string) []string {
	t.Helper()
	var whole any
	if err := json.Unmarshal(document, &whole); err != nil {
		t.Fatal(err)
	}
	values := []any{whole}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		var inside []any
		for _, value := range values {
			switch value := value.(type) {
			case []any:
				inside = append(inside, value...)
			case map[string]any:
				if member, ok := value[token]; ok {
					inside = append(inside, member)
				}
			}
		}
		values = inside
	}
	var all []string
	for _, value := range values {
		all = append(all, fmt.Sprint(value))
	}
	return all
}

// texts are the values of a document in their order, those in strings that hold JSON
// or base64 of JSON among them.
func texts(t *testing.T, document []byte) []string {
	t.Helper()
	var all []string
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var nesting []byte // o: a name comes next, v: a value of an object does, a: an item
	for {
		token, err := d.Token()
		if err != nil {
			return all
		}
		last := len(nesting) - 1
		if last >= 0 && nesting[last] == 'o' && token != json.Delim('}') {
			nesting[last] = 'v'
			continue
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{':
				nesting = append(nesting, 'o')
				continue
			case '[':
				nesting = append(nesting, 'a')
				continue
			}
			nesting = nesting[:last]
			last--
		case string:
			held := []byte(token)
			if decoded, err := base64.StdEncoding.DecodeString(token); err == nil {
				held = decoded
			}
			if held = bytes.TrimSpace(held); len(held) > 0 && (held[0] == '{' || held[0] == '[') && json.Valid(held) {
				all = append(all, texts(t, held)...)
			} else {
				all = append(all, token)
			}
		default:
			all = append(all, fmt.Sprint(token))
		}
		if last >= 0 && nesting[last] == 'v' {
			nesting[last] = 'o'
		}
	}
}
