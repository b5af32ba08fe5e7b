package gate

import (
	"strconv"
	"sync"
	"time"
)

// kind is what a ticket stands for.
type kind uint8

const (
	kindEvent  kind = iota // a publish: the stream's answer goes to the publisher
	kindRefuse             // a refused publish on its way to quarantine
	kindDead               // a subscriber's dead letter
	kindFence              // a question whether a stream is through with what came before
	kindCommit             // the last message of a batch
)

// ticket is one message whose answer is outstanding. Tickets are reused, and
// with them their buffers.
type ticket struct {
	id      uint64 // under which the answer comes; zero while none is under way
	kind    kind
	lane    *lane
	refusal *Refusal // of a refused publish
	batch   *batch   // of a commit
	stream  string   // that a refusal names
	reply   []byte   // where the publisher waits; empty if it does not
	size    int      // bytes that count against the gate's limit
	passed  passed   // what went to the stream before it and is answered by the stream itself
	taken   time.Time
	sent    time.Time

	// Of a message that waits to be sent:
	message []byte // subject, header block and payload, one behind the other
	subject int    // length of the subject
	header  int    // length of the header block
	alone   bool   // it must not be part of a batch
	mayPass bool   // the stream may answer the publisher itself
}

// table holds the tickets whose answers are outstanding, and spare ones.
type table struct {
	mu      sync.Mutex
	slots   []*ticket
	free    []uint32 // indexes of empty slots
	issued  uint64
	spare   []*ticket
	waiting int // tickets in use
	bytes   int // their sizes
	idle    sync.Cond
}

func newTable() *table {
	t := &table{}
	t.idle.L = &t.mu
	return t
}

// reserve takes n tickets of size bytes together, or none if that is too much.
func (t *table) reserve(dst []*ticket, n, size int) ([]*ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting+n > maxWaiting || t.bytes+size > maxWaitingBytes {
		return dst, false
	}
	t.waiting += n
	t.bytes += size
	for range n {
		dst = append(dst, t.ticket())
	}
	return dst, true
}

// ticket is a spare or a new one.
func (t *table) ticket() *ticket {
	if last := len(t.spare) - 1; last >= 0 {
		one := t.spare[last]
		t.spare = t.spare[:last]
		return one
	}
	return &ticket{}
}

// count counts messages that need no ticket of their own, or none if that is
// too much. The ticket that is sent after them gives them back.
func (t *table) count(n, size int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting+n > maxWaiting || t.bytes+size > maxWaitingBytes {
		return false
	}
	t.waiting += n
	t.bytes += size
	return true
}

// release ends a ticket whose message went directly, and goes on being counted.
func (t *table) release(one *ticket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting++
	t.bytes += one.size
	t.end(one)
}

// commit is a ticket for a batch's commit, which counts as nothing.
func (t *table) commit() *ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting++
	return t.ticket()
}

// giveBack ends tickets whose answers have been given.
func (t *table) giveBack(tickets []*ticket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range tickets {
		t.end(one)
	}
	if t.waiting == 0 {
		t.idle.Broadcast()
	}
}

// end keeps a ticket that is not used any more for reuse.
func (t *table) end(one *ticket) {
	t.waiting -= 1 + one.passed.count
	t.bytes -= one.size + one.passed.bytes
	message, reply, replies := one.message[:0], one.reply[:0], one.passed.replies[:0]
	if cap(message) > keptMessage {
		message = nil
	}
	*one = ticket{message: message, reply: reply, passed: passed{replies: replies}}
	if len(t.spare) < maxSpare {
		t.spare = append(t.spare, one)
	}
}

// send registers tickets that are about to be sent, and appends to ids those
// under which their answers come. From then on whoever claims a ticket owns it.
func (t *table) send(ids []uint64, tickets ...*ticket) []uint64 {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range tickets {
		if len(t.free) == 0 {
			t.free = append(t.free, uint32(len(t.slots)))
			t.slots = append(t.slots, nil)
		}
		slot := t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
		t.issued++
		one.id = t.issued<<slotBits | uint64(slot)
		one.sent = now
		t.slots[slot] = one
		ids = append(ids, one.id)
	}
	return ids
}

// claim takes the ticket of an id out of the table; nil if it is not there any
// more. The caller holds mu.
func (t *table) claim(id uint64) *ticket {
	slot := id & (1<<slotBits - 1)
	if slot >= uint64(len(t.slots)) || t.slots[slot] == nil || t.slots[slot].id != id {
		return nil
	}
	one := t.slots[slot]
	t.slots[slot] = nil
	one.id = 0
	t.free = append(t.free, uint32(slot))
	return one
}

// withdraw takes the ticket of an id that was not sent after all out of the
// table; false if somebody else has claimed it.
func (t *table) withdraw(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.claim(id) != nil
}

// claimSent takes all tickets out that were sent before a time.
func (t *table) claimSent(before time.Time) []*ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []*ticket
	for _, one := range t.slots {
		if one != nil && one.sent.Before(before) {
			out = append(out, t.claim(one.id))
		}
	}
	return out
}

// inUse is how many messages wait.
func (t *table) inUse() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waiting
}

// wait returns when nothing waits any more, or when giveUp is set; whoever sets
// it wakes wait by calling wake.
func (t *table) wait(giveUp *bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.waiting > 0 && !*giveUp {
		t.idle.Wait()
	}
}

// wake ends a wait.
func (t *table) wake(giveUp *bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*giveUp = true
	t.idle.Broadcast()
}

// appendID and parseID write and read an id as a subject's token.
func appendID(dst []byte, id uint64) []byte { return strconv.AppendUint(dst, id, 36) }

func parseID(token []byte) (uint64, bool) {
	var id uint64
	for _, c := range token {
		var digit byte
		switch {
		case '0' <= c && c <= '9':
			digit = c - '0'
		case 'a' <= c && c <= 'z':
			digit = c - 'a' + 10
		default:
			return 0, false
		}
		if id > 1<<58 {
			return 0, false
		}
		id = id*36 + uint64(digit)
	}
	return id, len(token) > 0
}
