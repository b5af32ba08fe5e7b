package node

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// errGuard is the API error code of the guard's refusals.
const errGuard = 40301

// guard stands between applications and JetStream where consumers are made.
// A push consumer's configuration chooses the subject it delivers to, and
// could choose one that a stream captures: events would enter that stream
// past its gate. The guard lets deliveries go to inboxes only.
type guard struct {
	nc   *nats.Conn
	sub  *nats.Subscription
	log  zerolog.Logger
	work sync.WaitGroup
	slot chan struct{} // bounds the requests under way
}

func startGuard(nc *nats.Conn, log zerolog.Logger) (*guard, error) {
	g := &guard{nc: nc, log: log.With().Str("part", "guard").Logger(), slot: make(chan struct{}, 64)}
	sub, err := nc.Subscribe(guardRoot+".>", func(m *nats.Msg) {
		g.slot <- struct{}{}
		g.work.Go(func() {
			defer func() { <-g.slot }()
			g.answer(m)
		})
	})
	if err != nil {
		return nil, &Error{Code: CodeUnavailable, Op: "start the consumer guard", Cause: err}
	}
	g.sub = sub
	return g, nc.Flush()
}

func (g *guard) close() {
	_ = g.sub.Unsubscribe()
	g.work.Wait()
}

func (g *guard) answer(m *nats.Msg) {
	api := "$JS.API" + strings.TrimPrefix(m.Subject, guardRoot)
	body, deliver, problem := rewrite(m.Data)
	var response []byte
	if problem == "" {
		reply, err := g.nc.Request(api, body, responseWindow)
		if err != nil {
			problem = "JetStream did not answer: " + err.Error()
		} else if response = reply.Data; deliver != "" {
			response = restore(response)
		}
	}
	if problem != "" {
		response = refusal(problem)
	}
	if err := m.Respond(response); err != nil {
		g.log.Warn().Err(err).Msg("the answer to a request for a consumer was lost")
	}
}

// rewrite moves a push consumer's deliver subject to where applications
// receive it. Everything else in the request stays as it was.
func rewrite(request []byte) (body []byte, deliver, problem string) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(request, &fields); err != nil {
		return nil, "", "the request is no JSON object: " + err.Error()
	}
	var config map[string]json.RawMessage
	if raw, ok := fields["config"]; ok {
		if err := json.Unmarshal(raw, &config); err != nil {
			return nil, "", "config is no JSON object: " + err.Error()
		}
	}
	for name := range fields {
		if strings.EqualFold(name, "config") && name != "config" {
			return nil, "", fmt.Sprintf("unknown field %q", name)
		}
	}
	for name := range config {
		if strings.EqualFold(name, "deliver_subject") && name != "deliver_subject" {
			return nil, "", fmt.Sprintf("unknown field %q", "config."+name)
		}
	}
	raw, ok := config["deliver_subject"]
	if ok {
		if err := json.Unmarshal(raw, &deliver); err != nil {
			return nil, "", "config.deliver_subject is no string"
		}
	}
	if deliver != "" {
		if !strings.HasPrefix(deliver, strings.TrimSuffix(appInbox, ">")) {
			return nil, "", fmt.Sprintf("a consumer may deliver to an inbox (%s), not to %q: use an inbox, or a pull consumer", appInbox, deliver)
		}
		config["deliver_subject"] = mustMarshal(appDeliverRoot + "." + deliver)
	}
	// What was read is written again, so that JetStream sees each field once: a
	// second deliver_subject would otherwise be for it to choose.
	if config != nil {
		fields["config"] = mustMarshal(config)
	}
	return mustMarshal(fields), deliver, ""
}

// restore gives the response the deliver subject that was asked for.
func restore(response []byte) []byte {
	return []byte(strings.ReplaceAll(string(response), `"deliver_subject":"`+appDeliverRoot+".", `"deliver_subject":"`))
}

func refusal(problem string) []byte {
	return mustMarshal(map[string]any{
		"type": "io.nats.jetstream.api.v1.consumer_create_response",
		"error": map[string]any{
			"code": 403, "err_code": errGuard, "description": problem,
		},
	})
}

// mustMarshal encodes what is known to be encodable: strings, and JSON that was
// decoded before.
func mustMarshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) //nolint:forbidigo // only a defect here leads to it, no input does
	}
	return data
}
