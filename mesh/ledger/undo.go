package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/ordered"
	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Undo undoes a repair: what it took out of the domain's stream is put back, at its
// end, and the events that came again are taken out. The environment differs from
// its origin then as it did before, which an audit that Undo waits for finds. If it
// is interrupted, it can be asked for again.
func (d *Desk) Undo(ctx context.Context, q UndoRequest) UndoAnswer {
	a, err := d.undo(ctx, q)
	a.Problem = reply.ProblemOf(err)
	return a
}

func (d *Desk) undo(ctx context.Context, q UndoRequest) (UndoAnswer, error) {
	var a UndoAnswer
	op := fmt.Sprintf("undo repair %d", q.ID)
	if err := nobody(q.By, op); err != nil {
		return a, err
	}
	asked, err := d.asked(ctx, q.ID)
	if err != nil {
		return a, failed(op, err)
	}
	chosen, err := d.choose(Of{Origin: asked.Origin, Domain: asked.Domain})
	if err != nil {
		return a, err
	}
	s := chosen[0]
	a.Origin, a.Domain = s.Origin, s.Domain
	release, err := s.hold("undo a repair of")
	if err != nil {
		return a, err
	}
	auditing := false
	defer func() {
		if !auditing {
			release()
		}
	}()
	if now := s.current().Report().Generation; asked.Generation != now {
		return a, &Error{
			Code: CodeNoRepair, Op: op, Cause: fmt.Errorf("it repaired generation %d, and all of %s from %s is of generation %d by now", max(1, asked.Generation), s.Source.Domain, s.Origin, max(1, now)),
			Cure: "nothing of it is left to undo: what it took out is kept in stream " + wire.RemovedStream,
		}
	}
	limits, err := s.notUndone(ctx, q.ID, asked)
	if err != nil {
		return a, failed(op, err)
	}
	record := Record{Action: actionUndo, Phase: phaseAsked, By: q.By, ID: q.ID}
	if err := s.note(ctx, record); err != nil {
		return a, failed(op, err)
	}
	between, err := s.open(ctx)
	if err == nil {
		err = between.putBack(ctx, asked, limits, &record)
	}
	s.step(stepDone)
	a.Restored, a.Removed = record.Restored, record.Removed
	if err := s.finish(ctx, record, err); err != nil {
		return a, failed(op, err)
	}
	auditing = true
	p, err := s.begin(ctx, q.By, release)
	if err == nil {
		err = p.wait(ctx)
	}
	return a, failed(op, err)
}

// asked is the record with which a repair began.
func (d *Desk) asked(ctx context.Context, id uint64) (Record, error) {
	var r Record
	none := func(why string) error {
		return &Error{Code: CodeNoRepair, Op: fmt.Sprintf("find repair %d", id), Cause: errors.New(why), Cure: "name the id that `lockstep ledger repair` told, in the environment that it repaired"}
	}
	stream, err := d.stream(ctx, wire.AuditStream)
	if err != nil {
		return r, err
	}
	m, err := stream.GetMsg(ctx, max(id, 1))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return r, none("stream " + wire.AuditStream + " has no such record")
	case err != nil:
		return r, fmt.Errorf("read record %d of stream %s: %w", id, wire.AuditStream, err)
	case id == 0 || m.Subject != wire.AuditSubject(d.environment, actionRepair):
		return r, none("the record is not one of a repair")
	}
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return r, fmt.Errorf("record %d of stream %s: %w", id, wire.AuditStream, err)
	}
	if r.Phase != phaseAsked {
		return r, none("the record is that of a repair's end, and its id is " + strconv.FormatUint(r.ID, 10))
	}
	return r, nil
}

// notUndone refuses to undo a repair twice, and says of those events that later
// repairs had sent again, too, up to which sequence of the domain's stream they can
// have come because of this one: where the next of those began. What this one asked
// for may come after others have begun that did not.
func (s *domain) notUndone(ctx context.Context, id uint64, repair Record) (limits map[uint64]uint64, err error) {
	err = s.records(ctx, actionUndo, func(_ uint64, r Record) error {
		if r.ID != id || r.Phase != phaseDone {
			return nil
		}
		return &Error{Code: CodeNoRepair, Op: fmt.Sprintf("undo repair %d", id), Cause: fmt.Errorf("%s undid it on %s", r.By, r.At.Format("2006-01-02 15:04:05 MST"))}
	})
	if err != nil {
		return nil, err
	}
	limits = map[uint64]uint64{}
	err = s.records(ctx, actionRepair, func(at uint64, r Record) error {
		if at <= id || r.Phase != phaseAsked {
			return nil
		}
		for _, sequence := range r.Resend {
			_, planned := slices.BinarySearch(repair.Resend, sequence)
			if _, earlier := limits[sequence]; planned && !earlier {
				limits[sequence] = r.After
			}
		}
		return nil
	})
	return limits, err
}

