package mask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/classify"
	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// SuggestFlags are the flags of `mask suggest`.
type SuggestFlags struct {
	Flags
	Domain        string
	Events        []string
	Type          string
	SampleFrom    string
	Samples       int
	Out           string
	IgnoreOverlay bool
}

func suggestCommand(app *cli.App) *cobra.Command {
	var f SuggestFlags
	c := &cobra.Command{
		Use: "suggest --domain DOMAIN", Short: "Propose classes for the fields that nobody has classified",
		Long: `Propose a class for each field of a domain's events that neither a schema nor the
domain's overlay classifies: from its name, the format that the schema gives it, and
samples of events. The answer is an overlay with the evidence as comments, which show
no value of any event. It is a proposal: read it line by line before you use it.

Events are taken from files (--events: .json is one event, .ndjson or .jsonl one a
line; a folder is looked through), or from a running environment (--sample-from). A
line may be what lockstep event tail -o json writes, and a .json file an array of
events. The type of another event is --type, or follows from where it lies:
ENTITY/ACTION.ndjson, ENTITY/ACTION/any.json, ENTITY.ACTION.json, or a file in folder
ENTITY, with the event's "action"; or it is the only one that the event is valid as.`,
		Example: `  lockstep mask suggest --domain github --schemas schemas --events events --out overlay.yaml
  lockstep mask suggest --domain orders --data ./mesh --sample-from nats://127.0.0.1:4222`,
	}
	flags := c.Flags()
	f.add(flags)
	flags.StringVar(&f.Domain, "domain", "", "the `domain`")
	flags.StringArrayVar(&f.Events, "events", nil, "a `file` or folder with events; may be repeated")
	flags.StringVar(&f.Type, "type", "", "the event `type` of the events in files")
	flags.StringVar(&f.SampleFrom, "sample-from", "", "an environment's NATS `URL`, to take its newest events")
	flags.StringVar(&f.Creds, "creds", "", "an application's credentials `file` there (default: as --data says)")
	flags.IntVar(&f.Samples, "samples", 1000, "how `many` events to take from there")
	flags.StringVar(&f.Out, "out", "", "the `file` to write the overlay to (default: standard output)")
	flags.BoolVar(&f.IgnoreOverlay, "ignore-overlay", false, "propose classes for what the domain's overlay classifies, too")
	return app.Command(c, func(ctx context.Context) error { return Suggest(ctx, app, f) }, "domain")
}

// Suggest answers with the proposals, and writes them as an overlay.
func Suggest(ctx context.Context, app *cli.App, f SuggestFlags) error {
	if f.Samples < 1 {
		return cli.Usage("--samples %d: it has to be 1 at least", f.Samples)
	}
	s, err := f.open(app)
	if err != nil {
		return err
	}
	defer s.close()
	if _, ok := s.mesh.Domain(f.Domain); !ok && len(f.Schemas) == 0 && s.registry == nil {
		var names []string
		for _, d := range s.mesh.Domains() {
			names = append(names, d.Name)
		}
		return cli.Usage("there is no domain %q; %s", f.Domain, near(f.Domain, names))
	}
	if f.IgnoreOverlay {
		s.overlays[f.Domain] = nil
	}
	g := &gatherer{flags: f, collector: classify.New(), contracts: map[string]*contract.Contract{}, skipped: map[string]int{}, invalid: map[string]string{}}
	if err := g.schemas(ctx, s); err != nil {
		return err
	}
	for _, name := range f.Events {
		if err := g.files(name); err != nil {
			return err
		}
	}
	if f.SampleFrom != "" {
		if err := g.server(ctx, app); err != nil {
			return err
		}
	}
	a := suggestion{Domain: f.Domain, Types: g.collector.Types(), Events: g.collector.Events(), Skipped: g.skips(), Proposals: g.collector.Proposals(), Out: f.Out}
	if a.Proposals == nil {
		a.Proposals = []classify.Proposal{}
	}
	a.overlay = classify.Overlay(a.Proposals, a.about())
	if _, err := mask.ParseOverlay("proposed.yaml", a.overlay); err != nil && len(a.Proposals) > 0 {
		return fmt.Errorf("the proposals make no overlay, which is a defect: %w", err)
	}
	if f.Out != "" && len(a.Proposals) > 0 {
		if err := save(f.Out, a.overlay); err != nil {
			return err
		}
	}
	return app.Answer(a)
}

// save writes a new file: what somebody has reviewed is not to be lost.
func save(name string, text []byte) (err error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		e := &cli.Error{Code: "file", What: "the overlay cannot be written", Where: name, Cause: err, Cure: "check the path and its permissions"}
		if errors.Is(err, fs.ErrExist) {
			e.Cure = "name another file, or remove this one"
		}
		return e
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = file.Write(text)
	return err
}

