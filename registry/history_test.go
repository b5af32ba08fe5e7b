package registry_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

// registration is an operation of the history: a schema is registered in a
// subject, and the answer is its version; 0 if the answer is not known.
type registration struct{ subject, schema int }

// registrations says what one registry would answer, one request at a time: a
// subject's state is the list of its schemas.
var registrations = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		bySubject := map[int][]porcupine.Operation{}
		for _, op := range history {
			in := op.Input.(registration)
			bySubject[in.subject] = append(bySubject[in.subject], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range bySubject {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return []int(nil) },
	Step: func(state, input, output any) (bool, any) {
		schemas, in, version := state.([]int), input.(registration), output.(int)
		at := slices.Index(schemas, in.schema)
		if at < 0 {
			at, schemas = len(schemas), append(slices.Clip(schemas), in.schema)
		}
		return version == at+1, schemas
	},
	Equal: func(a, b any) bool { return slices.Equal(a.([]int), b.([]int)) },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("register %+v -> %v", input, output)
	},
}

// schemaOf is a registration's schema; all of them are compatible.
func schemaOf(in registration) registry.Schema {
	return registry.Schema{Type: registry.JSON, Text: fmt.Sprintf(`{"title":"%d","type":"object"}`, in.schema)}
}

// settled is a history whose unanswered operations have the answer that the log
// gives (0 if it holds nothing of them), so that the check need not guess: the
// more it has to, the longer it takes. Of several with one effect only the first
// can be needed to explain it, and it had its effect before anybody was told of
// that version or a later one.
func settled(history []porcupine.Operation, version func(registration) int) (rest []porcupine.Operation, unknown int) {
	first := map[registration]porcupine.Operation{}
	var explained []porcupine.Operation
	for _, op := range history {
		in := op.Input.(registration)
		if op.Output != 0 {
			rest = append(rest, op)
			continue
		}
		unknown++
		if earlier, ok := first[in]; !ok || op.Call < earlier.Call {
			first[in] = op
		}
	}
	for in, op := range first {
		made := version(in)
		told := op.Return
		for _, other := range rest {
			if other.Input.(registration).subject == in.subject && other.Output.(int) >= made {
				told = min(told, other.Return)
			}
		}
		if op.Output, op.Return = made, told; made != 0 && op.Call < op.Return {
			explained = append(explained, op)
		}
	}
	return append(rest, explained...), unknown
}

// instance is one of several over the same log, which can be killed.
type instance struct {
	url string
	now atomic.Pointer[running]
}

type running struct {
	nc *nats.Conn
	r  *registry.Registry
}

func (i *instance) start(ctx context.Context) error {
	nc, err := nats.Connect(i.url, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err == nil {
		var log *store.Log
		if log, err = store.Open(ctx, js); err == nil {
			var r *registry.Registry
			if r, err = registry.Open(ctx, log); err == nil {
				i.now.Store(&running{nc, r})
				return nil
			}
		}
	}
	nc.Close()
	return err
}

// kill ends it as a crash would: the connection first, in the middle of all.
func (i *instance) kill() {
	old := i.now.Load()
	old.nc.Close()
	old.r.Close()
}

// Guards against a history that no single registry could have had: 32 clients
// register, overlapping, through three instances that are killed meanwhile and on
// a server that is restarted.
func TestHistoryIsLinearizable(t *testing.T) {
	server := natstest.Start(t)
	if err := store.Create(t.Context(), server.Connect(), store.Options{}); err != nil {
		t.Fatal(err)
	}
	var instances [3]*instance
	for i := range instances {
		instances[i] = &instance{url: server.URL()}
		if err := instances[i].start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const clients, each, subjects, schemas = 32, 20, 8, 12
	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	acknowledged := map[string]registry.Version{}
	var working sync.WaitGroup
	for client := range clients {
		working.Go(func() {
			for range each {
				in := registration{rand.N(subjects), rand.N(schemas)}
				through := instances[rand.N(len(instances))].now.Load()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				call := time.Since(began).Nanoseconds()
				v, err := through.r.Register(ctx, fmt.Sprintf("s%d", in.subject), schemaOf(in))
				cancel()
				op := porcupine.Operation{ClientId: client, Input: in, Call: call, Output: v.Version, Return: time.Since(began).Nanoseconds()}
				if err != nil {
					op.Output, op.Return = 0, math.MaxInt64 // it may be in the log, and may come there yet
				}
				mu.Lock()
				history = append(history, op)
				if err == nil {
					acknowledged[fmt.Sprintf("%s@%d", v.Subject, v.Version)] = v
				}
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		working.Wait()
		close(done)
	}()
	kills := 0
	for pause := time.NewTicker(20 * time.Millisecond); ; kills++ {
		select {
		case <-pause.C:
		case <-done:
		}
		select {
		case <-done:
			pause.Stop()
		default:
			if kills == 3 {
				server.Stop()
				server.Start()
			}
			victim := instances[rand.N(len(instances))]
			victim.kill()
			if err := victim.start(t.Context()); err != nil {
				t.Error(err)
			}
			continue
		}
		break
	}
	for _, i := range instances {
		i.kill()
	}
	fresh := openOn(t, server.Connect())
	history, unknown := settled(history, func(in registration) int {
		v, err := fresh.Find(fmt.Sprintf("s%d", in.subject), schemaOf(in))
		if err != nil {
			return 0
		}
		return v.Version
	})
	t.Logf("%d operations, %d without an answer, %d kills", len(history), unknown, kills)
	if result := porcupine.CheckOperationsTimeout(registrations, history, 30*time.Second); result != porcupine.Ok {
		t.Errorf("the history is not linearizable: %v", result)
	}
	guids := map[int]string{}
	for _, subject := range fresh.Subjects() {
		for i, v := range fresh.Versions(subject) {
			if v.Version != i+1 {
				t.Errorf("%s: version %d stands at place %d", subject, v.Version, i+1)
			}
			if guid, ok := guids[v.ID]; ok && guid != v.GUID {
				t.Errorf("id %d stands for two schemas", v.ID)
			}
			guids[v.ID] = v.GUID
		}
	}
	for place, v := range acknowledged {
		if got, ok := fresh.Version(v.Subject, v.Version); !ok || got.GUID != v.GUID || got.ID != v.ID {
			t.Errorf("%s was acknowledged as %+v; the log has %+v", place, v, got)
		}
	}
}
