// Package ledger is the record by which completeness is proven: digests over
// what a route offers, written beside the events, and their verification where
// the events arrive.
//
// Carrying events belongs in mesh/route. Nothing here sees raw events: a
// digest is over what crosses.
package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Digest is a SHA-256 sum.
type Digest [sha256.Size]byte

// MarshalText is the digest in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(d[:])), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	n, err := hex.Decode(d[:], text)
	if err == nil && n != len(d) {
		err = fmt.Errorf("a digest has %d bytes, this one %d", len(d), n)
	}
	return err
}

// String is the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Watermark closes a segment: it says of a range of origin sequences how many
// events crossed and how many were withheld, with the digest of both.
type Watermark struct {
	OriginStream string `json:"origin_stream"` // name and identity, as in wire.HeaderOriginStream
	From         uint64 `json:"from"`          // first origin sequence of the range
	To           uint64 `json:"to"`            // last one
	Sent         uint64 `json:"sent"`          // events that crossed
	Withheld     uint64 `json:"withheld"`      // events that did not, each with a marker
	Digest       Digest `json:"digest"`        // of the segment's events and markers
	Chain        Digest `json:"chain"`         // over the digests of this and all segments before it
}

// Withheld is the marker that stands for an event that did not cross. It holds
// nothing of the event but its place.
type Withheld struct {
	OriginSequence uint64 `json:"origin_sequence"`
	Code           string `json:"code"`
}

// Encode is the record as it is stored.
func Encode(record any) ([]byte, error) { return json.Marshal(record) }

// digested are the headers whose values a digest covers, in this order.
var digested = [...]string{
	wire.HeaderCEID, wire.HeaderCESource, wire.HeaderCEType, wire.HeaderCETime, wire.HeaderCEDataSchema,
	wire.HeaderTraceparent, wire.HeaderSchemaSubject, wire.HeaderSchemaVersion, wire.HeaderSchemaID,
	wire.HeaderOrigin, wire.HeaderOriginStream, wire.HeaderOriginSequence,
	wire.HeaderPolicy, wire.HeaderKeyID, wire.HeaderMasked, wire.HeaderHop, wire.HeaderStoredAt, wire.HeaderReason,
}

// Segment gathers a watermark, message by message, in origin order. It is not
// safe for concurrent use.
type Segment struct {
	stream   string
	from, to uint64
	sent     uint64
	withheld uint64
	chain    Digest // of the segments before
	sum      hash.Hash
}

// NewSegment begins the segment after the one that chain closed; the first
// segment's chain is the zero digest.
func NewSegment(originStream string, from uint64, chain Digest) *Segment {
	return &Segment{stream: originStream, from: from, to: from - 1, chain: chain, sum: sha256.New()}
}

// Add takes in one message: an event under its stored subject, or a withheld
// marker under its ledger subject.
func (s *Segment) Add(sequence uint64, subject string, header nats.Header, data []byte) {
	var number [8]byte
	put := func(n uint64) {
		binary.BigEndian.PutUint64(number[:], n)
		s.sum.Write(number[:])
	}
	text := func(t string) {
		put(uint64(len(t)))
		s.sum.Write([]byte(t))
	}
	put(sequence)
	text(subject)
	for _, name := range digested {
		text(header.Get(name))
	}
	put(uint64(len(data)))
	s.sum.Write(data)
	s.to = sequence
	if _, _, isEvent := wire.ParseStored(subject); isEvent {
		s.sent++
	} else {
		s.withheld++
	}
}

// Messages is how many messages the segment holds.
func (s *Segment) Messages() uint64 { return s.sent + s.withheld }

// Watermark closes the segment.
func (s *Segment) Watermark() Watermark {
	w := Watermark{OriginStream: s.stream, From: s.from, To: s.to, Sent: s.sent, Withheld: s.withheld}
	s.sum.Sum(w.Digest[:0])
	w.Chain = sha256.Sum256(append(s.chain[:], w.Digest[:]...))
	return w
}
