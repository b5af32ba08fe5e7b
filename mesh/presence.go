package mesh

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/presence"
)

const (
	// presenceEvery is how often a subscription tells which schema versions it has
	// handled, presenceFirst how soon it does so after its first event.
	presenceEvery = time.Minute
	presenceFirst = time.Second
	// presenceMost bounds what one report names; the rest is in the next.
	presenceMost = 200
)

// seen is what a subscription has handled since it last told the registry, which
// shows it beside the subjects: whom a new version concerns. It is told on
// lockstep.presence, without an answer, and nothing depends on it.
type seen struct {
	mu     sync.Mutex
	since  map[presence.Seen]struct{}
	latest presence.Seen // noted last; most events are of the version before
	due    time.Time
}

// note remembers an event that the gate admitted under a schema version. Others
// are nobody's concern, and so nothing is sent where there is no Lockstep.
func (s *seen) note(md *Metadata) {
	if md.SchemaSubject == "" || md.SchemaVersion < 1 {
		return
	}
	v := presence.Seen{Subject: md.SchemaSubject, Version: md.SchemaVersion}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v == s.latest {
		return
	}
	if s.since == nil {
		s.since = map[presence.Seen]struct{}{}
	}
	if s.due.IsZero() {
		s.due = time.Now().Add(presenceFirst)
	}
	s.latest = v
	s.since[v] = struct{}{}
}

// take is what is to be told now, if anything is.
func (s *seen) take(now time.Time) []presence.Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.since) == 0 || now.Before(s.due) {
		return nil
	}
	var list []presence.Seen
	for v := range s.since {
		if len(list) == presenceMost {
			break
		}
		list = append(list, v)
		delete(s.since, v)
	}
	s.latest, s.due = presence.Seen{}, now.Add(presenceEvery)
	return list
}

// tellSeen tells the registry what was handled and is due then. A report that is
// lost is followed by another.
func (s *Subscription) tellSeen(then time.Time) {
	list := s.seen.take(then)
	if len(list) == 0 {
		return
	}
	data, err := json.Marshal(presence.Report{Name: s.cfg.Durable, Role: presence.Consumer, Seen: list})
	if err == nil {
		err = s.conn.nc.Publish(presence.ReportSubject, data)
	}
	if err != nil {
		s.log.Debug().Err(err).Msg("the registry was not told which schema versions are read")
	}
}
