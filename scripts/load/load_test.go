package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Guards against a load tool that measures nothing, does not end, or leaves something
// running.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--subjects", "3", "--connections", "2", "--during", "50ms", "-o", "json"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Connections, Subjects int
		Results               []result
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Connections != 2 || got.Subjects != 3 || len(got.Results) != len(newQuestions("", 1).kinds()) {
		t.Errorf("%+v", got)
	}
	for _, r := range got.Results {
		if r.Requests < 1 || r.PerSecond <= 0 || r.P50 <= 0 || r.P99 < r.P50 {
			t.Errorf("%+v", r)
		}
	}
	out.Reset()
	if err := report(&out, settings{output: "table"}, got.Results); err != nil || !strings.Contains(out.String(), "register new") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// Guards against a load on somebody else's machine, and against one without bounds.
func TestBounds(t *testing.T) {
	for _, args := range []string{
		"--url http://10.0.0.1:8081", "--url http://registry.example:8081", "--url https://127.0.0.1", "--url 127.0.0.1:8081", "--url http://0.0.0.0:8081",
		"--connections 0", "--connections 100000", "--subjects 1", "--during 0s", "--during 24h", "-o yaml", "--nothing", "more",
	} {
		err := run(t.Context(), strings.Fields(args), io.Discard, io.Discard)
		var usage *usageError
		if !errors.As(err, &usage) {
			t.Errorf("%s: %v", args, err)
		}
	}
	if _, err := dialLoopback(t.Context(), "tcp", "127.0.0.1:1"); err == nil {
		t.Error("somebody listens on port 1")
	}
	s, err := parse([]string{"--url", "http://[::1]:8081", "--during", "1s"}, io.Discard)
	if err != nil || s.during != time.Second {
		t.Errorf("%+v, %v", s, err)
	}
}
