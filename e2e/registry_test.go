package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Guards against a registry that the clients which people have cannot use:
// franz-go's and Confluent's, with its serializers, against the primary and
// against another environment's replica.
func TestRegistryClients(t *testing.T) {
	if testing.Short() {
		t.Skip("the clients and what they require are to be downloaded and built")
	}
	d, _ := startDev(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	tests := filepath.Join(t.TempDir(), "clients.test")
	if out, err := inClients(ctx, "test", "-c", "-o", tests, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the clients' tests: %v\n%s", err, out)
	}
	for environment, replica := range map[string]string{"production": "", "staging": "1"} {
		t.Run(environment, func(t *testing.T) {
			cmd := exec.CommandContext(ctx, tests, "-test.v")
			cmd.Env = append(os.Environ(), "LOCKSTEP_TEST_REGISTRY="+d.Environments[environment].Registry, "LOCKSTEP_TEST_REPLICA="+replica)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if bytes.Contains(out, []byte("--- SKIP")) || !bytes.Contains(out, []byte("--- PASS: TestFranz")) {
				t.Errorf("not all of it was tested:\n%s", out)
			}
		})
	}
}

// inClients runs go in the module of the clients.
func inClients(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = "clients"
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	return cmd
}

// Guards against a registry that clients of another language cannot use.
func TestRegistryNodeClients(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	folder := filepath.Join("testdata", "registry-node")
	for _, module := range []string{"@kafkajs", "@confluentinc"} {
		if _, err := os.Stat(filepath.Join(folder, "node_modules", module)); err != nil {
			t.Skip("the clients are not installed: run npm ci --ignore-scripts --prefix e2e/testdata/registry-node")
		}
	}
	d, _ := startDev(t, t.TempDir())
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(folder, "clients.mjs"), d.Registry, "conformance.node")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	type refusal struct {
		Status  int
		Message string
	}
	type message struct {
		ID    string
		Lines int
	}
	var found struct {
		KafkaJS struct {
			ID, Again, Latest, ByVersion, BySchema int
			Decoded                                message
			Incompatible, Unknown                  refusal
		}
		Confluent struct {
			ID, Second, BySchema, Version, Latest int
			ByID, Level, LevelRead                string
			Versions, Deleted, DeletedForGood     []int
			Listed, Compatible, Incompatible      bool
			Decoded                               message
			Invalid, Refused                      refusal
		}
	}
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("it printed %s: %v", out, err)
	}
	sent := message{ID: "o-1", Lines: 2}
	k := found.KafkaJS
	if k.ID == 0 || k.Again != k.ID || k.Latest != k.ID || k.ByVersion != k.ID || k.BySchema != k.ID || k.Decoded != sent {
		t.Errorf("@kafkajs/confluent-schema-registry found %+v", k)
	}
	if k.Incompatible.Status != 409 || !strings.Contains(k.Incompatible.Message, "incompatible with version 1") || k.Unknown.Status != 404 {
		t.Errorf("@kafkajs/confluent-schema-registry was refused with %+v, %+v", k.Incompatible, k.Unknown)
	}
	c := found.Confluent
	if c.ID == 0 || c.BySchema != c.ID || c.Version != 1 || c.Second != 2 || c.Latest != 2 || c.ByID != "JSON" || !slices.Equal(c.Versions, []int{1, 2}) {
		t.Errorf("@confluentinc/schemaregistry found %+v", c)
	}
	if !c.Listed || !c.Compatible || c.Incompatible || c.Level != "FULL" || c.LevelRead != "FULL" || c.Decoded != sent || c.Refused.Status != 409 {
		t.Errorf("@confluentinc/schemaregistry found %+v", c)
	}
	if !slices.Equal(c.Deleted, []int{1, 2}) || !slices.Equal(c.DeletedForGood, []int{1, 2}) || !strings.Contains(c.Invalid.Message, "/id") {
		t.Errorf("@confluentinc/schemaregistry found %+v", c)
	}
}
