package ingress

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "It's a Secret to Everybody"

// rig is a handler over a real server. Its stream takes all of github.> but
// the events of entity "refused", which somebody answers as a gate would.
type rig struct {
	http   *httptest.Server
	js     jetstream.JetStream
	log    *bytes.Buffer
	limit  int64
	server *server.Server
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(5 * time.Second) {
		t.Fatal("the server does not come up")
	}
	conn, err := mesh.Connect(t.Context(), s.ClientURL(), mesh.WithRetry(mesh.Retry{Attempts: 2, Initial: time.Millisecond, AckWait: 2 * time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	js := conn.JetStream()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "GITHUB", Subjects: []string{"github.push", "github.ping", "github.issues", "github.issues.*", "github.odd", "github.odd.*"}, Duplicates: time.Minute,
	}); err != nil {
		t.Fatal(err)
	}
	_, err = conn.NATS().Subscribe("github.refused.>", func(msg *nats.Msg) {
		_ = msg.Respond([]byte(`{"error":{"code":400,"err_code":40011,"description":"event github.refused.opened: at /updated_at expected a date-time"},"stream":"GITHUB","seq":0}`))
	})
	if err != nil {
		t.Fatal(err)
	}

	r := &rig{js: js, log: &bytes.Buffer{}, limit: 4096, server: s}
	handler, err := NewHandler(Options{Secret: []byte(secret), Publisher: conn, Limit: r.limit, Timeout: 3 * time.Second, Log: zerolog.New(r.log)})
	if err != nil {
		t.Fatal(err)
	}
	r.http = httptest.NewServer(handler)
	t.Cleanup(r.http.Close)
	return r
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// reply is what came back, but for the body.
type reply struct {
	StatusCode int
	Header     http.Header
}

// post sends a signed delivery; change may spoil it.
func (r *rig) post(t *testing.T, body string, change func(*http.Request)) (reply, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.http.URL+Path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(headerEvent, "issues")
	req.Header.Set(headerSignature, sign(body))
	if change != nil {
		change(req)
	}
	response, err := r.http.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("status %d: the answer is no JSON: %v\n%s", response.StatusCode, err, text)
	}
	return reply{response.StatusCode, response.Header}, answer
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// Guards against a signature check that GitHub's own example does not pass.
func TestSignatureIsGitHubs(t *testing.T) {
	const want = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if got := sign("Hello, World!"); got != want {
		t.Errorf("the signature is %s, GitHub documents %s", got, want)
	}
}

// Guards against payloads that are changed on their way, against events stored
// under another type than theirs, and against deliveries stored twice.
func TestDeliveriesAreStoredUntouched(t *testing.T) {
	r := newRig(t)
	for i, c := range []struct{ name, event, body, subject string }{
		{"action", "issues", `{"action":"opened","n":1}`, "github.issues.opened"},
		{"white space and order are kept", "issues", " {\t\"b\" : 1.0,\n\"action\" : \"closed\"} \n", "github.issues.closed"},
		{"escapes are kept", "issues", `{"a":"\u00e9","action":"open\u0065d"}`, "github.issues.opened"},
		{"no action", "push", `{"ref":"x"}`, "github.push"},
		{"ping", "ping", `{"zen":"Design for failure."}`, "github.ping"},
		{"action that is no string", "odd", `{"action":{"action":"opened"}}`, "github.odd"},
		{"action below", "odd", `{"a":{"action":"opened"}}`, "github.odd"},
		{"action that is no token", "odd", `{"action":"a.b"}`, "github.odd"},
		{"action with a wildcard", "odd", `{"action":">"}`, "github.odd"},
		{"empty action", "odd", `{"action":""}`, "github.odd"},
		{"long action", "odd", `{"action":"` + strings.Repeat("a", longest+1) + `"}`, "github.odd"},
		{"unicode action", "odd", `{"action":"été"}`, "github.odd.été"},
		{"no object", "odd", `["action","opened"]`, "github.odd"},
		{"no JSON", "odd", `{"action":"opened"`, "github.odd.opened"},
		{"not at all", "odd", `hello`, "github.odd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := fmt.Sprintf("72d3162e-cc78-11e3-81ab-%012d", i)
			change := func(req *http.Request) {
				req.Header.Set(headerEvent, c.event)
				req.Header.Set(headerDelivery, id)
			}
			response, answer := r.post(t, c.body, change)
			if response.StatusCode != http.StatusAccepted || answer["type"] != c.subject || answer["stream"] != "GITHUB" || answer["duplicate"] != false {
				t.Fatalf("status %d, %v", response.StatusCode, answer)
			}
			stream, err := r.js.Stream(t.Context(), "GITHUB")
			if err != nil {
				t.Fatal(err)
			}
			sequence := uint64(answer["sequence"].(float64))
			msg, err := stream.GetMsg(t.Context(), sequence)
			if err != nil {
				t.Fatal(err)
			}
			ceType, err := url.PathUnescape(msg.Header.Get("ce-type"))
			if err != nil || string(msg.Data) != c.body || msg.Subject != c.subject || msg.Header.Get("Nats-Msg-Id") != id || ceType != c.subject {
				t.Errorf("stored %q on %s with %v", msg.Data, msg.Subject, msg.Header)
			}
			_, again := r.post(t, c.body, change)
			if again["duplicate"] != true || again["sequence"] != answer["sequence"] {
				t.Errorf("delivered again: %v", again)
			}
		})
	}
}

// Guards against forms, GitHub's other content type, being refused or stored
// as forms.
func TestForm(t *testing.T) {
	r := newRig(t)
	payload := `{"action":"opened","title":"100 % & more + ünïcode"}`
	form := func(req *http.Request) {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	response, answer := r.post(t, url.Values{"payload": {payload}}.Encode(), form)
	if response.StatusCode != http.StatusAccepted || answer["type"] != "github.issues.opened" {
		t.Fatalf("status %d, %v", response.StatusCode, answer)
	}
	stream, err := r.js.Stream(t.Context(), "GITHUB")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), uint64(answer["sequence"].(float64)))
	if err != nil || string(msg.Data) != payload {
		t.Errorf("stored %q, %v", msg.Data, err)
	}
	for body, want := range map[string]int{
		"payload=%zz":        400,
		"data={}":            400,
		"payload=a&payload=": 400,
		"payload=":           422,
		"payload=" + strings.Repeat("a", int(r.limit)+1):    413,
		"payload=" + strings.Repeat("%41", int(r.limit)):    202,
		"payload=" + strings.Repeat("%41", int(r.limit)*2):  413,
		"payload=" + strings.Repeat("%41", int(r.limit)+10): 413,
	} {
		response, answer := r.post(t, body, func(req *http.Request) { form(req); req.Header.Set(headerEvent, "odd") })
		if response.StatusCode != want {
			t.Errorf("%.30s… (%d bytes): status %d, want %d: %v", body, len(body), response.StatusCode, want, answer)
		}
	}
}

