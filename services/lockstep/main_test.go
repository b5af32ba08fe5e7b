package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lockstep": main})
}

// The command line would not do, as a whole, what its documentation says.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit": exit, "taken": taken, "await": await, "field": field, "ready": ready, "empty": empty, "lose": lose,
		},
		Condition: func(condition string) (bool, error) {
			if condition == "corpus" {
				_, err := os.Stat(corpus())
				return err == nil, nil
			}
			return false, errors.New("unknown condition")
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("CORPUS", corpus())
			e.Setenv("NO_COLOR", "1")
			return nil
		},
	})
}

// corpus is the folder of data that no one here wrote; it may be absent.
func corpus() string {
	if dir := os.Getenv("LOCKSTEP_CORPUS"); dir != "" {
		return dir
	}
	wd, err := os.Getwd()
	if err != nil {
		return ""
	}
	return filepath.Join(wd, "..", "..", "..", "shared", "corpus")
}

// exit CODE PROGRAM ARGS… runs a program that must end with the exit code.
func exit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var failed *exec.ExitError
		if !errors.As(err, &failed) {
			ts.Fatalf("%v", err)
		}
		code = failed.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d\nstderr:\n%s", code, want, ts.ReadFile("stderr"))
	}
}

// taken NAME listens on an address until the script ends, and puts it into the
// variable.
func taken(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
	ts.Setenv(args[0], listener.Addr().String())
}

// await PATTERN waits until there is a file of that pattern with something in it.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(30 * time.Second); ; {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(found) > 0 {
			if info, err := os.Stat(found[0]); err == nil && info.Size() > 0 {
				return
			}
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is not there after 30 s", args[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// field NAME FILE PATH… puts what lies at a path in a JSON file into the variable.
func field(ts *testscript.TestScript, _ bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &value))
	for _, name := range args[2:] {
		object, ok := value.(map[string]any)
		if !ok {
			ts.Fatalf("no %s in %v", name, value)
		}
		value = object[name]
	}
	text, ok := value.(string)
	if !ok {
		encoded, err := json.Marshal(value)
		ts.Check(err)
		text = string(encoded)
	}
	ts.Setenv(args[0], text)
}

// ready URL asks for a page that must be answered with 200, or not.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get(args[0])
	ok := err == nil && response.StatusCode == http.StatusOK
	if err == nil {
		response.Body.Close()
	}
	if ok == neg {
		ts.Fatalf("GET %s: %v, %v", args[0], response, err)
	}
}

// lose DATA ENVIRONMENT URL STREAM SEQUENCE takes a message out of a running
// environment's stream, as a fault of its store would.
func lose(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: lose DATA ENVIRONMENT URL STREAM SEQUENCE")
	}
	nc, err := node.ConnectOperator(ts.MkAbs(filepath.Join(args[0], args[1])), args[2], "test")
	ts.Check(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, args[3])
	ts.Check(err)
	sequence, err := strconv.ParseUint(args[4], 10, 64)
	ts.Check(err)
	ts.Check(stream.DeleteMsg(ctx, sequence))
}

// empty DIR checks that nothing is in a directory.
func empty(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(entries) > 0 {
		ts.Fatalf("%s holds %v", args[0], entries)
	}
}

// A command would be added without help, an example or a place in the list.
func TestCommandsAreDescribed(t *testing.T) {
	if main, err := os.ReadFile("main.go"); err != nil || strings.Count(string(main), "\n") >= 50 {
		t.Errorf("main.go is not short, or not there: %v", err)
	}
	tree := root(cli.New())
	for _, path := range [][]string{{"demo"}, {"dev"}, {"serve"}, {"schema", "push"}, {"schema", "list"}, {"schema", "get"}, {"event", "publish"}, {"event", "tail"}, {"status"}, {"key", "list"}, {"key", "rotate"}, {"key", "destroy"}, {"key", "map"}, {"quarantine", "list"}, {"quarantine", "release"}, {"dlq", "list"}, {"version"}} {
		c, rest, err := tree.Find(path)
		if err != nil || len(rest) > 0 || c.Short == "" || c.RunE == nil || c.Example == "" && c.Name() != "version" {
			t.Errorf("%v: %v", path, err)
		}
	}
}
