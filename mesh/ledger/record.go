// Package ledger is the record by which completeness is proven: digests over
// what a route offers, written beside the events; their verification where the
// events arrive; and the repair of what differs there, with its undo.
//
// Carrying events belongs in mesh/route, and so does what an origin answers when
// a destination asks. Nothing here sees raw events: a digest is over what crosses.
package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"time"

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
	Digest       Digest `json:"digest"`             // over the digests of the segment's events and markers, in origin order, and its records of releases
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

// Renewal begins a generation: all that the route sent before counts no more, and
// every event of the origin comes again, masked anew. The first segment behind it
// has no chain before it.
type Renewal struct {
	Generation uint64    `json:"generation"` // from 2 on
	At         time.Time `json:"at"`
	To         uint64    `json:"to"`    // origin sequence up to which the generation before had come
	Chain      Digest    `json:"chain"` // over all its segments
}

// Encode is the record as it is stored.
func Encode(record any) ([]byte, error) { return json.Marshal(record) }

// digested are the headers whose values a digest covers, in this order.
var digested = [...]string{
	wire.HeaderCEID, wire.HeaderCESource, wire.HeaderCEType, wire.HeaderCETime, wire.HeaderCEDataSchema,
	wire.HeaderTraceparent, wire.HeaderSchemaVersion, wire.HeaderSchemaID,
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

// AddEvent takes in one event that crosses, by its digest.
func (s *Segment) AddEvent(sequence uint64, d Digest) {
	s.add(sequence, d)
	s.sent++
}

// AddMarker takes in the marker of an event that is withheld, by its digest.
func (s *Segment) AddMarker(sequence uint64, d Digest) {
	s.add(sequence, d)
	s.withheld++
}

func (s *Segment) add(sequence uint64, d Digest) {
	s.scratch = append(s.scratch[:0], d[:]...)
	s.sum.Write(s.scratch)
	s.to = sequence
}

// Add takes in one message as it is stored: an event, or a marker.
func (s *Segment) Add(sequence uint64, subject string, header nats.Header, data []byte) {
	d := EventDigest(sequence, subject, header, data)
	if _, _, isEvent := wire.ParseStored(subject); isEvent {
		s.AddEvent(sequence, d)
	} else {
		s.AddMarker(sequence, d)
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

// Hasher makes digests of single messages. It keeps room from one to the next,
// and is not safe for concurrent use.
type Hasher struct{ scratch []byte }

// Digest is the digest of one event, or of a marker, as it is stored: over its
// origin sequence, its subject, the headers of Lockstep's and the data, each
// part after its length.
func (h *Hasher) Digest(sequence uint64, subject []byte, f *wire.Fields, data []byte) Digest {
	b := binary.BigEndian.AppendUint64(h.scratch[:0], sequence)
	b = appendPart(b, subject)
	for _, name := range digested {
		b = appendPart(b, f.Get(name))
	}
	if at := f.Get(wire.HeaderReleased); len(at) > 0 {
		b = appendPart(b, at)
	}
	if generation := f.Get(wire.HeaderGeneration); len(generation) > 0 {
		b = appendPart(appendPart(b, []byte(wire.HeaderGeneration)), generation)
	}
	b = appendPart(b, data)
	if h.scratch = b; cap(b) > keptScratch {
		h.scratch = nil
	}
	return sha256.Sum256(b)
}

// keptScratch bounds the room that a Hasher keeps, in bytes.
const keptScratch = 64 << 10

func appendPart(b, part []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(part))), part...)
}

// EventDigest is Hasher's digest of a message as a client library has it.
func EventDigest(sequence uint64, subject string, header nats.Header, data []byte) Digest {
	var f wire.Fields
	f.Take(header)
	return new(Hasher).Digest(sequence, []byte(subject), &f, data)
}

// Messages is how many events, markers and releases the segment holds.
func (s *Segment) Messages() uint64 { return s.sent + s.withheld + s.released }

// Before is the chain over all segments before it.
func (s *Segment) Before() Digest { return s.chain }

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
