package nativeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-mesh/lockstep/registry"
)

const (
	// heartbeat is how often a stream without changes says that it lives, and where
	// it is.
	heartbeat = 15 * time.Second
	// maxStreams bounds the streams that are open at once.
	maxStreams = 1000
	// sentAtOnce is how many changes are read from the view at a time.
	sentAtOnce = 500
)

// Event is a change of the registry.
type Event struct {
	Revision  uint64          `json:"revision" doc:"Its place in the history, from 1 without gaps; the same in every environment"`
	At        time.Time       `json:"at"`
	Author    string          `json:"author,omitempty" doc:"Who made it, as the request said; in other environments than the primary's nobody is named"`
	Kind      string          `json:"kind" enum:"version,state,about,config,mode,delete" doc:"What was changed"`
	Subject   string          `json:"subject,omitempty" doc:"Absent where it concerns all subjects"`
	Version   int             `json:"version,omitempty" doc:"Of version and state"`
	ID        int             `json:"id,omitempty" doc:"Of version: the schema's id"`
	State     string          `json:"state,omitempty" doc:"Of version and state: what the version came into"`
	Reason    string          `json:"reason,omitempty" doc:"Of state"`
	About     *About          `json:"about,omitempty" doc:"Of about; absent if it was removed"`
	Config    json.RawMessage `json:"config,omitempty" doc:"Of config, as Confluent's API has it; absent if it was removed"`
	Mode      string          `json:"mode,omitempty" doc:"Of mode; absent if it was removed"`
	Versions  []int           `json:"versions,omitempty" doc:"Of delete"`
	Permanent bool            `json:"permanent,omitempty" doc:"Of delete: for good"`
	Text      string          `json:"text" doc:"The change in a sentence"`
}

// History is a subject's.
type History struct {
	Subject string  `json:"subject"`
	Events  []Event `json:"events" doc:"Oldest first"`
}

func eventOf(c registry.Change) (Event, error) {
	e := Event{
		Revision: c.Revision, At: c.At, Author: c.Author, Kind: string(c.Kind), Subject: c.Subject, Version: c.Version, ID: c.ID,
		State: string(c.State), Reason: c.Reason, Mode: string(c.Mode), Versions: c.Versions, Permanent: c.Permanent, Text: c.String(),
	}
	if c.About != nil {
		about := About(*c.About)
		e.About = &about
	}
	if c.Config != nil {
		var err error
		if e.Config, err = json.Marshal(c.Config); err != nil {
			return e, err
		}
	}
	return e, nil
}

// streamInput says which changes are wanted.
type streamInput struct {
	LastEventID string `header:"Last-Event-ID" pattern:"^[0-9]{0,19}$" doc:"The revision after which to go on; what a browser's EventSource sends by itself when it connects again"`
	After       string `query:"after" pattern:"^[0-9]{0,19}$" doc:"The same, for who cannot set headers; 0 is the beginning. With neither, the stream begins with the next change."`
	Subject     string `query:"subject" maxLength:"255" doc:"Only changes of this subject"`
	Prefix      string `query:"prefix" maxLength:"255" doc:"Only changes of subjects whose name begins like this"`
	Follow      bool   `query:"follow" default:"true" doc:"Whether to go on with changes as they happen; false ends with the last one that there is"`
}

func (in *streamInput) wants(c registry.Change) bool {
	return (in.Subject == "" || c.Subject == in.Subject) && strings.HasPrefix(c.Subject, in.Prefix)
}

