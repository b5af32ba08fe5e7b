package clienttest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/client"
)

// place is a version of a subject.
type place struct {
	subject string
	version int
}

// The fake's part of Lockstep's own API: drafts and the life of versions, owners,
// consumers. It answers 404 to what takes understanding schemas: differences,
// samples, verdicts.

// nextStates are the states that each may be followed by.
var nextStates = map[string]string{"draft>active": "", "active>deprecated": "", "active>retired": "", "deprecated>active": "", "deprecated>retired": "", "retired>deprecated": ""}

// refuse is a problem of that API.
func refuse(status int, name, message string) *client.Error {
	return &client.Error{Status: status, Name: name, Message: message}
}

// State is the state of a version: draft, active, deprecated or retired; empty if
// there is no such version.
func (r *Registry) State(subject string, version int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state(subject, version)
}

func (r *Registry) state(subject string, version int) string {
	for _, v := range r.subjects[subject] {
		if v.Version == version && r.states[place{subject, version}] != "" {
			return r.states[place{subject, version}]
		}
		if v.Version == version {
			return "active"
		}
	}
	return ""
}

// About is what was said about a subject.
func (r *Registry) About(subject string) client.About {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.abouts[subject]
}

func (r *Registry) registerNative(request *http.Request) (any, *client.Error) {
	var body struct {
		Schema     string              `json:"schema"`
		State      string              `json:"state"`
		References []client.Reference  `json:"references"`
		Tags       map[string][]string `json:"tags"`
		Properties map[string]string   `json:"properties"`
	}
	if err := json.NewDecoder(request.Body).Decode(&body); err != nil || !json.Valid([]byte(body.Schema)) {
		return nil, refuse(http.StatusUnprocessableEntity, "invalid_schema", "invalid schema")
	}
	subject := request.PathValue("subject")
	number := len(r.subjects[subject]) + 1
	v := client.Version{Subject: subject, Version: number, Type: "JSON", Schema: body.Schema, References: body.References}
	if len(body.Tags)+len(body.Properties) > 0 {
		v.Metadata = &client.Metadata{Tags: body.Tags, Properties: body.Properties}
	}
	same, err := json.Marshal([]any{v.References, v.Metadata})
	if err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "invalid_schema", err.Error())
	}
	identity := body.Schema + string(same)
	for _, known := range r.subjects[subject] {
		if known.ID == r.ids[identity] && !known.Deleted {
			return known, nil
		}
	}
	if r.ids[identity] == 0 {
		r.ids[identity] = len(r.ids) + 1
	}
	v.ID = r.ids[identity]
	v.GUID = guid(v.ID)
	r.subjects[subject] = append(r.subjects[subject], v)
	if body.State == "draft" {
		r.states[place{subject, number}] = "draft"
	}
	return v, nil
}

func (r *Registry) setState(request *http.Request) (any, *client.Error) {
	var body struct {
		State string `json:"state"`
	}
	if err := json.NewDecoder(request.Body).Decode(&body); err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_json", err.Error())
	}
	subject := request.PathValue("subject")
	if len(r.subjects[subject]) == 0 {
		return nil, refuse(http.StatusNotFound, "subject_not_found", "subject not found")
	}
	number, err := strconv.Atoi(request.PathValue("version"))
	before := r.state(subject, number)
	if err != nil || before == "" {
		return nil, refuse(http.StatusNotFound, "version_not_found", "version not found")
	}
	if _, ok := nextStates[before+">"+body.State]; !ok && before != body.State {
		return nil, refuse(http.StatusConflict, "state_transition", "it is "+before+", and cannot become "+body.State)
	}
	r.states[place{subject, number}] = body.State
	return struct{}{}, nil
}

func (r *Registry) setAbout(request *http.Request) (any, *client.Error) {
	var about client.About
	if err := json.NewDecoder(request.Body).Decode(&about); err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_json", err.Error())
	}
	subject := request.PathValue("subject")
	if len(r.subjects[subject]) == 0 {
		return nil, refuse(http.StatusNotFound, "subject_not_found", "subject not found")
	}
	r.abouts[subject] = about
	return about, nil
}

func (r *Registry) consumers(request *http.Request) (any, *client.Error) {
	subject := request.PathValue("subject")
	if len(r.subjects[subject]) == 0 {
		return nil, refuse(http.StatusNotFound, "subject_not_found", "subject not found")
	}
	return map[string]any{"consumers": append([]client.Consumer{}, r.seen[subject]...)}, nil
}

func (r *Registry) report(request *http.Request) (any, *client.Error) {
	subject := request.PathValue("subject")
	if len(r.subjects[subject]) == 0 {
		return nil, refuse(http.StatusNotFound, "subject_not_found", "subject not found")
	}
	who := client.Consumer{Role: "consumer"}
	if err := json.NewDecoder(request.Body).Decode(&who); err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_json", err.Error())
	}
	if who.Version > 0 && r.state(subject, who.Version) == "" {
		return nil, refuse(http.StatusNotFound, "version_not_found", "version not found")
	}
	who.Subject, who.Name, who.LastSeen = subject, request.PathValue("name"), time.Now().UTC()
	for i, known := range r.seen[subject] {
		if known.Name == who.Name && known.Role == who.Role && known.Environment == who.Environment && known.Version == who.Version {
			r.seen[subject][i].LastSeen = who.LastSeen
			return nil, nil
		}
	}
	who.FirstSeen = who.LastSeen
	r.seen[subject] = append(r.seen[subject], who)
	return nil, nil
}
