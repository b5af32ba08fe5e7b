package folder

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// placeOf is the line and the column, in characters, of an offset; both from 1.
func placeOf(text []byte, offset int64) (line, column int) {
	before := text[:min(max(0, offset), int64(len(text)))]
	line = 1 + bytes.Count(before, []byte{'\n'})
	return line, 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// find is the place of what a JSON pointer leads to: of the name, for the
// member of an object. It is 0, 0 where that is not found.
func find(text []byte, pointer string) (line, column int) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		length := int64(1)
		switch d.PeekKind() {
		case '{', '}', '[', ']':
			if _, err := d.ReadToken(); err != nil {
				return 0, 0
			}
		default:
			value, err := d.ReadValue()
			if err != nil {
				return 0, 0
			}
			length = int64(len(value))
		}
		if string(d.StackPointer()) == pointer {
			return placeOf(text, d.InputOffset()-length)
		}
	}
}
