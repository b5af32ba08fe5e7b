package target

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

func exitOf(err error) int {
	var ours *cli.Error
	if errors.As(err, &ours) {
		return max(1, ours.Exit)
	}
	return 0
}

// Commands would look for a running mesh in the wrong place, or its
// credentials would be readable by others.
func TestSaved(t *testing.T) {
	dir := t.TempDir()
	a := Addresses{Registry: "http://r", Console: "http://c", Webhooks: "http://w", Environments: map[string]Environment{
		"production": {NATS: "nats://p", Credentials: "/p.creds", Registry: "http://r", HTTP: "http://c"},
		"staging":    {NATS: "nats://s", Credentials: "/s.creds"},
	}}
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, fileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	all, hub, err := Flags{Data: dir}.All()
	if err != nil || hub != "production" || !reflect.DeepEqual(all, a.Environments) {
		t.Errorf("%v, %s, %v", all, hub, err)
	}
	for name, c := range map[string]struct {
		flags Flags
		want  Server
		exit  int
	}{
		"hub":             {Flags{Data: dir}, Server{"production", "nats://p", "/p.creds"}, 0},
		"leaf":            {Flags{Data: dir, Env: "staging"}, Server{"staging", "nats://s", "/s.creds"}, 0},
		"URL over saved":  {Flags{Data: dir, Env: "staging", Server: "nats://x"}, Server{"staging", "nats://x", "/s.creds"}, 0},
		"file over saved": {Flags{Data: dir, Creds: "/x.creds"}, Server{"production", "nats://p", "/x.creds"}, 0},
		"only flags":      {Flags{Server: "nats://x", Creds: "/x.creds", Mesh: "/none.yaml"}, Server{"", "nats://x", "/x.creds"}, 0},
		"unknown":         {Flags{Data: dir, Env: "nowhere"}, Server{}, cli.ExitUsage},
	} {
		got, err := c.flags.Find()
		if exitOf(err) != c.exit || c.exit == 0 && got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if url, err := (Flags{Data: dir}).Registry(""); err != nil || url != "http://r" {
		t.Errorf("registry %s, %v", url, err)
	}
	if err := errors.Join(Forget(dir), Forget(dir)); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (Flags{Data: dir}).All(); exitOf(err) != 1 {
		t.Errorf("half a file: %v", err)
	}
}

// Without `dev`, the addresses of mesh.yaml and the credentials under the data
// directory would not be used.
func TestDeclared(t *testing.T) {
	dir := t.TempDir()
	creds := filepath.Join(dir, "staging", "credentials", "application.creds")
	if err := os.MkdirAll(filepath.Dir(creds), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(creds, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Flags{Data: dir, Env: "staging"}.Find()
	if want := (Server{"staging", "nats://127.0.0.1:4322", creds}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := (Flags{Data: dir}).Find(); exitOf(err) != 1 {
		t.Errorf("production has left no credentials: %v", err)
	}
	if _, err := (Flags{}).Find(); exitOf(err) != 1 {
		t.Errorf("no credentials at all: %v", err)
	}
	if _, err := (Flags{Data: filepath.Join(dir, "none")}).Find(); exitOf(err) != 1 {
		t.Errorf("no such directory: %v", err)
	}
	if url, err := (Flags{}).Registry(""); err != nil || url != "http://127.0.0.1:8081" {
		t.Errorf("registry %s, %v", url, err)
	}
	if _, _, err := (Flags{Mesh: filepath.Join(dir, "none.yaml")}).All(); !errors.As(err, new(topology.Problems)) {
		t.Errorf("no such mesh: %v", err)
	}
}

// An address would be dialled that can only be listened on.
func TestDialable(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:4222": "nats://127.0.0.1:4222", "0.0.0.0:4222": "nats://127.0.0.1:4222", ":4222": "nats://127.0.0.1:4222",
		"[::1]:4222": "nats://[::1]:4222", "127.0.0.1:0": "", "host.example:1": "nats://host.example:1",
	} {
		var a Address
		if err := a.Set(text); err != nil {
			t.Fatal(err)
		}
		if got := dialable("nats", a.Address); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if a.Override() == nil {
			t.Errorf("%s is an address that was given", text)
		}
	}
	if new(Address).Override() != nil {
		t.Error("an address that was not given would replace mesh.yaml's")
	}
}
