package mask

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
)

// files takes the events of a file, or of all files in a folder.
func (g *gatherer) files(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return unreadable(name, err)
	}
	if !info.IsDir() {
		return g.file(name)
	}
	return filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(path, err)
		}
		switch filepath.Ext(path) {
		case ".json", ".ndjson", ".jsonl":
			if !entry.IsDir() {
				return g.file(path)
			}
		}
		return nil
	})
}

func unreadable(name string, err error) error {
	return &cli.Error{Code: "file", What: "events cannot be read", Where: name, Cause: err, Cure: "check the path and its permissions"}
}

func (g *gatherer) file(name string) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return unreadable(name, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if filepath.Ext(name) == ".json" {
		data := new(bytes.Buffer)
		if _, err := data.ReadFrom(file); err != nil {
			return unreadable(name, err)
		}
		for _, event := range g.apart(data.Bytes(), name) {
			g.record(event, name)
		}
		return nil
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			g.record(line, name)
		}
	}
	if err := lines.Err(); err != nil {
		return unreadable(name, err)
	}
	return nil
}

// apart are the events in a file of JSON: the items of an array, unless it is itself an
// event.
func (g *gatherer) apart(data []byte, file string) []json.RawMessage {
	var items []json.RawMessage
	if json.Unmarshal(data, &items) != nil {
		return []json.RawMessage{data}
	}
	eventType := g.flags.Type
	if eventType == "" {
		eventType = g.typeBy(file, "")
	}
	if c := g.contracts[eventType]; c != nil && c.Validate(data) == nil {
		return []json.RawMessage{data}
	}
	return items
}

// record takes an event, or one as `event tail -o json` writes it.
func (g *gatherer) record(data []byte, file string) {
	var told struct {
		Type   string          `json:"type"`
		Data   json.RawMessage `json:"data"`
		Stream string          `json:"stream"`
		Action string          `json:"action"`
	}
	_ = json.Unmarshal(data, &told) // what it is of another form for is found out by validating it
	eventType := g.flags.Type
	switch {
	case told.Stream != "" && told.Data != nil && told.Type != "":
		eventType, data = told.Type, told.Data
	case eventType == "":
		if eventType = g.typeBy(file, told.Action); eventType == "" {
			eventType = g.typeOf(data)
		}
	}
	g.event(eventType, data)
}

// typeBy is the type of an event by where it lies. Its entity is the folder's name, and
// its action stands in it, or is the file's name; or its action is the folder's name,
// and its entity that of the folder around; or the file is called as both, or as the
// type. It is empty if none of these is known.
func (g *gatherer) typeBy(file, action string) string {
	dir, name := filepath.Split(file)
	name = strings.TrimSuffix(name, filepath.Ext(name))
	folder, around := filepath.Base(dir), filepath.Base(filepath.Dir(filepath.Clean(dir)))
	both := strings.NewReplacer("_", ".", "-", ".").Replace(name)
	for _, tokens := range [...]string{folder + "." + action, folder + "." + name, around + "." + folder, name, both, strings.TrimPrefix(name, g.flags.Domain+"."), folder} {
		if eventType := g.flags.Domain + "." + tokens; g.contracts[eventType] != nil {
			return eventType
		}
	}
	return ""
}

// typeOf is the only type that an event is valid as; empty if there are several or none.
func (g *gatherer) typeOf(data []byte) string {
	found := ""
	for eventType, c := range g.contracts {
		if c.Validate(data) != nil {
			continue
		}
		if found != "" {
			return ""
		}
		found = eventType
	}
	return found
}

// The patience of somebody at a terminal.
const (
	connectTimeout = 3 * time.Second
	readTimeout    = 10 * time.Second
)

// server takes the newest events of the domain in a running environment.
func (g *gatherer) server(ctx context.Context, app *cli.App) (err error) {
	at := g.flags.Flags.Flags
	at.Server = g.flags.SampleFrom
	server, err := at.Find()
	if err != nil {
		return err
	}
	conn, err := mesh.Connect(ctx, server.URL, mesh.WithCredentials(server.Credentials), mesh.WithConnectTimeout(connectTimeout),
		mesh.WithName("lockstep"), mesh.WithLogger(app.Logger(zerolog.ErrorLevel)))
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := lifecycle.Stopping(ctx)
		defer cancel()
		err = errors.Join(err, conn.Drain(closing))
	}()
	failed := func(err error) error {
		return &cli.Error{Code: "read", What: "the events of " + g.flags.Domain + " cannot be read", Where: server.URL, Cause: err, Cure: "see that the domain's events are stored there, and that the credentials are of that environment"}
	}
	asking, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	stream, err := conn.JetStream().Stream(asking, wire.DomainStream(g.flags.Domain))
	if err != nil {
		return failed(err)
	}
	state := stream.CachedInfo().State
	if state.Msgs == 0 {
		return nil
	}
	from := state.FirstSeq
	if n := uint64(g.flags.Samples); state.LastSeq >= n {
		from = max(from, state.LastSeq-n+1)
	}
	consumer, err := conn.JetStream().OrderedConsumer(ctx, stream.CachedInfo().Config.Name, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return failed(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return failed(err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextMaxWait(readTimeout))
		if err != nil {
			return failed(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return failed(err)
		}
		if _, published, ok := wire.ParseStored(m.Subject()); ok {
			g.event(published, m.Data())
		} else {
			g.skipped[fmt.Sprintf("stored on a subject that is none of %s", g.flags.Domain)]++
		}
		if meta.Sequence.Stream >= state.LastSeq || meta.NumPending == 0 {
			return nil
		}
	}
}
