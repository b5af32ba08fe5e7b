package mesh_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// Guards against a first connect that hangs, or fails without saying why.
func TestConnectIsBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := time.Now()
	_, err = mesh.Connect(t.Context(), "nats://u:secret@"+l.Addr().String(), mesh.WithConnectTimeout(50*time.Millisecond))
	wantError(t, err, mesh.CodeDisconnected, "cannot be reached", "node runs")
	e := detail(err)
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "secret") || e.Subject == "" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = mesh.Connect(ctx, "nats://"+l.Addr().String())
	wantError(t, err, mesh.CodeCanceled)
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("it took %v", d)
	}
}

// Guards against mistakes that are answered by retrying.
func TestConnectRefusesMistakesAtOnce(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.creds")
	if err := os.WriteFile(broken, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	closed := &nats.Conn{}
	for name, tc := range map[string]struct {
		url  string
		opts []mesh.ConnectOption
		says []string
	}{
		"no URL":          {"", nil, []string{"URL is empty"}},
		"malformed URL":   {"nats://u:secret@[::1", nil, []string{"correct the URL"}},
		"missing file":    {"nats://127.0.0.1", []mesh.ConnectOption{mesh.WithCredentials(filepath.Join(dir, "none"))}, []string{"credentials file", "no such file"}},
		"broken file":     {"nats://127.0.0.1", []mesh.ConnectOption{mesh.WithCredentials(broken)}, []string{"credentials file"}},
		"several":         {"", []mesh.ConnectOption{mesh.WithConnectTimeout(-1), mesh.WithJetStreamDomain("a.b"), mesh.WithRetry(mesh.Retry{Initial: 2, Max: 1})}, []string{"URL is empty", "time-out", "domain", "Retry.Initial"}},
		"beside WithConn": {"nats://127.0.0.1", []mesh.ConnectOption{mesh.WithConn(closed), mesh.WithTLS(nil), mesh.WithSource("%")}, []string{"beside WithConn", "TLS", "source"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mesh.Connect(t.Context(), tc.url, tc.opts...)
			wantError(t, err, mesh.CodeInvalid, tc.says...)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

// Guards against credentials files that do not work, and refused ones that are
// retried until the time-out.
func TestCredentials(t *testing.T) {
	s, _, file := operatorServer(t)
	_, _, stranger := operatorServer(t)
	c := connect(t, s, mesh.WithCredentials(file))
	if !c.NATS().IsConnected() {
		t.Error("not connected")
	}
	_, err := mesh.Connect(t.Context(), s.url(), mesh.WithCredentials(stranger))
	wantError(t, err, mesh.CodeForbidden, "does not admit these credentials")
}

// Guards against a connection that gives up when its credentials are refused
// for a while, as nats.go does after the second time.
func TestReconnectOutlastsRefusedCredentials(t *testing.T) {
	s, _, file := operatorServer(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, _, stranger := operatorServer(t)
	bad, err := os.ReadFile(stranger)
	if err != nil {
		t.Fatal(err)
	}
	refusals := make(chan struct{}, 100)
	c := connect(t, s, mesh.WithCredentials(file), mesh.WithNATSOptions(
		nats.CustomReconnectDelay(func(int) time.Duration { return time.Millisecond }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrAuthorization) {
				refusals <- struct{}{}
			}
		})))
	if err := os.WriteFile(file, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.start()
	for range 4 {
		<-refusals
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the connection is back", c.NATS().IsConnected)
}

// Guards against Close and Drain that are not idempotent, against use after
// them, and against closing a connection that belongs to somebody else.
func TestCloseIsIdempotent(t *testing.T) {
	s := startServer(t)
	nc, err := nats.Connect(s.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c, err := mesh.Connect(t.Context(), "", mesh.WithConn(nc), mesh.WithLogger(zerolog.Nop()))
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	for range 4 {
		go func() { closed <- c.Close() }()
	}
	for range 4 {
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}
	if err := c.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if !nc.IsConnected() || nc.NumSubscriptions() != 0 {
		t.Errorf("the given connection: connected %v, %d subscriptions", nc.IsConnected(), nc.NumSubscriptions())
	}
	_, err = c.Publish(t.Context(), mesh.Envelope{Type: "a.b.c", Data: []byte("{}")})
	wantError(t, err, mesh.CodeClosed)
	_, err = mesh.Subscribe(t.Context(), c, mesh.SubscribeConfig{Durable: "d", Domain: "orders"}, func(context.Context, mesh.Event[order]) error { return nil })
	wantError(t, err, mesh.CodeClosed)

	nc.Close()
	_, err = mesh.Connect(t.Context(), "", mesh.WithConn(nc))
	wantError(t, err, mesh.CodeInvalid, "WithConn is closed")
}

// Guards against an error without the parts that people need.
func TestErrorText(t *testing.T) {
	e := &mesh.Error{Code: mesh.CodeRefused, Op: "publish", Subject: "orders.order.created", Message: "no", Cause: os.ErrInvalid, Cure: "do so", ErrCode: 40010}
	if got := e.Error(); got != "mesh: publish orders.order.created: no: invalid argument [refused 40010]; do so" {
		t.Error(got)
	}
	if !errors.Is(e, os.ErrInvalid) || mesh.CodeOf(errors.Join(os.ErrExist, e)) != mesh.CodeRefused || mesh.CodeOf(os.ErrExist) != "" {
		t.Error("the chain or the code is lost")
	}
	if mesh.Permanent(nil) != nil || !errors.Is(mesh.Permanent(os.ErrExist), os.ErrExist) || mesh.Permanent(os.ErrExist).Error() != os.ErrExist.Error() {
		t.Error("Permanent hides the error")
	}
}
