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
)

// The streams that every environment has, beside one for each domain.
const (
	QuarantineStream = "QUARANTINE"
	WithheldStream   = "WITHHELD"
	DeadLetterStream = "DLQ"
	LedgerStream     = "LEDGER"
)

// Kinds of ledger records, the last token of their subject.
const (
	KindWatermark = "watermark"
	KindWithheld  = "withheld"
	KindReleased  = "released"
)

// What a running environment can be asked, the last token of AdminSubject.
const (
	VerbWithheld = "withheld" // list events that routes withhold
	VerbRelease  = "release"  // release some
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

// upper turns a name of mesh.yaml (lower case, digits, hyphens) into a stream
// name; names hold no underscore, so two of them never meet.
func upper(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}
