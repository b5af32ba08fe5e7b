// Package client talks to a schema registry over HTTP. It needs neither NATS
// nor the registry's own packages, and works with any registry that speaks
// Confluent's API.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	contentType = "application/vnd.schemaregistry.v1+json"
	maxAnswer   = 64 << 20
	attempts    = 5
	firstPause  = 100 * time.Millisecond
	mostPause   = 2 * time.Second
)

// Error is a registry's refusal, or that none was reached.
type Error struct {
	Status  int    // of HTTP; 0 when there was no answer
	Code    int    // the registry's own, such as 40401
	Name    string // the same of Lockstep's own API, such as subject_not_found
	Message string // the registry's
	Op      string // what was asked: "POST http://…"
	Cause   error  // why there was no answer
}

// Error is one line.
func (e *Error) Error() string {
	switch {
	case e.Cause != nil:
		return fmt.Sprintf("registry: %s: %v", e.Op, e.Cause)
	case e.Code != 0:
		return fmt.Sprintf("registry: %s (%d)", e.Message, e.Code)
	case e.Name != "":
		return fmt.Sprintf("registry: %s (%s)", e.Message, e.Name)
	default:
		return fmt.Sprintf("registry: %s: HTTP status %d: %s", e.Op, e.Status, e.Message)
	}
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Temporary reports whether the same request may succeed later.
func (e *Error) Temporary() bool {
	return e.Cause != nil || e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// NameOf is the code of Lockstep's own API in err, or empty.
func NameOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Name
	}
	return ""
}

// CodeOf is the registry's code in err, or 0.
func CodeOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// Reference makes another subject's version known under a name, which stands
// in the schema's "$ref".
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Metadata is what is said about a schema beside its text.
type Metadata struct {
	Tags       map[string][]string `json:"tags,omitempty"`
	Properties map[string]string   `json:"properties,omitempty"`
	Sensitive  []string            `json:"sensitive,omitempty"`
}

// Schema is what is registered or looked up.
type Schema struct {
	Schema     string      `json:"schema"`
	Type       string      `json:"schemaType"`
	References []Reference `json:"references,omitempty"`
	Metadata   *Metadata   `json:"metadata,omitempty"`
}

// Version is one version of a subject.
type Version struct {
	Subject    string      `json:"subject"`
	Version    int         `json:"version"`
	ID         int         `json:"id"`
	GUID       string      `json:"guid"`
	Type       string      `json:"schemaType"`
	Schema     string      `json:"schema"`
	References []Reference `json:"references"`
	Metadata   *Metadata   `json:"metadata"`
	Deleted    bool        `json:"deleted"` // softly
}

// Verdict is the outcome of a compatibility check.
type Verdict struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages"`
}

// Option changes how a Client works.
type Option func(*Client)

// WithHTTPClient has the client use c, for TLS or authentication.
func WithHTTPClient(c *http.Client) Option { return func(cl *Client) { cl.http = c } }

// WithAuthor names who changes the registry, for its history.
func WithAuthor(name string) Option { return func(cl *Client) { cl.author = name } }

// WithAttempts sets how often a request is tried when none or a temporary
// failure is the answer; 1 means once.
func WithAttempts(n int) Option { return func(cl *Client) { cl.attempts = n } }

// Client is a registry's client. It is safe for concurrent use.
type Client struct {
	base     *url.URL
	http     *http.Client
	author   string
	attempts int
}

// New makes a client for the registry at address, http://host:port.
func New(address string, options ...Option) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no address of a registry: write it as http://host:port", address)
	}
	c := &Client{base: u, http: &http.Client{Timeout: time.Minute}, attempts: attempts}
	for _, o := range options {
		o(c)
	}
	return c, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Register makes s the newest version of subject, or finds the version that it
