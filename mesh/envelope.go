package mesh

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Envelope is an event to publish whose data is JSON already.
type Envelope struct {
	// Type is the event's type, <domain>.<entity>.<action> ("orders.order.created"),
	// or <domain>.<entity> for an event about the whole entity. Required.
	Type string
	// Keys are appended to the type to form the subject. Each is one subject
	// token: not empty, without '.', '*', '>', white space or control
	// characters. An event without an action has none.
	Keys []string
	// Data is the event, one JSON document.
	Data []byte

	// ID identifies the event: publishing it again under the same ID within the
	// stream's duplicate window stores nothing and answers Duplicate. Printable
	// ASCII without spaces, at most 256 bytes. Empty: one is generated.
	ID string
	// Source is the CloudEvents source, a URI reference. Empty: the publisher's
	// or the connection's.
	Source string
	// Time is when what the event tells of happened. Zero: now.
	Time time.Time
	// SchemaVersion pins the version of the schema that must admit the event.
	// Zero: the gate takes the newest that does.
	SchemaVersion int
	// Traceparent is the W3C trace context. Empty: what [WithTrace] says, or none.
	Traceparent string
}

// publishOption changes an envelope.
type publishOption func(*Envelope)

func (f publishOption) applyPublish(e *Envelope) { f(e) }

// WithID gives the event its ID; see [Envelope].
func WithID(id string) PublishOption { return publishOption(func(e *Envelope) { e.ID = id }) }

// WithTime says when what the event tells of happened.
func WithTime(t time.Time) PublishOption { return publishOption(func(e *Envelope) { e.Time = t }) }

// WithTraceparent sets the W3C trace context of one event.
func WithTraceparent(traceparent string) PublishOption {
	return publishOption(func(e *Envelope) { e.Traceparent = traceparent })
}

// WithKeys sets the key tokens of one event, in place of the key function's.
func WithKeys(tokens ...string) PublishOption {
	return publishOption(func(e *Envelope) { e.Keys = tokens })
}

// VersionOption is an option of [NewPublisher] that one publish can override.
type VersionOption interface {
	PublisherOption
	PublishOption
}

type versionOption int

func (v versionOption) applyPublisher(c *publisherConfig) { c.version = int(v) }
func (v versionOption) applyPublish(e *Envelope)          { e.SchemaVersion = int(v) }

// WithSchemaVersion pins the schema version that must admit the event.
func WithSchemaVersion(version int) VersionOption { return versionOption(version) }

// Receipt says where a published event is stored.
type Receipt struct {
	Stream      string // the stream that holds it
	Environment string // the JetStream domain of that stream
	Sequence    uint64 // its sequence in that stream, the event's origin sequence
	ID          string // its ID, given or generated
	// Duplicate: the stream held the event before this answer, because the ID
	// was published earlier or because a retry came after a lost answer.
	// Sequence is that of the event stored first.
	Duplicate bool
	// Reordered: an event that PublishAsync was called for later is stored
	// before this one; see [OrderAll].
	Reordered bool
}

func (a pubAck) receipt(id string) Receipt {
	return Receipt{Stream: a.Stream, Environment: a.Domain, Sequence: a.Sequence, Duplicate: a.Duplicate, ID: id}
}

const (
	maxIDLength   = 256
	sourceProblem = "the source is not a CloudEvents source: a URI reference that is not empty"
	// contentType is that of every event's data.
	contentType = "application/json"
)

