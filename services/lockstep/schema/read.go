package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

const parallel = 8 // requests at a time

// ListFlags are the flags of `schema list`.
type ListFlags struct {
	RegistryFlags
	Domain string
}

func listCommand(app *cli.App) *cobra.Command {
	var f ListFlags
	c := &cobra.Command{
		Use: "list", Short: "List the registered schemas with their newest versions",
		Example: "  lockstep schema list --domain orders",
	}
	c.Flags().StringVar(&f.Domain, "domain", "", "only those of this `domain`")
	f.add(c.Flags())
	return app.Command(c, func(ctx context.Context) error { return List(ctx, app, f) })
}

// List answers with the newest version of every subject.
func List(ctx context.Context, app *cli.App, f ListFlags) error {
	registry, err := f.open(app)
	if err != nil {
		return err
	}
	defer registry.Close()
	subjects, err := registry.Subjects(ctx)
	if err != nil {
		return failed(f.URL, err)
	}
	var mine []string
	for _, s := range subjects {
		if f.Domain == "" || strings.HasPrefix(s, f.Domain+".") {
			mine = append(mine, s)
		}
	}
	l := list{Registry: f.URL, Schemas: make([]listed, len(mine))}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, subject := range mine {
		group.Go(func() error {
			v, err := registry.Latest(ctx, subject)
			if err != nil {
				return failed(f.URL, err)
			}
			l.Schemas[i] = listed{Subject: v.Subject, Version: v.Version, ID: v.ID, References: len(v.References)}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return app.Answer(l)
}

type list struct {
	Registry string   `json:"registry"`
	Schemas  []listed `json:"schemas"`
}

type listed struct {
	Subject    string `json:"subject"`
	Version    int    `json:"version"`
	ID         int    `json:"id"`
	References int    `json:"references"` // other schemas that it refers to
}

// Table writes the list for people.
func (l list) Table(w io.Writer) {
	rows := make([][]string, len(l.Schemas))
	for i, s := range l.Schemas {
		rows[i] = []string{s.Subject, strconv.Itoa(s.Version), strconv.Itoa(s.ID), strconv.Itoa(s.References)}
	}
	cli.Columns(w, []string{"subject", "version", "id", "references"}, rows)
	fmt.Fprintf(w, "\n%d subjects in %s\n", len(l.Schemas), l.Registry)
}

// GetFlags are the flags of `schema get`.
type GetFlags struct {
	RegistryFlags
	Subject string
	Version string
}

func getCommand(app *cli.App) *cobra.Command {
	var f GetFlags
	c := &cobra.Command{
		Use: "get SUBJECT", Short: "Show a registered schema", Args: cobra.ExactArgs(1),
		Example: "  lockstep schema get orders.order.created --schema-version 1",
		PreRun:  func(_ *cobra.Command, args []string) { f.Subject = args[0] },
	}
	c.Flags().StringVar(&f.Version, "schema-version", "latest", "the `version`: a number, or latest")
	f.add(c.Flags())
	return app.Command(c, func(ctx context.Context) error { return Get(ctx, app, f) })
}

// Get answers with one version of a subject.
func Get(ctx context.Context, app *cli.App, f GetFlags) error {
	registry, err := f.open(app)
	if err != nil {
		return err
	}
	defer registry.Close()
	v, err := registry.Version(ctx, f.Subject, f.Version)
	if err != nil {
		return failed(f.URL, err)
	}
	if !json.Valid([]byte(v.Schema)) {
		return &cli.Error{Code: "registry", What: "the registry's schema is not JSON", Where: f.URL, Why: "its type is " + v.Type}
	}
	return app.Answer(shown{Subject: v.Subject, Version: v.Version, ID: v.ID, References: v.References, Schema: json.RawMessage(v.Schema)})
}

type shown struct {
	Subject    string             `json:"subject"`
	Version    int                `json:"version"`
	ID         int                `json:"id"`
	References []client.Reference `json:"references"`
	Schema     json.RawMessage    `json:"schema"`
}

// Table writes the schema as it is, so that it can go into a file.
func (s shown) Table(w io.Writer) {
	var text bytes.Buffer
	if json.Indent(&text, s.Schema, "", "  ") != nil { // it is valid JSON
		text.Write(s.Schema)
	}
	fmt.Fprintln(w, text.String())
}

// failed is a registry's error for people.
func failed(url string, err error) error {
	e := &cli.Error{Code: "registry", What: "the registry did not answer as hoped", Where: url, Cause: err}
	switch status(err) {
	case http.StatusNotFound:
		e.Code, e.What, e.Cure = "not_found", "there is no such schema", "lockstep schema list shows what there is"
	case 0:
		e.Cure = "start the mesh with lockstep dev or serve, or name the registry's URL with --registry"
	}
	return e
}
