package cli

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry/folder"
)

// explain turns any error into the one kind that is told.
func explain(err error) *Error {
	var (
		ours     *Error
		topology topology.Problems
		schemas  folder.Problems
		sdk      *mesh.Error
		server   *node.Error
		network  *net.OpError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &topology):
		return meshProblems(topology)
	case errors.As(err, &schemas):
		return SchemaProblems("the schemas cannot be used", schemas)
	case errors.As(err, &sdk):
		e := &Error{Code: string(sdk.Code), What: sdk.Message, Where: strings.TrimSpace(sdk.Op + " " + sdk.Subject), Cure: sdk.Cure, Cause: sdk.Cause}
		if sdk.Description != "" { // the cause repeats it
			e.Cause = nil
		}
		return e
	case errors.As(err, &server):
		return &Error{Code: string(server.Code), What: "cannot " + server.Op, Where: server.What, Cure: server.Cure, Cause: server.Cause}
	case errors.As(err, &network) && network.Op == "listen":
		return &Error{Code: "listen", What: err.Error()}
	case errors.Is(err, context.Canceled):
		return &Error{Code: CodeInterrupted, What: "interrupted before the end"}
	}
	return &Error{Code: CodeFailed, What: err.Error()}
}

func meshProblems(problems topology.Problems) *Error {
	e := &Error{Code: "mesh", What: "the mesh cannot be used"}
	for _, p := range problems {
		e.Problems = append(e.Problems, Problem{
			Code: p.Code, File: p.File, Line: p.Line, Column: p.Column, What: joined(p.What, p.Why), Cure: p.Cure,
		})
	}
	if len(problems) == 1 {
		e.Cure = problems[0].Cure
		e.Problems[0].Cure = ""
	}
	return e
}

// SchemaProblems is the error of a folder of schemas.
func SchemaProblems(what string, problems folder.Problems) *Error {
	e := &Error{Code: "schema", What: what}
	for _, p := range problems {
		e.Problems = append(e.Problems, Problem{
			Code: p.Code, File: p.File, Line: p.Line, Column: p.Column, What: joined(p.What, p.Why), Cure: p.Cure,
		})
	}
	return e
}

func joined(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}
