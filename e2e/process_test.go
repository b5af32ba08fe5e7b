package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/registry/natstest"
)

// binary is the lockstep command, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lockstep-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "lockstep")
	build := exec.Command("go", "build", "-o", binary, "../services/lockstep")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the command: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(natstest.Leftovers()...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// process is a running lockstep command that prints one line of JSON when it
// is ready.
type process struct {
	cmd    *exec.Cmd
	ready  chan []byte
	done   chan struct{}
	mu     sync.Mutex
	stderr bytes.Buffer
	err    error
}

// launch starts the command. The test ends it if nothing else has.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return launchOther(t, binary, env, args...)
}

// launchOther is launch for another build of the command.
func launchOther(t *testing.T, command string, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(command, args...), ready: make(chan []byte, 1), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.stderr.Write(b)
	})
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			select {
			case p.ready <- bytes.Clone(lines.Bytes()):
			default: // the rest of an error
				p.mu.Lock()
				fmt.Fprintf(&p.stderr, "%s\n", lines.Bytes())
				p.mu.Unlock()
			}
		}
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() { p.stop(t) })
	return p
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// await reads the line that says that the process is ready.
func (p *process) await(t *testing.T, into any) {
	t.Helper()
	select {
	case line := <-p.ready:
		if err := json.Unmarshal(line, into); err != nil {
			select {
			case <-p.done:
			case <-time.After(10 * time.Second):
			}
			t.Fatalf("the process printed %q: %v\n%s", line, err, p.log())
		}
	case <-p.done:
		t.Fatalf("the process ended before it was ready: %v\n%s", p.err, p.log())
	case <-time.After(60 * time.Second):
		t.Fatalf("the process was not ready after a minute\n%s", p.log())
	}
}

// kill ends the process at once, as a crash would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	<-p.done
}

// stop ends the process as an operator would.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		t.Errorf("the process did not end when asked\n%s", p.log())
	}
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// served is what `lockstep serve -o json` prints when it is ready.
type served struct {
	NATS        string `json:"nats"`
	Credentials string `json:"credentials"`
	Registry    string `json:"registry"`
	HTTP        string `json:"http"`
}

// serve starts one environment as a process of its own.
func serve(t *testing.T, environment, file, data string) (*process, served) {
	t.Helper()
	p := launch(t, nil, "serve", "--env", environment, "--mesh", file, "--data", data, "-o", "json")
	var s served
	p.await(t, &s)
	return p, s
}

// run executes the command to its end.
func run(t *testing.T, args ...string) (stdout []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stderr = &stderr
	stdout, err = cmd.Output()
	if err != nil {
		err = fmt.Errorf("lockstep %v: %w\n%s%s", args, err, stdout, stderr.Bytes())
	}
	return stdout, err
}

// freeAddress is an address for servers that must come back under the same one.
func freeAddress(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(natstest.Port(t)))
}

// corpusRoot is where the shared corpus is, if it is here.
func corpusRoot() string {
	if root := os.Getenv("LOCKSTEP_CORPUS"); root != "" {
		return root
	}
	return filepath.Join("..", "..", "shared", "corpus")
}

// corpus is a folder of the shared corpus; the test is skipped without it.
func corpus(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(corpusRoot(), folder)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the corpus is not here: %v", err)
	}
	return path
}

// dev is what `lockstep dev -o json` prints when it is ready.
type dev struct {
	Environments map[string]struct {
		NATS        string `json:"nats"`
		Credentials string `json:"credentials"`
		Registry    string `json:"registry"`
		HTTP        string `json:"http"`
	} `json:"environments"`
	Registry string `json:"registry"`
	Console  string `json:"console"`
	Webhooks string `json:"webhooks"`
}

// startDev brings the sample mesh up on free ports.
func startDev(t *testing.T, data string) (dev, *process) {
	t.Helper()
	const free = "127.0.0.1:0"
	p := launch(t, []string{"LOCKSTEP_WEBHOOK_SECRET="}, "dev", "-o", "json", "--data", data, "--nats", free, "--registry", free, "--http", free, "--webhooks", free)
	var d dev
	p.await(t, &d)
	return d, p
}
