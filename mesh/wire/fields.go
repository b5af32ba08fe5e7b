package wire

import "bytes"

// BlockPrefix begins every header block.
const BlockPrefix = "NATS/1.0\r\n"

// Fields are the headers of one message that this package names, read once from
// its header block. The zero value has none. It is not safe for concurrent use.
type Fields struct{ values [fieldCount][]byte }

// Parse takes the headers of a block, in place: they are valid as long as the
// block is. Of a header that stands more than once the first counts, as for
// every client of NATS; names are compared to the letter. A block that is
// malformed has no headers, and Parse reports false.
func (f *Fields) Parse(block []byte) bool {
	*f = Fields{}
	rest, ok := bytes.CutPrefix(block, []byte(BlockPrefix))
	if len(block) == 0 {
		return true
	}
	seen := uint32(0)
	for ok {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' {
			break
		}
		line := rest[:end-1]
		if rest = rest[end+1:]; len(line) == 0 {
			return true
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 {
			break
		}
		if i := fieldOf(string(line[:colon])); i >= 0 && seen&(1<<i) == 0 {
			seen |= 1 << i
			f.values[i] = bytes.TrimLeft(line[colon+1:], " \t") // as nats.go does
		}
	}
	*f = Fields{}
	return false
}

// Take takes the headers from a client library's map instead.
func (f *Fields) Take(headers map[string][]string) {
	*f = Fields{}
	for name, values := range headers {
		if i := fieldOf(name); i >= 0 && len(values) > 0 {
			f.values[i] = []byte(values[0])
		}
	}
}

// Set gives a header its value, which is not copied. A name that is none of this
// package's is passed over.
func (f *Fields) Set(name string, value []byte) {
	if i := fieldOf(name); i >= 0 {
		f.values[i] = value
	}
}

// Get is a header's value; empty if it is absent, or none of this package's.
func (f *Fields) Get(name string) []byte {
	if i := fieldOf(name); i >= 0 {
		return f.values[i]
	}
	return nil
}

// Number is a header's value as a number above 0 in decimal digits; 0 if it is
// none.
func (f *Fields) Number(name string) uint64 {
	n := uint64(0)
	text := f.Get(name)
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + uint64(c-'0')
	}
	if len(text) > 19 { // more than always fit
		return 0
	}
	return n
}

// fieldNames are the headers that Fields keeps.
var fieldNames = [...]string{
	HeaderMsgID, HeaderCESpecVersion, HeaderCEID, HeaderCESource, HeaderCEType, HeaderCETime, HeaderCEDataSchema,
	HeaderContentType, HeaderTraceparent, HeaderSchemaVersion, HeaderSchemaID,
	HeaderOrigin, HeaderOriginStream, HeaderOriginSequence, HeaderPolicy, HeaderKeyID, HeaderMasked, HeaderHop,
	HeaderReason, HeaderStoredAt, HeaderReleased, HeaderCheckpoint, HeaderRepair, HeaderRestored, HeaderGeneration,
}

const fieldCount = len(fieldNames)

// fieldOf is the place of a name in fieldNames, or -1. The compiler makes a
// search by length of it, which is several times as fast as a map.
func fieldOf(name string) int {
	switch name {
	case HeaderMsgID:
		return 0
	case HeaderCESpecVersion:
		return 1
	case HeaderCEID:
		return 2
	case HeaderCESource:
		return 3
	case HeaderCEType:
		return 4
	case HeaderCETime:
		return 5
	case HeaderCEDataSchema:
		return 6
	case HeaderContentType:
		return 7
	case HeaderTraceparent:
		return 8
	case HeaderSchemaVersion:
		return 9
	case HeaderSchemaID:
		return 10
	case HeaderOrigin:
		return 11
	case HeaderOriginStream:
		return 12
	case HeaderOriginSequence:
		return 13
	case HeaderPolicy:
		return 14
	case HeaderKeyID:
		return 15
	case HeaderMasked:
		return 16
	case HeaderHop:
		return 17
	case HeaderReason:
		return 18
	case HeaderStoredAt:
		return 19
	case HeaderReleased:
		return 20
	case HeaderCheckpoint:
		return 21
	case HeaderRepair:
		return 22
	case HeaderRestored:
		return 23
	case HeaderGeneration:
		return 24
	}
	return -1
}
