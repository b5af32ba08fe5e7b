// Package node runs one environment's NATS server: JetStream with the
// environment's domain, accounts and permissions, the leaf connection, and the
// streams and pre-made consumers that carry events between environments.
//
// What is said about events (validation, masking, routing) does not belong
// here; this package only decides who may reach which subject, and keeps
// streams in their declared shape.
package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Durability says when JetStream acknowledges.
type Durability string

// The two durabilities.
const (
	// DurabilityAlways syncs to disk before an acknowledgement: what was
	// acknowledged survives a power cut.
	DurabilityAlways Durability = "always"
	// DurabilityInterval syncs every two minutes, which is NATS's default: what
	// was acknowledged survives the end of the process, not a power cut.
	DurabilityInterval Durability = "interval"
)

const (
	readyTimeout   = 30 * time.Second
	connectTimeout = 10 * time.Second
)

// Applications may send messages a little larger than the largest event, 1 MiB,
// so that a dead letter, an event with more headers, fits too. The server takes
// larger ones, so that what Lockstep adds to a message always fits.
const (
	maxApplicationPayload = 1<<20 + 64<<10
	maxPayload            = 3 << 20
)

// Config describes one environment's server.
type Config struct {
	Environment string     // also the JetStream domain and the server's name
	Address     string     // host:port for clients; port 0 takes a free one
	LeafAddress string     // host:port for leaf nodes; empty: none may connect
	Data        string     // directory for the store, keys and credentials
	MaxStore    int64      // bytes that JetStream may use on disk; 0: three quarters of what is free
	Durability  Durability // default DurabilityAlways

	Domains []string // every domain of the mesh
	Origins []string // those whose events originate here
	Leaves  []string // environments that may connect as leaf nodes
	Feeds   []Feed   // every feed that this environment exports or imports

	Upstream *Upstream // the hub that this environment connects to; nil for the hub itself

	Logger zerolog.Logger
}

// Upstream is how a leaf reaches its hub.
type Upstream struct {
	URL         string // nats://host:port of the hub's leaf listener
	Credentials string // credentials file that the hub issued for this environment
}

// Node is a running server. It is safe for concurrent use.
type Node struct {
	config   Config
	identity *identity
	server   *server.Server
	guard    *guard
	manage   *nats.Conn

	closing sync.Once
}

