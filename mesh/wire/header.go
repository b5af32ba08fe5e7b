package wire

import (
	"strconv"
	"strings"
)

// Headers of an event. CloudEvents 1.0 attributes are carried in binary mode
// under "ce-", as the CloudEvents NATS binding lays down.
const (
	HeaderMsgID = "Nats-Msg-Id"

	HeaderCESpecVersion = "ce-specversion"
	HeaderCEID          = "ce-id"
	HeaderCESource      = "ce-source"
	HeaderCEType        = "ce-type"
	HeaderCETime        = "ce-time"
	HeaderCEDataSchema  = "ce-dataschema"
	HeaderContentType   = "content-type"
	HeaderTraceparent   = "traceparent"

	// HeaderSchemaVersion is the version of the schema that an event is valid
	// under; HeaderCEDataSchema names its subject, too. A publisher may set it to
	// pin a version; the gate sets it in any case.
	HeaderSchemaVersion = "Lockstep-Schema-Version"
	// HeaderSchemaID is the registry's global id of the schema; the gate sets it.
	HeaderSchemaID = "Lockstep-Schema-Id"

	// HeaderOrigin is the origin environment of a routed event.
	HeaderOrigin = "Lockstep-Origin"
	// HeaderOriginStream is the origin stream's name and identity (creation time
	// in nanoseconds), as NAME@IDENTITY: a stream made again under the same name
	// is another one.
	HeaderOriginStream = "Lockstep-Origin-Stream"
	// HeaderOriginSequence is the event's sequence in its origin stream.
	HeaderOriginSequence = "Lockstep-Origin-Sequence"
	// HeaderPolicy is the masking policy and its version, as NAME@DIGEST.
	HeaderPolicy = "Lockstep-Policy"
	// HeaderKeyID names the root key behind the tokens; never the key.
	HeaderKeyID = "Lockstep-Key-Id"
	// HeaderMasked is the number of values that masking changed.
	HeaderMasked = "Lockstep-Masked"
	// HeaderHop counts the routes an event has crossed, from 1.
	HeaderHop = "Lockstep-Hop"
	// HeaderReason is the code for which an event was refused, withheld or given up.
	HeaderReason = "Lockstep-Reason"
	// HeaderStoredAt is the time at which the origin's stream stored the event,
	// RFC 3339 with nanoseconds.
	HeaderStoredAt = "Lockstep-Stored-At"
	// HeaderReleased marks an event that was withheld when its turn came and
	// crossed later; it is the time of its release, RFC 3339 with nanoseconds.
	// Such an event stands behind events of higher origin sequences.
	HeaderReleased = "Lockstep-Released"
	// HeaderCheckpoint is the origin sequence up to which the route had dealt with
	// all events when it wrote the message. Messages without it are their own
	// checkpoint: HeaderOriginSequence.
	HeaderCheckpoint = "Lockstep-Checkpoint"
	// HeaderRepair marks a message that an origin wrote again because a destination
	// asked for it; it is the time at which it was asked, RFC 3339 with nanoseconds.
	// Such a message stands behind events of higher origin sequences. No digest
	// covers it.
	HeaderRepair = "Lockstep-Repair"
	// HeaderRestored marks a message that an undo put back; it is the id of the
	// repair that was undone. No digest covers it.
	HeaderRestored = "Lockstep-Restored"
	// HeaderGeneration counts how often the route has masked its history: from 2 on,
	// in all that it writes since it was last renewed. Messages without it are of the
	// first generation.
	HeaderGeneration = "Lockstep-Generation"
)

// ReservedHeaderPrefix begins the headers that only Lockstep sets; of those a
// publisher may set HeaderSchemaVersion alone.
const ReservedHeaderPrefix = "Lockstep-"

// What DataSchema puts around a subject and a version: the path of the
// registry's API at which that version is found.
const (
	dataSchemaRoot    = "/subjects/"
	dataSchemaVersion = "/versions/"
)

// DataSchema is the value of HeaderCEDataSchema of events that are valid under a
// version of a registry subject.
func DataSchema(subject string, version int) string {
	return dataSchemaRoot + subject + dataSchemaVersion + strconv.Itoa(version)
}

// ParseDataSchema takes a value of DataSchema apart. It is not ok for what other
// publishers write into HeaderCEDataSchema.
func ParseDataSchema(value string) (subject string, version int, ok bool) {
	rest, ok := strings.CutPrefix(value, dataSchemaRoot)
	if !ok {
		return "", 0, false
	}
	subject, number, ok := strings.Cut(rest, dataSchemaVersion)
	if !ok || subject == "" {
		return "", 0, false
	}
	version, err := strconv.Atoi(number)
	if err != nil || version < 1 || strconv.Itoa(version) != number {
		return "", 0, false
	}
	return subject, version, true
}
