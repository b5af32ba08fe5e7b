package contract

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

const orderSchema = `{
	"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["order_id","customer","lines","total","currency","placed_at"],"x-lockstep-key":["/order_id"],
	"properties":{
		"order_id":{"type":"string","format":"uuid","x-lockstep-class":"uuid"},
		"customer":{"type":"object","required":["id","email"],"properties":{
			"id":{"type":"string","pattern":"^cus_[0-9a-z]{10}$","x-lockstep-class":"id"},
			"email":{"type":"string","format":"email","x-lockstep-class":"email"},
			"name":{"type":"string","maxLength":120,"x-lockstep-class":"person-name"},
			"phone":{"type":["string","null"],"x-lockstep-class":"phone"}}},
		"lines":{"type":"array","minItems":1,"items":{"type":"object","required":["sku","quantity","price"],"properties":{
			"sku":{"type":"string","x-lockstep-class":"public"},"quantity":{"type":"integer","minimum":1,"x-lockstep-class":"public"},
			"price":{"type":"number","multipleOf":0.01,"x-lockstep-class":"public"},"gift":{"type":"boolean"}}}},
		"total":{"type":"number","x-lockstep-class":"public"},"currency":{"enum":["EUR","USD","GBP"]},"status":{"enum":["placed","paid","shipped"]},
		"placed_at":{"type":"string","format":"date-time","x-lockstep-class":"internal"},"note":{"type":"string","x-lockstep-class":"text"}}}`

const orderEvent = `{"order_id":"5f2c1c1e-7a8d-4b7e-9d6a-2f8a1f0c9b11","customer":{"id":"cus_8f3k2m9x1a","email":"ada.lovelace@example.org","name":"Ada Lovelace","phone":"+49 30 901820"},` +
	`"lines":[{"sku":"A-1001","quantity":2,"price":19.99,"gift":false},{"sku":"B-7","quantity":1,"price":4.5},{"sku":"C-12-XL","quantity":10,"price":0.35,"gift":true}],` +
	`"total":47.98,"currency":"EUR","status":"placed","placed_at":"2026-03-01T10:15:00Z","note":"Please ring twice; the bell of the third floor is broken."}`

// Compare within one run: "validate" with "decode+v5", and "mask", which
// validates, masks and validates what it made, with "pipeline", which is the
// usual way to validate and mask.
func BenchmarkOrder(b *testing.B) {
	o := compile(b, orderSchema, nil, Options{})
	b.Run("500B", func(b *testing.B) { benchmarkEvents(b, []githubEvent{{"order", []byte(orderEvent), o}}) })
	line := `{"sku":"A-1001","quantity":2,"price":19.99,"gift":false},`
	large := strings.Replace(orderEvent, line, strings.Repeat(line, 62), 1)
	b.Run("4KB", func(b *testing.B) { benchmarkEvents(b, []githubEvent{{"order", []byte(large), o}}) })
}

// The GitHub events under the overlay that ships for them.
func BenchmarkGitHub(b *testing.B) {
	var valid []githubEvent
	for _, event := range github(b, githubOverlay(b), false) {
		if !knownInvalid[event.name] {
			valid = append(valid, event)
		}
	}
	benchmarkEvents(b, valid)
}

func benchmarkEvents(b *testing.B, events []githubEvent) {
	size := 0
	for _, event := range events {
		size += len(event.data)
	}
	run := func(name string, work func(githubEvent) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size / len(events)))
			i := 0
			for b.Loop() {
				if err := work(events[i%len(events)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
	p := testers()
	p.Classes["secret"], p.Classes["account"] = mask.Rule{Technique: mask.Redact}, mask.Rule{Technique: mask.Redact}
	m := masker(b, p, "staging")
	var room []byte
	for _, e := range events { // what is found out about a schema's places once isn't measured
		if _, _, err := e.contract.Mask(nil, e.data, m); err != nil {
			b.Fatal(err)
		}
		if slow := e.contract.For(m).Slow(); slow > 0 {
			b.Fatalf("%s is not masked in one pass", e.name)
		}
	}
	run("decode", func(e githubEvent) error {
		_, err := strictjson.Decode(e.data, strictjson.Limits{})
		return err
	})
	run("decode+v5", func(e githubEvent) error {
		value, err := strictjson.Decode(e.data, strictjson.Limits{})
		if err != nil {
			return err
		}
		return e.contract.slow().(*walker).linked.Schema.Validate(value)
	})
	run("pipeline", func(e githubEvent) error {
		decoder := json.NewDecoder(bytes.NewReader(e.data))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		schema := e.contract.slow().(*walker).linked.Schema
		if err := schema.Validate(value); err != nil {
			return err
		}
		maskMap(value, m)
		_, err := json.Marshal(value)
		return err
	})
	run("validate", func(e githubEvent) error { return e.contract.Validate(e.data) })
	run("mask", func(e githubEvent) error {
		var err error
		room, _, err = e.contract.Mask(room[:0], e.data, m)
		return err
	})
	run("walker", func(e githubEvent) error {
		var stats Stats
		var err error
		room, err = e.contract.slow().mask(room[:0], e.data, e.contract.For(m), &stats, false)
		return err
	})
}

// maskMap replaces what has one of a few names, as people do it who have no
// schema for that: about as many values as the policy masks, in forms that stay
// valid.
func maskMap(value any, m *mask.Masker) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			text, isText := member.(string)
			switch {
			case !isText || text == "":
				maskMap(member, m)
			case name == "email":
				value[name] = m.Token("email", text) + "@example.com"
			case name == "login" || name == "name" || name == "full_name" || name == "phone" || name == "note":
				value[name] = m.Token("name", text)
			case name == "url" || strings.HasSuffix(name, "_url") && !strings.Contains(text, "{"):
				value[name] = "https://example.com/" + m.Token("url", text)
			}
		}
	case []any:
		for _, item := range value {
			maskMap(item, m)
		}
	}
}
