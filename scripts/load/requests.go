package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// request is one HTTP request.
type request struct {
	method, path string
	body         []byte
}

// kind is a kind of request, with what a Go registry that keeps everything in memory
// did on such a machine: 16 connections, two shared cores.
type kind struct {
	Name   string
	Beat   float64       // requests a second; 0 where none is known
	Within time.Duration // its 99th percentile
	make   func(i int) request
}

// schema is one of the size that events have, about 600 bytes; each n makes another
// one. More adds properties, required requires them.
func schema(n int, more, required string) string {
	return fmt.Sprintf(`{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Order %d","type":"object",`+
		`"properties":{"order_id":{"type":"string","minLength":1},"customer":{"type":"object","properties":{"id":{"type":"string"},"email":{"type":"string","format":"email"}},"required":["id"]},`+
		`"lines":{"type":"array","items":{"type":"object","properties":{"sku":{"type":"string"},"quantity":{"type":"integer","minimum":1},"price":{"type":"number"}},"required":["sku","quantity"]}},`+
		`%s"status":{"enum":["new","paid","sent"]},"at":{"type":"string","format":"date-time"}},"required":["order_id","lines"%s]}`, n, more, required)
}

// body is the body of a registration.
func body(text string) []byte {
	data, err := json.Marshal(map[string]string{"schemaType": "JSON", "schema": text})
	if err != nil {
		panic(err) //nolint:forbidigo // two strings can be marshalled
	}
	return data
}

// questions are what is asked of a registry that holds subjects of a run, numbered
// from 0.
type questions struct {
	run    string // in all names and schemas, so that a run finds nothing of another's
	ids    []int  // of the subjects' schemas
	bodies [][]byte
	fresh  atomic.Int64
}

func newQuestions(run string, subjects int) *questions {
	q := &questions{run: run, ids: make([]int, subjects), bodies: make([][]byte, subjects)}
	for i := range q.bodies {
		q.bodies[i] = body(schema(i, q.mark(), ""))
	}
	return q
}

func (q *questions) subject(i int) string { return fmt.Sprintf("load.run%s.s%d", q.run, i%len(q.ids)) }

// mark makes a run's schemas its own.
func (q *questions) mark() string {
	return fmt.Sprintf(`"run_%s":{"type":"string"},`, q.run)
}

// unseen is a schema that nobody has seen yet: a property was added.
func (q *questions) unseen(required bool) (n int, data []byte) {
	n = int(q.fresh.Add(1))
	requires := ""
	if required {
		requires = fmt.Sprintf(`,"note_%d"`, n)
	}
	return n, body(schema(len(q.ids)+n, q.mark()+fmt.Sprintf(`"note_%d":{"type":"string","maxLength":200},`, n), requires))
}

func (q *questions) kinds() []kind {
	get := func(path string) request { return request{method: http.MethodGet, path: path} }
	register := func(subject string, body []byte) request {
		return request{http.MethodPost, "/subjects/" + subject + "/versions", body}
	}
	check := func(i int, body []byte) request {
		return request{http.MethodPost, "/compatibility/subjects/" + q.subject(i) + "/versions/latest?verbose=true", body}
	}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	return []kind{
		{"get by id", 21_600, ms(6), func(i int) request { return get(fmt.Sprintf("/schemas/ids/%d", q.ids[i%len(q.ids)])) }},
		{"latest", 19_400, ms(6), func(i int) request { return get("/subjects/" + q.subject(i) + "/versions/latest") }},
		{"register again", 3_600, ms(34), func(i int) request { return register(q.subject(i), q.bodies[i%len(q.ids)]) }},
		{"register new", 2_300, ms(73), func(int) request {
			n, data := q.unseen(false)
			return register(fmt.Sprintf("load.run%s.n%d", q.run, n), data)
		}},
		{"check known pair", 0, 0, func(i int) request { return check(i, q.bodies[(i+1)%len(q.ids)]) }},
		{"check new pair", 3_500, ms(35), func(i int) request {
			_, data := q.unseen(false)
			return check(i, data)
		}},
		{"check new pair, refused", 0, 0, func(i int) request {
			_, data := q.unseen(true)
			return check(i, data)
		}},
		// The last one, because it changes what is latest.
		{"register new version", 0, 0, func(i int) request {
			_, data := q.unseen(false)
			return register(q.subject(i), data)
		}},
	}
}
