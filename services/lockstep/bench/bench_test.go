package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/serve"
)

// TestMain is also the program that measurements of memory start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		app := cli.New()
		os.Exit(app.Main(cli.Group(&cobra.Command{Use: "lockstep"}, serve.Command(app)), os.Args[1:]))
	}
	goleak.VerifyTestMain(m, natstest.Leftovers()...) // the command is interrupted, and ends then
}

// lockstep runs the command as a user would, and gives its answer.
func lockstep(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, talk bytes.Buffer
	app := &cli.App{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Getenv: func(string) string { return "" }}
	code = app.Main(cli.Group(&cobra.Command{Use: "lockstep"}, Command(app)), append([]string{"bench"}, args...))
	return out.String(), talk.String(), code
}

// measured runs the command for the report.
func measured(t *testing.T, args ...string) Report {
	t.Helper()
	stdout, stderr, code := lockstep(t, append(args, "-o", "json")...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	var r Report
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	return r
}

// checkResult checks what every result must have.
func checkResult(t *testing.T, r Result) {
	t.Helper()
	if r.Skipped != "" {
		t.Logf("%s: %s", r.Name, r.Skipped)
		return
	}
	switch {
	case r.Failed != "":
		t.Errorf("%s failed: %s", r.Name, r.Failed)
	case r.Governed == nil || *r.Governed <= 0 || r.Unit == "" || r.Better != higher && r.Better != lower || r.Runs < 1 || r.What == "":
		t.Errorf("%s is not complete: %+v", r.Name, r)
	case r.Versus != "" && (r.Against == nil || *r.Against <= 0 || r.Ratio == nil || *r.Ratio <= 0 || len(r.Samples.Against) != r.Runs):
		t.Errorf("%s compares with nothing: %+v", r.Name, r)
	case r.Versus == "" && (r.Against != nil || r.Ratio != nil):
		t.Errorf("%s compares, and does not say with what: %+v", r.Name, r)
	case len(r.Samples.Governed) != r.Runs:
		t.Errorf("%s has %d samples of %d runs", r.Name, len(r.Samples.Governed), r.Runs)
	}
}

// The command would not give programs what it promises them, or leave its
// stores behind.
func TestReportForPrograms(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	r := measured(t, "--quick", "--for", "30ms", "--runs", "2", "--only", "publish,latency/interval,engine/validate-order,engine/mask-order")
	var names []string
	for _, result := range r.Results {
		names = append(names, result.Name)
		checkResult(t, result)
	}
	if got := strings.Join(names, " "); got != "publish latency/interval engine/validate-order engine/mask-order" {
		t.Fatalf("measured %s", got)
	}
	publish, latency, validate := r.Results[0], r.Results[1], r.Results[2]
	if publish.Runs != 2 || publish.Unit != perSecond || publish.Better != higher || publish.CPU == nil {
		t.Errorf("%+v", publish)
	}
	if latency.P50 == nil || latency.P99 == nil || latency.Difference == nil || latency.P50.Difference == nil || latency.Better != lower {
		t.Errorf("%+v", latency)
	}
	if validate.Allocs == nil || *validate.Ratio < 2 {
		t.Errorf("%+v", validate)
	}
	if r.Machine.NATS == "" || r.Machine.Cores == 0 || r.Settings.Runs != 2 || r.Settings.Seconds != 0.03 {
		t.Errorf("%+v %+v", r.Machine, r.Settings)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// A measurement would work only in the hands of those who wrote it.
func TestEveryMeasurement(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a lot of servers")
	}
	groups := map[string]bool{}
	for _, m := range all() {
		groups[m.group()] = true
	}
	for group := range groups {
		t.Run(group, func(t *testing.T) {
			t.Parallel() // nobody looks at the numbers
			for _, result := range measured(t, "--quick", "--for", "20ms", "--events", "200", "--only", group).Results {
				checkResult(t, result)
			}
		})
	}
}

// Names that mean nothing would measure nothing, and say so to nobody.
func TestChoose(t *testing.T) {
	for _, c := range []struct{ names, want string }{
		{"publish", "publish"},
		{"publish-durable", "publish-durable/async publish-durable/512 publish-durable/64 publish-durable/1"},
		{"publish-durable/64", "publish-durable/64"},
		{"latency/interval, publish", "publish latency/interval"},
		{"engine/validate", "engine/validate-order engine/validate-4k engine/validate-github"},
		{"deliver/latency-1000", "deliver/latency-1000 deliver/latency-1000-always"},
		{"pub", ""},
		{"engine/val", ""},
		{"publish,", ""},
		{"publish,nothing", ""},
	} {
		chosen, err := choose(c.names)
		var names []string
		for _, m := range chosen {
			names = append(names, m.name)
		}
		if got := strings.Join(names, " "); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %s, want %s (%v)", c.names, got, c.want, err)
		}
	}
	for args, says := range map[string]string{
		"--only nothing":        "publish-durable/async",
		"--runs 0":              "--runs 0",
		"--for 1ns":             "--for 1ns",
		"--events 1":            "--events 1",
		"--runs 0 --events -1":  "--events -1",
		"--quick --only bench/": `"bench/"`,
	} {
		_, stderr, code := lockstep(t, strings.Fields(args)...)
		if code != cli.ExitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit code %d, %s", args, code, stderr)
		}
	}
}

// Names would be given twice, or targets for what is not measured.
func TestMeasurementsAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range all() {
		if seen[m.name] || m.what == "" || m.unit == "" || m.run == nil || m.better != higher && m.better != lower {
			t.Errorf("%s stands twice, or is not described", m.name)
		}
		seen[m.name] = true
		r := Result{Ratio: number(1), Difference: number(1), Governed: number(1)}
		r.P50, r.P99, r.Allocs = pair(1, 1, true), pair(1, 1, true), pair(1, 1, false)
		if r.judge(m.targets); len(r.Targets) != len(m.targets) {
			t.Errorf("%s: not all targets are of something that a result has", m.name)
		}
	}
}

// Whoever interrupts the command would wait for it, or find its servers and
// stores still there.
func TestInterrupted(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	for _, at := range []string{"publish", "deliver/interval", "memory/load"} {
		ctx, cancel := context.WithCancel(t.Context())
		begun := &signal{cancel: func() { time.AfterFunc(300*time.Millisecond, cancel) }}
		app := &cli.App{Stdout: &bytes.Buffer{}, Stderr: begun, Getenv: func(string) string { return "" }}
		begin := time.Now()
		err := Run(ctx, app, Flags{Only: at, Runs: 100, For: time.Second, Events: 100})
		if err == nil || time.Since(begin) > 20*time.Second {
			t.Errorf("%s: %v after %s", at, err, time.Since(begin))
		}
		cancel()
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// signal calls cancel at the first write.
type signal struct {
	once   sync.Once
	cancel func()
}

func (s *signal) Write(p []byte) (int, error) {
	s.once.Do(s.cancel)
	return len(p), nil
}
