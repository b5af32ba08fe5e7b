package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
)

// program is a small command line on buffers.
type program struct {
	app            *App
	root           *cobra.Command
	stdout, stderr bytes.Buffer
	env            map[string]string

	name  string
	count int
	fails error
}

type greeting struct {
	Text string `json:"text"`
	Nr   string `json:"number"`
}

func (g greeting) Table(w io.Writer) {
	Columns(w, []string{"text", "nr"}, [][]string{{g.Text, g.Nr}, {"", "x"}})
}

func newProgram() *program {
	p := &program{env: map[string]string{}}
	p.app = &App{Stdin: strings.NewReader(""), Stdout: &p.stdout, Stderr: &p.stderr, Getenv: func(name string) string { return p.env[name] }}
	greet := p.app.Command(&cobra.Command{Use: "greet"}, func(context.Context) error {
		if p.fails != nil {
			return p.fails
		}
		return p.app.Answer(greeting{p.name, strings.Repeat("1", p.count)})
	}, "name")
	greet.Flags().StringVar(&p.name, "name", "", "whom")
	greet.Flags().String("server", "", "where")
	WithoutVariable(greet.Flags(), "server")
	greet.Flags().IntVar(&p.count, "how-many", 1, "how many")
	p.root = Group(&cobra.Command{Use: "prog"}, Group(&cobra.Command{Use: "group"}, greet))
	return p
}

// A script would get the wrong exit code, no error, or the error in a form
// that it cannot read.
func TestRun(t *testing.T) {
	greet := []string{"group", "greet"}
	for name, c := range map[string]struct {
		args           []string
		env            map[string]string
		fails          error
		exit           int
		stdout, stderr string
	}{
		"table":           {args: append(greet, "--name", "a\x1b[31m\nb"), stdout: "TEXT      NR\na [31m b  1\n          x\n"},
		"json":            {args: append(greet, "--name", "<ж>", "-ojson"), stdout: "{\n  \"text\": \"<ж>\",\n  \"number\": \"1\"\n}\n"},
		"yaml":            {args: append(greet, "--name", "yes", "-o", "yaml"), stdout: "text: \"yes\"\nnumber: \"1\"\n"},
		"environment":     {args: greet, env: map[string]string{"LOCKSTEP_NAME": "n", "LOCKSTEP_HOW_MANY": "3", "LOCKSTEP_OUTPUT": "yaml"}, stdout: "text: \"n\"\nnumber: \"111\"\n"},
		"only a flag":     {args: append(greet, "--name", "f"), env: map[string]string{"LOCKSTEP_SERVER": "x"}, stdout: "TEXT  NR\nf     1\n      x\n"},
		"flag over env":   {args: append(greet, "--name", "f"), env: map[string]string{"LOCKSTEP_NAME": "n"}, stdout: "TEXT  NR\nf     1\n      x\n"},
		"bad environment": {args: append(greet, "--name", "f"), env: map[string]string{"LOCKSTEP_HOW_MANY": "many"}, exit: 2, stderr: "error: LOCKSTEP_HOW_MANY=\"many\": invalid syntax\n   cure: see --help\n"},
		"missing flag":    {args: greet, exit: 2, stderr: "error: --name is missing\n   cure: see --help\n"},
		"unknown flag":    {args: append(greet, "--nema", "x"), exit: 2, stderr: "error: unknown flag: --nema\n   cure: see --help\n"},
		"unknown command": {args: []string{"group", "gret"}, exit: 2, stderr: "error: there is no command \"prog group gret\"\n   cure: did you mean prog group greet?\n"},
		"unknown noun":    {args: []string{"nothing"}, exit: 2, stderr: "error: there is no command \"prog nothing\"\n   cure: prog --help lists the commands\n"},
		"argument":        {args: append(greet, "x"), exit: 2, stderr: "error: unknown command \"x\" for \"prog group greet\"\n   cure: see --help\n"},
		"bad output":      {args: append(greet, "-o", "xml"), exit: 2, stderr: "error: invalid argument \"xml\" for \"-o, --output\" flag: \"xml\" is none of table, json, yaml\n   cure: see --help\n"},
		"bad level":       {args: append(greet, "--name", "x", "--log-level", "loud"), exit: 2, stderr: "error: --log-level \"loud\" is none of trace, debug, info, warn, error, off\n   cure: see --help\n"},
		"usage as json":   {args: append(greet, "-o", "json", "--nema"), exit: 2, stdout: `{"error":{"code":"usage","message":"unknown flag: --nema","cure":"see --help"}}`},
		"error":           {args: append(greet, "--name", "x"), fails: fs.ErrNotExist, exit: 1, stderr: "error: file does not exist\n"},
		"whole error": {
			args: append(greet, "--name", "x"), exit: 10, fails: fmt.Errorf("outer: %w", &Error{Exit: ExitUnhealthy, What: "it fails", Where: "here", Cause: errors.New("because\nof this"), Cure: "do that"}),
			stderr: "error: it fails\n  where: here\n    why: because\n         of this\n   cure: do that\n",
		},
		"error as json": {
			args: append(greet, "--name", "x", "-o=json"), exit: 3, fails: &Error{Exit: ExitFindings, Code: "found", What: "it fails", Where: "here", Why: "so", Cure: "do that"},
			stdout: `{"error":{"code":"found","message":"it fails: here: so","cure":"do that"}}`,
		},
		"problems": {
			args: append(greet, "--name", "x"), exit: 1, fails: topology.Problems{{File: "mesh.yaml", Line: 3, Column: 7, What: "bad", Why: "so", Cure: "c"}, {File: "mesh.yaml", What: "worse"}},
			stderr: "error: the mesh cannot be used\n  mesh.yaml:3:7: bad: so (c)\n  mesh.yaml: worse\n",
		},
		"problems as json": {
			args: append(greet, "--name", "x", "-o", "json"), exit: 1, fails: topology.Problems{{Code: "k", File: "mesh.yaml", Line: 3, Column: 7, What: "bad", Cure: "c"}},
			stdout: `{"error":{"code":"mesh","message":"the mesh cannot be used: mesh.yaml:3:7: bad","cure":"c","problems":[{"code":"k","file":"mesh.yaml","line":3,"column":7,"message":"bad"}]}}`,
		},
		"refusal": {
			args: append(greet, "--name", "x"), exit: 1, fails: &mesh.Error{Code: mesh.CodeRefused, Op: "publish", Subject: "a.b", Message: "no such field", Description: "no such field", Cure: "add it", Cause: errors.New("nats: no such field")},
			stderr: "error: no such field\n  where: publish a.b\n   cure: add it\n",
		},
		"interrupted": {args: append(greet, "--name", "x"), exit: 1, fails: context.Canceled, stderr: "error: interrupted before the end\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram()
			p.env, p.fails = c.env, c.fails
			exit := p.app.Main(p.root, c.args)
			got := p.stdout.String()
			if strings.HasPrefix(c.stdout, `{"error"`) {
				got = strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(got)
			}
			if exit != c.exit || got != c.stdout || p.stderr.String() != c.stderr {
				t.Errorf("exit %d, want %d\nstdout %q\n  want %q\nstderr %q\n  want %q", exit, c.exit, got, c.stdout, p.stderr.String(), c.stderr)
			}
		})
	}
}

