package ledger

// Bounds of what a destination may ask for at once.
const (
	MaxSegments = 16   // whose leaves are asked for in one request
	MaxResend   = 1000 // events, markers and released events that are asked for in one request
)

// Leaves says what a segment is made of, message by message. An origin writes it
// into the egress stream when a destination asks, and it arrives among the ledger's
// records; so what a destination lost of them is there again.
type Leaves struct {
	Watermark
	Leaves   []Leaf     `json:"leaves"`             // of events and markers, in origin order, one for each
	Releases []Released `json:"releases,omitempty"` // in the order in which they were made
}

// Leaf is the digest of one event, or of the marker that stands for it.
type Leaf struct {
	Sequence uint64 `json:"n"`           // origin sequence
	Withheld bool   `json:"w,omitempty"` // it is a marker
	Digest   Digest `json:"d"`
}

// LeavesRequest asks an origin for the leaves of all segments that hold any of the
// origin sequences from From to To, at most MaxSegments of them: the first ones. A
// segment of releases alone ends before it begins, and counts as where it begins; To
// may be one less than From, too, so that what a watermark says of itself can be
// asked for. It is sent in JSON on wire.AskSubject(origin, destination,
// wire.VerbLeaves).
type LeavesRequest struct {
	Domain string `json:"domain"`
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	After  Digest `json:"after,omitzero"` // chain of the segment before the first one that is wanted; zero: any
	By     string `json:"by"`             // who asks; it is recorded
}

// ResendRequest asks an origin to write again, as they stand in the egress stream,
// the events with these origin sequences; for one that was withheld and released,
// what was released. It is sent on wire.AskSubject(origin, destination,
// wire.VerbResend).
type ResendRequest struct {
	Domain    string   `json:"domain"`
	Sequences []uint64 `json:"sequences"` // ascending, at most MaxResend
	By        string   `json:"by"`
}

// Written answers both requests: what the origin has written into the egress
// stream.
type Written struct {
	Problem *Problem `json:"problem,omitempty"` // then nothing else counts
	At      string   `json:"at"`                // wire.HeaderRepair of what was written
	To      uint64   `json:"to,omitempty"`      // of a LeavesRequest: end of the last segment that was written
	// Sequences are those that were written, of segments the ends; of a ResendRequest
	// those are left out that are withheld still.
	Sequences []uint64 `json:"sequences,omitempty"`
}
