package mesh_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
)

// Environment variables that make the test binary a server; see process.
const (
	envStore = "MESH_TEST_SERVER_STORE"
	envPort  = "MESH_TEST_SERVER_PORT"
)

// serveInstead runs a server until the process is killed, if this process was
// started for that.
func serveInstead() {
	store := os.Getenv(envStore)
	if store == "" {
		return
	}
	port, err := strconv.Atoi(os.Getenv(envPort))
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: store, NoLog: true, NoSigs: true})
	if err != nil {
		panic(err)
	}
	go func() { // ends with its parent, should that be killed
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	s.Start()
	s.WaitForShutdown()
}

// process is a server in a process of its own, for SIGKILL.
type process struct {
	t     *testing.T
	store string
	port  int
	cmd   *exec.Cmd
}

func startProcess(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, store: t.TempDir(), port: natstest.Port(t)}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) start() {
	p.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command(exe)
	p.cmd.Env = append(os.Environ(), envStore+"="+p.store, envPort+"="+strconv.Itoa(p.port))
	if _, err := p.cmd.StdinPipe(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // says that it was killed
}

func (p *process) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", p.port) }

// Guards against loss, doubling and a changed order on both ways when the
// server's process is killed, again and again, while events flow.
func TestEventsSurviveSIGKILL(t *testing.T) {
	t.Parallel()
	p := startProcess(t)
	c, err := mesh.Connect(t.Context(), p.url(), mesh.WithRetry(quick))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	js := c.JetStream()
	eventually(t, "JetStream answers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.AccountInfo(ctx)
		return err == nil
	})
	makeStream(t, js, jetstream.StreamConfig{
		Name: "ORDERS", Subjects: []string{"orders.>"},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: "orders.>", Destination: "evt.production.orders.>"},
	})
	pub, err := mesh.NewPublisher[order](c, "orders.order.created", mesh.WithKey(orderKey), mesh.WithOrder(mesh.OrderKey))
	if err != nil {
		t.Fatal(err)
	}
	const keys, each, kills = 5, 400, 4
	var got log[order]
	sub := subscribe(t, c, mesh.SubscribeConfig{Order: mesh.OrderKey, Concurrency: 3, AckWait: 300 * time.Millisecond}, func(_ context.Context, e mesh.Event[order]) error {
		got.add(e.Data)
		return nil
	})
	var taken atomic.Int32
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for i := range kills {
			at := int32((i + 1) * keys * each / (kills + 1))
			if !comes(t, "publishing goes on", func() bool { return taken.Load() >= at }) {
				return
			}
			p.kill()
			p.start()
		}
	}()
	var futures []*mesh.Future
	for i := range each {
		for k := range keys {
			f, err := pub.PublishAsync(pubCtx(t), order{ID: fmt.Sprint("k", k), Total: i})
			if err != nil {
				t.Fatal(err)
			}
			futures = append(futures, f)
			taken.Add(1)
		}
	}
	<-killed
	for _, f := range futures {
		if _, err := f.Receipt(pubCtx(t)); err != nil {
			t.Fatal(err)
		}
	}
	for k, all := range totals(t, js) {
		if !slices.Equal(all, upTo(each)) {
			t.Errorf("key %s: stored %v", k, all)
		}
	}
	// A killed server forgets acknowledgements: events come again, late ones too.
	// It is the first handling of each that counts.
	firsts := func() map[string][]int {
		seen, all := map[order]bool{}, map[string][]int{}
		for _, o := range got.get() {
			if !seen[o] {
				seen[o] = true
				all[o.ID] = append(all[o.ID], o.Total)
			}
		}
		return all
	}
	eventually(t, "all is handled", func() bool {
		n := 0
		for _, all := range firsts() {
			n += len(all)
		}
		return n == keys*each && sub.Stats().InFlight == 0
	})
	for k, all := range firsts() {
		if !slices.Equal(all, upTo(each)) {
			t.Errorf("key %s: handled %v", k, all)
		}
	}
	if err := c.Drain(pubCtx(t)); err != nil {
		t.Error(err)
	}
	if !c.NATS().IsClosed() || c.NATS().Status() != nats.CLOSED {
		t.Error("the connection is open after Drain")
	}
}
