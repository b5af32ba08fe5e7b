package mesh_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// operatorServer is a server as an environment has it: the account MESH holds
// the streams, applications live in APPS and import what they need of
// JetStream. It returns a credentials file of a user of each.
func operatorServer(t *testing.T) (s *testServer, meshFile, appFile string) {
	t.Helper()
	operator := newPair(t, nkeys.CreateOperator)
	system, mesh, apps := newPair(t, nkeys.CreateAccount), newPair(t, nkeys.CreateAccount), newPair(t, nkeys.CreateAccount)
	meshClaims, appClaims := jwt.NewAccountClaims(public(t, mesh)), jwt.NewAccountClaims(public(t, apps))
	meshClaims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit, MaxAckPending: jwt.NoLimit,
	}
	for subject, responses := range map[jwt.Subject]jwt.ResponseType{
		// Importing INFO keeps the server from answering for an account without
		// JetStream of its own.
		"$JS.API.INFO": jwt.ResponseTypeSingleton, "$JS.API.CONSUMER.MSG.NEXT.>": jwt.ResponseTypeStream, "$JS.API.CONSUMER.CREATE.>": jwt.ResponseTypeSingleton,
		"$JS.API.CONSUMER.INFO.>": jwt.ResponseTypeSingleton, "$JS.ACK.>": jwt.ResponseTypeSingleton, "dlq.>": jwt.ResponseTypeSingleton,
	} {
		meshClaims.Exports.Add(&jwt.Export{Name: string(subject), Subject: subject, Type: jwt.Service, ResponseType: responses})
		appClaims.Imports.Add(&jwt.Import{Name: string(subject), Subject: subject, Account: public(t, mesh), Type: jwt.Service})
	}
	resolver := &server.MemAccResolver{}
	for _, claims := range []*jwt.AccountClaims{jwt.NewAccountClaims(public(t, system)), meshClaims, appClaims} {
		text, err := claims.Encode(operator)
		if err != nil {
			t.Fatal(err)
		}
		if err := resolver.Store(claims.Subject, text); err != nil {
			t.Fatal(err)
		}
	}
	s = startServerWith(t, server.Options{
		TrustedKeys: []string{public(t, operator)}, AccountResolver: resolver, SystemAccount: public(t, system),
	})
	return s, credentials(t, mesh), credentials(t, apps)
}

// credentials makes a credentials file of a new user of account.
func credentials(t *testing.T, account nkeys.KeyPair) string {
	t.Helper()
	user := newPair(t, nkeys.CreateUser)
	token, err := jwt.NewUserClaims(public(t, user)).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newPair(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func public(t *testing.T, pair nkeys.KeyPair) string {
	t.Helper()
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
