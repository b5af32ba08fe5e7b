package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// command is an operator's command on an environment.
func (m *canaryMesh) command(name string, args ...string) []string {
	return slices.Concat(args, []string{"--data", m.data, "--mesh", m.file, "--env", name, "--server", m.ready[name].NATS, "--by", "ann", "-o", "json"})
}

// operate runs an operator's command on an environment, and gives its exit code.
func (m *canaryMesh) operate(t *testing.T, name string, args ...string) (exit int, err error) {
	t.Helper()
	_, err = run(t, m.command(name, args...)...)
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), err
	}
	return 0, err
}

// expect is operate for a command that must end with the exit code.
func (m *canaryMesh) expect(t *testing.T, want int, name string, args ...string) {
	t.Helper()
	if got, err := m.operate(t, name, args...); got != want || want == 0 && err != nil {
		t.Fatalf("exit code %d, want %d: %v\n%s", got, want, err, tail(m.processes[name].log()))
	}
}

// domainsOfStaging are those that are carried there.
var domainsOfStaging = []string{"customers", "github", "orders", "payments"}

// domainRenewed is the one whose history comes again. What staging holds of the others
// stays, so that it can be searched.
const domainRenewed = "customers"

// repaired has events lost and altered in staging, what was withheld and released
// among them, and repairs it, while production and staging are killed; it undoes a
// repair, repairs again, and has a domain masked anew. It gives the words that it put
// into what it altered, which staging has taken out.
func (m *canaryMesh) repaired(t *testing.T, a *aviary, types []type_) (taken []string) {
	t.Helper()
	m.released(t, a, types)
	spoil := func() {
		for _, domain := range domainsOfStaging {
			taken = append(taken, m.spoil(t, a, domain)...)
		}
		m.expect(t, 10, "staging", "ledger", "audit")
		m.expect(t, 3, "staging", "ledger", "repair", "--dry-run")
	}
	for _, victim := range []string{"production", "staging"} {
		spoil()
		m.cut(t, victim)
		m.whole(t)
		m.compare(t)
	}
	spoil()
	m.whole(t)
	ids, ended := begun(t, inside(t, m.data, "staging", m.ready["staging"].NATS))
	t.Logf("%d repairs were begun, and %d ended", len(ids), ended)
	m.expect(t, 0, "staging", "ledger", "undo", strconv.FormatUint(ids[len(ids)-1], 10))
	m.expect(t, 10, "staging", "ledger", "audit")
	m.whole(t)
	m.compare(t)
	m.renewed(t)
	for _, name := range leaves {
		m.expect(t, 0, name, "ledger", "audit")
	}
	return taken
}

// renewed has a domain come to staging again under another key.
func (m *canaryMesh) renewed(t *testing.T) {
	t.Helper()
	m.expect(t, 0, "production", "key", "rotate", "--yes")
	m.expect(t, 0, "production", "mask", "renew", "--to", "staging", "--domain", domainRenewed, "--yes")
	m.again(t, "production")
	m.settled(t)
	m.compare(t)
}

// released has events withheld from staging for want of a rule, and releases them.
func (m *canaryMesh) released(t *testing.T, a *aviary, types []type_) {
	t.Helper()
	text, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	publish := func() {
		js := m.jetStream(t)
		for _, kind := range types {
			if !strings.HasPrefix(kind.subject, "github.") {
				a.publish(t, js, kind, false)
			}
		}
	}
	const rule = "      text: {technique: redact}\n"
	before, policy, ok := cutPolicy(string(text), "testers")
	if !ok || !strings.Contains(policy, rule) {
		t.Fatal("policy testers has no rule for texts")
	}
	write(t, m.file, before+strings.Replace(policy, rule, "", 1))
	m.expect(t, 0, "production", "key", "reload")
	publish()
	m.settled(t)
	write(t, m.file, string(text))
	m.expect(t, 0, "production", "key", "reload")
	m.expect(t, 0, "production", "quarantine", "release", "--to", "staging")
	m.settled(t)
}

