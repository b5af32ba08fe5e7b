package nativeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/sample"
)

func quote(text string) string { return strconv.Quote(text) }

// VersionList are versions without their schemas.
type VersionList struct {
	Versions []Summary `json:"versions"`
}

// RegisterInput is a schema that is to become a version.
type RegisterInput struct {
	SchemaInput
	State string `json:"state,omitempty" enum:"draft,active" default:"active" doc:"draft proposes it: nothing is admitted under it, and it is not compared, until it is activated"`
}

// StateInput is a change of state.
type StateInput struct {
	State  string `json:"state" enum:"active,deprecated,retired" doc:"From draft: active. From active: deprecated, retired. From deprecated: active, retired. From retired: deprecated."`
	Reason string `json:"reason,omitempty" doc:"Why; shown with the version" maxLength:"1000"`
}

// Sample is a document that is valid under a version.
type Sample struct {
	Subject string          `json:"subject"`
	Version int             `json:"version"`
	Sample  json.RawMessage `json:"sample" doc:"A document that the gate admits under this version"`
}

func (a *API) versionRoutes() {
	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "list-versions", Method: http.MethodGet, Path: "/subjects/{subject}/versions", Tags: []string{tagVersions},
		Summary: "List the versions of a subject", Description: "Oldest first, drafts among them.",
	}, false), func(_ context.Context, in *struct {
		SubjectPath
		State   string `query:"state" enum:"draft,active,deprecated,retired" doc:"Only versions in this state"`
		Deleted bool   `query:"deleted" doc:"Softly deleted ones too"`
	},
	) (*output[VersionList], error) {
		all := a.registry.AllVersions(in.Subject)
		if len(all) == 0 {
			return nil, problemOf(subjectNotFound(in.Subject))
		}
		list := VersionList{Versions: []Summary{}}
		for _, v := range all {
			if (in.Deleted || !v.Deleted) && (in.State == "" || in.State == string(v.State)) {
				list.Versions = append(list.Versions, summaryOf(v))
			}
		}
		return &output[VersionList]{list}, nil
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "register-version", Method: http.MethodPost, Path: "/subjects/{subject}/versions", Tags: []string{tagVersions},
		Summary:     "Register a version or a draft",
		Description: "Makes the schema the newest version of the subject, or its newest draft, unless it is one already: then that one is the answer. Doing it twice does nothing twice.",
	}, true), func(ctx context.Context, in *struct {
		SubjectPath
		Authored
		Body RegisterInput
	},
	) (*output[Version], error) {
		register := a.registry.Register
		if in.Body.State == string(registry.Draft) {
			register = a.registry.RegisterDraft
		}
		v, err := register(ctx, in.Subject, in.Body.schema(author(ctx)))
		return shown(ctx, v, err)
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "get-version", Method: http.MethodGet, Path: "/subjects/{subject}/versions/{version}", Tags: []string{tagVersions},
		Summary: "Show a version", Description: "With its schema. A draft, a retired or a softly deleted version is shown too, by its number.",
	}, false), func(_ context.Context, in *VersionPath) (*output[Version], error) {
		v, err := a.find(*in)
		return answerOf(versionOf(v), err)
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "put-state", Method: http.MethodPut, Path: "/subjects/{subject}/versions/{version}/state", Tags: []string{tagVersions},
		Summary: "Move a version on in its life",
		Description: "A draft becomes active, if it is the subject's newest version and compatible with those before it. An active version becomes deprecated, " +
			"which admits events still and says that it should not be used, or retired, which admits none; events that were stored under it can be read as before. " +
			"A deprecated version becomes active again or retired, a retired one deprecated.",
	}, true), func(ctx context.Context, in *struct {
		VersionPath
		Authored
		Body StateInput
	},
	) (*output[Version], error) {
		v, err := a.find(in.VersionPath)
		if err == nil {
			v, err = a.registry.SetState(ctx, in.Subject, v.Version, registry.State(in.Body.State), in.Body.Reason, author(ctx))
		}
		return shown(ctx, v, err)
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "delete-version", Method: http.MethodDelete, Path: "/subjects/{subject}/versions/{version}", Tags: []string{tagVersions},
		Summary: "Delete a version or a draft", Description: "Softly, or, once it is deleted softly, for good. A version that others refer to is not deleted. Its number is never given again.",
	}, true), func(ctx context.Context, in *struct {
		VersionPath
		Authored
		Permanent bool `query:"permanent" doc:"Delete for good what is deleted softly"`
	},
	) (*output[Deleted], error) {
		v, err := a.find(in.VersionPath)
		if err == nil {
			err = a.registry.DeleteVersion(ctx, in.Subject, v.Version, in.Permanent, author(ctx))
		}
		return answerOf(Deleted{Subject: in.Subject, Versions: []int{v.Version}, Permanent: in.Permanent}, err)
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "get-sample", Method: http.MethodGet, Path: "/subjects/{subject}/versions/{version}/sample", Tags: []string{tagVersions},
		Summary: "An example document", Description: "A readable document that is valid under the version and that the gate admits, made from its schema.",
	}, false), func(_ context.Context, in *VersionPath) (*output[Sample], error) {
		v, err := a.find(*in)
		if err != nil {
			return nil, problemOf(err)
		}
		bundle, err := a.registry.Bundle(v)
		if err != nil {
			return nil, problemOf(err)
		}
		document, err := sample.Of(bundle)
		if err != nil {
			return nil, newProblem(http.StatusUnprocessableEntity, "no_sample", fmt.Sprintf("no example of version %d of subject %q could be made", v.Version, v.Subject), err.Error(), "give the schema an example of its own")
		}
		return &output[Sample]{Sample{Subject: v.Subject, Version: v.Version, Sample: document}}, nil
	})
}

// find is the version that a path names.
func (a *API) find(in VersionPath) (registry.Version, error) {
	if len(a.registry.AllVersions(in.Subject)) == 0 {
		return registry.Version{}, subjectNotFound(in.Subject)
	}
	if in.Version == "latest" {
		v, ok := a.registry.Latest(in.Subject)
		if !ok {
			return v, &registry.Error{Code: registry.CodeVersionNotFound, Message: fmt.Sprintf("subject %q has no version in use, but drafts or deleted ones only", in.Subject), Cure: "name a version by its number"}
		}
		return v, nil
	}
	number, err := strconv.ParseInt(in.Version, 10, 32)
	if err != nil {
		return registry.Version{}, &registry.Error{Code: registry.CodeInvalidVersion, Message: fmt.Sprintf("%q is no version", in.Version), Cure: "versions are numbers below 2^31, or latest"}
	}
	v, ok := a.registry.Version(in.Subject, int(number))
	if !ok {
		return v, &registry.Error{Code: registry.CodeVersionNotFound, Message: fmt.Sprintf("version %d of subject %q not found", number, in.Subject), Cure: "list the subject's versions"}
	}
	return v, nil
}
