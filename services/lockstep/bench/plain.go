package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// plainOptions are the options of a server without Lockstep that concern what
// it does with messages: the same as those of an environment's.
func plainOptions(name, store string, durability topology.Durability) *server.Options {
	return &server.Options{
		ServerName: name, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		MaxPayload: 3 << 20, MaxPending: 64 << 20, WriteDeadline: 10 * time.Second,
		JetStream: true, JetStreamDomain: name, StoreDir: store, SyncAlways: durability == topology.DurabilityAlways,
		FeatureFlags: map[string]bool{server.FeatureFlagJsAckFormatV2: true, server.FeatureFlagJsAPIReplyFormatV2: true},
	}
}

// plainStream is a domain's stream as an environment has it.
func plainStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: wire.DomainStream("orders"), Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		AllowDirect: true, DenyDelete: true, DenyPurge: true,
	}
}

// plainServer is a server that runs, with a connection to it.
type plainServer struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
}

func startPlain(o *server.Options) (*plainServer, error) {
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("start a NATS server: %w", err)
	}
	p := &plainServer{server: s}
	s.Start()
	if !s.ReadyForConnections(readyTimeout) {
		p.close()
		return nil, fmt.Errorf("the NATS server %s was not ready after %s", o.ServerName, readyTimeout)
	}
	if p.conn, err = nats.Connect(s.ClientURL(), nats.Timeout(connectTimeout)); err == nil {
		p.js, err = jetstream.New(p.conn)
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("connect to the NATS server %s: %w", o.ServerName, err)
	}
	return p, nil
}

func (p *plainServer) close() {
	if p.conn != nil {
		p.conn.Close()
	}
	p.server.Shutdown()
	p.server.WaitForShutdown()
}

// raw starts a server with a stream into which clients publish without any
// gate between.
func (t *trial) raw(ctx context.Context, durability topology.Durability) (*system, error) {
	p, err := startPlain(plainOptions(origin, filepath.Join(t.dir, "raw"), durability))
	if err != nil {
		return nil, err
	}
	s := p.system(t.pending())
	config := plainStream()
	config.Subjects = []string{wire.StoredSubject(origin, "orders.>")}
	config.AllowAtomicPublish = true
	if _, err = p.js.CreateStream(ctx, config); err == nil {
		s.stored, err = countsOf(ctx, p.js, config.Name)
	}
	if err != nil {
		return nil, errors.Join(err, s.shut(ctx))
	}
	return s, nil
}

// system is the server as a publisher sees it.
func (p *plainServer) system(pending int) *system {
	return &system{
		pending: pending,
		url:     p.server.ClientURL(),
		subject: func(_ int, key string) string { return wire.StoredSubject(origin, orderType+"."+key) },
		close:   func(context.Context) error { p.close(); return nil },
	}
}

// countsOf counts one stream.
func countsOf(ctx context.Context, js jetstream.JetStream, stream string) ([]counter, error) {
	count, err := countOf(ctx, js, stream)
	return []counter{count}, err
}

// leafURL is where leaves connect to the server.
func (p *plainServer) leafURL() (*url.URL, error) {
	v, err := p.server.Varz(nil)
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: "nats", Host: net.JoinHostPort(v.LeafNode.Host, strconv.Itoa(v.LeafNode.Port))}, nil
}