// Start brings the server up, and its streams into their declared shape. The
// store of an earlier run under the same directory is taken up again.
func Start(ctx context.Context, c Config) (*Node, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	id, err := loadIdentity(filepath.Join(c.Data, "keys", "node.key"))
	if err != nil {
		return nil, err
	}
	n := &Node{config: c, identity: id}
	if err := n.issueCredentials(); err != nil {
		return nil, err
	}
	options, err := n.options()
	if err != nil {
		return nil, err
	}
	if err := n.serve(ctx, options); err != nil {
		return nil, err
	}
	if err := n.prepare(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// check completes the configuration and reports everything wrong with it.
func (c Config) check() (Config, error) {
	if c.Durability == "" {
		c.Durability = DurabilityAlways
	}
	var problems []error
	if c.Environment == "" {
		problems = append(problems, errors.New("no environment is named"))
	}
	if c.Data == "" {
		problems = append(problems, errors.New("no data directory is named"))
	}
	if c.Durability != DurabilityAlways && c.Durability != DurabilityInterval {
		problems = append(problems, fmt.Errorf("durability %q is neither %q nor %q", c.Durability, DurabilityAlways, DurabilityInterval))
	}
	for _, f := range c.Feeds {
		if (f.From == c.Environment) == (f.To == c.Environment) {
			problems = append(problems, fmt.Errorf("feed of %s from %q to %q neither leaves nor enters %q", f.Stream, f.From, f.To, c.Environment))
		}
	}
	if len(imports(c.Feeds, c.Environment)) > 0 && c.Upstream == nil && len(c.Leaves) == 0 {
		problems = append(problems, errors.New("it imports events, but is connected to no other environment"))
	}
	if len(problems) > 0 {
		return c, &Error{Code: CodeConfig, Op: "run environment", What: c.Environment, Cause: errors.Join(problems...), Cure: "mend mesh.yaml"}
	}
	return c, nil
}

// issueCredentials keeps the files by which applications and leaves log in.
func (n *Node) issueCredentials() error {
	if err := n.identity.writeCredentials(n.ApplicationCredentials(), accountApps, "application", roleApplication); err != nil {
		return err
	}
	for _, leaf := range n.config.Leaves {
		if err := n.identity.writeCredentials(n.LeafCredentials(leaf), accountMesh, roleLeaf(leaf), roleLeaf(leaf)); err != nil {
			return err
		}
	}
	return nil
}

// ApplicationCredentials is the path of the credentials file for applications.
func (n *Node) ApplicationCredentials() string {
	return filepath.Join(n.config.Data, "credentials", "application.creds")
}

// LeafCredentials is the path of the credentials file for a leaf, to be
// carried to the machine on which that environment runs.
func (n *Node) LeafCredentials(environment string) string {
	return LeafCredentialsPath(n.config.Data, environment)
}

// LeafCredentialsPath is where the hub with this data directory keeps the
// credentials of a leaf.
func LeafCredentialsPath(data, environment string) string {
	return filepath.Join(data, "credentials", roleLeaf(environment)+".creds")
}

// readable are the streams that applications may read here.
func (n *Node) readable() []string {
	streams := []string{RegistryStream}
	for _, d := range n.domains() {
		streams = append(streams, wire.DomainStream(d))
	}
	return streams
}

// domains are the domains that have a stream here.
func (n *Node) domains() []string {
	domains := slices.Clone(n.config.Origins)
	for _, f := range imports(n.config.Feeds, n.config.Environment) {
		for _, d := range n.config.Domains {
			if f.Into == wire.DomainStream(d) && !slices.Contains(domains, d) {
				domains = append(domains, d)
			}
		}
	}
	return domains
}

func (n *Node) options() (*server.Options, error) {
	c := n.config
	host, port, err := splitAddress(c.Address)
	if err != nil {
		return nil, &Error{Code: CodeConfig, Op: "listen for clients on", What: c.Address, Cause: err, Cure: "write it as host:port"}
	}
	if err := os.MkdirAll(filepath.Join(c.Data, "store"), 0o700); err != nil {
		return nil, &Error{Code: CodeServer, Op: "make the store", What: c.Data, Cause: err, Cure: "make the directory writable"}
	}
	o := &server.Options{
		ServerName: c.Environment, Host: host, Port: port,
		NoSigs: true, NoLog: true,
		MaxPayload: maxPayload, MaxPending: 64 << 20, WriteDeadline: 10 * time.Second,
		JetStream: true, JetStreamDomain: c.Environment, StoreDir: filepath.Join(c.Data, "store"),
		JetStreamMaxStore: c.MaxStore, SyncAlways: c.Durability == DurabilityAlways,
		FeatureFlags: map[string]bool{server.FeatureFlagJsAckFormatV2: true, server.FeatureFlagJsAPIReplyFormatV2: true},
	}
	if err := n.trust(o); err != nil {
		return nil, err
	}
	if c.LeafAddress != "" {
		o.LeafNode.Host, o.LeafNode.Port, err = splitAddress(c.LeafAddress)
		if err != nil {
			return nil, &Error{Code: CodeConfig, Op: "listen for leaf nodes on", What: c.LeafAddress, Cause: err, Cure: "write it as host:port"}
		}
	}
	// A leaf reaches the hub by the address it was given, which may be a proxy's or a
	// load balancer's; the hub's own addresses are of no use to it. And it is the
	// leaf that knows the line, so it says whether to compress.
	o.LeafNode.NoAdvertise = true
	o.LeafNode.Compression.Mode = server.CompressionAccept
	if c.Upstream == nil {
		return o, nil
	}
	hub, err := url.Parse(c.Upstream.URL)
	if err != nil || hub.Host == "" {
		return nil, &Error{Code: CodeConfig, Op: "connect to the hub at", What: c.Upstream.URL, Cause: err, Cure: "write it as nats://host:port"}
	}
	if _, err := os.Stat(c.Upstream.Credentials); err != nil {
		return nil, &Error{
			Code: CodeIdentity, Op: "read the hub's credentials for " + c.Environment, What: c.Upstream.Credentials, Cause: err,
			Cure: "copy the file " + filepath.Base(LeafCredentialsPath("", c.Environment)) + " from the hub's data directory (credentials/), where the hub writes it when it starts",
		}
	}
	local, err := n.identity.public("account/" + accountMesh)
	if err != nil {
		return nil, err
	}
	o.LeafNode.ReconnectInterval = time.Second
	o.LeafNode.Remotes = []*server.RemoteLeafOpts{{LocalAccount: local, URLs: []*url.URL{hub}, Credentials: c.Upstream.Credentials, Compression: server.CompressionOpts{Mode: compression(hub.Hostname())}}}
	return o, nil
}

// compression is for the line to a hub. NATS's own choice goes by the round trip,
// which grows under load, and so takes the slowest method when there is least time
// for it: a quarter of the CPU was measured on a busy machine.
func compression(hub string) string {
	if ip := net.ParseIP(hub); hub == "localhost" || ip.IsLoopback() {
		return server.CompressionOff
	}
	return server.CompressionS2Fast
}

// trust puts the operator and the accounts into the server's options.
func (n *Node) trust(o *server.Options) error {
	operatorKey, err := n.identity.key(nkeys.PrefixByteOperator, "operator")
	if err != nil {
		return err
	}
	public, err := operatorKey.PublicKey()
	if err != nil {
		return err
	}
	operator := jwt.NewOperatorClaims(public)
	operator.Name = n.config.Environment
	claims, err := accounts{
		identity: n.identity, environment: n.config.Environment, domains: n.config.Domains,
		readable: n.readable(), feeds: n.config.Feeds, leaves: n.config.Leaves,
	}.claims()
	if err != nil {
		return err
	}
	operator.SystemAccount = claims[accountSystem].Subject
	if _, err := operator.Encode(operatorKey); err != nil {
		return err
	}
	resolver := &server.MemAccResolver{}
	for _, c := range claims {
		token, err := c.Encode(operatorKey)
		if err != nil {
			return err
		}
		if err := resolver.Store(c.Subject, token); err != nil {
			return err
		}
	}
	o.TrustedOperators = []*jwt.OperatorClaims{operator}
	o.SystemAccount = operator.SystemAccount
	o.AccountResolver = resolver
	return nil
}

// serve starts the server and waits until clients can connect.
func (n *Node) serve(ctx context.Context, o *server.Options) error {
	for _, a := range []struct {
		what, host string
		port       int
		used       bool
	}{
		{"clients", o.Host, o.Port, true},
		{"leaf nodes", o.LeafNode.Host, o.LeafNode.Port, n.config.LeafAddress != ""},
	} {
		if !a.used || a.port <= 0 {
			continue
		}
		// The server ends the process when an address is taken, so it is tried first.
		address := net.JoinHostPort(a.host, strconv.Itoa(a.port))
		var lc net.ListenConfig
		listener, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return &Error{Code: CodeListen, Op: "listen for " + a.what + " of " + n.config.Environment + " on", What: address, Cause: err, Cure: "stop what uses the address, or choose another in mesh.yaml"}
		}
		if err := listener.Close(); err != nil {
			return err
		}
	}
	s, err := server.NewServer(o)
	if err != nil {
		return &Error{Code: CodeServer, Op: "start the NATS server of", What: n.config.Environment, Cause: err}
	}
	if err := n.know(s); err != nil {
		return err
	}
	fatal := make(chan error, 1)
	s.SetLoggerV2(newLogger(n.config.Logger, fatal), false, false, false)
	n.server = s
	s.Start()
	ready := make(chan bool, 1)
	go func() { ready <- s.ReadyForConnections(readyTimeout) }()
	for {
		select {
		case err := <-fatal:
			s.Shutdown()
			<-ready
			return &Error{Code: CodeServer, Op: "start the NATS server of", What: n.config.Environment, Cause: err}
		case ok := <-ready:
			if !ok {
				s.Shutdown()
				return &Error{Code: CodeServer, Op: "start the NATS server of", What: n.config.Environment, Cause: fmt.Errorf("it was not ready after %s", readyTimeout)}
			}
			if !s.JetStreamEnabled() {
				s.Shutdown()
				return &Error{Code: CodeServer, Op: "start JetStream of", What: n.config.Environment, Cause: errors.New("it is not enabled"), Cure: "see the log above for the reason"}
			}
			return nil
		}
	}
}

// know has the server know its accounts before it starts. In operator mode it
// would otherwise learn of an account from the first connection into it, and
// enable JetStream and recover the account's streams then, beside whatever
// that connection, or the next, asks for already.
func (n *Node) know(s *server.Server) error {
	for _, account := range []string{accountMesh, accountApps} {
		public, err := n.identity.public("account/" + account)
		if err != nil {
			return err
		}
		if _, err := s.LookupAccount(public); err != nil {
			return &Error{Code: CodeServer, Op: "set up account " + account + " of", What: n.config.Environment, Cause: err}
		}
	}
	return nil
}

// prepare makes the streams and starts the guard.
func (n *Node) prepare(ctx context.Context) error {
	var err error
	if n.manage, err = n.Connect("node"); err != nil {
		return err
	}
	if err := n.subscribeFirst(); err != nil {
		return err
	}
	if err := n.ensureStreams(ctx); err != nil {
		return err
	}
	n.guard, err = startGuard(n.manage, n.config.Logger)
	return err
}

// subscribeFirst subscribes to an inbox in the applications' account. The server
// works out how an import leads back at the first subscription that uses it, and
// does not guard that against a second one at the same moment.
func (n *Node) subscribeFirst() error {
	apps, err := n.ConnectApplications("node")
	if err != nil {
		return err
	}
	defer apps.Close()
	if _, err := apps.SubscribeSync(apps.NewInbox()); err != nil {
		return err
	}
	return apps.Flush()
}

// Environment is the environment's name.
func (n *Node) Environment() string { return n.config.Environment }

// ClientURL is where applications connect.
func (n *Node) ClientURL() string { return n.server.ClientURL() }

// LeafURL is where leaf nodes connect; empty when none may.
func (n *Node) LeafURL() string {
	if n.config.LeafAddress == "" {
		return ""
	}
	v, err := n.server.Varz(nil)
	if err != nil {
		return ""
	}
	return "nats://" + net.JoinHostPort(v.LeafNode.Host, strconv.Itoa(v.LeafNode.Port))
}

// LeafConnected reports whether the leaf connection to the hub stands. It is
// true for a hub.
func (n *Node) LeafConnected() bool {
	return n.config.Upstream == nil || n.server.NumLeafNodes() > 0
}

// Connect opens a connection into the account that holds the streams, for
// Lockstep's own parts. It may do everything there.
func (n *Node) Connect(name string, options ...nats.Option) (*nats.Conn, error) {
	return n.connect(accountMesh, name, options)
}

// ConnectApplications opens a connection into the applications' account
// without an application's limits: for the gate, which answers there.
func (n *Node) ConnectApplications(name string, options ...nats.Option) (*nats.Conn, error) {
	return n.connect(accountApps, name, options)
}

func (n *Node) connect(account, name string, options []nats.Option) (*nats.Conn, error) {
	token, seed, err := n.identity.user(account, name, "")
	if err != nil {
		return nil, err
	}
	options = append([]nats.Option{
		nats.Name("lockstep " + name),
		nats.UserJWTAndSeed(token, string(seed)),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond),
		nats.Timeout(connectTimeout),
	}, options...)
	nc, err := nats.Connect(n.server.ClientURL(), options...)
	if err != nil {
		return nil, &Error{Code: CodeUnavailable, Op: "connect " + name + " to", What: n.server.ClientURL(), Cause: err}
	}
	return nc, nil
}

// Close stops the server and waits until its store is written. It may be
// called more than once.
func (n *Node) Close() error {
	n.closing.Do(func() {
		if n.guard != nil {
			n.guard.close()
		}
		if n.manage != nil {
			n.manage.Close()
		}
		n.server.Shutdown()
		n.server.WaitForShutdown()
	})
	return nil
}

// splitAddress takes host:port apart; port 0 means any free one.
func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	if port, err = strconv.Atoi(text); err != nil || port > 65535 {
		return "", 0, fmt.Errorf("%q is no port", text)
	}
	if port <= 0 {
		port = server.RANDOM_PORT
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}
