package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/e2e/internal/canary"
	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/registry/sample"
	"github.com/lockstep-mesh/lockstep/services/lockstep/leak"
)

var updateFlag = flag.Bool("update", false, "write the golden files anew")

// canaryMesh is the sample mesh as processes of their own, with a tap on the line
// of each leaf.
type canaryMesh struct {
	dir, file, data string
	processes       map[string]*process
	logs            map[string][]string // of processes that were ended
	ready           map[string]served
	taps            map[string]*canary.Tap
}

var leaves = []string{"staging", "testing", "edge-berlin"}

// startCanaryMesh starts all of the sample mesh; change may edit mesh.yaml.
func startCanaryMesh(t *testing.T, change func(string) string) *canaryMesh {
	t.Helper()
	m := &canaryMesh{
		dir: t.TempDir(), processes: map[string]*process{}, logs: map[string][]string{},
		ready: map[string]served{}, taps: map[string]*canary.Tap{},
	}
	m.file, m.data = filepath.Join(m.dir, "mesh.yaml"), filepath.Join(m.dir, "data")
	if err := os.CopyFS(m.dir, os.DirFS(filepath.Join("..", "schemas"))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	imported, err := os.ReadFile(filepath.Join("testdata", "canary", "imported.schema.json")) // with values inside strings
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(m.dir, "orders", "order", "imported.schema.json"), string(imported))
	leaf := freeAddress(t)
	for _, name := range leaves {
		tap, err := canary.NewTap(t.Context(), leaf)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(tap.Close)
		m.taps[name] = tap
	}
	edited := strings.Replace(string(text), "127.0.0.1:7422", leaf, 1)
	edited = strings.Replace(edited, "127.0.0.1:4222", freeAddress(t), 1)
	edited = regexp.MustCompile(`127\.0\.0\.1:(4\d22|8\d8[01])\b`).ReplaceAllString(edited, "127.0.0.1:0")
	for _, name := range leaves {
		edited = strings.Replace(edited, "  "+name+":\n    role: leaf\n", "  "+name+":\n    role: leaf\n    dial: nats://"+m.taps[name].Address()+"\n", 1)
	}
	if change != nil {
		edited = change(edited)
	}
	write(t, m.file, edited)
	m.start(t, "production")
	for _, name := range leaves {
		m.start(t, name)
	}
	return m
}

func (m *canaryMesh) start(t *testing.T, name string) {
	t.Helper()
	m.processes[name], m.ready[name] = serve(t, name, m.file, m.data)
}

// again kills an environment and brings it back.
func (m *canaryMesh) again(t *testing.T, name string) {
	t.Helper()
	p := m.processes[name]
	p.kill(t)
	m.logs[name] = append(m.logs[name], p.log())
	m.start(t, name)
}

// type_ is one type of event with what is needed to make events of it.
type type_ struct {
	subject  string
	contract *contract.Contract
	bed      *canary.Bed
}

// types are all that are registered.
func (m *canaryMesh) types(t *testing.T) []type_ {
	t.Helper()
	c, err := client.New(m.ready["production"].Registry)
	if err != nil {
		t.Fatal(err)
	}
	subjects, err := c.Subjects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]*jsonschema.Bundle{}
	var all []type_
	for _, subject := range subjects {
		if strings.Contains(subject, ".common.") {
			continue // definitions, and no events
		}
		b := bundleFrom(t, c, known, subject, "latest")
		linked, err := b.Link()
		if err != nil {
			t.Fatal(err)
		}
		document, err := sample.Of(b)
		if err != nil {
			t.Logf("%s: no sample: %v", subject, err) // one of GitHub's schemas admits nothing
			continue
		}
		c, err := contract.Compile(b, contract.Options{Subject: subject})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, type_{subject, c, canary.NewBed(document, program.Compile(linked, program.Options{}).Valid)})
	}
	return all
}

// planted is a value with the place that it was planted at.
type planted struct {
	domain, place string
	text          string
}

// aviary is what was let out.
type aviary struct {
	planter canary.Planter
	values  map[string]planted // by core
	events  map[string]int     // accepted, by domain
	refused int
}

