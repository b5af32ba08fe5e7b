package jsonschema

import "testing"

// order is a schema of the size that events have, about 600 bytes.
const order = `{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Order","type":"object",` +
	`"properties":{"order_id":{"type":"string","minLength":1},"customer":{"type":"object","properties":{"id":{"type":"string"},"email":{"type":"string","format":"email"}},"required":["id"]},` +
	`"lines":{"type":"array","items":{"type":"object","properties":{"sku":{"type":"string"},"quantity":{"type":"integer","minimum":1},"price":{"type":"number"}},"required":["sku","quantity"]}},` +
	`"status":{"enum":["new","paid","sent"]},"at":{"type":"string","format":"date-time"}},"required":["order_id","lines"]}`

func BenchmarkParse(b *testing.B) {
	text := []byte(order)
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLink(b *testing.B) {
	bundle := &Bundle{Document: parse(b, order)}
	for b.Loop() {
		if _, err := bundle.Link(); err != nil {
			b.Fatal(err)
		}
	}
}
