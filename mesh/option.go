package mesh

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Options are typed by the call that takes them; some serve several.
type (
	// ConnectOption is an option of [Connect].
	ConnectOption interface{ applyConnect(*connectConfig) }
	// PublisherOption is an option of [NewPublisher].
	PublisherOption interface{ applyPublisher(*publisherConfig) }
	// PublishOption is an option of one publish.
	PublishOption interface{ applyPublish(*Envelope) }
)

const defaultConnectTimeout = 10 * time.Second

type connectConfig struct {
	conn    *nats.Conn
	creds   string
	name    string
	domain  string
	source  string
	timeout time.Duration
	log     zerolog.Logger
	trace   func(context.Context) string
	retry   Retry
	nats    []nats.Option
}

type connectOption func(*connectConfig)

func (f connectOption) applyConnect(c *connectConfig) { f(c) }

// WithCredentials authenticates with the NATS credentials file (".creds") at
// path. It is read again at every reconnect, so that it may be rotated in place.
func WithCredentials(path string) ConnectOption {
	return connectOption(func(c *connectConfig) { c.creds = path })
}

// WithName names the connection, in the server's monitoring and as the default
// of [WithSource]. Without it the name of the executable is taken.
func WithName(name string) ConnectOption {
	return connectOption(func(c *connectConfig) { c.name = name })
}

// WithLogger sets where the connection and what is made on it report what they
// do by themselves: reconnects, retries, redeliveries, dead letters. Events'
// data is never logged. Without it nothing is.
func WithLogger(log zerolog.Logger) ConnectOption {
	return connectOption(func(c *connectConfig) { c.log = log })
}

// WithConn uses a NATS connection that exists, whose URL [Connect] must then
// not be given. Closing the Conn leaves it open. It should be made with
// nats.MaxReconnects(-1) and nats.ReconnectBufSize(-1), as Connect would.
func WithConn(nc *nats.Conn) ConnectOption {
	return connectOption(func(c *connectConfig) { c.conn = nc })
}

// WithJetStreamDomain names the JetStream domain, which is the environment's
// name. It is needed only where the server connected to is not in it.
func WithJetStreamDomain(name string) ConnectOption {
	return connectOption(func(c *connectConfig) { c.domain = name })
}

// WithConnectTimeout bounds the initial connecting. Reconnecting is not bounded.
func WithConnectTimeout(d time.Duration) ConnectOption {
	return connectOption(func(c *connectConfig) { c.timeout = d })
}

// WithTLS sets the TLS configuration: root certificates, a client certificate.
func WithTLS(config *tls.Config) ConnectOption {
	return connectOption(func(c *connectConfig) { c.nats = append(c.nats, nats.Secure(config)) })
}

// WithNATSOptions adds options of nats.go, for what has no option here, such as
// an in-process server. They come last and can break what this package
// promises: don't change how the connection reconnects.
func WithNATSOptions(opts ...nats.Option) ConnectOption {
	return connectOption(func(c *connectConfig) { c.nats = append(c.nats, opts...) })
}

// SharedOption is an option of [Connect] that [NewPublisher] can override.
type SharedOption interface {
	ConnectOption
	PublisherOption
}

type sharedOption struct {
	source string
	trace  func(context.Context) string
	retry  *Retry
}

func (o sharedOption) applyConnect(c *connectConfig) {
	if o.source != "" {
		c.source = o.source
	}
	if o.trace != nil {
		c.trace = o.trace
	}
	if o.retry != nil {
		c.retry = *o.retry
	}
}

func (o sharedOption) applyPublisher(c *publisherConfig) {
	if o.source != "" {
		c.source = o.source
	}
	if o.trace != nil {
		c.trace = o.trace
	}
	if o.retry != nil {
		c.retry = *o.retry
	}
}

// WithSource sets the CloudEvents source, a URI reference that says who
// publishes ("/services/orders"). Its default is the connection's name.
func WithSource(source string) SharedOption { return sharedOption{source: source} }

// WithTrace sets how to get the W3C traceparent from a publish's context, for
// example out of an OpenTelemetry span. The function may return "".
func WithTrace(traceparent func(context.Context) string) SharedOption {
	return sharedOption{trace: traceparent}
}

// WithRetry sets how publishes are retried.
func WithRetry(r Retry) SharedOption { return sharedOption{retry: &r} }

// complete fills in defaults and reports every problem at once.
func (c *connectConfig) complete(url string) error {
	var problems []string
	note := func(bad bool, problem string) {
		if bad {
			problems = append(problems, problem)
		}
	}
	if c.conn == nil {
		note(url == "", "the URL is empty")
	} else {
		note(url != "", "there is a URL beside WithConn")
		note(c.creds != "", "WithCredentials does not apply to WithConn")
		note(len(c.nats) > 0, "TLS and NATS options do not apply to WithConn")
		note(c.conn.IsClosed(), "the connection given by WithConn is closed")
	}
	note(c.timeout <= 0, "the connect time-out is not positive")
	note(c.domain != "" && !wire.ValidToken(c.domain), "the JetStream domain is not a single subject token")
	if p := c.retry.problem(); p != "" {
		problems = append(problems, p)
	}
	if c.creds != "" {
		if err := checkCredentials(c.creds); err != nil {
			problems = append(problems, "the credentials file cannot be used: "+err.Error())
		}
	}
	if c.name == "" {
		c.name = filepath.Base(os.Args[0])
	}
	if c.source == "" {
		c.source = c.name
	}
	note(!validSource(c.source), sourceProblem)
	c.retry = c.retry.over(defaultRetry())
	if len(problems) > 0 {
		return invalid("connect", redacted(url), "correct the arguments of Connect", "%s", strings.Join(problems, "; "))
	}
	return nil
}

// checkCredentials reads the file once, so that a missing or broken one is told
// as such and not as a server that refuses.
func checkCredentials(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer clear(text)
	if _, err := nkeys.ParseDecoratedJWT(text); err != nil {
		return err
	}
	pair, err := nkeys.ParseDecoratedNKey(text)
	if err != nil {
		return err
	}
	pair.Wipe()
	return nil
}
