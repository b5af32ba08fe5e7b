package nativeapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-mesh/lockstep/registry/presence"
)

// Seen is somebody who reads or writes a version of a subject.
type Seen struct {
	Subject     string    `json:"subject"`
	Name        string    `json:"name" doc:"The application's name: of a subscriber its durable name"`
	Role        string    `json:"role" enum:"consumer,producer"`
	Environment string    `json:"environment,omitempty" doc:"Where it was seen"`
	Version     int       `json:"version" doc:"The version of the events; 0: it takes events of the subject, and none was seen yet"`
	FirstSeen   time.Time `json:"first_seen"`
	LastSeen    time.Time `json:"last_seen" doc:"Exact within ten minutes"`
}

// SeenList are those who were seen.
type SeenList struct {
	Consumers []Seen `json:"consumers"`
}

// SeenInput is a report.
type SeenInput struct {
	Version     int    `json:"version,omitempty" minimum:"0" doc:"The version that is read or written; left out: of the subject's events none came yet"`
	Role        string `json:"role,omitempty" enum:"consumer,producer" default:"consumer"`
	Environment string `json:"environment,omitempty" maxLength:"128" doc:"Where; left out: here"`
}

func (a *API) consumerRoutes() {
	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "list-consumers", Method: http.MethodGet, Path: "/subjects/{subject}/consumers", Tags: []string{tagConsumers},
		Summary: "Who reads and writes a subject", Description: "Each with version and the last time it was seen. Who was not seen for 90 days is forgotten.",
	}, false), func(_ context.Context, in *struct {
		SubjectPath
		Version int `query:"version" minimum:"1" doc:"Only those of this version"`
	},
	) (*output[SeenList], error) {
		if problem := a.canTell(); problem != nil {
			return nil, problem
		}
		if !a.known(in.Subject, 0) {
			return nil, problemOf(subjectNotFound(in.Subject))
		}
		return &output[SeenList]{seenOf(a.presence.Of(in.Subject), in.Version)}, nil
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "get-consumer", Method: http.MethodGet, Path: "/consumers/{name}", Tags: []string{tagConsumers},
		Summary: "What an application reads and writes", Description: "All subjects and versions with which it was seen; an empty list if it was not.",
	}, false), func(_ context.Context, in *struct {
		Name string `path:"name" minLength:"1" maxLength:"128" doc:"The application's name"`
	},
	) (*output[SeenList], error) {
		if problem := a.canTell(); problem != nil {
			return nil, problem
		}
		return &output[SeenList]{seenOf(a.presence.Named(in.Name), 0)}, nil
	})

	huma.Register(a.huma, a.operation(huma.Operation{
		OperationID: "report-consumer", Method: http.MethodPut, Path: "/subjects/{subject}/consumers/{name}", Tags: []string{tagConsumers},
		Summary: "Say that an application reads or writes a version",
		Description: "To be repeated for as long as it does; often enough is every few minutes. It is written at most every ten minutes, and is no part of the subject's history. " +
			"The SDK does it by itself, over NATS: a message on " + presence.ReportSubject + " with {\"name\":…,\"role\":\"consumer\",\"seen\":[{\"subject\":…,\"version\":…}]}.",
		DefaultStatus: http.StatusNoContent,
	}, false), func(_ context.Context, in *struct {
		SubjectPath
		Name string `path:"name" minLength:"1" maxLength:"128" doc:"The application's name"`
		Body SeenInput
	},
	) (*struct{}, error) {
		if problem := a.canTell(); problem != nil {
			return nil, problem
		}
		if !a.known(in.Subject, 0) {
			return nil, problemOf(subjectNotFound(in.Subject))
		}
		if in.Body.Version > 0 {
			if _, err := a.find(VersionPath{in.SubjectPath, numberOr(in.Body.Version, "")}); err != nil {
				return nil, problemOf(err)
			}
		}
		err := a.presence.Report(presence.Who{
			Subject: in.Subject, Name: in.Name, Role: presence.Role(in.Body.Role), Environment: in.Body.Environment, Version: in.Body.Version,
		})
		if err != nil {
			return nil, problemOf(err)
		}
		return &struct{}{}, nil
	})
}

// canTell is nil when this instance knows who was seen.
func (a *API) canTell() error {
	if a.presence == nil {
		return newProblem(http.StatusNotImplemented, "no_presence", "this instance does not know who reads and writes", "it was started without a book of them", "ask another instance")
	}
	return nil
}

func seenOf(list []presence.Sighting, version int) SeenList {
	out := SeenList{Consumers: []Seen{}}
	for _, s := range list {
		if version == 0 || s.Version == version {
			out.Consumers = append(out.Consumers, Seen{
				Subject: s.Subject, Name: s.Name, Role: string(s.Role), Environment: s.Environment, Version: s.Version, FirstSeen: s.First, LastSeen: s.Last,
			})
		}
	}
	return out
}
