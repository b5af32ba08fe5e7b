package node

import (
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry/presence"
)

// The accounts of a server. An account is the boundary NATS itself defends:
// subjects of one do not exist in another. Applications live apart from the
// streams because within one account any request whose reply subject lies
// under a stream's subjects puts its response into that stream, whatever the
// user may publish.
const (
	accountSystem = "SYS"
	accountMesh   = "MESH"
	accountApps   = "APPS"
)

// Subjects of the consumer guard, see guard.go.
const (
	guardRoot       = "lockstep.api"
	appDeliverRoot  = "apps.deliver"
	appInbox        = "_INBOX.>"
	roleApplication = "application"
)

// roleLeaf is the role of a leaf's user, one for each leaf.
func roleLeaf(environment string) string { return "leaf-" + environment }

// leafPermissions is what the user of a leaf may do on its hub: for each feed,
// have its consumer reset, acknowledge by flow control, and receive, and ask the
// origin about what it received. It may never create a consumer, because a
// consumer's configuration chooses where it delivers, which would let a leaf write
// into any stream.
func leafPermissions(feeds []Feed, leaf string) jwt.Permissions {
	var p jwt.Permissions
	for _, f := range feeds {
		name := f.Stream + "." + f.Consumer
		requests := []string{
			"$JS." + f.From + ".API.CONSUMER.RESET." + name,
			"$JS.FC." + name + ".>",
			"$JS.FC." + f.From + ".*." + name + ".>",
		}
		responses := []string{
			"$JSC.R." + f.From + ".*." + name + ".>",
			f.deliver(),
		}
		if f.Into == wire.LedgerStream {
			requests = append(requests, wire.AskSubject(f.From, f.To, "*"))
			responses = append(responses, wire.AnswerSubject(f.From, f.To, "*"))
		}
		switch leaf {
		case f.To: // the leaf imports: it asks, the hub answers
			p.Pub.Allow.Add(requests...)
			p.Sub.Allow.Add(responses...)
		case f.From: // the leaf exports: the hub asks, the leaf answers
			p.Sub.Allow.Add(requests...)
			p.Pub.Allow.Add(responses...)
		}
	}
	if len(p.Pub.Allow) == 0 { // an empty list would allow everything
		p.Pub.Deny.Add(">")
	}
	if len(p.Sub.Allow) == 0 {
		p.Sub.Deny.Add(">")
	}
	return p
}

// call is one kind of request that applications may send to JetStream.
type call struct {
	subject string // below the API's prefix
	guarded bool   // answered by the guard instead of by JetStream
	stream  bool   // has more than one response
}

// applicationCalls are the JetStream requests that reading streams takes. None
// of them changes a stream or its configuration.
func applicationCalls(streams []string) []call {
	calls := []call{{subject: "INFO"}, {subject: "STREAM.NAMES"}}
	for _, s := range streams {
		calls = append(
			calls,
			call{subject: "STREAM.INFO." + s},
			call{subject: "STREAM.MSG.GET." + s},
			call{subject: "DIRECT.GET." + s, stream: true},
			call{subject: "DIRECT.GET." + s + ".>", stream: true},
			call{subject: "CONSUMER.CREATE." + s, guarded: true},
			call{subject: "CONSUMER.CREATE." + s + ".>", guarded: true},
			call{subject: "CONSUMER.DURABLE.CREATE." + s + ".*", guarded: true},
			call{subject: "CONSUMER.INFO." + s + ".*"},
			call{subject: "CONSUMER.NAMES." + s},
			call{subject: "CONSUMER.LIST." + s},
			call{subject: "CONSUMER.DELETE." + s + ".*"},
			call{subject: "CONSUMER.MSG.NEXT." + s + ".*", stream: true},
		)
	}
	return calls
}

// applicationPermissions is what an application's user may do in its account.
func applicationPermissions(domains []string) jwt.Permissions {
	var p jwt.Permissions
	for _, d := range domains {
		p.Pub.Allow.Add(d + ".>")
	}
	p.Pub.Allow.Add(wire.DeadLetterRoot+".>", presence.ReportSubject, "$JS.>")
	p.Sub.Allow.Add(appInbox)
	return p
}

