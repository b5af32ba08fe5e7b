package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/services/internal/measure"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
)

const sampleEvery = 50 * time.Millisecond // of a process's memory

// process is an environment in a process of its own: this program, as
// `lockstep serve`.
type process struct {
	command *exec.Cmd
	stderr  *tail
	ended   sync.Once
	failure error

	// What it says of itself.
	Environment     string            `json:"environment"`
	NATS            string            `json:"nats"`
	Credentials     string            `json:"credentials"`
	Leaf            string            `json:"leaf"`
	LeafCredentials map[string]string `json:"leaf_credentials"`
}

// launch starts an environment; args are further ones of `lockstep serve`.
func launch(ctx context.Context, environment, mesh, data string, args ...string) (_ *process, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	args = append([]string{"serve", "--env", environment, "--mesh", mesh, "--data", data, "-o", "json", "--log-level", "error"}, args...)
	p := &process{command: exec.CommandContext(ctx, program, args...), stderr: &tail{}}
	// The user's settings are for the user's environments.
	p.command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LOCKSTEP_") })
	p.command.Cancel = func() error { return p.command.Process.Signal(syscall.SIGTERM) }
	p.command.WaitDelay = lifecycle.Grace + 5*time.Second // then it is killed
	p.command.Stderr = p.stderr
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, p)
	}
	if err != nil {
		return nil, fmt.Errorf("environment %s did not start: %w", environment, errors.Join(err, p.stop()))
	}
	return p, nil
}

// stop ends the process and waits for it. It may be called more than once.
func (p *process) stop() error {
	p.ended.Do(func() {
		// One that has ended already is only waited for.
		if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			p.failure = err
		}
		timer := time.AfterFunc(p.command.WaitDelay, func() { _ = p.command.Process.Kill() })
		defer timer.Stop()
		if err := p.command.Wait(); err != nil {
			p.failure = fmt.Errorf("environment %s: %w: %s", p.Environment, err, p.stderr)
		}
	})
	return p.failure
}

// login is how applications connect.
func (p *process) login() []nats.Option { return []nats.Option{nats.UserCredentials(p.Credentials)} }

// memory is how much of the process is in memory now, in MB.
func (p *process) memory() (float64, error) {
	bytes, err := measure.ResidentMemory(p.command.Process.Pid)
	return float64(bytes) / 1e6, err
}

// watchMemory takes the process's memory every now and then while do runs, and
// gives the most that it was, in MB.
func (p *process) watchMemory(do func() error) (most float64, err error) {
	stop := make(chan struct{})
	var watching sync.WaitGroup
	var failed error
	watching.Go(func() {
		ticker := time.NewTicker(sampleEvery)
		defer ticker.Stop()
		for {
			now, err := p.memory()
			if err != nil {
				failed = err
				return
			}
			most = max(most, now)
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
		}
	})
	err = do()
	close(stop)
	watching.Wait()
	return most, errors.Join(err, failed)
}

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
