package nativeapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/presence"
)

const problemType = "application/problem+json"

// Problem is a refusal or a failure, as RFC 9457 has it.
type Problem struct {
	Type   string   `json:"type" doc:"urn:lockstep:problem: and the code" example:"urn:lockstep:problem:subject_not_found"`
	Title  string   `json:"title" doc:"The HTTP status in words" example:"Not Found"`
	Status int      `json:"status" doc:"The HTTP status" example:"404"`
	Detail string   `json:"detail" doc:"What, why and cure in one line"`
	Code   string   `json:"code" doc:"What sort of problem it is; stable, for programs to go by" example:"subject_not_found"`
	What   string   `json:"what" doc:"What failed" example:"subject \"orders.order.placed\" not found"`
	Why    string   `json:"why,omitempty" doc:"Why it failed, where that is not the same"`
	Cure   string   `json:"cure,omitempty" doc:"How to mend it" example:"register a schema under it, or list the subjects to find its name"`
	Errors []string `json:"errors,omitempty" doc:"All that is wrong with the request, where that can be several things"`
	// Comparisons are the verdicts of a refused version.
	Comparisons []Comparison `json:"comparisons,omitempty" doc:"Of the code incompatible: the verdicts, each with a witness where it is incompatible"`

	allow string
}

func newProblem(status int, code, what, why, cure string) *Problem {
	p := &Problem{Type: "urn:lockstep:problem:" + code, Title: http.StatusText(status), Status: status, Code: code, What: what, Why: why, Cure: cure}
	p.Detail = what
	if why != "" {
		p.Detail += ": " + why
	}
	if cure != "" {
		p.Detail += " (" + cure + ")"
	}
	return p
}

// Error is the problem in one line.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status, for the framework.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the problem's, for the framework.
func (p *Problem) ContentType(string) string { return problemType }

// codes are the names of the registry's codes.
var codes = map[registry.Code]string{
	registry.CodeSubjectNotFound:       "subject_not_found",
	registry.CodeVersionNotFound:       "version_not_found",
	registry.CodeSchemaNotFound:        "schema_not_found",
	registry.CodeSubjectSoftDeleted:    "subject_soft_deleted",
	registry.CodeSubjectNotSoftDeleted: "subject_not_soft_deleted",
	registry.CodeVersionSoftDeleted:    "version_soft_deleted",
	registry.CodeVersionNotSoftDeleted: "version_not_soft_deleted",
	registry.CodeLevelNotConfigured:    "level_not_configured",
	registry.CodeModeNotConfigured:     "mode_not_configured",
	registry.CodeIncompatible:          "incompatible",
	registry.CodeStateTransition:       "state_transition",
	registry.CodeInvalidSchema:         "invalid_schema",
	registry.CodeInvalidVersion:        "invalid_version",
	registry.CodeInvalidLevel:          "invalid_level",
	registry.CodeInvalidMode:           "invalid_mode",
	registry.CodeNotPermitted:          "not_permitted",
	registry.CodeReferenceExists:       "reference_exists",
	registry.CodeIDDoesNotMatch:        "id_does_not_match",
	registry.CodeInvalidSubject:        "invalid_subject",
	registry.CodeTooLarge:              "too_large",
	registry.CodeInvalidRuleSet:        "invalid_rule_set",
	registry.CodeContextNotEmpty:       "context_not_empty",
	registry.CodeInvalidState:          "invalid_state",
	registry.CodeInvalidAbout:          "invalid_text",
	registry.CodeStore:                 "log_failed",
	registry.CodeTimeout:               "log_timeout",
	registry.CodeForward:               "primary_unreachable",
	registry.CodeReadOnly:              "replica_read_only",
}

// problemOf is the problem that an error is; nil for none.
func problemOf(err error) *Problem {
	var own *Problem
	var e *registry.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &e):
		return registryProblem(e)
	case errors.Is(err, presence.ErrInvalid):
		return newProblem(http.StatusUnprocessableEntity, "invalid_report", "the report of a consumer is not understood", err.Error(), "correct it")
	case errors.Is(err, presence.ErrFull):
		return newProblem(http.StatusInsufficientStorage, "too_many_consumers", "nobody new is taken in", err.Error(), "report under a name that stays the same when the application restarts; who is not seen for long is forgotten")
	}
	return newProblem(http.StatusInternalServerError, "internal", "the registry failed", err.Error(), "report it with the server's log")
}

func registryProblem(e *registry.Error) *Problem {
	code, ok := codes[e.Code]
	if !ok {
		code = "internal"
	}
	why := ""
	if e.Cause != nil {
		why = e.Cause.Error()
	}
	p := newProblem(e.Status(), code, e.Message, why, e.Cure)
	var incompatible *registry.IncompatibleError
	if errors.As(e, &incompatible) {
		p.Comparisons = comparisonsOf(incompatible.Comparisons)
	}
	return p
}

// asProblem turns the framework's own refusals into problems.
func asProblem(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	code := "invalid_request"
	switch model.Status {
	case http.StatusNotAcceptable:
		code = "not_acceptable"
	case http.StatusRequestEntityTooLarge:
		code = "too_large"
	case http.StatusUnsupportedMediaType:
		code = "unsupported_media_type"
	}
	var all []string
	for _, detail := range model.Errors {
		text := detail.Message
		if detail.Location != "" {
			text = detail.Location + ": " + text
		}
		all = append(all, text)
	}
	why := strings.Join(all, "; ")
	if why == "" {
		why = model.Detail
	}
	p := newProblem(model.Status, code, "the request is not what "+ctx.Operation().Method+" "+ctx.Operation().Path+" takes", why, "correct it as /docs describes it")
	p.Errors = all
	return p, nil
}