func (a *API) changeRoutes() {
	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "get-history", Method: http.MethodGet, Path: "/subjects/{subject}/history", Tags: []string{tagChanges},
		Summary: "The history of a subject", Description: "Every change of it with time and author, deletions included.",
	}, false), func(_ context.Context, in *SubjectPath) (*output[History], error) {
		out := History{Subject: in.Subject, Events: []Event{}}
		for _, c := range a.registry.History(in.Subject) {
			e, err := eventOf(c)
			if err != nil {
				return nil, problemOf(err)
			}
			out.Events = append(out.Events, e)
		}
		if len(out.Events) == 0 {
			return nil, problemOf(subjectNotFound(in.Subject))
		}
		return &output[History]{out}, nil
	})

	op := a.operation(huma.Operation{
		OperationID: "stream-changes", Method: http.MethodGet, Path: "/changes", Tags: []string{tagChanges},
		Summary: "Changes as they happen",
		Description: "A stream of server-sent events: id is the revision, event the kind, data an Event as JSON. A client that connects again with Last-Event-ID misses nothing and gets nothing twice. " +
			"Without changes there is a remark every 15 seconds, with the id up to which all was sent.\n\n" +
			"Over NATS the same changes are the messages of the stream REGISTRY, which every application may read: subject registry.KIND.SUBJECT, so that registry.version.orders.> are the new versions of a domain; " +
			"the header Lockstep-Registry-Revision is the revision. In a subject's name, what a NATS subject cannot hold is percent-encoded.",
	}, false)
	schemas := a.huma.OpenAPI().Components.Schemas
	schemas.Schema(reflect.TypeFor[Event](), true, "")
	op.Responses["200"] = &huma.Response{
		Description: "The stream.",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString, Description: "Events whose data is an Event, as in the history."}}},
	}
	huma.Register(a.huma, op, func(_ context.Context, in *streamInput) (*huma.StreamResponse, error) {
		after, err := a.startOf(in)
		if err != nil {
			return nil, err
		}
		if problem := a.begin(); problem != nil {
			return nil, problem
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			defer a.done()
			a.stream(ctx, in, after)
		}}, nil
	})
}

// startOf is the revision after which a stream begins.
func (a *API) startOf(in *streamInput) (uint64, error) {
	text := in.LastEventID
	if text == "" {
		text = in.After
	}
	if text == "" {
		return a.registry.Revision(), nil
	}
	var after uint64
	if _, err := fmt.Sscan(text, &after); err != nil {
		return 0, newProblem(http.StatusUnprocessableEntity, "invalid_request", quote(text)+" is no revision", err.Error(), "send the id of the last event")
	}
	return after, nil
}

// stream writes changes until the client, the API or the view ends it.
func (a *API) stream(hc huma.Context, in *streamInput, after uint64) {
	ctx, cancel := context.WithCancel(hc.Context())
	defer cancel()
	defer context.AfterFunc(a.closing, cancel)()
	hc.SetHeader("Content-Type", "text/event-stream")
	hc.SetHeader("Cache-Control", "no-store")
	hc.SetHeader("X-Accel-Buffering", "no")
	hc.SetStatus(http.StatusOK)
	w := &eventWriter{to: hc.BodyWriter()}
	if rw, ok := hc.BodyWriter().(http.ResponseWriter); ok {
		w.control = http.NewResponseController(rw)
	}
	w.print(": changes after revision %d\n\n", after)
	for w.flush() == nil {
		changes := a.registry.Changes(after, sentAtOnce)
		for _, c := range changes {
			after = c.Revision
			if in.wants(c) {
				w.event(c)
			}
		}
		if len(changes) > 0 {
			continue
		}
		if !in.Follow {
			w.print("id: %d\n\n", after)
			_ = w.flush()
			return
		}
		waiting, stop := context.WithTimeout(ctx, a.heartbeat)
		err := a.registry.Await(waiting, after)
		stop()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return
		case waiting.Err() != nil:
			// A client that filters gets on this way too.
			w.print(": nothing new\nid: %d\n\n", after)
		default:
			a.log.Warn().Err(err).Msg("a stream of changes ends: the registry's view has")
			return
		}
	}
	if w.err != nil {
		a.log.Debug().Err(w.err).Msg("a stream of changes was not read on")
	}
}

// streamWrite bounds how long one piece of a stream may take to be sent.
const streamWrite = 30 * time.Second

// eventWriter writes a stream, until something fails.
type eventWriter struct {
	to      io.Writer
	control *http.ResponseController
	err     error
}

func (w *eventWriter) print(format string, args ...any) {
	if w.err == nil {
		w.extend()
		_, w.err = fmt.Fprintf(w.to, format, args...)
	}
}

// extend lets the next piece be sent, however long the stream has lasted.
func (w *eventWriter) extend() {
	if w.control != nil {
		// A writer that has no deadlines needs none.
		_ = w.control.SetWriteDeadline(time.Now().Add(streamWrite))
	}
}

func (w *eventWriter) event(c registry.Change) {
	e, err := eventOf(c)
	var data []byte
	if err == nil {
		data, err = json.Marshal(e)
	}
	if err != nil {
		w.err = err
		return
	}
	w.print("id: %d\nevent: %s\ndata: %s\n\n", c.Revision, c.Kind, data)
}

func (w *eventWriter) flush() error {
	if w.err == nil && w.control != nil {
		w.err = w.control.Flush()
	}
	return w.err
}
