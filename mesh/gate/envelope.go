package gate

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry"
)

// fastBatchSuffix ends the reply subject of a fast batch publish (ADR-50).
const fastBatchSuffix = ".$FI"

// expectedSubject names, in a publisher's expectation, the subject it is about.
const expectedSubject = "Nats-Expected-Last-Subject-Sequence-Subject"

// publisherHeaders are the headers of NATS that a publisher may set: how an
// event is recognised again, and what the publisher expects of the stream.
// All others change the stream or what the server does with it.
var publisherHeaders = map[string]bool{
	wire.HeaderMsgID:                      true,
	"Nats-Expected-Stream":                true,
	"Nats-Expected-Last-Sequence":         true,
	"Nats-Expected-Last-Msg-Id":           true,
	"Nats-Expected-Last-Subject-Sequence": true,
	expectedSubject:                       true,
}

// checkEnvelope refuses what the publisher may not ask for.
func checkEnvelope(m *nats.Msg) *Refusal {
	if strings.HasSuffix(m.Reply, fastBatchSuffix) {
		return refused(CodeBatch, "a fast batch publish would store events past the gate", "publish events one by one; the gate makes batches of them itself")
	}
	size := len(m.Data)
	for name, values := range m.Header {
		for _, v := range values {
			size += len(name) + len(v) + 4
		}
		if len(values) > 1 && (strings.HasPrefix(name, "ce-") || isServerHeader(name) || isLockstepHeader(name)) {
			return refused(CodeHeader, fmt.Sprintf("header %s stands %d times", name, len(values)), "set it once")
		}
		switch {
		case strings.HasPrefix(strings.ToLower(name), "nats-batch-"):
			return refused(CodeBatch, "header "+name+": a batch publish would store events past the gate", "publish events one by one; the gate makes batches of them itself")
		case isLockstepHeader(name) && name != wire.HeaderSchemaVersion:
			return refused(CodeHeader, "header "+name+" is set by Lockstep alone", "leave it out; "+wire.HeaderSchemaVersion+" is the one a publisher may set")
		case isServerHeader(name) && !publisherHeaders[name]:
			return refused(CodeHeader, "header "+name+" changes what the server does with the stream", "leave it out")
		}
	}
	if size > MaxEventBytes {
		return refused(CodeTooLarge, fmt.Sprintf("the event has %d bytes with its headers, more than %d", size, MaxEventBytes), "store what is large elsewhere and publish a reference to it")
	}
	return nil
}

func isServerHeader(name string) bool {
	return len(name) >= 5 && strings.EqualFold(name[:5], "Nats-")
}

func isLockstepHeader(name string) bool {
	return len(name) >= len(wire.ReservedHeaderPrefix) && strings.EqualFold(name[:len(wire.ReservedHeaderPrefix)], wire.ReservedHeaderPrefix)
}

// stamp is the header under which the event is stored: the publisher's own,
// completed to a CloudEvent and with the schema that admitted it.
func (g *Gate) stamp(subject wire.Subject, v registry.Version, from nats.Header) (nats.Header, *Refusal) {
	h := make(nats.Header, len(from)+9)
	for name, values := range from {
		h[name] = values
	}
	if text := h.Get(wire.HeaderCETime); text == "" {
		h.Set(wire.HeaderCETime, time.Now().UTC().Format(time.RFC3339Nano))
	} else if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
		return nil, refused(CodeHeader, "header "+wire.HeaderCETime+" is no RFC 3339 time: "+strconv.Quote(text), "write it as 2006-01-02T15:04:05Z")
	}
	if h.Get(wire.HeaderCEID) == "" {
		id := h.Get(wire.HeaderMsgID)
		if id == "" {
			id = nuid.Next()
		}
		h.Set(wire.HeaderCEID, id)
	}
	if h.Get(wire.HeaderCESource) == "" {
		h.Set(wire.HeaderCESource, "/"+g.config.Environment+"/"+subject.Domain)
	}
	if h.Get(wire.HeaderContentType) == "" {
		h.Set(wire.HeaderContentType, "application/json")
	}
	if about := h.Get(expectedSubject); about != "" {
		h.Set(expectedSubject, wire.StoredSubject(g.config.Environment, about))
	}
	version := strconv.Itoa(v.Version)
	h.Set(wire.HeaderCESpecVersion, "1.0")
	h.Set(wire.HeaderCEType, subject.Type())
	h.Set(wire.HeaderCEDataSchema, "/subjects/"+v.Subject+"/versions/"+version)
	h.Set(wire.HeaderSchemaSubject, v.Subject)
	h.Set(wire.HeaderSchemaVersion, version)
	h.Set(wire.HeaderSchemaID, strconv.Itoa(v.ID))
	return h, nil
}
