// Package wire holds the mesh's names as they appear on the wire: event types
// and subjects, streams, consumers and headers.
//
// It belongs here when two parts of Lockstep, or Lockstep and somebody else's
// client, must agree on a name. Nothing here does I/O or keeps state, and the
// package depends on nothing, so that the SDK may use it.
package wire

import (
	"strconv"
	"strings"
	"time"
)

// The roots of the mesh's subject spaces. Applications can publish in none of
// them: they live in the account MESH, and applications in APPS.
const (
	EventRoot      = "evt"            // evt.<origin environment>.<event subject>: a stored event, in every environment
	EgressRoot     = "egress"         // egress.<destination>.<evt…>: what a route writes
	LedgerRoot     = "ledger"         // ledger.<origin environment>.<domain>.<kind>: watermarks and withheld markers
	QuarantineRoot = "quarantine"     // quarantine.<event subject>: what the gate refused
	WithheldRoot   = "withheld"       // withheld.<destination>.<domain>.<origin sequence>: why a route withheld an event
	DeadLetterRoot = "dlq"            // dlq.<domain>.<consumer>: what a subscriber could not process
	DeliverRoot    = "mesh.d"         // mesh.d.<destination>.…: deliveries of pre-made consumers to a leaf
	AdminRoot      = "lockstep.admin" // lockstep.admin.<environment>.<verb>: requests to a running environment
	RestoreRoot    = "restore"        // restore.<evt…>: what an undo puts back into a destination's domain stream
	RemovedRoot    = "removed"        // removed.<origin environment>.<domain>.<stream sequence>: what a repair took out of one
	AuditRoot      = "audit"          // audit.<environment>.<what>: what operators did; it goes nowhere else
	AskRoot        = "mesh.ask"       // mesh.ask.<origin>.<destination>.<verb>: what a destination asks its origin
	AnswerRoot     = "mesh.answer"    // mesh.answer.<origin>.<destination>.<token>: what it is answered
	WriterRoot     = "mesh.writer"    // mesh.writer.<environment>.<egress stream>: subscribed to by the one route that writes there
)

// The streams that every environment has, beside one for each domain.
const (
	QuarantineStream = "QUARANTINE"
	WithheldStream   = "WITHHELD"
	DeadLetterStream = "DLQ"
	LedgerStream     = "LEDGER"
	RemovedStream    = "REMOVED"
	AuditStream      = "AUDIT"
)

// Kinds of ledger records, the last token of their subject.
const (
	KindWatermark = "watermark"
	KindWithheld  = "withheld"
	KindReleased  = "released"
	KindLeaves    = "leaves"  // what a segment is made of, for a destination that asked
	KindRenewal   = "renewal" // all that was before counts no more: the history comes again, masked anew
)

// What a running environment can be asked, the last token of AdminSubject.
const (
	VerbWithheld = "withheld" // list events that routes withhold
	VerbRelease  = "release"  // release some
	VerbRenew    = "renew"    // mask the whole history of routes anew

	VerbLedger = "ledger" // what is verified, and what differs
	VerbAudit  = "audit"  // verify again all that is stored
	VerbRepair = "repair" // repair what differs
	VerbUndo   = "undo"   // undo a repair
)

// What a destination can ask the origin of a route, the last token of AskSubject.
const (
	VerbLeaves = "leaves" // write into the egress stream what segments are made of
	VerbResend = "resend" // write some of its events into it again
)

// StoredSubject is the subject under which an event published on subject is
// stored when its origin is environment.
func StoredSubject(environment, subject string) string {
	return EventRoot + "." + environment + "." + subject
}

// ParseStored splits a stored subject into the origin environment and the
// subject that the application published on.
func ParseStored(stored string) (environment, subject string, ok bool) {
	rest, ok := strings.CutPrefix(stored, EventRoot+".")
	if !ok {
		return "", "", false
	}
	environment, subject, ok = strings.Cut(rest, ".")
	return environment, subject, ok && environment != "" && subject != ""
}

