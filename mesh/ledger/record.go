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
	OriginStream string `json:"origin_stream"`      // name and identity, as in wire.HeaderOriginStream
	From         uint64 `json:"from"`               // first origin sequence of the range
	To           uint64 `json:"to"`                 // last one
	Sent         uint64 `json:"sent"`               // events that crossed
	Withheld     uint64 `json:"withheld"`           // events that did not, each with a marker
	Released     uint64 `json:"released,omitempty"` // events withheld in this or an earlier range that crossed meanwhile, each with a record
	Digest       Digest `json:"digest"`             // of the segment's events and markers, in origin order, and of its records of releases
	Chain        Digest `json:"chain"`              // over the digests of this and all segments before it
}

// Withheld is the marker that stands for an event that did not cross. It holds
// nothing of the event but its place.
type Withheld struct {
	OriginSequence uint64 `json:"origin_sequence"`
	Code           string `json:"code"`
}

// Released is the record of an event that was withheld when its turn came and
// crossed later. It follows the event in the egress stream.
type Released struct {
	OriginSequence uint64 `json:"origin_sequence"`
	Digest         Digest `json:"digest"` // of the event, as EventDigest makes it
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

// Segment gathers a watermark, message by message: events and markers in origin
// order, releases in the order in which they were made. It is not safe for
// concurrent use.
type Segment struct {
	stream   string
	from, to uint64
	sent     uint64
	withheld uint64
	released uint64
	chain    Digest // of the segments before
	sum      hash.Hash
	releases hash.Hash // nil until there is one
	scratch  []byte
}

// NewSegment begins the segment after the one that chain closed; the first
// segment's chain is the zero digest.
func NewSegment(originStream string, from uint64, chain Digest) *Segment {
	return &Segment{stream: originStream, from: from, to: from - 1, chain: chain, sum: sha256.New()}
}

// Add takes in one message: an event under its stored subject, or a withheld
// marker under its ledger subject. It keeps nothing of what it is given.
func (s *Segment) Add(sequence uint64, subject string, header nats.Header, data []byte) {
	s.scratch = appendMessage(s.scratch[:0], sequence, subject, header, data)
	s.sum.Write(s.scratch)
	s.sum.Write(data)
	s.to = sequence
	if _, _, isEvent := wire.ParseStored(subject); isEvent {
		s.sent++
	} else {
		s.withheld++
	}
}

// AddRelease takes in one release.
func (s *Segment) AddRelease(r Released) {
	if s.releases == nil {
		s.releases = sha256.New()
	}
	s.scratch = binary.BigEndian.AppendUint64(s.scratch[:0], r.OriginSequence)
	s.scratch = append(s.scratch, r.Digest[:]...)
	s.releases.Write(s.scratch)
	s.released++
}

// appendMessage appends all that a digest covers of a message but its data,
// each part after its length.
func appendMessage(b []byte, sequence uint64, subject string, header nats.Header, data []byte) []byte {
	text := func(t string) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(t)))
		b = append(b, t...)
	}
	b = binary.BigEndian.AppendUint64(b, sequence)
	text(subject)
	for _, name := range digested {
		text(header.Get(name))
	}
	if at := header.Get(wire.HeaderReleased); at != "" {
		text(at)
	}
	return binary.BigEndian.AppendUint64(b, uint64(len(data)))
}

// EventDigest is the digest of one event alone.
func EventDigest(sequence uint64, subject string, header nats.Header, data []byte) (d Digest) {
	sum := sha256.New()
	sum.Write(appendMessage(nil, sequence, subject, header, data))
	sum.Write(data)
	sum.Sum(d[:0])
	return d
}

// Messages is how many events, markers and releases the segment holds.
func (s *Segment) Messages() uint64 { return s.sent + s.withheld + s.released }

// Watermark closes the segment.
func (s *Segment) Watermark() Watermark {
	w := Watermark{OriginStream: s.stream, From: s.from, To: s.to, Sent: s.sent, Withheld: s.withheld, Released: s.released}
	s.sum.Sum(w.Digest[:0])
	if s.releases != nil {
		both := append(make([]byte, 0, 2*len(w.Digest)), w.Digest[:]...)
		w.Digest = sha256.Sum256(s.releases.Sum(both))
	}
	w.Chain = sha256.Sum256(append(s.chain[:], w.Digest[:]...))
	return w
}