// accounts builds the claims of the three accounts.
type accounts struct {
	identity    *identity
	environment string
	domains     []string // all of the mesh
	readable    []string // streams that applications read
	feeds       []Feed
	leaves      []string
}

func (a accounts) claims() (map[string]*jwt.AccountClaims, error) {
	public := map[string]string{}
	claims := map[string]*jwt.AccountClaims{}
	for _, name := range []string{accountSystem, accountMesh, accountApps} {
		key, err := a.identity.public("account/" + name)
		if err != nil {
			return nil, err
		}
		public[name] = key
		claims[name] = jwt.NewAccountClaims(key)
		claims[name].Name = name
	}
	mesh, apps := claims[accountMesh], claims[accountApps]
	mesh.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit,
		Consumer: jwt.NoLimit, MaxAckPending: jwt.NoLimit,
	}
	for _, leaf := range a.leaves {
		if err := a.addRole(mesh, roleLeaf(leaf), leafPermissions(a.feeds, leaf)); err != nil {
			return nil, err
		}
	}
	if err := a.addRole(apps, roleApplication, applicationPermissions(a.domains)); err != nil {
		return nil, err
	}
	a.connect(mesh, apps, public[accountMesh])
	for name, c := range claims {
		var results jwt.ValidationResults
		c.Validate(&results)
		if problems := results.Errors(); len(problems) > 0 {
			return nil, &Error{Code: CodeConfig, Op: "build the claims of account", What: name, Cause: problems[0]}
		}
	}
	return claims, nil
}

// addRole gives an account a signing key whose users have these permissions.
func (a accounts) addRole(c *jwt.AccountClaims, role string, p jwt.Permissions) error {
	key, err := a.identity.public("role/" + c.Name + "/" + role)
	if err != nil {
		return err
	}
	scope := jwt.NewUserScope()
	scope.Key, scope.Role = key, role
	scope.Template.Permissions = p
	if c.Name == accountApps {
		scope.Template.Payload = maxApplicationPayload
	}
	c.SigningKeys.AddScopedSigner(scope)
	return nil
}

// connect lets applications reach JetStream's reading requests, and nothing
// else of the account that holds the streams.
func (a accounts) connect(mesh, apps *jwt.AccountClaims, meshKey string) {
	share := func(name, subject, local string, kind jwt.ExportType, many bool) {
		export := &jwt.Export{Name: name, Subject: jwt.Subject(subject), Type: kind}
		if kind == jwt.Service {
			export.ResponseType = jwt.ResponseTypeSingleton
			if many {
				export.ResponseType = jwt.ResponseTypeStream
				export.ResponseThreshold = 0
			}
		}
		if !slices.ContainsFunc(mesh.Exports, func(e *jwt.Export) bool { return e.Subject == export.Subject }) {
			mesh.Exports.Add(export)
		}
		apps.Imports.Add(&jwt.Import{Name: name, Subject: jwt.Subject(subject), Account: meshKey, LocalSubject: jwt.RenamingSubject(local), Type: kind})
	}
	for _, c := range applicationCalls(a.readable) {
		target := "$JS.API." + c.subject
		if c.guarded {
			target = guardRoot + "." + c.subject
		}
		for _, prefix := range []string{"$JS.API.", "$JS." + a.environment + ".API."} {
			share(prefix+c.subject, target, localSubject(prefix+c.subject), jwt.Service, c.stream)
		}
	}
	for _, s := range a.readable {
		// Acknowledgements, in both formats that servers use.
		for _, subject := range []string{"$JS.ACK." + s + ".>", "$JS.ACK.*.*." + s + ".>", "$JS.FC." + s + ".>", "$JS.FC.*.*." + s + ".>"} {
			share(subject, subject, localSubject(subject), jwt.Service, false)
		}
	}
	share("deliveries", appDeliverRoot+"."+appInbox, appInbox, jwt.Stream, false)
}

// localSubject refers to the wildcards of subject by number, as an import's
// local subject must.
func localSubject(subject string) string {
	out, n := make([]byte, 0, len(subject)+4), 0
	for i := range len(subject) {
		if subject[i] != '*' {
			out = append(out, subject[i])
			continue
		}
		n++
		out = append(out, '$', byte('0'+n))
	}
	return string(out)
}

// responseWindow bounds how long a request of an application waits.
const responseWindow = 10 * time.Second
