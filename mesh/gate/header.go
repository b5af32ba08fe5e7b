package gate

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// fastBatchSuffix ends the reply subject of a fast batch publish (ADR-50).
const fastBatchSuffix = ".$FI"

const batchCure = "publish events one by one; the gate makes batches of them itself"

// The headers of NATS that a publisher may set: how an event is recognised
// again, and what the publisher expects of the stream. All others change the
// stream or what the server does with it.
const (
	headerPrefix = "NATS/1.0\r\n"
	// expectedSubject names, in a publisher's expectation, the subject it is about.
	expectedSubject = "Nats-Expected-Last-Subject-Sequence-Subject"
	expectedPrefix  = "Nats-Expected-"
	serverPrefix    = "Nats-"
	batchPrefix     = "Nats-Batch-"
)

func publisherMaySet(name []byte) bool {
	switch string(name) {
	case wire.HeaderMsgID, "Nats-Expected-Stream", "Nats-Expected-Last-Sequence", "Nats-Expected-Last-Msg-Id",
		"Nats-Expected-Last-Subject-Sequence", expectedSubject:
		return true
	}
	return false
}

// field is one header, in place.
type field struct{ name, value []byte }

var errHeader = errors.New("the headers are not lines of name, colon and value")

// parseHeader takes a header block apart, and appends its fields to dst. It
// takes nothing that another reader could read otherwise: no line without a
// name, no continued line, no control character.
func parseHeader(dst []field, block []byte) ([]field, error) {
	if len(block) == 0 {
		return dst, nil
	}
	rest, ok := bytes.CutPrefix(block, []byte(headerPrefix))
	if !ok {
		return dst, errHeader
	}
	for {
		line, more, ok := bytes.Cut(rest, []byte("\r\n"))
		if !ok {
			return dst, errHeader
		}
		if len(line) == 0 {
			if len(more) > 0 {
				return dst, errHeader
			}
			return dst, nil
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) == 0 {
			return dst, errHeader
		}
		for _, c := range name {
			if c <= ' ' || c >= 0x7f {
				return dst, errHeader
			}
		}
		for _, c := range value {
			if c < ' ' && c != '\t' || c == 0x7f {
				return dst, errHeader
			}
		}
		dst = append(dst, field{name, bytes.TrimLeft(value, " \t")})
		rest = more
	}
}

// get is the value of the first header of a name.
func get(fields []field, name string) []byte {
	for _, f := range fields {
		if string(f.name) == name {
			return f.value
		}
	}
	return nil
}

func hasPrefixFold(name []byte, prefix string) bool {
	return len(name) >= len(prefix) && bytes.EqualFold(name[:len(prefix)], []byte(prefix))
}

// checkEnvelope refuses what the publisher may not ask for.
func checkEnvelope(e *event, fields []field) *Refusal {
	if bytes.HasSuffix(e.in.Reply, []byte(fastBatchSuffix)) {
		return refused(CodeBatch, "a fast batch publish would store events past the gate", batchCure)
	}
	size := len(e.in.Data)
	for i, f := range fields {
		size += len(f.name) + len(f.value) + 4
		server, ours := hasPrefixFold(f.name, serverPrefix), hasPrefixFold(f.name, wire.ReservedHeaderPrefix)
		if !server && !ours && !bytes.HasPrefix(f.name, []byte("ce-")) {
			continue
		}
		switch {
		case hasPrefixFold(f.name, batchPrefix):
			return refused(CodeBatch, fmt.Sprintf("header %s: a batch publish would store events past the gate", f.name), batchCure)
		case ours && string(f.name) != wire.HeaderSchemaVersion:
			return refused(CodeHeader, fmt.Sprintf("header %s is set by Lockstep alone", f.name), "leave it out; "+wire.HeaderSchemaVersion+" is the one a publisher may set")
		case server && !publisherMaySet(f.name):
			return refused(CodeHeader, fmt.Sprintf("header %s changes what the server does with the stream", f.name), "leave it out")
		}
		for _, other := range fields[:i] {
			if bytes.Equal(other.name, f.name) {
				return refused(CodeHeader, fmt.Sprintf("header %s stands more than once", f.name), "set it once")
			}
		}
		switch {
		case string(f.name) == wire.HeaderMsgID:
			e.id = f.value
		case hasPrefixFold(f.name, expectedPrefix):
			e.alone = true
		}
	}
	if size > MaxEventBytes {
		return refused(CodeTooLarge, fmt.Sprintf("the event has %d bytes with its headers, more than %d", size, MaxEventBytes), "store what is large elsewhere and publish a reference to it")
	}
	return nil
}

// stamp appends the header block under which the event is stored: the
// publisher's own headers, completed to a CloudEvent and with the schema that
// admitted it.
func (g *Gate) stamp(dst []byte, t *eventType, v *version, fields []field, now []byte) ([]byte, *Refusal) {
	at, id, source, content := now, []byte(nil), false, false
	for _, f := range fields {
		switch string(f.name) {
		case wire.HeaderCETime:
			if len(f.value) == 0 {
				break
			}
			if _, err := time.Parse(time.RFC3339Nano, string(f.value)); err != nil {
				return dst, refused(CodeHeader, "header "+wire.HeaderCETime+" is no RFC 3339 time: "+strconv.Quote(string(f.value)), "write it as 2006-01-02T15:04:05Z")
			}
			at = f.value
		case wire.HeaderCEID:
			id = f.value
		case wire.HeaderCESource:
			source = len(f.value) > 0
		case wire.HeaderContentType:
			content = len(f.value) > 0
		}
	}
	if len(id) == 0 {
		id = get(fields, wire.HeaderMsgID)
	}
	dst = append(dst, v.header...)
	dst = append(dst, wire.HeaderCETime+": "...)
	dst = append(dst, at...)
	dst = append(dst, "\r\n"+wire.HeaderCEID+": "...)
	if len(id) > 0 {
		dst = append(dst, id...)
	} else {
		dst = append(dst, g.idPrefix...)
		dst = strconv.AppendUint(dst, g.ids.Add(1), 36)
	}
	dst = append(dst, "\r\n"...)
	if !source {
		dst = append(dst, t.source...)
	}
	if !content {
		dst = append(dst, wire.HeaderContentType+": application/json\r\n"...)
	}
	for _, f := range fields {
		switch string(f.name) {
		case wire.HeaderCETime, wire.HeaderCEID, wire.HeaderCESpecVersion, wire.HeaderCEType, wire.HeaderCEDataSchema, wire.HeaderSchemaVersion:
			continue // the gate has written it
		case wire.HeaderCESource, wire.HeaderContentType:
			if len(f.value) == 0 {
				continue
			}
		}
		dst = append(dst, f.name...)
		dst = append(dst, ": "...)
		if string(f.name) == expectedSubject {
			dst = append(dst, wire.EventRoot+"."...)
			dst = append(dst, g.config.Environment...)
			dst = append(dst, '.')
		}
		dst = append(dst, f.value...)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...), nil
}