// Guards against deliveries from somebody who does not know the secret, and
// against wrong requests that get in, crash, or are told nothing useful.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	const good = `{"action":"opened"}`
	large := `{"a":"` + strings.Repeat("x", int(r.limit)) + `"}`
	for _, c := range []struct {
		name, body string
		change     func(*http.Request)
		status     int
		code       string
	}{
		{"no signature", good, func(q *http.Request) { q.Header.Del(headerSignature) }, 401, "bad_signature"},
		{"another body's signature", good, header(headerSignature, sign(good+" ")), 401, "bad_signature"},
		{"signature without its name", good, header(headerSignature, strings.TrimPrefix(sign(good), "sha256=")), 401, "bad_signature"},
		{"signature by SHA-1", good, header(headerSignature, "sha1=0123456789012345678901234567890123456789"), 401, "bad_signature"},
		{"short signature", good, header(headerSignature, "sha256=00"), 401, "bad_signature"},
		{"signature that is no hex", good, header(headerSignature, "sha256="+strings.Repeat("zz", 32)), 401, "bad_signature"},
		{"two signatures", good, func(q *http.Request) { q.Header.Add(headerSignature, sign(good)) }, 401, "bad_signature"},
		{"no event", good, func(q *http.Request) { q.Header.Del(headerEvent) }, 400, "bad_header"},
		{"two events", good, func(q *http.Request) { q.Header.Add(headerEvent, "push") }, 400, "bad_header"},
		{"event with a dot", good, header(headerEvent, "a.b"), 400, "bad_header"},
		{"event with a wildcard", good, header(headerEvent, ">"), 400, "bad_header"},
		{"event that is empty", good, header(headerEvent, ""), 400, "bad_header"},
		{"long event", good, header(headerEvent, strings.Repeat("e", longest+1)), 400, "bad_header"},
		{"delivery with spaces", good, header(headerDelivery, "a b"), 400, "bad_header"},
		{"delivery that is empty", good, header(headerDelivery, ""), 400, "bad_header"},
		{"delivery beyond ASCII", good, header(headerDelivery, "ü"), 400, "bad_header"},
		{"long delivery", good, header(headerDelivery, strings.Repeat("d", longest+1)), 400, "bad_header"},
		{"text", good, header("Content-Type", "text/plain"), 415, "unsupported_media_type"},
		{"no content type", good, func(q *http.Request) { q.Header.Del("Content-Type") }, 415, "unsupported_media_type"},
		{"broken content type", good, header("Content-Type", "application/json; ="), 415, "unsupported_media_type"},
		{"other charset", good, header("Content-Type", "application/json; charset=utf-16"), 415, "unsupported_media_type"},
		{"compressed", good, header("Content-Encoding", "gzip"), 415, "unsupported_media_type"},
		{"too large", large, nil, 413, "too_large"},
		{"too large, length unknown", large, func(q *http.Request) { q.ContentLength = -1 }, 413, "too_large"},
		{"PUT", good, func(q *http.Request) { q.Method = http.MethodPut }, 405, "method_not_allowed"},
		{"GET", "", func(q *http.Request) { q.Method = http.MethodGet }, 405, "method_not_allowed"},
		{"elsewhere", good, func(q *http.Request) { q.URL.Path = "/hooks/gitlab" }, 404, "not_found"},
		{"below", good, func(q *http.Request) { q.URL.Path = Path + "/" }, 404, "not_found"},
		{"empty body", "", nil, 422, "invalid_argument"},
		{"reserved entity", good, header(headerEvent, "common"), 422, "invalid_argument"},
		{"refused by the gate", good, header(headerEvent, "refused"), 422, "refused"},
		{"no gate", good, header(headerEvent, "nobody"), 503, "no_gate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			response, problem := r.post(t, c.body, c.change)
			if response.StatusCode != c.status || problem["code"] != c.code || problem["status"] != float64(c.status) {
				t.Fatalf("status %d, want %d %s: %v", response.StatusCode, c.status, c.code, problem)
			}
			if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("the Content-Type is %q", got)
			}
			if id := response.Header.Get("X-Request-Id"); id == "" || problem["request_id"] != id {
				t.Errorf("request id %q, %v in the problem", id, problem["request_id"])
			}
			if problem["title"] == "" || problem["detail"] == "" || problem["cure"] == "" {
				t.Errorf("the problem does not say what, why and how to mend it: %v", problem)
			}
		})
	}

	_, problem := r.post(t, good, header(headerEvent, "refused"))
	if problem["err_code"] != float64(40011) || !strings.Contains(problem["detail"].(string), "/updated_at") {
		t.Errorf("the gate's reason is lost: %v", problem)
	}
	if response, _ := r.post(t, good, header(headerEvent, "nobody")); response.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	if response, _ := r.post(t, good, func(q *http.Request) { q.Method = http.MethodDelete }); response.Header.Get("Allow") != "POST" {
		t.Error("405 without Allow")
	}
	stream, err := r.js.Stream(t.Context(), "GITHUB")
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d refused deliveries are stored", n)
	}
}

