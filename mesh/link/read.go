package link

import (
	"bytes"
	"errors"
	"fmt"
	"net"
)

const (
	readSize = 128 << 10 // bytes that one read may take
	maxKept  = 1 << 20   // larger buffers are not kept for reuse
	maxLine  = 64 << 10  // longest line of the protocol: the server's INFO, mostly
	maxBody  = 64 << 20  // largest message that can be
)

// Message is one message, in place in its batch's buffer.
type Message struct {
	SID     int // index of the subscription
	Subject []byte
	Reply   []byte
	Header  []byte // the whole block, from NATS/1.0 to the empty line; empty without headers
	Data    []byte
}

// Batch are messages that arrived together, in order.
type Batch struct {
	Messages []Message

	link   *Link
	buffer []byte
	pongs  int // answers to pings that came along; what came before is received first
}

// Release gives the batch's memory back. Nothing of it may be used after.
func (b *Batch) Release() {
	if cap(b.buffer) > maxKept {
		b.buffer = nil
	}
	clear(b.Messages)
	b.Messages = b.Messages[:0]
	b.link.batches.Put(b)
}

// Bytes is how much memory the batch holds.
func (b *Batch) Bytes() int { return cap(b.buffer) }

func (l *Link) batch(atLeast int) *Batch {
	b := l.batches.Get().(*Batch) //nolint:forcetypeassert // the pool holds nothing else
	b.grow(0, max(atLeast, readSize))
	return b
}

// grow makes room for size bytes, of which the first used are kept.
func (b *Batch) grow(used, size int) {
	if cap(b.buffer) >= size {
		b.buffer = b.buffer[:cap(b.buffer)]
		return
	}
	larger := make([]byte, size)
	copy(larger, b.buffer[:used])
	b.buffer = larger
}

// read hands over what arrives until the connection is lost.
func (l *Link) read(s session) error {
	b := l.batch(len(s.ahead))
	have := copy(b.buffer, s.ahead)
	for first := len(s.ahead) > 0; ; first = false {
		if !first {
			n, err := s.conn.Read(b.buffer[have:])
			if err != nil {
				return err
			}
			have += n
		}
		used, need, err := b.parse(b.buffer[:have])
		if err != nil {
			return err
		}
		rest := b.buffer[used:have]
		room := max(need, len(rest)+readSize/2)
		pongs := b.pongs
		b.pongs = 0
		if len(b.Messages) == 0 {
			have = copy(b.buffer, rest)
			b.grow(have, room)
		} else {
			next := l.batch(room)
			have = copy(next.buffer, rest)
			l.config.Receive(b)
			b = next
		}
		for range pongs {
			l.pong()
		}
	}
}

// parse takes whole messages from data. It returns how many bytes it used, and
// how many the unfinished rest will take at least.
func (b *Batch) parse(data []byte) (used, need int, err error) {
	for {
		end := bytes.IndexByte(data[used:], '\n')
		if end < 0 {
			if len(data)-used > maxLine {
				return used, 0, errors.New("the server sent a line without an end")
			}
			return used, 0, nil
		}
		line := bytes.TrimSuffix(data[used:used+end], []byte{'\r'})
		start := used + end + 1
		switch {
		case len(line) > 4 && (line[0] == 'M' || line[0] == 'H'):
			m, header, size, err := parseMessage(line)
			if err != nil {
				return used, 0, err
			}
			if whole := start + size + 2; whole > len(data) {
				return used, whole - used, nil
			}
			body := data[start : start+size : start+size]
			m.Header, m.Data = body[:header:header], body[header:]
			b.Messages = append(b.Messages, m)
			used = start + size + 2
			continue
		case string(line) == "PING":
			b.link.answerPing()
		case string(line) == "PONG":
			b.pongs++
		case len(line) >= 4 && string(line[:4]) == "-ERR":
			return used, 0, fmt.Errorf("the server says %s", line)
		case len(line) >= 3 && (string(line[:3]) == "+OK" || string(line[:3]) == "INF"):
		case len(line) == 0:
		default:
			return used, 0, fmt.Errorf("the server sent %q", line[:min(len(line), 40)])
		}
		used = start
	}
}

// parseMessage reads "MSG subject sid [reply] size" and
// "HMSG subject sid [reply] header-size size".
func parseMessage(line []byte) (m Message, header, size int, err error) {
	var fields [6][]byte
	n := 0
	for rest := line; len(rest) > 0; {
		var field []byte
		if i := bytes.IndexByte(rest, ' '); i >= 0 {
			field, rest = rest[:i], rest[i+1:]
		} else {
			field, rest = rest, nil
		}
		if len(field) == 0 {
			continue
		}
		if n == len(fields) {
			return m, 0, 0, fmt.Errorf("the server sent %q", line)
		}
		fields[n] = field
		n++
	}
	sizes := 1
	if string(fields[0]) == "HMSG" {
		sizes = 2
	}
	replies := n - 3 - sizes
	ok := replies == 0 || replies == 1
	if ok {
		m.Subject = fields[1]
		if replies == 1 {
			m.Reply = fields[3]
		}
		m.SID, ok = number(fields[2])
	}
	if ok && sizes == 2 {
		header, ok = number(fields[n-2])
	}
	if ok {
		size, ok = number(fields[n-1])
	}
	if !ok || header > size || size > maxBody {
		return m, 0, 0, fmt.Errorf("the server sent %q", line)
	}
	return m, header, size, nil
}

func number(text []byte) (int, bool) {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 1<<40 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(text) > 0
}

// lineReader reads the lines of the handshake.
type lineReader struct {
	conn net.Conn
	data []byte
	next int // bytes of the line last peeked at
}

// peek is the next line, which stays.
func (r *lineReader) peek() ([]byte, error) {
	for {
		if end := bytes.IndexByte(r.data, '\n'); end >= 0 {
			r.next = end + 1
			return bytes.TrimSuffix(r.data[:end], []byte{'\r'}), nil
		}
		if len(r.data) > maxLine {
			return nil, errors.New("the server sent a line without an end")
		}
		room := make([]byte, 4096)
		n, err := r.conn.Read(room)
		if err != nil {
			return nil, err
		}
		r.data = append(r.data, room[:n]...)
	}
}

func (r *lineReader) skip() { r.data = r.data[r.next:] }

func (r *lineReader) line() ([]byte, error) {
	line, err := r.peek()
	if err == nil {
		r.skip()
	}
	return line, err
}

func (r *lineReader) rest() []byte { return r.data }