// publish makes an event of the type in which everything is a canary, and
// publishes it with more of them in its subject and headers.
func (a *aviary) publish(t *testing.T, js jetstream.JetStream, kind type_, spoil bool) {
	t.Helper()
	data, values, _, err := a.planter.Plant(kind.bed)
	if err != nil {
		t.Fatalf("%s: %v", kind.subject, err)
	}
	domain, _, _ := strings.Cut(kind.subject, ".")
	add := func(place string, v canary.Value) {
		a.values[v.Core] = planted{domain: domain, place: place, text: v.Text}
	}
	for _, v := range values {
		add(place(v.Pointer), v)
	}
	word := func(place string) string {
		w := a.planter.Word()
		add(place, canary.Value{Core: w, Text: w})
		return w
	}
	subject := kind.subject
	keys, err := kind.contract.KeyTokens(data)
	if err != nil {
		t.Fatalf("%s: %v", kind.subject, err)
	}
	switch {
	case strings.Count(subject, ".") == 1 && domain != "github":
		subject += "." + word("(action)")
	case len(keys) > 0:
		subject += "." + strings.Join(keys, ".")
	case strings.Count(subject, ".") == 2:
		subject += "." + word("(key)")
	}
	m := nats.NewMsg(subject)
	m.Data = data
	m.Header.Set(jetstream.MsgIDHeader, word("(message id)"))
	m.Header.Set("ce-id", word("(ce-id)"))
	m.Header.Set("ce-subject", word("(ce-subject)"))
	m.Header.Set("ce-source", "/"+word("(ce-source)"))
	m.Header.Set("ce-partitionkey", word("(ce-partitionkey)"))
	hash := sha256.Sum256([]byte(subject + a.planter.Word()))
	trace, span := hex.EncodeToString(hash[:16]), hex.EncodeToString(hash[16:24])
	add("(trace)", canary.Value{Core: trace, Text: trace})
	add("(trace)", canary.Value{Core: span, Text: span})
	m.Header.Set("traceparent", "00-"+trace+"-"+span+"-01")
	m.Header.Set("X-Customer", word("(header)"))
	m.Header.Set("tracestate", "vendor="+word("(tracestate)"))
	m.Header.Set("baggage", "user="+word("(baggage)"))
	if spoil {
		m.Data = bytes.Replace(data, []byte("{"), []byte(`{"`+word("(undeclared)")+`":"`+word("(undeclared)")+`",`), 1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var last error
	for {
		_, err = js.PublishMsg(ctx, m)
		var api *jetstream.APIError
		switch {
		case err == nil && spoil:
			t.Fatalf("%s: an event with an undeclared property was accepted", subject)
		case err == nil:
			a.events[domain]++
			return
		case errors.As(err, &api) && spoil:
			a.refused++
			return
		case errors.As(err, &api) && api.ErrorCode < 50310:
			t.Fatalf("%s: %v\n%s", subject, err, m.Data)
		case ctx.Err() != nil:
			t.Fatalf("%s: %v, before that %v", subject, err, last)
		}
		last = err
		time.Sleep(20 * time.Millisecond) // the environment comes back
	}
}

// place is a pointer's last two names: short enough for a person to read through
// all of them.
func place(pointer string) string {
	tokens := slices.DeleteFunc(strings.Split(pointer, "/"), func(s string) bool { return s == "" })
	return strings.Join(tokens[max(0, len(tokens)-2):], "/")
}

// settled waits until every environment has verified all that its routes carry,
// and returns how many events were delivered, by environment and domain.
func (m *canaryMesh) settled(t *testing.T) map[string]int {
	t.Helper()
	type status struct {
		Environments []struct {
			Name   string `json:"name"`
			Status struct {
				Routes []struct {
					To, Domain, State, Problem string
					Checkpoint, Generation     uint64
				} `json:"routes"`
				Ledger []struct {
					Domain     string `json:"domain"`
					Generation uint64 `json:"generation"`
					VerifiedTo uint64 `json:"verified_to"`
					Delivered  int    `json:"delivered"`
				} `json:"ledger"`
			} `json:"status"`
		} `json:"environments"`
	}
	args := []string{"status", "-o", "json"}
	for _, name := range append([]string{"production"}, leaves...) {
		args = append(args, "--server", m.ready[name].HTTP)
	}
	js := m.jetStream(t)
	deadline := time.Now().Add(3 * time.Minute)
	for {
		out, _ := run(t, args...) // it fails while something is behind
		var s status
		if err := json.Unmarshal(out, &s); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		verified, delivered, waiting := map[string]uint64{}, map[string]int{}, []string{}
		generations := map[string]uint64{}
		for _, e := range s.Environments {
			for _, l := range e.Status.Ledger {
				verified[e.Name+" "+l.Domain] = l.VerifiedTo
				generations[e.Name+" "+l.Domain] = l.Generation
				delivered[e.Name+" "+l.Domain] = l.Delivered
			}
		}
		routes := 0
		for _, e := range s.Environments {
			for _, r := range e.Status.Routes {
				routes++
				stream, err := js.Stream(t.Context(), strings.ToUpper(r.Domain))
				if err != nil {
					t.Fatal(err)
				}
				last := stream.CachedInfo().State.LastSeq
				if to := r.To + " " + r.Domain; r.Checkpoint != last || verified[to] != last || generations[to] != r.Generation {
					waiting = append(waiting, fmt.Sprintf("%s to %s: %d of %d, verified %d (%s %s)", r.Domain, r.To, r.Checkpoint, last, verified[to], r.State, r.Problem))
				}
			}
		}
		if routes == 8 && len(waiting) == 0 {
			return delivered
		}
		if time.Now().After(deadline) {
			t.Fatalf("not settled, %d routes:\n%s", routes, strings.Join(waiting, "\n"))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (m *canaryMesh) jetStream(t *testing.T) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(connect(t, m.ready["production"].NATS, m.ready["production"].Credentials))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// exposed is what an environment answers over HTTP.
func (m *canaryMesh) exposed(t *testing.T, name string) []byte {
	t.Helper()
	var all bytes.Buffer
	get := func(url string) []byte {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %v\n%s\n", url, response.Header, body)
		return body
	}
	defer http.DefaultClient.CloseIdleConnections()
	for _, path := range []string{"/healthz", "/readyz", "/api/v1/status", "/metrics", "/", "/debug/vars", "/api/v1/environment"} {
		get(m.ready[name].HTTP + path)
	}
	var subjects []string
	if err := json.Unmarshal(get(m.ready[name].Registry+"/subjects"), &subjects); err != nil {
		t.Fatal(err)
	}
	for _, s := range subjects {
		get(m.ready[name].Registry + "/subjects/" + s + "/versions/latest")
	}
	return all.Bytes()
}

// found are the values that an environment has in any form, each with where.
func (m *canaryMesh) found(t *testing.T, s *leak.Searcher, name string, texts map[string][]byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	look := func(where string, text []byte) {
		s.Find(text, func(match leak.Match) {
			if _, ok := all[match.Value]; !ok {
				all[match.Value] = fmt.Sprintf("%s (%s)", where, match.Form)
			}
		})
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(m.data, name), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files++
		look(path, append([]byte(path+"\n"), content...))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 5 {
		t.Errorf("%s: only %d files", name, files)
	}
	for where, text := range texts {
		look(where, text)
	}
	return all
}

// Guards against the whole point failing anywhere: values that occur nowhere else
// stand in every field of every schema, in names, subjects and headers, and no
// byte of those that may not cross may be found in another environment, in
// whatever form, whatever failed on the way. What does cross is listed, for
// people to read, in testdata/canary/crosses.golden.
func TestCanary(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	m := startCanaryMesh(t, nil)
	corpusDir := filepath.Join(corpusRoot(), "github-webhooks", "schemas")
	if _, err := os.Stat(corpusDir); err == nil {
		if _, err := run(t, "schema", "push", "--domain", "github", "--dir", corpusDir, "--registry", m.ready["production"].Registry); err != nil {
			t.Fatal(err)
		}
	}
	types := m.types(t)
	a := &aviary{values: map[string]planted{}, events: map[string]int{}}
	js := m.jetStream(t)
	for i, kind := range types {
		for range 2 {
			a.publish(t, js, kind, false)
		}
		if i%5 == 0 {
			a.publish(t, js, kind, true)
		}
		// What fails does so between two events, spread over all types.
		switch i {
		case len(types) / 6:
			m.taps["staging"].Cut()
		case len(types) / 3:
			m.again(t, "staging")
		case len(types) / 2:
			m.again(t, "production")
			js = m.jetStream(t)
		case 2 * len(types) / 3:
			m.again(t, "edge-berlin")
			m.taps["testing"].Cut()
		}
	}
	m.settled(t)
	kept := m.repaired(t, a, types)
	delivered := m.settled(t)
	t.Logf("%d types, %v events, %d refused, %d values; delivered %v", len(types), a.events, a.refused, len(a.values), delivered)
	for domain, n := range a.events {
		// What is withheld is not searched for in vain, but proves nothing of masking.
		if delivered["staging "+domain] < n*9/10 {
			t.Errorf("staging has %d of %d events of %s", delivered["staging "+domain], n, domain)
		}
	}

	texts := map[string]map[string][]byte{}
	for _, name := range leaves {
		texts[name] = map[string][]byte{"HTTP": m.exposed(t, name)}
	}
	for _, name := range leaves {
		m.processes[name].stop(t)
		texts[name]["the log"] = []byte(strings.Join(append(m.logs[name], m.processes[name].log()), "\n"))
	}
	m.processes["production"].stop(t)
	texts["production"] = map[string][]byte{}
	for _, name := range leaves {
		m.taps[name].Close()
		recorded, err := m.taps[name].Recorded()
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range recorded {
			texts[name][fmt.Sprintf("the line, %d", i)] = text
		}
		m.searchable(t, name, recorded, kept)
	}
	searcher, err := leak.Compile(slices.Collect(maps.Keys(a.values)))
	if err != nil {
		t.Fatal(err)
	}
	// A search that finds nothing anywhere would prove nothing.
	if there := len(m.found(t, searcher, "production", nil)); there < len(a.values)*99/100 {
		t.Errorf("only %d of %d values are found in production", there, len(a.values))
	}
	// The log of the origin is read by more people than its streams.
	searcher.Find([]byte(strings.Join(append(m.logs["production"], m.processes["production"].log()), "\n")), func(match leak.Match) {
		t.Errorf("production's log holds %q of %s", match.Value, a.values[match.Value].place)
	})
	checkCrossed(t, m, a, searcher, texts)
}

// Guards against a search that would not see a leak: with techniques that let
// values through, as they are or written in another way, it has to find them.
func TestCanarySearchFindsLeaks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	m := startCanaryMesh(t, func(text string) string {
		before, staging, ok := cutPolicy(text, "testers")
		if !ok {
			t.Fatal("mesh.yaml has no policy testers")
		}
		for was, now := range map[string]string{
			"email: {technique: token}":       `email: {technique: pass}`,
			"text: {technique: redact}":       `text: {technique: cel, expression: "base64.encode(bytes('it says ' + value))"}`,
			"person-name: {technique: token}": `person-name: {technique: cel, expression: "value.upperAscii()"}`,
		} {
			if !strings.Contains(staging, was) {
				t.Fatalf("policy testers has no %q", was)
			}
			staging = strings.Replace(staging, was, now, 1)
		}
		return before + staging
	})
	a := &aviary{values: map[string]planted{}, events: map[string]int{}}
	js := m.jetStream(t)
	for _, kind := range m.types(t) {
		a.publish(t, js, kind, false)
	}
	m.settled(t)
	for _, name := range append([]string{"production"}, leaves...) {
		m.processes[name].stop(t)
	}
	searcher, err := leak.Compile(slices.Collect(maps.Keys(a.values)))
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]bool{}
	for core, where := range m.found(t, searcher, "staging", nil) {
		form := where[strings.LastIndexByte(where, '('):]
		if form != "(plain)" || strings.Contains(a.values[core].place, "email") {
			forms[form] = true
		}
	}
	if !forms["(plain)"] || !forms["(base64)"] || !forms["(case)"] {
		t.Errorf("values were let through plain, in base64 and in capitals; found are %v", forms)
	}
}

// cutPolicy cuts the text of mesh.yaml where a policy begins.
func cutPolicy(text, name string) (before, after string, ok bool) {
	i := strings.Index(text, "\n  "+name+":\n    classes:")
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i:], true
}

// checkCrossed compares the places whose values were found elsewhere with the
// list of those that may be.
func checkCrossed(t *testing.T, m *canaryMesh, a *aviary, s *leak.Searcher, texts map[string]map[string][]byte) {
	t.Helper()
	golden := filepath.Join("testdata", "canary", "crosses.golden")
	may := map[string]bool{}
	if text, err := os.ReadFile(golden); err == nil {
		for line := range strings.Lines(string(text)) {
			may[strings.TrimSpace(line)] = true
		}
	}
	crossed := map[string]bool{}
	for _, name := range leaves {
		for core, where := range m.found(t, s, name, texts[name]) {
			v := a.values[core]
			line := name + " " + v.domain + " " + v.place
			crossed[line] = true
			if !may[line] && !*updateFlag {
				t.Errorf("%s has %q of %s %s in %s", name, core, v.domain, v.place, where)
			}
		}
	}
	if *updateFlag {
		write(t, golden, strings.Join(slices.Sorted(maps.Keys(crossed)), "\n")+"\n")
	}
	for line := range crossed {
		if personal.MatchString(line) {
			t.Errorf("%s: this names people, whatever the list says", line)
		}
	}
}

// personal are names of fields that nobody may let pass.
var personal = regexp.MustCompile(`(?i)email|login|phone|person|first_name|last_name|birth|iban|street|ip_address|password|token|[/ ](card|secret|body|message)$|\((key|action|message id|ce-id|ce-subject|ce-source|ce-partitionkey|trace|header|tracestate|baggage|undeclared)\)`)
