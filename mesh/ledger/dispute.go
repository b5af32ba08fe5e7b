package ledger

import (
	"slices"
	"sort"
)

// dispute is a segment that differs from what was sent, with all that it takes to
// judge it again.
type dispute struct {
	Watermark        // in a gap only the range counts
	gap       bool   // no watermark came for it
	before    Digest // chain of the segments before
	unlinked  bool   // that is not known yet
	next      *Watermark
	events    []held    // in origin order
	markers   []arrived // likewise
	releases  []Released
	offered   *Leaves // that may be those of the segment
	leaves    *Leaves // that are

	found   []Difference // as last judged
	missing uint64
}

// Kinds of a Difference.
const (
	DifferenceMissing = "missing" // it was sent and is not here
	DifferenceAltered = "altered" // what is here is not what was sent
	DifferenceExtra   = "extra"   // it was not sent
)

// Difference is one event in which a destination differs from its origin.
type Difference struct {
	OriginSequence uint64 `json:"origin_sequence"`
	Kind           string `json:"kind"`
	At             uint64 `json:"at,omitempty"` // sequence of the message in the domain's stream
	Released       bool   `json:"released,omitempty"`
}

// Kinds of a Surplus.
const (
	SurplusDuplicate = "duplicate" // the event is here already
	SurplusMisplaced = "misplaced" // it came after events of higher sequences
	SurplusReplaced  = "replaced"  // a repair has brought another in its place
	SurplusStray     = "stray"     // it names no event

	SurplusSuperseded = "superseded" // it is of an earlier generation, and came behind one of this
)

// Surplus is a message in the domain's stream that stands for no event.
type Surplus struct {
	OriginSequence uint64 `json:"origin_sequence,omitempty"`
	Kind           string `json:"kind"`
	At             uint64 `json:"at"` // its sequence in the domain's stream
}

// event is the event of a sequence that is here, or nil.
func (d *dispute) event(sequence uint64) *held {
	i := sort.Search(len(d.events), func(i int) bool { return d.events[i].sequence >= sequence })
	if i < len(d.events) && d.events[i].sequence == sequence {
		return &d.events[i]
	}
	return nil
}

// segment is what the events and markers that are here make.
func (d *dispute) segment() Watermark {
	segment := NewSegment(d.OriginStream, d.From, d.before)
	events, markers := d.events, d.markers
	for len(events)+len(markers) > 0 {
		if len(markers) == 0 || (len(events) > 0 && events[0].sequence < markers[0].sequence) {
			segment.AddEvent(events[0].sequence, events[0].digest)
			events = events[1:]
		} else {
			segment.AddMarker(markers[0].sequence, markers[0].digest)
			markers = markers[1:]
		}
	}
	for _, r := range d.releases {
		segment.AddRelease(r)
	}
	return segment.Watermark()
}

// compareLeaves finds where the events differ from the leaves.
func (d *dispute) compareLeaves() {
	events := d.events
	for _, leaf := range d.leaves.Leaves {
		for len(events) > 0 && (events[0].sequence < leaf.Sequence || (leaf.Withheld && events[0].sequence == leaf.Sequence)) {
			d.found = append(d.found, Difference{OriginSequence: events[0].sequence, Kind: DifferenceExtra, At: events[0].at})
			events = events[1:]
		}
		if leaf.Withheld {
			continue
		}
		if len(events) == 0 || events[0].sequence > leaf.Sequence {
			d.found = append(d.found, Difference{OriginSequence: leaf.Sequence, Kind: DifferenceMissing})
			continue
		}
		if events[0].digest != leaf.Digest {
			d.found = append(d.found, Difference{OriginSequence: leaf.Sequence, Kind: DifferenceAltered, At: events[0].at})
		}
		events = events[1:]
	}
	for _, e := range events {
		d.found = append(d.found, Difference{OriginSequence: e.sequence, Kind: DifferenceExtra, At: e.at})
	}
}

// disputeOf is the segment in dispute that holds an origin sequence, or nil.
func (v *Verifier) disputeOf(sequence uint64) *dispute {
	i := sort.Search(len(v.disputes), func(i int) bool { return v.disputes[i].To >= sequence })
	if i < len(v.disputes) && v.disputes[i].From <= sequence {
		return v.disputes[i]
	}
	return nil
}

// disputesRelease reports whether a segment in dispute has the release of an event.
func (v *Verifier) disputesRelease(sequence uint64) bool {
	return slices.ContainsFunc(v.disputes, func(d *dispute) bool {
		return slices.ContainsFunc(d.releases, func(r Released) bool { return r.OriginSequence == sequence })
	})
}

// replace puts an event that came again into its segment.
func (v *Verifier) replace(d *dispute, h held) {
	if is := d.event(h.sequence); is != nil {
		if is.digest == h.digest {
			v.spare(h.sequence, h.at, SurplusDuplicate)
			return
		}
		v.spare(is.sequence, is.at, SurplusReplaced)
		v.report.MaskedFields += uint64(h.masked) - uint64(is.masked)
		*is = h
	} else {
		v.report.MaskedFields += uint64(h.masked)
		i := int(countTo(d.events, h.sequence))
		d.events = slices.Insert(d.events, i, h)
		v.report.Delivered++
	}
	if h.repair {
		v.report.Repaired++
	}
}

