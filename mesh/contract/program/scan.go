package program

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The tokens of strict JSON. Everything here works on the whole text and an
// offset, and says where the token ends; -1 says that there is none.

// ones has a one in each byte.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, in the high bit of each byte of w, the bytes that end or
// complicate a run of plain characters in a string: quotes, backslashes,
// control characters and all that is not ASCII. The lowest mark is exact; a
// borrow may set false ones above it.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	escape := w ^ ones*'\\'
	return ((quote-ones)&^quote | (escape-ones)&^escape | (w-ones*0x20)&^w | w) & highs
}

// content tells what the text of a string consists of.
type content uint8

const (
	plain   content = iota // ASCII without escapes
	wide                   // UTF-8 without escapes
	escaped                // anything, with escapes
)

// scanString goes through a string's text from i, the byte behind the opening
// quote, and returns the offset of the closing quote.
func scanString(data []byte, i int) (end int, c content) {
	for {
		for i+8 <= len(data) {
			m := special(binary.LittleEndian.Uint64(data[i:]))
			if m == 0 {
				i += 8
				continue
			}
			if i += bits.TrailingZeros64(m) >> 3; data[i] == '"' {
				return i, c
			}
			break
		}
		for i < len(data) && isPlain[data[i]] {
			i++
		}
		if i >= len(data) {
			return -1, c
		}
		switch b := data[i]; {
		case b == '"':
			return i, c
		case b == '\\':
			c = escaped
			n := escapeLen(data[i:])
			if n == 0 {
				return -1, c
			}
			i += n
		case b < 0x20:
			return -1, c
		default:
			c = max(c, wide)
			r, n := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && n <= 1 {
				return -1, c
			}
			i += n
		}
	}
}

// isPlain are the bytes that stand for themselves in a string, alone.
var isPlain = func() (t [256]bool) {
	for b := 0x20; b < 0x80; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// escapeLen is the length of the escape that text begins with, both halves of
// a surrogate pair included; 0 if it is none.
func escapeLen(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r, ok := hex4(text[2:])
		switch {
		case !ok || r >= 0xdc00 && r < 0xe000:
			return 0
		case r < 0xd800 || r >= 0xe000:
			return 6
		}
		if len(text) < 12 || text[6] != '\\' || text[7] != 'u' {
			return 0
		}
		if low, ok := hex4(text[8:]); !ok || low < 0xdc00 || low >= 0xe000 {
			return 0
		}
		return 12
	}
	return 0
}

func hex4(text []byte) (r rune, ok bool) {
	if len(text) < 4 {
		return 0, false
	}
	for _, b := range text[:4] {
		switch {
		case b >= '0' && b <= '9':
			b -= '0'
		case b >= 'a' && b <= 'f':
			b -= 'a' - 10
		case b >= 'A' && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(b)
	}
	return r, true
}

// unescape appends to dst what text, which scanString has accepted, stands for.
func unescape(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			j := i + 1
			for j < len(text) && text[j] != '\\' {
				j++
			}
			dst = append(dst, text[i:j]...)
			i = j
			continue
		}
		switch b := text[i+1]; b {
		case 'u':
			r, _ := hex4(text[i+2:])
			i += 6
			if r >= 0xd800 && r < 0xdc00 {
				low, _ := hex4(text[i+2:])
				r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			continue
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		default:
			dst = append(dst, b)
		}
		i += 2
	}
	return dst
}

// literal is the offset behind word, which must stand at i.
func literal(data []byte, i int, word string) int {
	if len(data)-i < len(word) || string(data[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}
