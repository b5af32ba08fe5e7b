package ingress

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// retryAfter is when a sender should try again while the gate is away.
const retryAfter = 5 * time.Second

// problem is an answer that says what went wrong, as RFC 9457 has it.
type problem struct {
	status int
	code   string // stable, for programs
	title  string // the same for every problem of a code
	detail string // this very one
	cure   string
	header http.Header

	// Of a refusal: the gate's own number and words.
	errCode     int
	description string
}

// body is the problem as it is sent.
func (p *problem) body(requestID string) []byte {
	data, err := json.Marshal(struct {
		Type        string `json:"type"`
		Title       string `json:"title"`
		Status      int    `json:"status"`
		Detail      string `json:"detail"`
		Code        string `json:"code"`
		Cure        string `json:"cure,omitempty"`
		ErrCode     int    `json:"err_code,omitempty"`
		Description string `json:"description,omitempty"`
		RequestID   string `json:"request_id"`
	}{"about:blank", p.title, p.status, p.detail, p.code, p.cure, p.errCode, p.description, requestID})
	if err != nil { // strings and numbers always encode
		return []byte(`{"type":"about:blank","title":"Internal error","status":500}`)
	}
	return data
}

func (p *problem) write(w http.ResponseWriter, requestID string) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body(requestID)) // a client that is gone misses its answer; there is nobody to tell
}

func unauthorized(detail string) *problem {
	return &problem{
		status: http.StatusUnauthorized, code: "bad_signature", title: "The delivery is not signed", detail: detail,
		cure:   "sign the body with HMAC-SHA256 under the secret that this service was started with, and set " + headerSignature + ": sha256=<hex>",
		header: http.Header{"Www-Authenticate": {`Signature realm="webhooks", header="` + headerSignature + `"`}},
	}
}

func unsupported(format string, args ...any) *problem {
	return &problem{
		status: http.StatusUnsupportedMediaType, code: "unsupported_media_type", title: "The body has a type that is not taken",
		detail: fmt.Sprintf(format, args...),
		cure:   "send application/json, or application/x-www-form-urlencoded with the field payload, in UTF-8 and uncompressed",
		header: http.Header{"Accept": {"application/json, application/x-www-form-urlencoded"}},
	}
}

func tooLarge(limit int64) *problem {
	return &problem{
		status: http.StatusRequestEntityTooLarge, code: "too_large", title: "The body is too large",
		detail: fmt.Sprintf("the body has more than %d bytes", limit), cure: "send fewer bytes in one delivery, or raise the service's limit",
	}
}

func badHeader(name, why string) *problem {
	return &problem{
		status: http.StatusBadRequest, code: "bad_header", title: "A header is wrong",
		detail: name + ": " + why, cure: "send it once, as GitHub does",
	}
}

func badForm(why string) *problem {
	return &problem{
		status: http.StatusBadRequest, code: "bad_form", title: "The form is wrong",
		detail: "the form: " + why, cure: "send one field named payload with the JSON document",
	}
}

func notAllowed(method string) *problem {
	return &problem{
		status: http.StatusMethodNotAllowed, code: "method_not_allowed", title: "The method is not taken",
		detail: fmt.Sprintf("%s is not taken on %s", method, Path), cure: "use POST", header: http.Header{"Allow": {http.MethodPost}},
	}
}

func notFound(path string) *problem {
	return &problem{
		status: http.StatusNotFound, code: "not_found", title: "There is nothing here",
		detail: fmt.Sprintf("%q is no path of this service", path), cure: "POST deliveries to " + Path,
	}
}

// unpublished says why a delivery could not be published: because the event is
// refused, because nobody is there to take it, or because this service is set up wrong.
func unpublished(err error) *problem {
	var failed *mesh.Error
	if !errors.As(err, &failed) {
		return &problem{status: http.StatusInternalServerError, code: "internal", title: "The delivery could not be published", detail: err.Error()}
	}
	p := &problem{
		code: string(failed.Code), detail: failed.Error(), cure: failed.Cure,
		errCode: failed.ErrCode, description: failed.Description,
	}
	switch failed.Code {
	case mesh.CodeRefused, mesh.CodeInvalid:
		p.status, p.title = http.StatusUnprocessableEntity, "The event is refused"
		if failed.Description != "" {
			p.detail = failed.Description
		}
	case mesh.CodeNoGate, mesh.CodeTimeout, mesh.CodeUnavailable, mesh.CodeDisconnected, mesh.CodeClosed, mesh.CodeCanceled, mesh.CodeStopped:
		p.status, p.title = http.StatusServiceUnavailable, "The event cannot be taken just now"
		p.header = http.Header{"Retry-After": {strconv.Itoa(int(retryAfter.Seconds()))}}
	default:
		p.status, p.title = http.StatusInternalServerError, "The delivery could not be published"
	}
	return p
}
