package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/lockstep-mesh/lockstep/mesh/link"
)

// maxSplits is how often a batch with a duplicate is halved before the rest of
// it goes singly.
const maxSplits = 3

// JetStream's codes of refused batches.
const (
	codeBatchDisabled  = 10174
	codeBatchDuplicate = 10201
)

var errWaited = errors.New("the store is too slow: the event waited longer than " + storeTimeout.String() + " and was not stored")

// batch are messages that are stored together or not at all.
type batch struct {
	lane    *lane
	id      uint64
	tickets []*ticket
	commit  uint64 // id under which the answer to the commit comes
	splits  int    // how often what it is of was refused
}

// append appends the message that is number n of the batch, counted from 1.
// The last one commits the batch, and only that one is answered.
func (b *batch) append(buffer []byte, one *ticket, n int) []byte {
	subject, header, data := one.parts()
	last := n == len(b.tickets)
	var room [160]byte
	extra := append(room[:0], "Nats-Batch-Id: "...)
	extra = append(extra, b.lane.store.batchPrefix...)
	extra = strconv.AppendUint(extra, b.id, 36)
	extra = append(extra, "\r\nNats-Batch-Sequence: "...)
	extra = strconv.AppendInt(extra, int64(n), 10)
	extra = append(extra, "\r\n"...)
	if last {
		extra = append(extra, "Nats-Batch-Commit: 1\r\n"...)
	}
	buffer = append(buffer, "HPUB "...)
	buffer = append(buffer, subject...)
	if last {
		buffer = append(buffer, ' ')
		buffer = append(buffer, b.lane.store.inbox...)
		buffer = appendID(buffer, b.commit)
	}
	buffer = link.AppendSizes(buffer, len(header)+len(extra), len(data))
	buffer = append(buffer, header[:len(header)-2]...) // up to the empty line
	buffer = append(buffer, extra...)
	buffer = append(buffer, "\r\n"...)
	buffer = append(buffer, data...)
	return append(buffer, "\r\n"...)
}

// failed appends the same outcome for every message.
func (b *batch) failed(outcomes []outcome, err error) []outcome {
	for _, one := range b.tickets {
		outcomes = append(outcomes, outcome{ticket: one, err: err})
	}
	return outcomes
}

// batchAck reads the acknowledgement of a batch of n messages: what stands
// before the sequence, as in the acknowledgement of a single message, and the
// sequence of the last. It is not ok for any other answer.
func batchAck(ack []byte, n int) (prefix []byte, last uint64, ok bool) {
	if !bytes.HasPrefix(ack, []byte(`{"stream":`)) {
		return nil, 0, false
	}
	var body struct {
		Sequence uint64 `json:"seq"`
		Count    int    `json:"count"`
	}
	const name = `"seq":`
	at := bytes.Index(ack, []byte(name))
	if json.Unmarshal(ack, &body) != nil || at < 0 || body.Count != n || body.Sequence < uint64(n) {
		return nil, 0, false
	}
	return ack[:at+len(name)], body.Sequence, true
}
