package store

import "strings"

// Subject is the NATS subject of a record: its kind, and the registry subject
// that it is about (empty for a record about the whole registry).
//
// A registry subject may be any text. Its dots separate tokens, so that
// registry.version.orders.> selects a domain; whatever a NATS subject cannot
// hold is percent-encoded, an empty token's dot too, so that two registry
// subjects never share one.
func Subject(kind, name string) string {
	if name == "" {
		return Root + "." + kind
	}
	var b strings.Builder
	b.Grow(len(Root) + len(kind) + len(name) + 2)
	b.WriteString(Root)
	b.WriteByte('.')
	b.WriteString(kind)
	b.WriteByte('.')
	separated := true // nothing stands between here and the last separator
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '.' && !separated && i+1 < len(name):
			// The next byte may be a dot too: then it is encoded, and so no token is empty.
			b.WriteByte('.')
			separated = true
			continue
		case literal(c):
			b.WriteByte(c)
		default:
			const hex = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&0xf])
		}
		separated = false
	}
	return b.String()
}

func literal(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c == '-' || c == '_'
}