// spoil has about half of the events that staging holds of a domain lost or altered,
// and all that were released. The words that it puts into them it gives back.
func (m *canaryMesh) spoil(t *testing.T, a *aviary, domain string) (words []string) {
	t.Helper()
	js := inside(t, m.data, "staging", m.ready["staging"].NATS)
	stream, err := js.Stream(t.Context(), wire.DomainStream(domain))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range stored(t, js, wire.DomainStream(domain), wire.EventRoot+".") {
		word, header := a.planter.Word(), own(e)
		way := i % 8
		if e.Headers().Get(wire.HeaderReleased) != "" {
			way = i % 4 / 2 * 5 // lost, or altered and put back
		}
		switch way {
		case 0:
			lose(t, stream, e)
			continue
		case 1: // as if it came again
		case 3: // it names no event
			header = nil
		case 5: // as if an undo had put it back
			header.Set(wire.HeaderRestored, "1.1")
		default:
			continue
		}
		alter(t, js, stream, e, header, spoilt(e.Data(), word))
		words = append(words, word)
	}
	return words
}

// cut has an environment killed while staging is repaired.
func (m *canaryMesh) cut(t *testing.T, victim string) {
	t.Helper()
	begun := begins(t, inside(t, m.data, "staging", m.ready["staging"].NATS))
	ended, repair := make(chan error, 1), m.command("staging", "ledger", "repair")
	go func() {
		_, err := run(t, repair...)
		ended <- err
	}()
	begun()
	m.again(t, victim)
	if err := <-ended; err == nil {
		t.Logf("the repair came to its end before %s was killed", victim)
	}
}

// whole has staging repaired until an audit finds nothing.
func (m *canaryMesh) whole(t *testing.T) {
	t.Helper()
	var exit int
	var err error
	for range 10 {
		if exit, err = m.operate(t, "staging", "ledger", "repair"); err != nil {
			continue
		}
		if exit, err = m.operate(t, "staging", "ledger", "audit"); err == nil {
			m.settled(t)
			return
		}
	}
	t.Fatalf("staging is not repaired, exit code %d: %v\n%s", exit, err, tail(m.processes["staging"].log()))
}

// compare checks that staging has exactly what was sent.
func (m *canaryMesh) compare(t *testing.T) {
	t.Helper()
	production := inside(t, m.data, "production", m.ready["production"].NATS)
	staging := inside(t, m.data, "staging", m.ready["staging"].NATS)
	for _, domain := range domainsOfStaging {
		identical(t, production, staging, domain, nil)
	}
}

// searchable checks that what is searched holds what was sent, and of staging all
// that a repair is made of: a search that doesn't see it would prove nothing.
func (m *canaryMesh) searchable(t *testing.T, name string, line [][]byte, taken []string) {
	t.Helper()
	holds := func(texts [][]byte, word string) bool {
		return slices.ContainsFunc(texts, func(text []byte) bool { return bytes.Contains(text, []byte(word)) })
	}
	words := []string{"evt.production.orders.order.created"}
	if name == "staging" {
		words = append(
			words, wire.HeaderRepair, wire.HeaderReleased,
			wire.AskSubject("production", name, wire.VerbLeaves), wire.AskSubject("production", name, wire.VerbResend), wire.AnswerSubject("production", name, ""),
			wire.LedgerSubject("production", "orders", wire.KindLeaves), `"leaves":[{`,
			wire.LedgerSubject("production", domainRenewed, wire.KindRenewal), wire.HeaderGeneration+": 2",
		)
	}
	for _, word := range words {
		if !holds(line, word) {
			t.Errorf("what came over the line to %s has no %q: not all was searched, or nothing", name, word)
		}
	}
	if name != "staging" {
		return
	}
	files := map[string][][]byte{} // by stream
	err := filepath.WalkDir(filepath.Join(m.data, name), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, stream := range []string{wire.RemovedStream, wire.AuditStream} {
			if strings.Contains(path, string(filepath.Separator)+stream+string(filepath.Separator)) {
				files[stream] = append(files[stream], content)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !holds(files[wire.AuditStream], "audit.staging.ledger-undo") {
		t.Errorf("stream %s cannot be read: it was not searched", wire.AuditStream)
	}
	for _, word := range taken {
		if !holds(files[wire.RemovedStream], word) {
			t.Errorf("stream %s has no %q, which was taken out: not all was searched", wire.RemovedStream, word)
		}
	}
}
