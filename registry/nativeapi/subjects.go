package nativeapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-mesh/lockstep/registry"
)

// State is what the registry is up to.
type State struct {
	Revision uint64 `json:"revision" doc:"How many changes this instance knows; the same history has the same revision everywhere"`
	Writable bool   `json:"writable" doc:"Whether changes are made here; a replica takes none by itself"`
	Problem  string `json:"problem,omitempty" doc:"Why the instance may not know the latest changes"`
	Subjects int    `json:"subjects" doc:"Subjects with a version in use"`
	MaxID    int    `json:"max_id" doc:"The highest schema id that was given"`
}

func (a *API) registryRoutes() {
	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "get-registry", Method: http.MethodGet, Path: "/registry", Tags: []string{tagRegistry},
		Summary: "What the registry is up to", Description: "How far this instance knows the history, and whether it takes changes.",
	}, false), func(context.Context, *struct{}) (*output[State], error) {
		s := State{Revision: a.registry.Revision(), Writable: a.registry.Writable(), Subjects: len(a.registry.Subjects()), MaxID: a.registry.MaxID()}
		if err := a.registry.Err(); err != nil {
			s.Problem = err.Error()
		}
		return &output[State]{s}, nil
	})
}

// output is an answer's body.
type output[T any] struct{ Body T }

// fail gives the framework an error as a problem.
func answerOf[T any](body T, err error) (*output[T], error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &output[T]{body}, nil
}

// SubjectRow is a subject in a list.
type SubjectRow struct {
	Subject  string `json:"subject"`
	Team     string `json:"team,omitempty" doc:"Who owns it"`
	Latest   int    `json:"latest,omitempty" doc:"Its latest version; absent if there are drafts or deleted versions only"`
	State    string `json:"state,omitempty" doc:"The state of that version"`
	Versions int    `json:"versions" doc:"How many versions are in use or were"`
	Drafts   int    `json:"drafts" doc:"How many drafts there are"`
}

// SubjectPage is a part of the list of subjects.
type SubjectPage struct {
	Subjects []SubjectRow `json:"subjects"`
	Next     string       `json:"next,omitempty" doc:"Where the next page begins: its after; absent on the last one"`
}

// Subject is all that is known about a subject.
type Subject struct {
	Subject       string    `json:"subject"`
	About         About     `json:"about" doc:"Owner and description; known in the environment of the primary only"`
	Compatibility string    `json:"compatibility" doc:"The compatibility level that holds for it" example:"BACKWARD"`
	Policy        string    `json:"policy" doc:"Under which policy its versions are compared" enum:"gated,strict,lenient"`
	Mode          string    `json:"mode" doc:"What may be changed about it" enum:"READWRITE,READONLY,IMPORT"`
	Latest        int       `json:"latest,omitempty" doc:"Its latest version"`
	Admitting     []int     `json:"admitting" doc:"The versions under which new events are admitted, in the order in which the gate tries them"`
	Versions      []Summary `json:"versions" doc:"All versions, drafts and softly deleted ones included, oldest first"`
}