var traceparentForm = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// message turns e, whose Source is set, into the message on the wire, with an
// ID if it has none. It reports every problem at once.
func (e *Envelope) message() (*nats.Msg, *Error) {
	if problems := e.problems(); len(problems) > 0 {
		return nil, invalid("publish", e.Type, "correct the event or the options it is published with", "%s", strings.Join(problems, "; "))
	}
	if e.ID == "" {
		e.ID = rand.Text()
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	subject := e.Type
	if len(e.Keys) > 0 {
		subject += "." + strings.Join(e.Keys, ".")
	}
	h := make(nats.Header, 9)
	h[wire.HeaderMsgID] = []string{e.ID}
	h[wire.HeaderCESpecVersion] = []string{"1.0"}
	h[wire.HeaderCEID] = []string{percentEncode(e.ID)}
	h[wire.HeaderCESource] = []string{percentEncode(e.Source)}
	h[wire.HeaderCEType] = []string{percentEncode(e.Type)}
	h[wire.HeaderCETime] = []string{e.Time.UTC().Format(time.RFC3339Nano)}
	h[wire.HeaderContentType] = []string{contentType}
	if e.Traceparent != "" {
		h[wire.HeaderTraceparent] = []string{e.Traceparent}
	}
	if e.SchemaVersion != 0 {
		h[wire.HeaderSchemaVersion] = []string{strconv.Itoa(e.SchemaVersion)}
	}
	return &nats.Msg{Subject: subject, Header: h, Data: e.Data}, nil
}

func (e *Envelope) problems() []string {
	var all []string
	note := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	if p := typeProblem(e.Type); p != "" {
		all = append(all, p)
	} else if strings.Count(e.Type, ".") == 1 {
		note(len(e.Keys) > 0, "an event without an action cannot have key tokens")
	}
	for i, key := range e.Keys {
		note(!wire.ValidToken(key), "key token %d is not one subject token: it is empty or holds '.', '*', '>', white space or a control character", i+1)
	}
	note(len(e.Data) == 0, "the data is empty; an event without content is {}")
	note(e.ID != "" && !validID(e.ID), "the ID is not 1 to %d printable ASCII characters without spaces", maxIDLength)
	note(!validSource(e.Source), "%s", sourceProblem)
	note(e.SchemaVersion < 0, "the schema version is negative")
	note(e.Traceparent != "" && !traceparentForm.MatchString(e.Traceparent), "the traceparent is not of the W3C form 00-<32 hex>-<16 hex>-<2 hex>")
	if year := e.Time.UTC().Year(); year < 1 || year > 9999 {
		all = append(all, "the time's year is not within 1 to 9999")
	}
	return all
}

// typeProblem says what is wrong with an event type, or nothing.
func typeProblem(eventType string) string {
	s, err := wire.ParseSubject(eventType)
	switch {
	case err != nil:
		return err.Error()
	case len(s.Keys) > 0:
		return fmt.Sprintf("type %q has more than three tokens: a type is <domain>.<entity>.<action>, and keys are given apart", eventType)
	case s.Entity == wire.SharedEntity:
		return fmt.Sprintf("type %q: the entity %q is kept for shared definitions and has no events", eventType, wire.SharedEntity)
	case !utf8.ValidString(eventType):
		return fmt.Sprintf("type %q is not UTF-8", eventType)
	default:
		return ""
	}
}

func validID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxIDLength
}

func validSource(source string) bool {
	_, err := url.Parse(source)
	return source != "" && err == nil
}

// percentEncode writes an attribute as the CloudEvents NATS binding wants it in
// a header: printable ASCII, with space, '"' and '%' and all else escaped.
func percentEncode(s string) string {
	plain := func(b byte) bool { return b > ' ' && b <= '~' && b != '"' && b != '%' }
	bad := 0
	for i := range len(s) {
		if !plain(s[i]) {
			bad++
		}
	}
	if bad == 0 {
		return s
	}
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+2*bad)
	for i := range len(s) {
		if b := s[i]; plain(b) {
			out = append(out, b)
		} else {
			out = append(out, '%', hex[b>>4], hex[b&15])
		}
	}
	return string(out)
}

// percentDecode is the reverse; what is no escape stands for itself, since
// other publishers may not encode.
func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	if decoded, err := url.PathUnescape(s); err == nil && utf8.ValidString(decoded) {
		return decoded
	}
	return s
}
