package wire

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

	// HeaderSchemaSubject is the registry subject that an event is valid under;
	// the gate sets it.
	HeaderSchemaSubject = "Lockstep-Schema-Subject"
	// HeaderSchemaVersion is the version under that subject. A publisher may set
	// it to pin a version; the gate sets it in any case.
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
)

// ReservedHeaderPrefix begins the headers that only Lockstep sets; of those a
// publisher may set HeaderSchemaVersion alone.
const ReservedHeaderPrefix = "Lockstep-"
