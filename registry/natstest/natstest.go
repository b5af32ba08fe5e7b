// Package natstest is for tests that run real NATS servers in their own process:
// the registry's servers, ports to start servers on, and what servers leave behind
// when they end. Nothing but tests imports it.
package natstest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ready bounds how long a server may take to start; a loaded machine is slow.
const ready = 30 * time.Second

// Server is one embedded server that can be stopped and started again on the
// same port and store.
type Server struct {
	t       testing.TB
	options server.Options
	running *server.Server
}

// Start runs a server with JetStream in a temporary folder. Each change may
// alter its options before.
func Start(t testing.TB, change ...func(*server.Options)) *Server {
	t.Helper()
	s := &Server{t: t, options: server.Options{
		Host:      "127.0.0.1",
		Port:      Port(t), // the same one at each start, so that clients find the server again
		JetStream: true,
		StoreDir:  t.TempDir(),
		NoLog:     true,
		NoSigs:    true,
	}}
	for _, f := range change {
		f(&s.options)
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server again after [Server.Stop].
func (s *Server) Start() {
	s.t.Helper()
	options := s.options // the server alters what it is given
	running, err := server.NewServer(&options)
	if err != nil {
		s.t.Fatalf("start a NATS server: %v", err)
	}
	running.Start()
	if !running.ReadyForConnections(ready) {
		running.Shutdown()
		s.t.Fatal("the NATS server did not come up")
	}
	s.running = running
}

// Stop ends the server, keeping its store. It may be called more than once.
func (s *Server) Stop() {
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}

// URL is where clients connect.
func (s *Server) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.options.Port) }

// LeafURL is where leaf nodes connect.
func (s *Server) LeafURL() *url.URL {
	return &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", s.options.LeafNode.Port)}
}

// Connect gives JetStream on a connection of its own, closed after the test.
func (s *Server) Connect(options ...nats.Option) jetstream.JetStream {
	s.t.Helper()
	return Connect(s.t, s.URL(), options...)
}

// Connect gives JetStream on a connection that finds its server again quickly.
func Connect(t testing.TB, url string, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	options = append([]nats.Option{
		nats.MaxReconnects(-1),
		nats.ReconnectWait(20 * time.Millisecond),
		nats.ReconnectJitter(0, 0),
	}, options...)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatalf("connect to %s: %v", url, err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("JetStream: %v", err)
	}
	return js
}

// Environments runs a hub and a leaf, each with a JetStream domain of its own,
// as a primary environment and one that is fed by it. It returns once the leaf
// reaches the hub's JetStream: a stream that asks for its source before has no
// answer, and waits half a minute for it.
func Environments(t testing.TB) (hub, leaf *Server) {
	t.Helper()
	hub = Start(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "production", "production"
		o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", Port(t)
	})
	leaf = Start(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "staging", "staging"
		o.LeafNode.ReconnectInterval = 50 * time.Millisecond
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{hub.LeafURL()}}}
	})
	nc := leaf.Connect().Conn()
	defer nc.Close()
	for deadline := time.Now().Add(ready); ; time.Sleep(10 * time.Millisecond) {
		_, err := nc.Request("$JS.production.API.INFO", nil, time.Second)
		if err == nil {
			return hub, leaf
		}
		if time.Now().After(deadline) {
			t.Fatalf("the leaf does not reach the hub: %v", err)
		}
	}
}

// Cluster runs a cluster of three servers and returns their URLs once it has a
// JetStream leader. After the test they end once all of them have what the
// cluster has: a server that ends while it makes its copy of a stream forgets
// to close the copy's store.
func Cluster(t testing.TB) []string {
	t.Helper()
	ports := []int{Port(t), Port(t), Port(t)}
	var routes []*url.URL
	for _, port := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	var servers []*server.Server
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i+1),
			Host:       "127.0.0.1",
			Port:       -1,
			JetStream:  true,
			StoreDir:   t.TempDir(),
			NoLog:      true,
			NoSigs:     true,
			Cluster:    server.ClusterOpts{Name: "registry", Host: "127.0.0.1", Port: port},
			Routes:     routes,
		})
		if err != nil {
			t.Fatalf("start a NATS server: %v", err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	var urls []string
	for _, s := range servers {
		if !s.ReadyForConnections(ready) {
			t.Fatal("a NATS server of the cluster did not come up")
		}
		urls = append(urls, s.ClientURL())
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(ready); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if !slices.ContainsFunc(servers, func(s *server.Server) bool { return s.Healthz(nil).StatusCode != http.StatusOK }) {
				return
			}
		}
		t.Error("the cluster does not come to rest")
	})
	for deadline := time.Now().Add(ready); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, s := range servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(servers) {
				return urls
			}
		}
	}
	t.Fatal("the cluster has no JetStream leader")
	return nil
}