// gatherer collects fields and samples.
type gatherer struct {
	flags     SuggestFlags
	collector *classify.Collector
	contracts map[string]*contract.Contract
	skipped   map[string]int    // why events were not looked at
	invalid   map[string]string // what is wrong with the first of those
}

func (g *gatherer) schemas(ctx context.Context, s *schemas) error {
	subjects, err := s.subjects(ctx, g.flags.Domain)
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		versions, err := s.versions(ctx, subject, 1)
		if err != nil {
			return err
		}
		c, err := s.compile(versions[0])
		if err != nil {
			return err
		}
		g.contracts[subject] = c
		if err := g.collector.Schema(c); err != nil {
			return err
		}
	}
	return nil
}

// event takes the values of an event of a type.
func (g *gatherer) event(eventType string, data []byte) {
	const untold = "whose type cannot be told from where they lie (say it with --type)"
	subject, err := wire.ParseSubject(eventType)
	if err != nil {
		g.skipped[untold]++
		return
	}
	c := g.contracts[subject.Type()]
	if c == nil {
		c = g.contracts[subject.EntityType()]
	}
	if c == nil {
		g.skipped["of "+eventType+", which has no schema"]++
		return
	}
	if err := g.collector.Event(c, data); err != nil {
		// The first says how; it holds no value.
		why := "of " + c.Subject() + " that are not valid under its schema"
		if g.invalid[why] == "" {
			g.invalid[why] = strings.TrimPrefix(err.Error(), "the event is not valid under "+c.Subject()+": ")
		}
		g.skipped[why]++
	}
}

func (g *gatherer) skips() []skipped {
	list := []skipped{}
	for why, n := range g.skipped {
		if first := g.invalid[why]; first != "" {
			why += " (the first: " + first + ")"
		}
		list = append(list, skipped{why, n})
	}
	slices.SortFunc(list, func(a, b skipped) int { return strings.Compare(a.Why, b.Why) })
	return list
}

type suggestion struct {
	Domain    string              `json:"domain"`
	Types     int                 `json:"types"`
	Events    int                 `json:"events"`
	Skipped   []skipped           `json:"skipped"`
	Proposals []classify.Proposal `json:"proposals"`
	Out       string              `json:"out,omitempty"`

	overlay []byte
}

type skipped struct {
	Why    string `json:"why"`
	Events int    `json:"events"`
}

// about is the comment above the overlay.
func (s suggestion) about() string {
	text := fmt.Sprintf("Proposed classes for the fields of %s that nobody has classified, from %s and %s.\n",
		s.Domain, counted(s.Types, "schema"), counted(s.Events, "event"))
	text += "Each has a number from 0 to 1 for how likely it is, and the evidence. Read every line: what is\n" +
		"wrong here lets something cross, or keeps somebody from their work. Then name this file as the\n" +
		"domain's overlay in mesh.yaml, or move its lines there.\n"
	for _, skip := range s.Skipped {
		text += fmt.Sprintf("Not looked at: %s %s.\n", counted(skip.Events, "event"), skip.Why)
	}
	return text
}

// Table writes the overlay, or what is in it if it went into a file.
func (s suggestion) Table(w io.Writer) {
	if len(s.Proposals) == 0 {
		fmt.Fprintf(w, "Every field of %s is classified: %s, nothing to propose.\n", s.Domain, counted(s.Types, "schema"))
		return
	}
	if s.Out == "" {
		_, _ = w.Write(s.overlay)
		return
	}
	rows := [][]string{}
	unsure := 0
	for _, class := range mask.Classes() {
		names, fields := 0, 0
		for _, p := range s.Proposals {
			if p.Class == class {
				names++
				fields += p.Places
			}
		}
		if names > 0 {
			rows = append(rows, []string{string(class), strconv.Itoa(names), strconv.Itoa(fields)})
		}
	}
	for _, p := range s.Proposals {
		if p.Confidence < 0.5 {
			unsure++
		}
	}
	cli.Columns(w, []string{"class", "names", "fields"}, rows)
	fmt.Fprintf(w, "\n%s from %s and %s, %d of them with little evidence, in %s\n",
		counted(len(s.Proposals), "proposal"), counted(s.Types, "schema"), counted(s.Events, "event"), unsure, s.Out)
	for _, skip := range s.Skipped {
		fmt.Fprintf(w, "not looked at: %s %s\n", counted(skip.Events, "event"), skip.Why)
	}
}