// Help would go to stderr, or count as a failure.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"group"}, {"group", "greet", "-h"}} {
		p := newProgram()
		if exit := p.app.Main(p.root, args); exit != 0 || !strings.Contains(p.stdout.String(), "Usage:") || p.stderr.Len() > 0 {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, exit, p.stdout.String(), p.stderr.String())
		}
	}
}

// An error after the answer would make stdout unreadable.
func TestErrorAfterAnswer(t *testing.T) {
	p := newProgram()
	p.root.AddCommand(p.app.Command(&cobra.Command{Use: "late"}, func(context.Context) error {
		return errors.Join(p.app.Line(greeting{"a", "1"}), p.app.Line(greeting{"b", "2"}), errors.New("too late"))
	}))
	if exit := p.app.Main(p.root, []string{"late", "-o", "json"}); exit != 1 {
		t.Errorf("exit %d", exit)
	}
	if want := "{\"text\":\"a\",\"number\":\"1\"}\n{\"text\":\"b\",\"number\":\"2\"}\n"; p.stdout.String() != want {
		t.Errorf("stdout %q", p.stdout.String())
	}
	if want := "error: too late\n"; p.stderr.String() != want {
		t.Errorf("stderr %q", p.stderr.String())
	}
}

// The log would go where the answer is, or in colours to a file.
func TestLogger(t *testing.T) {
	for args, want := range map[string]string{
		"talk":                   " WRN heard k=v\n",
		"talk --log-format=json": `"message":"heard"}` + "\n",
		"talk --log-level off":   "",
		"talk --log-level info --log-format json": "heard",
	} {
		p := newProgram()
		p.root.AddCommand(p.app.Command(&cobra.Command{Use: "talk"}, func(context.Context) error {
			log := p.app.Logger(zerolog.WarnLevel)
			log.Info().Msg("unheard")
			log.Warn().Str("k", "v").Msg("heard")
			return nil
		}))
		exit := p.app.Main(p.root, strings.Fields(args))
		got := p.stderr.String()
		if exit != 0 || p.stdout.Len() > 0 || !strings.Contains(got, want) || want == "" && got != "" || strings.Contains(got, "\x1b") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", args, exit, p.stdout.String(), got)
		}
		if unheard := strings.Contains(got, "unheard"); unheard != strings.Contains(args, "info") {
			t.Errorf("%s: %q", args, got)
		}
	}
}
