package nativeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/diff"
)

// CheckInput is a schema that is to be compared.
type CheckInput struct {
	SchemaInput
	Against int `json:"against,omitempty" minimum:"0" doc:"The version to compare with; left out, all those that a registration would be compared with"`
}

// Verdict is the outcome of a check.
type Verdict struct {
	Subject     string       `json:"subject"`
	Compatible  bool         `json:"compatible" doc:"Whether it could be registered, as far as compatibility goes"`
	Result      string       `json:"result" enum:"compatible,incompatible,undecided" doc:"compatible is derived, incompatible has a witness, and undecided is treated as incompatible"`
	Level       string       `json:"level" doc:"The level that asked" example:"BACKWARD"`
	Policy      string       `json:"policy" enum:"gated,strict,lenient" doc:"Which documents a schema stands for"`
	Comparisons []Comparison `json:"comparisons" doc:"Each with one version, in one direction; none if there is no version, or the level is NONE"`
}

// Comparison is a verdict on a schema beside a version.
type Comparison struct {
	Version   int             `json:"version" doc:"The version that was compared with"`
	Direction string          `json:"direction" enum:"backward,forward" doc:"backward: the schema has to read what the version admits. forward: the version has to read what the schema admits."`
	Result    string          `json:"result" enum:"compatible,incompatible,undecided"`
	Witness   json.RawMessage `json:"witness,omitempty" doc:"Of an incompatible pair: a document that is valid under the one and not under the other, checked with the reference validator"`
	Findings  []Finding       `json:"findings" doc:"What keeps the pair from being compatible"`
}

// Finding is one reason.
type Finding struct {
	Result        string          `json:"result" enum:"incompatible,undecided"`
	Rule          string          `json:"rule" doc:"The stable name of the rule that failed" example:"required-added"`
	Pointer       string          `json:"pointer" doc:"The place in a document; empty for its root" example:"/lines/*/price"`
	ReaderPointer string          `json:"reader_pointer" doc:"Where it is written in the schema that reads, as name#pointer"`
	WriterPointer string          `json:"writer_pointer" doc:"Where it is written in the schema that writes"`
	Why           string          `json:"why"`
	Cure          string          `json:"cure"`
	Witness       json.RawMessage `json:"witness,omitempty" doc:"A document that is refused for this very reason"`
}

// Diff is what is different between two versions.
type Diff struct {
	Subject string   `json:"subject"`
	From    int      `json:"from"`
	To      int      `json:"to"`
	Changes []Change `json:"changes" doc:"By their place in a document; none if the versions say the same"`
}

// Change is one difference.
type Change struct {
	Kind       string          `json:"kind" doc:"What sort of change it is; stable" example:"property-added"`
	Keyword    string          `json:"keyword,omitempty" doc:"The keyword that says it" example:"minLength"`
	Pointer    string          `json:"pointer" doc:"The place in a document; empty for its root" example:"/lines/*/price"`
	OldPointer string          `json:"old_pointer" doc:"Where it is written in the old schema, as name#pointer"`
	NewPointer string          `json:"new_pointer" doc:"Where it is written in the new schema"`
	Old        json.RawMessage `json:"old,omitempty" doc:"What was written"`
	New        json.RawMessage `json:"new,omitempty" doc:"What is written"`
	Text       string          `json:"text" doc:"The change in a sentence"`
}

func (a *API) compareRoutes() {
	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "check-schema", Method: http.MethodPost, Path: "/subjects/{subject}/check", Tags: []string{tagCompare},
		Summary:     "Ask whether a schema is compatible",
		Description: "Changes nothing. The answer is a proof: compatible is derived by rules that are known to be sound, incompatible comes with a document that shows it.",
	}, false), func(_ context.Context, in *struct {
		SubjectPath
		Body CheckInput
	},
	) (*output[Verdict], error) {
		return answerOf(a.check(in.Subject, in.Body))
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "diff-versions", Method: http.MethodGet, Path: "/subjects/{subject}/diff", Tags: []string{tagCompare},
		Summary: "What is different between two versions", Description: "In terms of what the schemas say, wherever it is written. It has no opinion on compatibility.",
	}, false), func(_ context.Context, in *struct {
		SubjectPath
		From int `query:"from" minimum:"1" doc:"The old version; left out, the one before the new one"`
		To   int `query:"to" minimum:"1" doc:"The new version; left out, the latest"`
	},
	) (*output[Diff], error) {
		return answerOf(a.diff(in.Subject, in.From, in.To))
	})
}

func (a *API) check(subject string, in CheckInput) (Verdict, error) {
	s := in.schema("")
	var comparisons []registry.Comparison
	var err error
	if in.Against > 0 {
		comparisons, err = a.registry.CheckVersion(subject, in.Against, s)
	} else {
		comparisons, err = a.registry.CheckNext(subject, s)
	}
	if err != nil {
		return Verdict{}, err
	}
	verdict := Verdict{
		Subject: subject, Level: string(a.registry.Effective(subject).Level), Policy: a.registry.Policy(subject).String(),
		Comparisons: comparisonsOf(comparisons),
	}
	result := compat.Compatible
	for _, c := range comparisons {
		if r := c.Verdict.Result; r == compat.Incompatible || result == compat.Compatible {
			result = r
		}
	}
	verdict.Result, verdict.Compatible = result.String(), result == compat.Compatible
	return verdict, nil
}

func comparisonsOf(list []registry.Comparison) []Comparison {
	out := []Comparison{}
	for _, c := range list {
		comparison := Comparison{Version: c.Version, Direction: "backward", Result: c.Verdict.Result.String(), Witness: c.Verdict.Witness, Findings: []Finding{}}
		if c.Forward {
			comparison.Direction = "forward"
		}
		for _, f := range c.Verdict.Findings {
			comparison.Findings = append(comparison.Findings, Finding{
				Result: f.Result.String(), Rule: f.Rule, Pointer: f.Instance, ReaderPointer: f.ReaderPointer, WriterPointer: f.WriterPointer,
				Why: f.Why, Cure: f.Cure, Witness: f.Witness,
			})
		}
		out = append(out, comparison)
	}
	return out
}

func (a *API) diff(subject string, from, to int) (Diff, error) {
	newer, err := a.find(VersionPath{SubjectPath{subject}, numberOr(to, "latest")})
	if err != nil {
		return Diff{}, err
	}
	if from == 0 {
		for _, v := range a.registry.Versions(subject) {
			if v.Version < newer.Version {
				from = v.Version
			}
		}
		if from == 0 {
			return Diff{}, newProblem(http.StatusUnprocessableEntity, "nothing_before", fmt.Sprintf("there is no version before %d of subject %q", newer.Version, subject), "", "name the old version with from")
		}
	}
	older, err := a.find(VersionPath{SubjectPath{subject}, numberOr(from, "latest")})
	if err != nil {
		return Diff{}, err
	}
	before, err := a.registry.Bundle(older)
	if err != nil {
		return Diff{}, err
	}
	after, err := a.registry.Bundle(newer)
	if err != nil {
		return Diff{}, err
	}
	out := Diff{Subject: subject, From: older.Version, To: newer.Version, Changes: []Change{}}
	for _, c := range diff.Between(before, after) {
		out.Changes = append(out.Changes, Change{
			Kind: string(c.Kind), Keyword: c.Keyword, Pointer: c.Pointer, OldPointer: c.OldPointer, NewPointer: c.NewPointer, Old: c.Old, New: c.New, Text: c.Text,
		})
	}
	return out, nil
}

func numberOr(number int, otherwise string) string {
	if number == 0 {
		return otherwise
	}
	return fmt.Sprint(number)
}
