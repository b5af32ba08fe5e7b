package ledger

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

// compare judges the segment that a watermark closes.
func (v *Verifier) compare(w mark) {
	ahead, next := v.ahead[:0], v.next[:0] // their room is used again
	defer func() { v.ahead, v.next = append(ahead, v.ahead...), append(next, v.next...) }()
	unlinked := false
	switch {
	case w.From == v.settled+1: // and w.To is v.settled if it is of releases alone
	case w.To <= v.settled:
		return // it was judged
	case w.From <= v.settled:
		v.failed(fmt.Errorf("the watermark of events %d to %d says again what the one to %d says", w.From, w.To, v.settled))
		w.From = v.settled + 1
	default:
		v.gap(w)
		unlinked = true
	}
	d := &dispute{Watermark: w.Watermark, releases: w.releases, before: v.chain, unlinked: unlinked}
	d.events, d.markers = v.take(w.To)
	v.settled, v.chain = w.To, w.Chain // later segments are judged on their own
	v.tail = d
	if v.sound(d) {
		v.let(d)
		v.forget(d)
		d.events, d.markers = nil, nil
		return
	}
	d.events, d.markers = slices.Clone(d.events), slices.Clone(d.markers)
	v.log.Error().Uint64("from", w.From).Uint64("to", w.To).Msg("the events that arrived are not those that were sent")
	v.hold(d)
}

// take takes the events and markers up to a sequence out of those that wait. They
// are valid until compare returns.
func (v *Verifier) take(to uint64) ([]held, []arrived) {
	events, markers := countTo(v.ahead, to), countTo(v.next, to)
	taken, marked := v.ahead[:events:events], v.next[:markers:markers]
	v.ahead, v.next = v.ahead[events:], v.next[markers:]
	return taken, marked
}

// gap holds the range before a watermark that no watermark closes: the ledger's
// records are not all here.
func (v *Verifier) gap(w mark) {
	d := &dispute{
		Watermark: Watermark{OriginStream: w.OriginStream, From: v.settled + 1, To: w.From - 1},
		gap:       true, before: v.chain, next: &w.Watermark,
	}
	events, markers := v.take(d.To)
	d.events, d.markers = slices.Clone(events), slices.Clone(markers)
	v.log.Error().Uint64("from", d.From).Uint64("to", d.To).Msg("no watermark closes these events")
	v.hold(d)
}

// hold keeps a segment that differs until it is repaired, and applies to it what
// has come again meanwhile.
func (v *Verifier) hold(d *dispute) {
	v.settleReleases(d)
	if len(v.disputes) >= maxDisputes {
		v.beyond++
		v.forget(d)
		return
	}
	v.disputes = append(v.disputes, d)
	for _, h := range v.within(d) {
		v.replace(d, h)
	}
	v.judge()
}

// within takes those events that came again out of v.again that belong to a segment.
func (v *Verifier) within(d *dispute) []held {
	var in []held
	for sequence, h := range v.again {
		if sequence >= d.From && sequence <= d.To {
			in = append(in, h)
			delete(v.again, sequence)
		}
	}
	return in
}

// forget lets go of what came again for a segment that needs none of it.
func (v *Verifier) forget(d *dispute) {
	if len(v.again) == 0 {
		return
	}
	for _, h := range v.within(d) {
		v.spare(h.sequence, h.at, SurplusDuplicate)
	}
}

// settleReleases counts the releases of a segment whose events are here, each once.
func (v *Verifier) settleReleases(d *dispute) {
	for _, r := range d.releases {
		n := r.OriginSequence
		if _, here := v.early[n]; here && v.withheld.has(n) && !v.crossed.has(n) {
			v.crossed.add(n)
			v.report.Delivered++
			v.report.Released++
			v.report.Withheld--
		}
	}
}