func (a *API) subjectRoutes() {
	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "list-subjects", Method: http.MethodGet, Path: "/subjects", Tags: []string{tagSubjects},
		Summary: "List the subjects", Description: "In the order of their names, a page at a time.",
	}, false), func(_ context.Context, in *struct {
		Prefix string `query:"prefix" doc:"Only subjects whose name begins like this" maxLength:"255"`
		Team   string `query:"team" doc:"Only subjects of this owner" maxLength:"100"`
		State  string `query:"state" enum:"draft,active,deprecated,retired" doc:"Only subjects with a version in this state"`
		After  string `query:"after" doc:"Only subjects whose name comes after this one" maxLength:"255"`
		Limit  int    `query:"limit" doc:"The most to list" default:"100" minimum:"1" maximum:"1000"`
	},
	) (*output[SubjectPage], error) {
		page := SubjectPage{Subjects: []SubjectRow{}}
		for _, name := range a.registry.AllSubjects() {
			if name <= in.After || !strings.HasPrefix(name, in.Prefix) {
				continue
			}
			row, has := a.row(name)
			if in.Team != "" && row.Team != in.Team || in.State != "" && !has[registry.State(in.State)] {
				continue
			}
			if len(page.Subjects) == in.Limit {
				page.Next = page.Subjects[in.Limit-1].Subject
				break
			}
			page.Subjects = append(page.Subjects, row)
		}
		return &output[SubjectPage]{page}, nil
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "get-subject", Method: http.MethodGet, Path: "/subjects/{subject}", Tags: []string{tagSubjects},
		Summary: "Show a subject", Description: "Its owner, what holds for it, and all its versions without their schemas.",
	}, false), func(_ context.Context, in *SubjectPath) (*output[Subject], error) {
		return answerOf(a.subject(in.Subject))
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "put-about", Method: http.MethodPut, Path: "/subjects/{subject}/about", Tags: []string{tagSubjects},
		Summary: "Say whose a subject is", Description: "Sets owner and description, all of them: what is left out is removed.",
	}, true), func(ctx context.Context, in *struct {
		SubjectPath
		Authored
		Body About
	},
	) (*output[About], error) {
		return answerOf(in.Body, a.registry.SetAbout(ctx, in.Subject, registry.About(in.Body), author(ctx)))
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "delete-subject", Method: http.MethodDelete, Path: "/subjects/{subject}", Tags: []string{tagSubjects},
		Summary:     "Delete a subject",
		Description: "All its versions and drafts, with its owner, configuration and mode; softly, or, once all are deleted softly, for good. Stored events name versions: to stop new events, retire the versions instead.",
	}, true), func(ctx context.Context, in *struct {
		SubjectPath
		Authored
		Permanent bool `query:"permanent" doc:"Delete for good what is deleted softly"`
	},
	) (*output[Deleted], error) {
		numbers, err := a.registry.DeleteSubject(ctx, in.Subject, in.Permanent, author(ctx))
		return answerOf(Deleted{Subject: in.Subject, Versions: numbers, Permanent: in.Permanent}, err)
	})
}

// Deleted is what was deleted.
type Deleted struct {
	Subject   string `json:"subject"`
	Versions  []int  `json:"versions"`
	Permanent bool   `json:"permanent"`
}

func (a *API) row(name string) (SubjectRow, map[registry.State]bool) {
	about, _ := a.registry.About(name)
	row, has := SubjectRow{Subject: name, Team: about.Team}, map[registry.State]bool{}
	for _, v := range a.registry.AllVersions(name) {
		switch {
		case v.Deleted:
			continue
		case v.State == registry.Draft:
			row.Drafts++
		default:
			row.Versions++
		}
		has[v.State] = true
	}
	if v, ok := a.registry.Latest(name); ok {
		row.Latest, row.State = v.Version, string(v.State)
	}
	return row, has
}

func (a *API) subject(name string) (Subject, error) {
	versions := a.registry.AllVersions(name)
	if len(versions) == 0 {
		return Subject{}, subjectNotFound(name)
	}
	about, _ := a.registry.About(name)
	s := Subject{
		Subject: name, About: About(about), Compatibility: string(a.registry.Effective(name).Level), Policy: a.registry.Policy(name).String(),
		Mode: string(a.registry.EffectiveMode(name)), Admitting: []int{}, Versions: []Summary{},
	}
	for _, v := range a.registry.Admitting(name) {
		s.Admitting = append(s.Admitting, v.Version)
	}
	for _, v := range versions {
		s.Versions = append(s.Versions, summaryOf(v))
	}
	if v, ok := a.registry.Latest(name); ok {
		s.Latest = v.Version
	}
	return s, nil
}

func subjectNotFound(name string) error {
	return &registry.Error{Code: registry.CodeSubjectNotFound, Message: "subject " + quote(name) + " not found", Cure: "register a schema under it, or list the subjects to find its name"}
}

// known reports whether a subject has a version; 0 stands for any.
func (a *API) known(subject string, version int) bool { return Known(a.registry)(subject, version) }

// Known reports whether a registry has a version of a subject, deleted or not, or,
// for version 0, any; for presence.Listen.
func Known(r *registry.Registry) func(subject string, version int) bool {
	return func(subject string, version int) bool {
		return slices.ContainsFunc(r.AllVersions(subject), func(v registry.Version) bool { return version == 0 || v.Version == version })
	}
}