// is already. Doing it twice does nothing twice.
func (c *Client) Register(ctx context.Context, subject string, s Schema) (Version, error) {
	v := Version{Subject: subject, Type: s.Type, Schema: s.Schema, References: s.References, Metadata: s.Metadata}
	err := c.call(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject)+"/versions", s, &v)
	return v, err
}

// Lookup finds the version of subject that s is.
func (c *Client) Lookup(ctx context.Context, subject string, s Schema) (Version, error) {
	var v Version
	err := c.call(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject), s, &v)
	return v, err
}

// Subjects lists all subjects.
func (c *Client) Subjects(ctx context.Context) ([]string, error) {
	var names []string
	err := c.call(ctx, http.MethodGet, "/subjects", nil, &names)
	return names, err
}

// Versions lists the versions of a subject.
func (c *Client) Versions(ctx context.Context, subject string) ([]int, error) {
	var numbers []int
	err := c.call(ctx, http.MethodGet, "/subjects/"+url.PathEscape(subject)+"/versions", nil, &numbers)
	return numbers, err
}

// Version is one version of a subject, by its number or "latest".
func (c *Client) Version(ctx context.Context, subject, number string) (Version, error) {
	var v Version
	err := c.call(ctx, http.MethodGet, "/subjects/"+url.PathEscape(subject)+"/versions/"+url.PathEscape(number), nil, &v)
	return v, err
}

// Latest is the newest version of a subject.
func (c *Client) Latest(ctx context.Context, subject string) (Version, error) {
	return c.Version(ctx, subject, "latest")
}

// SchemaByID is the schema with that id.
func (c *Client) SchemaByID(ctx context.Context, id int) (Schema, error) {
	var s Schema
	err := c.call(ctx, http.MethodGet, "/schemas/ids/"+strconv.Itoa(id), nil, &s)
	return s, err
}

// CheckCompatibility says whether s could become the version after the given
// one ("latest", or a number), and why not.
func (c *Client) CheckCompatibility(ctx context.Context, subject, number string, s Schema) (Verdict, error) {
	var v Verdict
	err := c.call(ctx, http.MethodPost, "/compatibility/subjects/"+url.PathEscape(subject)+"/versions/"+url.PathEscape(number)+"?verbose=true", s, &v)
	return v, err
}

// call sends one request, again while it may help: every call of this package
// can be repeated without doing anything twice.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return err
		}
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, method, path, payload, into)
		var failure *Error
		if err == nil || attempt >= c.attempts || !errors.As(err, &failure) || !failure.Temporary() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, mostPause)
	}
}

func (c *Client) once(ctx context.Context, method, path string, payload []byte, into any) error {
	target := strings.TrimSuffix(c.base.String(), "/") + path
	op := method + " " + c.base.Redacted() + path
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	request.Header.Set("Accept", contentType)
	if payload != nil {
		request.Header.Set("Content-Type", contentType)
	}
	if c.author != "" {
		request.Header.Set("X-Lockstep-Author", c.author)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return &Error{Op: op, Cause: err}
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return &Error{Op: op, Cause: err}
	}
	if response.StatusCode == http.StatusNoContent {
		return nil
	}
	if response.StatusCode != http.StatusOK {
		failure := &Error{Op: op, Status: response.StatusCode}
		var told struct {
			Code    int    `json:"error_code"`
			Message string `json:"message"`
			Name    string `json:"code"` // of a problem document, as the next
			Detail  string `json:"detail"`
		}
		_ = json.Unmarshal(answer, &told) // what is no JSON tells nothing
		switch {
		case told.Message != "":
			failure.Code, failure.Message = told.Code, told.Message
		case told.Detail != "":
			failure.Name, failure.Message = told.Name, told.Detail
		default:
			failure.Message = strings.TrimSpace(string(answer[:min(len(answer), 200)]))
		}
		return failure
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return &Error{Op: op, Status: response.StatusCode, Cause: fmt.Errorf("the answer is no JSON: %w", err)}
	}
	return nil
}
