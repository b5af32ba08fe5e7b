package gate

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Headers of quarantined and dead messages. The publisher's own headers are
// carried as one JSON object, because some of them would act on the stream.
const (
	HeaderOriginalHeaders = "Lockstep-Original-Headers"
	HeaderRefusal         = "Lockstep-Refusal"
	HeaderRefusedAt       = "Lockstep-Refused-At"
)

// quarantined is the message that keeps a refused publish: the payload to the
// byte, the headers, and the reason.
func quarantined(m *nats.Msg, r *Refusal, now time.Time) *nats.Msg {
	h := nats.Header{
		wire.HeaderReason: {strconv.Itoa(r.ErrCode)},
		HeaderRefusal:     {oneLine(r.description())},
		HeaderRefusedAt:   {now.UTC().Format(time.RFC3339Nano)},
	}
	if len(m.Header) > 0 {
		if original, err := json.Marshal(m.Header); err == nil { // a map of strings always encodes
			h.Set(HeaderOriginalHeaders, string(original))
		}
	}
	return &nats.Msg{Subject: wire.QuarantineRoot + "." + m.Subject, Header: h, Data: m.Data}
}

// oneLine makes text fit for a header.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
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
	wire.HeaderSchemaSubject: true, wire.HeaderSchemaVersion: true, wire.HeaderSchemaID: true,
	wire.HeaderCEID: true, wire.HeaderCEType: true, wire.HeaderCETime: true, wire.HeaderCESource: true,
	wire.HeaderCESpecVersion: true, wire.HeaderCEDataSchema: true,
}

// deadLetter stores what a subscriber gave up, and answers when it is stored.
func (g *Gate) deadLetter(m *nats.Msg) {
	h := make(nats.Header, len(m.Header))
	for name, values := range m.Header {
		if deadLetterHeaders[name] || strings.HasPrefix(name, "Lockstep-Dead-Letter-") {
			h[name] = values
		}
	}
	g.store.put(&nats.Msg{Subject: m.Subject, Header: h, Data: m.Data}, func(ack []byte, err error) {
		var failure *Refusal
		if err != nil {
			failure = unavailable(CodeStoreSilent, err.Error(), "send it again")
		} else {
			failure = ackError(ack)
		}
		if failure != nil {
			g.answer(m, failure.response(wire.DeadLetterStream, g.config.Environment))
			return
		}
		g.answer(m, ack)
	})
}
