package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// byHand is what people write who have no Lockstep: decode an event, validate it
// with jsonschema v5, mask the fields that they know by name with a keyed
// hash, and marshal the rest. It is not safe for concurrent use.
type byHand struct {
	mac hash.Hash
	sum []byte
}

func newByHand() *byHand {
	return &byHand{mac: hmac.New(sha256.New, []byte("a key of thirty-two bytes at most"))}
}

// personal are the names of the fields that are masked, in orders and in
// GitHub's events; after the name of what holds them, where that matters.
var personal = map[string]func(h *byHand, text string) string{
	"order_id": (*byHand).uuid, "customer_id": (*byHand).uuid, "number": (*byHand).word,
	"email": (*byHand).email, "name": (*byHand).word, "phone": (*byHand).phone, "recipient": (*byHand).word,
	"street": (*byHand).word, "line2": (*byHand).word, "city": (*byHand).word, "region": (*byHand).word, "postal_code": (*byHand).word,
	"instructions": redacted, "note": redacted, "value": redacted,
	"login": (*byHand).word, "full_name": (*byHand).word, "url": (*byHand).link, "title": redacted, "body": redacted,
	"options.name": nil, "lines.title": nil,
	"born": (*byHand).month, "ip_address": (*byHand).address,
	"message": redacted, "description": redacted, "location": (*byHand).word, "company": (*byHand).word,
}

func (h *byHand) validate(schema *v5.Schema, data []byte) error {
	_, err := h.decode(schema, data)
	return err
}

func (h *byHand) decode(schema *v5.Schema, data []byte) (any, error) {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if err := schema.Validate(value); err != nil {
		return nil, fmt.Errorf("validate: %w", err)
	}
	return value, nil
}

// mask validates an event and gives it masked.
func (h *byHand) mask(schema *v5.Schema, data []byte) ([]byte, error) {
	value, err := h.decode(schema, data)
	if err != nil {
		return nil, err
	}
	h.walk("", value)
	return json.Marshal(value)
}

// walk masks what value holds, which itself stands under a name.
func (h *byHand) walk(within string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			text, ok := member.(string)
			if !ok {
				h.walk(name, member)
				continue
			}
			replace, exact := personal[within+"."+name]
			if !exact {
				replace = personal[name]
			}
			switch {
			case replace != nil:
				v[name] = replace(h, text)
			case strings.HasSuffix(name, "_url"):
				v[name] = h.link(text)
			}
		}
	case []any:
		for _, element := range v {
			h.walk(within, element)
		}
	}
}

// hash is the keyed hash of a text, in hexadecimal.
func (h *byHand) hash(text string) string {
	h.mac.Reset()
	h.mac.Write([]byte(text))
	h.sum = h.mac.Sum(h.sum[:0])
	return hex.EncodeToString(h.sum)
}

func (h *byHand) word(text string) string  { return h.hash(text)[:12] }
func (h *byHand) email(text string) string { return h.hash(text)[:12] + "@example.test" }
func (h *byHand) link(text string) string  { return "https://example.test/" + h.hash(text)[:12] }
func redacted(*byHand, string) string      { return "[redacted]" }

func (h *byHand) uuid(text string) string {
	sum := h.hash(text)
	return sum[:8] + "-" + sum[8:12] + "-4" + sum[13:16] + "-8" + sum[17:20] + "-" + sum[20:32]
}

// month is a date to the month.
func (h *byHand) month(text string) string { return text[:min(len(text), 7)] + "-01" }

// address is an address of a documentation range.
func (h *byHand) address(text string) string {
	return fmt.Sprintf("192.0.2.%d", h.hash(text)[0])
}

func (h *byHand) phone(text string) string {
	sum := h.hash(text)
	return fmt.Sprintf("+49%09d", (uint32(sum[0])<<24|uint32(sum[1])<<16|uint32(sum[2])<<8|uint32(sum[3]))%1_000_000_000)
}