// let lets go of the events of a sound segment's releases: what comes of them from
// now on is a duplicate, whatever it is.
func (v *Verifier) let(d *dispute) {
	v.settleReleases(d)
	for _, r := range d.releases {
		delete(v.early, r.OriginSequence)
		if h, again := v.freed[r.OriginSequence]; again {
			delete(v.freed, r.OriginSequence)
			v.spare(h.sequence, h.at, SurplusDuplicate)
		}
	}
}

// soundAgain is sound with what came again of the segment's releases.
func (v *Verifier) soundAgain(d *dispute) bool {
	if v.sound(d) {
		return true
	}
	renewed := false
	for _, r := range d.releases {
		if h, again := v.freed[r.OriginSequence]; again {
			delete(v.freed, r.OriginSequence)
			v.renew(h)
			renewed = true
		}
	}
	return renewed && v.sound(d)
}

// releaseSound reports whether the event of a release is here, is the one that was
// sent, and had been withheld.
func (v *Verifier) releaseSound(r Released) bool {
	h, here := v.early[r.OriginSequence]
	if !here {
		return v.crossed.has(r.OriginSequence)
	}
	return h.digest == r.Digest && v.withheld.has(r.OriginSequence)
}

// sound reports whether a segment is complete and identical, and notes in it what
// is not.
func (v *Verifier) sound(d *dispute) bool {
	d.found, d.missing = nil, 0
	sound := !d.gap
	for _, r := range d.releases {
		if !v.releaseSound(r) {
			sound = false
			if h, here := v.early[r.OriginSequence]; !here {
				d.found = append(d.found, Difference{OriginSequence: r.OriginSequence, Kind: DifferenceMissing, Released: true})
			} else {
				d.found = append(d.found, Difference{OriginSequence: r.OriginSequence, Kind: DifferenceAltered, At: h.at, Released: true})
			}
		}
	}
	if d.leaves != nil {
		d.compareLeaves()
	} else {
		is := d.segment()
		sound = sound && is.Digest == d.Digest && (d.unlinked || is.Chain == d.Chain)
		if n := uint64(len(d.events)); n < d.Sent {
			d.missing = d.Sent - n
		}
	}
	for _, f := range d.found {
		sound = false
		if f.Kind == DifferenceMissing {
			d.missing++
		}
	}
	return sound
}

// judge lets go of the segments that are sound by now.
func (v *Verifier) judge() {
	for i := 0; i < len(v.disputes); {
		d := v.disputes[i]
		sound := v.soundAgain(d)
		v.settleReleases(d)
		if !sound {
			i++
			continue
		}
		v.let(d)
		v.disputes = slices.Delete(v.disputes, i, i+1)
		v.log.Info().Uint64("from", d.From).Uint64("to", d.To).Msg("the events are those that were sent")
		v.link(d, i)
		i = 0 // what follows may be sound, too
	}
}

// link tells the segment behind d, whose place among the disputes is i, what the
// chain before it is.
func (v *Verifier) link(d *dispute, i int) {
	switch {
	case i < len(v.disputes) && v.disputes[i].From == d.To+1:
		v.follows(v.disputes[i], d.Chain)
	case d == v.tail:
		v.chain = d.Chain
	case d.next != nil && sha256.Sum256(append(d.Chain[:], d.next.Digest[:]...)) != d.next.Chain:
		v.failed(fmt.Errorf("the chain of events from %d on does not go on from the one to %d", d.next.From, d.To))
	}
}

// follows tells a segment what the chain before it is, which may show that leaves
// that came before are its own.
func (v *Verifier) follows(d *dispute, chain Digest) {
	d.before, d.unlinked = chain, false
	if d.offered != nil && d.offered.whole(chain, false) {
		v.adopt(d, d.offered)
	}
}

// tally brings the report up to date.
func (v *Verifier) tally() {
	r := &v.report
	r.VerifiedTo, r.Missing, r.Mismatches = v.settled, 0, v.beyond+uint64(len(v.disputes))
	for _, d := range v.disputes {
		r.Missing += d.missing
	}
	if len(v.disputes) > 0 {
		r.VerifiedTo = v.disputes[0].From - 1
	}
}
