package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Consumer is an application that reads or writes a version of a subject.
type Consumer struct {
	Subject     string    `json:"subject"`
	Name        string    `json:"name"`
	Role        string    `json:"role"` // consumer or producer
	Environment string    `json:"environment"`
	Version     int       `json:"version"` // 0: none of the subject's events was seen yet
	FirstSeen   time.Time `json:"first_seen"`
	LastSeen    time.Time `json:"last_seen"`
}

// About says whose a subject is and what it is for.
type About struct {
	Team        string `json:"team,omitempty"`
	Contact     string `json:"contact,omitempty"`
	Description string `json:"description,omitempty"`
}

// Change is one difference between two versions; the API's page says what its kinds
// are.
type Change struct {
	Kind       string          `json:"kind"`
	Keyword    string          `json:"keyword"`
	Pointer    string          `json:"pointer"`
	OldPointer string          `json:"old_pointer"`
	NewPointer string          `json:"new_pointer"`
	Old        json.RawMessage `json:"old"`
	New        json.RawMessage `json:"new"`
	Text       string          `json:"text"`
}

// The calls below are of Lockstep's own API, under /api/v1: a registry of another
// make answers 404.

// RegisterDraft proposes a schema: nothing is admitted under it until it is
// activated with [Client.SetState].
func (c *Client) RegisterDraft(ctx context.Context, subject string, s Schema) (Version, error) {
	body := map[string]any{"schema": s.Schema, "state": "draft"}
	if len(s.References) > 0 {
		body["references"] = s.References
	}
	if s.Metadata != nil && len(s.Metadata.Tags) > 0 {
		body["tags"] = s.Metadata.Tags
	}
	if s.Metadata != nil && len(s.Metadata.Properties) > 0 {
		body["properties"] = s.Metadata.Properties
	}
	var answer struct {
		Version int    `json:"version"`
		ID      int    `json:"id"`
		GUID    string `json:"guid"`
	}
	err := c.call(ctx, http.MethodPost, native(subject, "versions"), body, &answer)
	return Version{
		Subject: subject, Version: answer.Version, ID: answer.ID, GUID: answer.GUID, Type: s.Type, Schema: s.Schema,
		References: s.References, Metadata: s.Metadata,
	}, err
}

// SetState moves a version on in its life: to active, deprecated or retired.
func (c *Client) SetState(ctx context.Context, subject string, number int, state, reason string) error {
	var answer struct{}
	return c.call(ctx, http.MethodPut, native(subject, "versions", strconv.Itoa(number), "state"), map[string]string{"state": state, "reason": reason}, &answer)
}

// SetAbout says whose a subject is; what is empty is removed.
func (c *Client) SetAbout(ctx context.Context, subject string, about About) error {
	var answer struct{}
	return c.call(ctx, http.MethodPut, native(subject, "about"), about, &answer)
}

// Consumers are those who were seen with a subject.
func (c *Client) Consumers(ctx context.Context, subject string) ([]Consumer, error) {
	var answer struct {
		Consumers []Consumer `json:"consumers"`
	}
	err := c.call(ctx, http.MethodGet, native(subject, "consumers"), nil, &answer)
	return answer.Consumers, err
}

// ReportConsumer says that an application was seen now; it is repeated for as long
// as it is. Its times are the registry's to know.
func (c *Client) ReportConsumer(ctx context.Context, who Consumer) error {
	body := map[string]any{}
	if who.Version > 0 {
		body["version"] = who.Version
	}
	if who.Role != "" {
		body["role"] = who.Role
	}
	if who.Environment != "" {
		body["environment"] = who.Environment
	}
	return c.call(ctx, http.MethodPut, native(who.Subject, "consumers", who.Name), body, nil)
}

// Diff is what is different between two versions of a subject.
func (c *Client) Diff(ctx context.Context, subject string, from, to int) ([]Change, error) {
	var answer struct {
		Changes []Change `json:"changes"`
	}
	err := c.call(ctx, http.MethodGet, native(subject, "diff")+"?from="+strconv.Itoa(from)+"&to="+strconv.Itoa(to), nil, &answer)
	return answer.Changes, err
}

// Sample is a document that is valid under a version.
func (c *Client) Sample(ctx context.Context, subject, number string) (json.RawMessage, error) {
	var answer struct {
		Sample json.RawMessage `json:"sample"`
	}
	err := c.call(ctx, http.MethodGet, native(subject, "versions", number, "sample"), nil, &answer)
	return answer.Sample, err
}

func native(subject string, rest ...string) string {
	path := "/api/v1/subjects/" + url.PathEscape(subject)
	for _, segment := range rest {
		path += "/" + url.PathEscape(segment)
	}
	return path
}