// EgressSubject is the subject under which an egress stream holds an event for
// destination that is stored there under stored.
func EgressSubject(destination, stored string) string {
	return EgressRoot + "." + destination + "." + stored
}

// EgressRecordSubject is the subject that a route publishes a record of the ledger
// on, so that the egress stream captures it and stores it under LedgerSubject. It
// lies where a domain's shared definitions would, which are never events.
func EgressRecordSubject(destination, environment, domain, kind string) string {
	return EgressSubject(destination, StoredSubject(environment, domain+"."+SharedEntity+"."+kind))
}

// LedgerSubject is the subject of a ledger record of one kind.
func LedgerSubject(environment, domain, kind string) string {
	return LedgerRoot + "." + environment + "." + domain + "." + kind
}

// WithheldSubject is the subject of the record that says why a route withheld
// an event.
func WithheldSubject(destination, domain string, originSequence uint64) string {
	return WithheldRoot + "." + destination + "." + domain + "." + strconv.FormatUint(originSequence, 10)
}

// AdminSubject is the subject, in account MESH, of one kind of request to a
// running environment.
func AdminSubject(environment, verb string) string {
	return AdminRoot + "." + environment + "." + verb
}

// RestoreSubject is the subject on which an undo publishes what was stored under
// stored in a destination's domain stream.
func RestoreSubject(stored string) string { return RestoreRoot + "." + stored }

// RemovedSubject is the subject of a message that a repair took out of the stream
// of a domain's events from origin, where it had a sequence.
func RemovedSubject(origin, domain string, sequence uint64) string {
	return RemovedRoot + "." + origin + "." + domain + "." + strconv.FormatUint(sequence, 10)
}

// AuditSubject is the subject of a record of what operators did in environment.
func AuditSubject(environment, what string) string { return AuditRoot + "." + environment + "." + what }

// AskSubject is the subject, in account MESH, on which destination asks origin; "*"
// for the destination stands for all. A leaf may publish on those that name it.
func AskSubject(origin, destination, verb string) string {
	return AskRoot + "." + origin + "." + destination + "." + verb
}

// AnswerSubject is where destination awaits what origin answers; no other reply
// subject is answered on.
func AnswerSubject(origin, destination, token string) string {
	return AnswerRoot + "." + origin + "." + destination + "." + token
}

// WriterSubject is the subject, in account MESH, that the route which writes an egress
// stream of environment is subscribed to.
func WriterSubject(environment, stream string) string {
	return WriterRoot + "." + environment + "." + stream
}

// DomainStream is the name of the stream that keeps a domain's events.
func DomainStream(domain string) string { return upper(domain) }

// EgressStream is the name of the stream that offers a domain's events,
// masked, to a destination.
func EgressStream(domain, destination string) string {
	return upper(domain) + "_TO_" + upper(destination)
}

// EventConsumer is the name of the pre-made durable on an egress stream (or
// the registry's stream) from which a destination sources.
func EventConsumer(destination string) string { return "to_" + destination }

// LedgerConsumer is the name of the pre-made durable on an egress stream from
// which a destination sources the ledger's records.
func LedgerConsumer(destination string) string { return "ledger_to_" + destination }

// DeliverSubject is where the pre-made consumer of a stream delivers to a
// destination.
func DeliverSubject(destination, stream, consumer string) string {
	return DeliverRoot + "." + destination + "." + stream + "." + consumer
}

// SourcePrefix is the prefix of the JetStream API by which a stream sources from one
// in another environment.
func SourcePrefix(environment string) string { return "$JS." + environment + ".API" }

// StreamIdentity tells a stream from one that is made again under its name, as
// HeaderOriginStream does: NAME@IDENTITY.
func StreamIdentity(name string, created time.Time) string {
	return name + "@" + strconv.FormatInt(created.UnixNano(), 10)
}

// upper turns a name of mesh.yaml (lower case, digits, hyphens) into a stream
// name; names hold no underscore, so two of them never meet.
func upper(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}
