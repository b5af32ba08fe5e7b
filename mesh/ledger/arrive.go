package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/link"
	"github.com/lockstep-mesh/lockstep/mesh/ordered"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

var errNoSequence = errors.New("it names no origin sequence")

// event takes in one event.
func (v *Verifier) event(m *link.Message, at ordered.Place) error {
	if !bytes.HasPrefix(m.Subject, v.prefix) {
		return nil // it is from an origin that was a source once
	}
	f := &v.fields
	f.Parse(m.Header)
	sequence := f.Number(wire.HeaderOriginSequence)
	if sequence == 0 {
		v.spare(0, at.Sequence, SurplusStray)
		return nil
	}
	if current, err := v.isCurrent(max(1, f.Number(wire.HeaderGeneration)), sequence, at.Sequence); !current {
		return err
	}
	restored := len(f.Get(wire.HeaderRestored)) > 0
	h := held{
		arrived: arrived{sequence, v.hasher.Digest(sequence, m.Subject, f, m.Data)}, at: at.Sequence,
		masked: uint32(min(f.Number(wire.HeaderMasked), math.MaxUint32)), repair: !restored && len(f.Get(wire.HeaderRepair)) > 0,
	}
	released := len(f.Get(wire.HeaderReleased)) > 0
	switch {
	case h.repair || restored:
		return v.anew(h, released)
	case released:
		return v.releasedEvent(h)
	case sequence <= v.last:
		v.late(h)
		return nil
	case sequence <= v.settled: // it was given up too early
		v.last = sequence
		if d := v.disputeOf(sequence); d != nil {
			v.replace(d, h)
			v.judge()
		} else {
			v.spare(sequence, h.at, SurplusMisplaced)
		}
		return nil
	}
	v.last = sequence
	v.report.Delivered++
	v.report.MaskedFields += uint64(h.masked)
	if stored, err := time.Parse(time.RFC3339Nano, string(f.Get(wire.HeaderStoredAt))); err == nil && stored.After(v.renewal) {
		v.addLag(at.Time().Sub(stored))
	}
	v.ahead = append(v.ahead, h)
	if len(v.ahead) > maxAhead {
		return fmt.Errorf("%d events arrived without a watermark", len(v.ahead))
	}
	return nil
}

// late takes in an event whose turn is over.
func (v *Verifier) late(h held) {
	d := v.disputeOf(h.sequence)
	if (h.sequence <= v.settled && (d == nil || d.event(h.sequence) != nil)) || v.isAhead(h.sequence) {
		v.spare(h.sequence, h.at, SurplusDuplicate)
	} else {
		v.spare(h.sequence, h.at, SurplusMisplaced)
	}
}

// releasedEvent takes in an event that was withheld when its turn came. It is
// judged when the watermark that covers its release is.
func (v *Verifier) releasedEvent(h held) error {
	if _, again := v.early[h.sequence]; again || v.crossed.has(h.sequence) {
		v.spare(h.sequence, h.at, SurplusDuplicate)
		return nil
	}
	v.report.MaskedFields += uint64(h.masked)
	v.early[h.sequence] = h
	if len(v.early) > maxAhead {
		return fmt.Errorf("%d released events arrived without a watermark", len(v.early))
	}
	return nil
}

// anew takes in an event that came again: because it was asked for, or because an
// undo has put it back. The last one that came counts.
func (v *Verifier) anew(h held, released bool) error {
	if released {
		return v.releasedAnew(h)
	}
	if d := v.disputeOf(h.sequence); d != nil {
		v.replace(d, h)
		v.judge()
		return nil
	}
	if h.sequence <= v.settled {
		v.spare(h.sequence, h.at, SurplusDuplicate)
		return nil
	}
	return v.keep(v.again, h)
}

