package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// contentType is what Confluent's registry answers with.
const contentType = "application/vnd.schemaregistry.v1+json"

// The types of JSON that are spoken, the first being preferred; and the type
// that clients send which name none.
var spoken = []string{contentType, "application/vnd.schemaregistry+json", "application/json"}

const genericType = "application/octet-stream"

// accepted is the type to answer in.
func accepted(headers []string) (media string, ok bool) {
	if len(headers) == 0 {
		return contentType, true
	}
	best, weight := contentType, 0.0
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := parameters["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if media == "*/*" || media == "application/*" {
			media = contentType
		}
		if slices.Contains(spoken, media) && (q > weight || q == weight && slices.Index(spoken, media) < slices.Index(spoken, best)) {
			best, weight = media, q
		}
	}
	return best, weight > 0
}

// readBody reads a request's body: one strict JSON object.
func readBody(r *http.Request) ([]byte, error) {
	if t := r.Header.Get("Content-Type"); t != "" {
		media, _, err := mime.ParseMediaType(t)
		if err != nil || media != genericType && !slices.Contains(spoken, media) {
			return nil, &httpError{http.StatusUnsupportedMediaType, codeContentType, fmt.Sprintf("HTTP 415 Unsupported Media Type: %q is not supported; send %s", t, contentType)}
		}
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, &httpError{http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("the body has more than %d bytes", MaxBody)}
		}
		return nil, &httpError{http.StatusBadRequest, codeBadRequest, "the body could not be read to its end: " + err.Error()}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &httpError{http.StatusUnprocessableEntity, codeBody, "the request has no body"}
	}
	if err := strictjson.Check(data, strictjson.Limits{MaxBytes: MaxBody}); err != nil {
		return nil, &httpError{http.StatusBadRequest, codeBadRequest, "the body is no JSON: " + err.Error()}
	}
	return data, nil
}

// decodeBody reads a request's body into a struct. A field that the struct does
// not have is an error where it is strict.
func decodeBody(data []byte, into any, strict bool) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if strict {
		decoder.DisallowUnknownFields()
	}
	err := decoder.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Field == "":
		return &httpError{http.StatusUnprocessableEntity, codeBody, "it cannot be a JSON " + wrong.Value}
	case errors.As(err, &wrong):
		return &httpError{http.StatusUnprocessableEntity, codeBody, fmt.Sprintf("field %q cannot be a JSON %s", wrong.Field, wrong.Value)}
	default:
		return &httpError{http.StatusUnprocessableEntity, codeBody, "unrecognized field: " + strings.TrimPrefix(err.Error(), "json: unknown field ")}
	}
}

// schemaBody is a schema in a request. Confluent's registry reads over fields
// that it does not know here, and clients send back what they were given.
type schemaBody struct {
	Schema     *string              `json:"schema"`
	SchemaType string               `json:"schemaType"`
	References []registry.Reference `json:"references"`
	Metadata   json.RawMessage      `json:"metadata"`
	RuleSet    json.RawMessage      `json:"ruleSet"`
	Version    int                  `json:"version"`
	ID         int                  `json:"id"`

	TagsToAdd    []json.RawMessage `json:"schemaTagsToAdd"`
	TagsToRemove []json.RawMessage `json:"schemaTagsToRemove"`
}

// readSchema reads a schema from a request.
func readSchema(r *http.Request) (registry.Schema, error) {
	data, err := readBody(r)
	if err != nil {
		return registry.Schema{}, err
	}
	return parseSchema(r, data)
}

func parseSchema(r *http.Request, data []byte) (registry.Schema, error) {
	var s registry.Schema
	var body schemaBody
	if err := decodeBody(data, &body, false); err != nil {
		return s, within("the body", err)
	}
	switch {
	case body.Schema == nil || *body.Schema == "":
		return s, &registry.Error{Code: registry.CodeInvalidSchema, Message: `the body has no "schema"`, Cure: `send {"schemaType":"JSON","schema":"…"}`}
	case len(body.TagsToAdd)+len(body.TagsToRemove) > 0:
		return s, &httpError{http.StatusUnprocessableEntity, codeBody, `"schemaTagsToAdd" and "schemaTagsToRemove" are not supported; send the schema with the tags that it shall have`}
	}
	if _, err := registry.TypeOf(body.SchemaType); err != nil {
		return s, err
	}
	for i, ref := range body.References {
		name, err := plain(ref.Subject)
		if err != nil {
			return s, err
		}
		body.References[i].Subject = name
	}
	if len(body.Metadata) > 0 {
		if err := decodeBody(body.Metadata, &s.Metadata, true); err != nil {
			return s, within("metadata", err)
		}
	}
	if len(body.RuleSet) > 0 {
		if err := decodeBody(body.RuleSet, &s.Rules, true); err != nil {
			return s, &registry.Error{Code: registry.CodeInvalidRuleSet, Message: "invalid rule set", Cause: err, Cure: "correct it as the API's description has it"}
		}
	}
	var err error
	if s.Normalize, err = flag(r.URL.Query(), "normalize"); err != nil {
		return s, err
	}
	s.Type, s.Text, s.References, s.ID, s.Version, s.Author = body.SchemaType, *body.Schema, body.References, body.ID, body.Version, Author(r)
	return s, nil
}

func within(field string, err error) error {
	var e *httpError
	if errors.As(err, &e) {
		return &httpError{e.status, e.code, field + ": " + e.message}
	}
	return err
}