// Guards against a sender that waits for ever, or is told that all is well,
// while the environment is down.
func TestServerAway(t *testing.T) {
	r := newRig(t)
	r.server.Shutdown()
	r.server.WaitForShutdown()
	response, problem := r.post(t, `{"action":"opened"}`, nil)
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, %v", response.StatusCode, problem)
	}
}

// Guards against personal data in the service's log.
func TestLogHoldsNoPayload(t *testing.T) {
	r := newRig(t)
	r.post(t, `{"action":"opened","login":"ada-lovelace"}`, nil)
	r.post(t, `{"action":"opened","login":"ada-lovelace"}`, header(headerEvent, "refused"))
	r.post(t, `{"login":"ada-lovelace"}`, header(headerSignature, "sha256=ada-lovelace"))
	r.post(t, `{"login":"ada-lovelace"}`, func(q *http.Request) { q.URL.Path = "/ada-lovelace" })
	if text := r.log.String(); strings.Contains(text, "ada-lovelace") || strings.Contains(text, "updated_at") || strings.Count(text, "\n") != 4 {
		t.Errorf("the log is\n%s", text)
	}
}

// Guards against a handler that takes unsigned deliveries because somebody
// forgot to set the secret.
func TestHandlerNeedsItsOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no secret":      {Publisher: (*mesh.Conn)(nil)},
		"no publisher":   {Secret: []byte("s")},
		"negative limit": {Secret: []byte("s"), Publisher: (*mesh.Conn)(nil), Limit: -1},
	} {
		if _, err := NewHandler(o); err == nil {
			t.Errorf("%s: a handler is made", name)
		}
	}
}

