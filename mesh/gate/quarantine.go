package gate

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Headers of quarantined and dead messages. The publisher's own headers are
// carried as one JSON object, because some of them would act on the stream.
const (
	HeaderOriginalHeaders = "Lockstep-Original-Headers"
	HeaderRefusal         = "Lockstep-Refusal"
	HeaderRefusedAt       = "Lockstep-Refused-At"
)

// quarantined is the header block of the message that keeps a refused publish:
// the reason, and the publisher's headers.
func quarantined(e *event, now time.Time) []byte {
	block := headerPrefix +
		wire.HeaderReason + ": " + strconv.Itoa(e.refusal.ErrCode) + "\r\n" +
		HeaderRefusal + ": " + oneLine(e.refusal.description()) + "\r\n" +
		HeaderRefusedAt + ": " + now.UTC().Format(time.RFC3339Nano) + "\r\n"
	if len(e.in.Header) > 0 {
		original := map[string][]string{}
		if fields, err := parseHeader(nil, e.in.Header); err == nil {
			for _, f := range fields {
				original[string(f.name)] = append(original[string(f.name)], string(f.value))
			}
		} else {
			original[""] = []string{string(e.in.Header)} // no headers, but what came in their place
		}
		if text, err := json.Marshal(original); err == nil { // a map of strings always encodes
			block += HeaderOriginalHeaders + ": " + string(text) + "\r\n"
		}
	}
	return []byte(block + "\r\n")
}

// oneLine makes text fit for a header.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// deadLetterHeaders are what a subscriber may say about an event it gave up.
var deadLetterHeaders = map[string]bool{
	wire.HeaderMsgID: true, wire.HeaderReason: true, wire.HeaderContentType: true, wire.HeaderTraceparent: true,
	wire.HeaderPolicy: true, wire.HeaderKeyID: true, wire.HeaderMasked: true, wire.HeaderHop: true, wire.HeaderStoredAt: true,
	wire.HeaderOrigin: true, wire.HeaderOriginStream: true, wire.HeaderOriginSequence: true,
	wire.HeaderSchemaVersion: true, wire.HeaderSchemaID: true,
	wire.HeaderCEID: true, wire.HeaderCEType: true, wire.HeaderCETime: true, wire.HeaderCESource: true,
	wire.HeaderCESpecVersion: true, wire.HeaderCEDataSchema: true,
}

// deadLetter appends to arena the header block under which a dead letter is
// kept, and gives arena back.
func deadLetter(e *event, arena []byte, s *scratch) []byte {
	start := len(arena)
	var err error
	if s.fields, err = parseHeader(s.fields[:0], e.in.Header); err != nil {
		e.refusal = refused(CodeHeader, err.Error(), "write them as the NATS protocol says, without control characters")
		return arena
	}
	arena = append(arena, headerPrefix...)
	for i, f := range s.fields {
		if !deadLetterHeaders[string(f.name)] && !strings.HasPrefix(string(f.name), "Lockstep-Dead-Letter-") {
			continue
		}
		if string(f.name) == wire.HeaderMsgID {
			if get(s.fields[:i], wire.HeaderMsgID) != nil {
				continue
			}
			e.id = f.value
		}
		arena = append(arena, f.name...)
		arena = append(arena, ": "...)
		arena = append(arena, f.value...)
		arena = append(arena, "\r\n"...)
	}
	arena = append(arena, "\r\n"...)
	e.header = arena[start:len(arena):len(arena)]
	return arena
}