// releasedAnew is anew for an event that was withheld when its turn came. Until its
// release is judged, what came first counts.
func (v *Verifier) releasedAnew(h held) error {
	switch {
	case v.disputesRelease(h.sequence):
		v.renew(h)
		v.judge()
		return nil
	case v.crossed.has(h.sequence):
		v.spare(h.sequence, h.at, SurplusDuplicate)
		return nil
	}
	return v.keep(v.freed, h)
}

// keep holds an event that came again until its segment is judged. The last one that
// came counts.
func (v *Verifier) keep(waiting map[uint64]held, h held) error {
	if before, ok := waiting[h.sequence]; ok {
		v.spare(before.sequence, before.at, SurplusReplaced)
	}
	waiting[h.sequence] = h
	if len(waiting) > maxAhead {
		return fmt.Errorf("%d events came again without a watermark", len(waiting))
	}
	return nil
}

// renew puts a released event that came again in the place of the one that is here.
func (v *Verifier) renew(h held) {
	before, here := v.early[h.sequence]
	if here && before.digest == h.digest {
		v.spare(h.sequence, h.at, SurplusDuplicate)
		return
	}
	if here {
		v.spare(before.sequence, before.at, SurplusReplaced)
	}
	v.report.MaskedFields += uint64(h.masked) - uint64(before.masked)
	if h.repair {
		v.report.Repaired++
	}
	v.early[h.sequence] = h
}

// isAhead reports whether an event that no watermark covers yet has arrived.
func (v *Verifier) isAhead(sequence uint64) bool {
	n := countTo(v.ahead, sequence)
	return n > 0 && v.ahead[n-1].sequence == sequence
}

func (v *Verifier) addLag(lag time.Duration) {
	if len(v.report.Lags) < maxLags {
		v.report.Lags = append(v.report.Lags, lag)
		return
	}
	v.report.Lags[v.lag%maxLags] = lag
	v.lag++
}

// record takes in one record of the ledger.
func (v *Verifier) record(m *link.Message, at ordered.Place) error {
	switch kind := m.Subject[bytes.LastIndexByte(m.Subject, '.')+1:]; string(kind) {
	case wire.KindWithheld:
		f := &v.fields
		f.Parse(m.Header)
		sequence := f.Number(wire.HeaderOriginSequence)
		if sequence == 0 {
			return errNoSequence
		}
		v.report.Withheld++
		v.withheld.add(sequence)
		v.next = append(v.next, arrived{sequence, v.hasher.Digest(sequence, m.Subject, f, m.Data)})
	case wire.KindWatermark:
		var w Watermark
		if err := json.Unmarshal(m.Data, &w); err != nil {
			return fmt.Errorf("read a watermark: %w", err)
		}
		v.marks = append(v.marks, mark{Watermark: w, releases: v.open, at: at.Sequence, stored: at.Time()})
		v.open = nil
	case wire.KindReleased:
		var r Released
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("read the record of a release: %w", err)
		}
		v.open = append(v.open, r)
	case wire.KindLeaves:
		l := &Leaves{}
		if err := json.Unmarshal(m.Data, l); err != nil {
			return fmt.Errorf("read the leaves of a segment: %w", err)
		}
		v.learn(l)
	case wire.KindRenewal:
		var r Renewal
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("read a renewal: %w", err)
		}
		return v.renewed(r)
	default:
		return fmt.Errorf("unknown record %s", m.Subject)
	}
	return nil
}

// allHere reports whether the events of releases have arrived.
func (v *Verifier) allHere(releases []Released) bool {
	for _, r := range releases {
		_, early := v.early[r.OriginSequence]
		_, freed := v.freed[r.OriginSequence]
		if !early && !freed && !v.crossed.has(r.OriginSequence) {
			return false
		}
	}
	return true
}

// place is where a message stands in the order of the origin.
func (a arrived) place() uint64 { return a.sequence }

// countTo is how many of the messages, which are in order, have a sequence up
// to limit.
func countTo[T interface{ place() uint64 }](messages []T, limit uint64) uint64 {
	return uint64(sort.Search(len(messages), func(i int) bool { return messages[i].place() > limit }))
}