// Guards against requests that are cut off when the service stops, and against
// a service that does not stop.
func TestServeStops(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		w.WriteHeader(http.StatusAccepted)
	})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, slow, zerolog.Nop()) }()
	status := make(chan int, 1)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	go func() {
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, "http://"+listener.Addr().String(), http.NoBody)
		if err != nil {
			status <- -1
			return
		}
		response, err := client.Do(req)
		if err != nil {
			status <- -2
			return
		}
		_ = response.Body.Close()
		status <- response.StatusCode
	}()
	<-arrived
	stop()
	close(release)
	if got := <-status; got != http.StatusAccepted {
		t.Errorf("the request under way ended with %d", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// Guards against a command line that is misunderstood without a word.
func TestCommandLine(t *testing.T) {
	environment := map[string]string{secretVariable: "s"}
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		code int
		says string
	}{
		{"no secret", nil, nil, exitUsage, secretVariable},
		{"unknown flag", []string{"--port", "1"}, environment, exitUsage, "port"},
		{"argument", []string{"serve"}, environment, exitUsage, "serve"},
		{"limit", []string{"--limit", "0"}, environment, exitUsage, "--limit 0"},
		{"bad variable", nil, map[string]string{secretVariable: "s", "LOCKSTEP_LIMIT": "1MB"}, exitUsage, "LOCKSTEP_LIMIT"},
		{"help", []string{"--help"}, environment, 0, "LOCKSTEP_URL"},
		{"no such file", []string{"--creds", "/does/not/exist.creds"}, environment, exitFailed, "exist.creds"},
	} {
		var stderr bytes.Buffer
		code := Main(c.args, func(name string) string { return c.env[name] }, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%s: exit code %d, want %d, and %q in\n%s", c.name, code, c.code, c.says, stderr.String())
		}
	}
}

// Guards against panics and against subjects that JetStream would not take,
// whatever the payload is.
func FuzzAction(f *testing.F) {
	for _, seed := range []string{`{"action":"opened"}`, `{"a":[1,{"action":"x"}],"action":"y"}`, `{"action":"a b"}`, `{`, ``, `{"\u0061ction":"z"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		action, ok := actionOf(payload)
		if ok && (action == "" || strings.ContainsAny(action, " .*>\t\r\n\x00")) {
			t.Errorf("%q has the action %q", payload, action)
		}
	})
}