// records hands on what stream AUDIT keeps of one action on the domain.
func (s *domain) records(ctx context.Context, action string, take func(uint64, Record) error) error {
	stream, err := s.stream(ctx, wire.AuditStream)
	if err != nil {
		return err
	}
	subject := wire.AuditSubject(s.environment, action)
	for next := uint64(1); ; {
		m, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", wire.AuditStream, err)
		}
		var r Record
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("record %d of stream %s: %w", m.Sequence, wire.AuditStream, err)
		}
		if r.Origin == s.Origin && r.Domain == s.Domain {
			if err := take(m.Sequence, r); err != nil {
				return err
			}
		}
		next = m.Sequence + 1
	}
}

// putBack puts back what a repair took out, then takes out what came in its place.
func (s *streams) putBack(ctx context.Context, repair Record, limits map[uint64]uint64, record *Record) error {
	copies, restored, err := s.since(ctx, repair, limits, record.ID)
	if err != nil {
		return err
	}
	if err := s.removable(ctx, copies); err != nil {
		return err
	}
	for _, at := range repair.Remove {
		r, data, err := s.saved(ctx, at)
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return err
		}
		if taken, failure := s.taken(ctx, at); failure != nil {
			return failure
		} else if err != nil || r.Repair != record.ID || !taken {
			continue // not by this repair
		}
		record.Restored++
		mark := strconv.FormatUint(record.ID, 10) + "." + strconv.FormatUint(at, 10)
		if slices.Contains(restored, mark) {
			continue
		}
		if err := s.restore(ctx, r, data, mark); err != nil {
			return err
		}
	}
	for _, at := range copies {
		if err := s.remove(ctx, at, record.ID); err != nil {
			return err
		}
		record.Removed++
	}
	return nil
}

// taken reports whether a message is no longer in the domain's stream.
func (s *streams) taken(ctx context.Context, at uint64) (bool, error) {
	_, err := s.events.GetMsg(ctx, at)
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, fmt.Errorf("read message %d of stream %s: %w", at, wire.DomainStream(s.Domain), err)
	}
	return err != nil, nil
}

// since finds, in what was stored since a repair began, the events that came again
// because of it, and what an undo of it has put back.
func (s *streams) since(ctx context.Context, repair Record, limits map[uint64]uint64, id uint64) (copies []uint64, restored []string, err error) {
	ends, err := s.current().ends(ctx)
	if err != nil {
		return nil, nil, err
	}
	name := wire.DomainStream(s.Domain)
	if ends[ofEvents] <= repair.After {
		return nil, nil, nil
	}
	reader, err := ordered.Open(ctx, ordered.Config{
		Conn: s.nc, Name: "undo in " + name, Stream: name, Filter: wire.StoredSubject(s.Origin, s.Domain+".>"), Behind: repair.After,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read stream %s: %w", name, err)
	}
	defer reader.Close()
	prefix := strconv.FormatUint(id, 10) + "."
	var again []came
	var f wire.Fields
	for at := uint64(0); at < ends[ofEvents]; {
		select {
		case b := <-reader.Batches():
			for i := range b.Messages {
				at = b.Places[i].Sequence
				f.Parse(b.Messages[i].Header)
				mark := string(f.Get(wire.HeaderRestored))
				sequence := f.Number(wire.HeaderOriginSequence)
				_, planned := slices.BinarySearch(repair.Resend, sequence)
				switch {
				case strings.HasPrefix(mark, prefix):
					restored = append(restored, mark)
				case len(f.Get(wire.HeaderRepair)) > 0 && planned:
					again = append(again, came{sequence, at, mark})
				}
			}
			b.Release()
		case err := <-reader.Failed():
			return nil, nil, fmt.Errorf("read stream %s: %w", name, err)
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	for _, c := range again {
		first, err := s.first(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		limit, limited := limits[c.sequence]
		if first > repair.After && (!limited || first <= limit) {
			copies = append(copies, c.at)
		}
	}
	return copies, restored, nil
}

// came is a message that came again: where it stands, and the mark of the undo that
// put it there, if one did.
type came struct {
	sequence uint64 // at the origin
	at       uint64
	mark     string
}

// first is where a message stood first, before repairs took it out and undos put it
// back; 0 if that is not on record.
func (s *streams) first(ctx context.Context, c came) (uint64, error) {
	for c.mark != "" {
		_, place, _ := strings.Cut(c.mark, ".")
		at, err := strconv.ParseUint(place, 10, 64)
		if err != nil || at == 0 || at >= c.at {
			return 0, nil //nolint:nilerr // no undo leaves such a mark
		}
		r, _, err := s.saved(ctx, at)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		c.at, c.mark = at, r.Header.Get(wire.HeaderRestored)
	}
	return c.at, nil
}