// learn takes in what the origin says a segment is made of. The segment may be one
// whose watermark waits for its events.
func (v *Verifier) learn(l *Leaves) {
	if v.apply(l) {
		v.judge()
	} else if len(v.marks) > 0 && len(v.marks) < maxAhead {
		v.marks = append(v.marks, mark{leaves: l})
	}
}

// apply gives leaves to the segment in dispute that they are of, if there is one:
// they give its digest and continue its chain. Of segments of releases alone several
// have one range.
func (v *Verifier) apply(l *Leaves) bool {
	var offered *dispute
	for _, d := range v.disputes {
		exact := d.From == l.From && (d.To == l.To || (d.gap && d.To > l.To))
		if !exact || d.leaves != nil {
			continue
		}
		if l.whole(d.before, d.unlinked) {
			v.adopt(d, l)
			return true
		}
		if offered == nil {
			offered = d
		}
	}
	if v.insert(l) {
		return true
	}
	if offered != nil {
		offered.offered = l
	}
	return false
}

// insert adds a segment of releases alone whose watermark is lost: no range is
// missing then, but the chain behind it does not continue the one before it.
func (v *Verifier) insert(l *Leaves) bool {
	i := slices.IndexFunc(v.disputes, func(d *dispute) bool { return d.From == l.From && d.leaves == nil && !d.unlinked })
	if l.To >= l.From || i < 0 || !l.whole(v.disputes[i].before, false) {
		return false
	}
	d := &dispute{before: v.disputes[i].before}
	v.disputes = slices.Insert(v.disputes, i, d)
	v.adopt(d, l)
	return true
}

// adopt takes leaves for the segment's. Where no watermark came, they say how far the
// segment goes.
func (v *Verifier) adopt(d *dispute, l *Leaves) {
	if d.gap && l.To < d.To {
		v.split(d, l)
	}
	d.leaves, d.offered, d.gap, d.Watermark, d.releases = l, nil, false, l.Watermark, l.Releases
	d.markers = d.markers[:0]
	for _, leaf := range l.Leaves {
		switch {
		case !leaf.Withheld:
			if v.withheld.remove(leaf.Sequence) {
				v.report.Withheld--
			}
		case !v.withheld.has(leaf.Sequence):
			v.withheld.add(leaf.Sequence)
			v.report.Withheld++
			fallthrough
		default:
			d.markers = append(d.markers, arrived{leaf.Sequence, leaf.Digest})
		}
	}
	if i := slices.Index(v.disputes, d) + 1; i < len(v.disputes) && v.disputes[i].From == l.To+1 {
		v.follows(v.disputes[i], l.Chain)
	}
}

// split makes a gap end where the leaves do, and another one of what is behind.
func (v *Verifier) split(d *dispute, l *Leaves) {
	events, markers := countTo(d.events, l.To), countTo(d.markers, l.To)
	rest := &dispute{
		Watermark: Watermark{OriginStream: d.OriginStream, From: l.To + 1, To: d.To}, gap: true, before: l.Chain, next: d.next,
		events: slices.Clone(d.events[events:]), markers: slices.Clone(d.markers[markers:]),
	}
	d.events, d.markers, d.next = d.events[:events:events], d.markers[:markers:markers], nil
	v.disputes = slices.Insert(v.disputes, slices.Index(v.disputes, d)+1, rest)
}

// whole reports whether the leaves are those of the segment that they say, and, where
// the chain before them is known, continue it.
func (l *Leaves) whole(before Digest, unlinked bool) bool {
	segment := NewSegment(l.OriginStream, l.From, before)
	last := l.From - 1
	for _, leaf := range l.Leaves {
		if leaf.Sequence <= last || leaf.Sequence > l.To {
			return false
		}
		if last = leaf.Sequence; leaf.Withheld {
			segment.AddMarker(leaf.Sequence, leaf.Digest)
		} else {
			segment.AddEvent(leaf.Sequence, leaf.Digest)
		}
	}
	for _, r := range l.Releases {
		segment.AddRelease(r)
	}
	is := segment.Watermark()
	if unlinked {
		is.Chain = l.Chain
	}
	return is == l.Watermark
}

// spare notes a message that stands for no event.
func (v *Verifier) spare(sequence, at uint64, kind string) {
	*v.surplusOf(kind)++
	if len(v.surplus) >= maxSurplus {
		v.spared++
		return
	}
	v.surplus[at] = &Surplus{OriginSequence: sequence, Kind: kind, At: at}
}

// surplusOf is the count of one kind of surplus.
func (v *Verifier) surplusOf(kind string) *uint64 {
	switch kind {
	case SurplusDuplicate:
		return &v.report.Duplicates
	case SurplusMisplaced:
		return &v.report.OutOfOrder
	case SurplusReplaced:
		return &v.report.Replaced
	case SurplusSuperseded:
		return &v.report.Superseded
	}
	return &v.report.Strays
}

// removed takes note that a message is no longer in the domain's stream.
func (v *Verifier) removed(at uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.surplus[at]; s != nil {
		*v.surplusOf(s.Kind)--
		delete(v.surplus, at)
		if s.Kind != SurplusStray {
			v.present--
		}
	}
	for _, d := range v.disputes {
		d.events = slices.DeleteFunc(d.events, func(h held) bool {
			if h.at == at {
				v.report.Delivered--
				v.present--
			}
			return h.at == at
		})
	}
	v.judge()
	v.announce()
}
