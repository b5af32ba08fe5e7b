package topology

import (
	"errors"
	"testing"
)

// Guards against flags over mesh.yaml that are not checked, or that leave the
// leaves dialling where the hub no longer listens.
func TestWithEnvironment(t *testing.T) {
	m := sample(t)
	hub := m.Hub()
	hub.Listen.NATS = Address{Host: "127.0.0.1", Port: 5000}
	hub.Listen.Leaf = Address{Host: "127.0.0.1", Port: 5001}
	changed, err := m.WithEnvironment(hub)
	if err != nil {
		t.Fatal(err)
	}
	if got := changed.Hub().Listen.NATS.String(); got != "127.0.0.1:5000" {
		t.Errorf("the hub listens on %s", got)
	}
	for _, leaf := range changed.LeavesOf(hub.Name) {
		if leaf.Dial != "nats://127.0.0.1:5001" {
			t.Errorf("%s dials %s", leaf.Name, leaf.Dial)
		}
	}
	if m.Hub().Listen.NATS.Port != 4222 {
		t.Error("the mesh itself has changed")
	}
	if _, ok, err := changed.Schemas("orders"); !ok || err != nil {
		t.Errorf("the changed mesh has lost its files: %v, %v", ok, err)
	}

	hub.Listen.HTTP = hub.Listen.NATS
	_, err = m.WithEnvironment(hub)
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Code != CodeCollision || problems[0].Line != 0 {
		t.Errorf("two listeners on one address: %v", err)
	}
	_, err = m.WithEnvironment(Environment{Name: "stagin"})
	if !errors.As(err, &problems) || problems[0].Code != CodeUnknownName {
		t.Errorf("an unknown environment: %v", err)
	}
}

// Guards against tests that meet on a port.
func TestWithAutoPorts(t *testing.T) {
	m, err := sample(t).WithAutoPorts()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Environments() {
		if e.Dial != "" {
			t.Errorf("%s dials %s", e.Name, e.Dial)
		}
		for _, l := range e.Listen.all(e.Name) {
			if !l.address.IsZero() && !l.address.Auto() {
				t.Errorf("%s of %s listens on %s", l.key, l.environment, l.address)
			}
		}
	}
	if leaf := m.Hub().Listen.Leaf; !leaf.Auto() || leaf.String() != "127.0.0.1:0" {
		t.Errorf("the hub listens for leaves on %q", leaf)
	}
}
