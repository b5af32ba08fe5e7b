package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
)

// alarmed waits until `lockstep status` says that production withholds so many events
// from staging for a reason, and nothing else; and checks that it calls for somebody,
// if there are any that no policy decided on.
func (m *twoOf) alarmed(t *testing.T, want ...environment.Waiting) {
	t.Helper()
	exit := 0
	for i := range want {
		want[i].To, want[i].Domain = "staging", "orders"
		if want[i].Fault {
			exit = 10
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		stdout, err := run(t, "status", "--data", m.data, "--mesh", m.file, "-o", "json")
		var said struct {
			Environments []struct {
				Name   string
				Status *environment.Status
			}
		}
		if err := json.Unmarshal(stdout, &said); err != nil {
			t.Fatalf("%v\n%s", err, stdout)
		}
		code, failed := 0, (*exec.ExitError)(nil)
		if errors.As(err, &failed) {
			code = failed.ExitCode()
		}
		if len(said.Environments) == 2 && said.Environments[0].Status != nil && slices.Equal(said.Environments[0].Status.Waiting, want) && code == exit {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("lockstep status ends with %d, want %d, and %+v\n%s", code, exit, want, stdout)
		}
	}
}

// defective builds the command with a defect: in the file of the source, the text old
// is another.
func defective(t *testing.T, file, old, defect string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(source), old) != 1 {
		t.Fatalf("%s doesn't hold %q once", file, old)
	}
	dir := t.TempDir()
	changed, replaced, command := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "lockstep")
	write(t, changed, strings.Replace(string(source), old, defect, 1))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, replaced, string(overlay))
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", replaced, "-o", command, "../services/lockstep").CombinedOutput(); err != nil {
		t.Fatalf("build the command with a defect: %v\n%s", err, out)
	}
	return command
}

// Guards against a defect in a technique letting an event through, ending the route,
// showing the value that it met, or going unnoticed. The command is built with one: it
// panics over certain values. Their events are withheld, on record and in the status;
// with the command that has no defect they are released, in order and exactly once.
func TestPanicInATechnique(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command once more")
	}
	const entry = "func makeEncrypted(f *Field, s *Scratch, dst, text []byte, _ *Event) ([]byte, error) {\n"
	command := defective(t, "../mesh/mask/cipher.go", entry, entry+"\tif strings.HasSuffix(string(text), \"-7\") {\n\t\tpanic(\"a defect met \" + string(text))\n\t}\n")
	m := startTwo(t, ruleOfNotes)
	m.processes["production"].stop(t)
	m.processes["production"] = launchOther(t, command, nil, "serve", "--env", "production", "--mesh", m.file, "--data", m.data, "-o", "json")
	m.processes["production"].await(t, new(served))
	m.publish(t, 0, 40, "private")
	m.verified(t, 40, 4)
	if s := m.status(t, "production"); !s.Ready || len(s.Routes) != 1 || s.Routes[0].Sent != 36 {
		t.Errorf("production says %+v", s)
	}
	fault := environment.Waiting{Code: "fault", Events: 4, Fault: true}
	m.alarmed(t, fault)
	var q quarantined
	m.run(t, 0, &q, "quarantine", "list", "--kind", "withheld")
	if q.Withheld.Total != 4 || q.Withheld.Events[0].Code != "fault" || q.Withheld.Events[0].Pointer != "/account" || !strings.Contains(q.Withheld.Events[0].Why, "encrypt") || q.Withheld.Events[0].Cure == "" {
		t.Errorf("quarantine list says %+v", q)
	}
	m.run(t, 3, &q, "quarantine", "release", "--all") // the defect is still there
	m.alarmed(t, fault)
	said, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	m.processes["production"].stop(t)
	for where, text := range map[string]string{"production's log": m.processes["production"].log(), "staging's log": m.processes["staging"].log(), "quarantine list": string(said)} {
		if strings.Contains(text, "DE-7") {
			t.Errorf("%s shows the value that the defect met:\n%s", where, text)
		}
	}
	if log := m.processes["production"].log(); !strings.Contains(log, "an event is withheld code=fault") {
		t.Errorf("production's log doesn't tell:\n%s", tail(log))
	}

	m.start(t, "production")
	m.alarmed(t, fault) // it is remembered
	m.publish(t, 40, 10, "private")
	m.verified(t, 50, 4)
	q = quarantined{}
	m.run(t, 0, &q, "quarantine", "release", "--all")
	if q.Released != 4 || q.Still != 0 {
		t.Errorf("released: %+v", q)
	}
	m.verified(t, 50, 0)
	m.exactlyOnce(t, 50)
	m.alarmed(t)
}

// Guards against a class that nobody knows, as of a schema that was written for a later
// version or with a slip of the pen, letting values through or losing their events:
// they wait until a version of the schema, or an overlay, says what is meant.
func TestUnknownClassInASchema(t *testing.T) {
	m := startTwo(t, ruleOfNotes)
	m.processes["production"].stop(t)
	schema := filepath.Join(filepath.Dir(m.file), "orders", "order", "placed.schema.json")
	write(t, schema, strings.Replace(releaseSchema, `"x-lockstep-class": "text"`, `"x-lockstep-class": "txet"`, 1))
	m.start(t, "production")
	m.publish(t, 0, 20, "private")
	m.publish(t, 20, 10, "") // without the field
	m.verified(t, 30, 20)
	m.alarmed(t, environment.Waiting{Code: "unknown_class", Events: 20, Fault: true})
	var q quarantined
	m.run(t, 0, &q, "quarantine", "list", "--kind", "withheld")
	if q.Withheld.Total != 20 || q.Withheld.Events[0].Pointer != "/note" || q.Withheld.Events[0].Class != "txet" {
		t.Errorf("quarantine list says %+v", q)
	}
	m.run(t, 3, nil, "quarantine", "release", "--all")

	m.processes["production"].stop(t)
	write(t, filepath.Join(filepath.Dir(m.file), "orders.yaml"), "properties: {note: text}\nsubjects: {orders.order.placed: {/note: text}}\n")
	m.text = strings.Replace(m.text, "    schemas: orders\n", "    schemas: orders\n    overlay: orders.yaml\n", 1)
	write(t, m.file, m.text+ruleOfNotes)
	m.start(t, "production")
	m.run(t, 0, &q, "quarantine", "release", "--all")
	if q.Released != 20 || q.Still != 0 {
		t.Errorf("released: %+v", q)
	}
	m.verified(t, 30, 0)
	m.exactlyOnce(t, 30)
	m.alarmed(t)
}

// Guards against a crash that leaves keys and events on disk: of a process that is
// told to dump all that it has when it crashes, nothing is left but addresses.
func TestCrashLeavesNoMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what is left is looked up as Linux has it")
	}
	m := startTwo(t, ruleOfNotes)
	m.processes["production"].stop(t)
	p := launchOther(t, binary, []string{"GOTRACEBACK=crash"}, "serve", "--env", "production", "--mesh", m.file, "--data", m.data, "-o", "json")
	p.await(t, new(served))
	m.publish(t, 0, 20, "private")
	m.verified(t, 20, 0)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("a core file may be written:\n%s", limits)
	}
	if err := p.cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if log := p.log(); !strings.Contains(log, "SIGABRT") || strings.Contains(log, "corp.test") || strings.Contains(log, "private") || strings.Contains(log, "DE-7") {
		t.Errorf("what the crash left:\n%s", tail(log))
	}
}
