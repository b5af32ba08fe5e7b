package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// Guards against two names that share a place, or one that has none.
func TestEveryFieldHasItsPlace(t *testing.T) {
	for i, name := range fieldNames {
		if fieldOf(name) != i {
			t.Errorf("%s is at %d, not %d", name, fieldOf(name), i)
		}
		if fieldOf(name+"x") != -1 || fieldOf(strings.ToUpper(name)) != -1 {
			t.Errorf("%s is found under another name", name)
		}
	}
}

// Guards against a header that is read otherwise in place than a client of NATS
// reads it: the ledger's digests are made of what is read in either way.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{
		"", "NATS/1.0\r\n\r\n", "NATS/1.0\r\nce-id: a\r\nce-id: b\r\nLockstep-Hop:1\r\nX: y\r\n\r\n", "NATS/1.0\r\nce-id:  \t a b \t\r\n\r\n",
		"NATS/1.0\r\nce-id: \r\nce-id: b\r\n\r\n", "NATS/1.0\r\nCE-ID: a\r\n\r\n", "NATS/1.0\r\nce-id\r\n\r\n", "NATS/1.0\r\n: a\r\n\r\n", "NATS/1.0\r\nce-id: a\n\r\n", "NATS/1.0\r\nce-id: a\r\n", "HTTP/1.1\r\n\r\n",
		"NATS/1.0\r\nLockstep-Origin-Sequence: 12\r\nLockstep-Masked: 3\r\n\r\nrest",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		var mine, theirs Fields
		if !mine.Parse(block) || len(block) == 0 {
			return
		}
		end := bytes.Index(block, []byte("\r\n\r\n")) + 4
		headers, err := nats.DecodeHeadersMsg(block[:end])
		if err != nil {
			return // it refuses more than we do
		}
		theirs.Take(headers)
		for _, name := range fieldNames {
			if !bytes.Equal(mine.Get(name), theirs.Get(name)) {
				t.Errorf("%s of %q is %q, for a client of NATS %q", name, block, mine.Get(name), theirs.Get(name))
			}
		}
	})
}
