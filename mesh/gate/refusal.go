package gate

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
)

// Codes of refusals, in JetStream's err_code. Those of 400.. are final: the
// same event is refused again. Those of 503.. may pass.
const (
	CodeUnknownType    = 40010 // no schema is registered for the event type
	CodeInvalid        = 40011 // the event is not valid under its schema
	CodeSyntax         = 40012 // the payload is no strict JSON
	CodeOrigin         = 40013 // the domain's events originate elsewhere
	CodeSubject        = 40014 // the subject is no event's
	CodeHeader         = 40015 // a header that only Lockstep or the server may set
	CodeBatch          = 40016 // a batch publish
	CodeUnknownVersion = 40017 // the pinned schema version does not exist
	CodeTooLarge       = 40018 // larger than MaxEventBytes
	CodeKey            = 40019 // key tokens differ from the values they stand for

	CodeContract    = 50310 // the schema cannot be applied
	CodeStoreSilent = 50311 // the store did not answer in time
	CodeStoreFull   = 50312 // the store has no room
	CodeBusy        = 50313 // more events wait to be stored than a gate holds
)

// Refusal says why an event was not stored. It is the gate's one error type,
// and becomes a JetStream API error.
type Refusal struct {
	Status  int    // HTTP-like: 400 final, 503 may pass
	ErrCode int    // one of the codes, or JetStream's own
	Reason  string // what is wrong, where, and what was found
	Cure    string
}

// Error is the reason and the cure.
func (r *Refusal) Error() string { return r.description() }

func (r *Refusal) description() string {
	if r.Cure == "" {
		return r.Reason
	}
	return r.Reason + " (" + r.Cure + ")"
}

func (r *Refusal) with(more string) *Refusal {
	c := *r
	c.Reason += more
	return &c
}

// response is the PubAck that carries the refusal. Every JetStream client
// turns it into its own API error.
func (r *Refusal) response(stream, domain string) []byte {
	type apiError struct {
		Code        int    `json:"code"`
		ErrCode     int    `json:"err_code"`
		Description string `json:"description"`
	}
	body, err := json.Marshal(struct {
		Error  apiError `json:"error"`
		Stream string   `json:"stream"`
		Domain string   `json:"domain,omitempty"`
		Seq    uint64   `json:"seq"`
	}{apiError{r.Status, r.ErrCode, r.description()}, stream, domain, 0})
	if err != nil { // strings and numbers always encode
		return []byte(`{"error":{"code":500,"err_code":50000,"description":"the refusal could not be encoded"},"seq":0}`)
	}
	return body
}

func refused(code int, reason, cure string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, ErrCode: code, Reason: reason, Cure: cure}
}

func unavailable(code int, reason, cure string) *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, ErrCode: code, Reason: reason, Cure: cure}
}

// invalid turns a contract's verdict into a refusal.
func invalid(err error) *Refusal {
	var syntax *contract.SyntaxError
	var key *keyError
	switch {
	case errors.As(err, &key):
		return refused(CodeKey, key.Error(), "publish with the key tokens that the event's own fields give, or with none")
	case errors.As(err, &syntax):
		return refused(CodeSyntax, err.Error(), "")
	default:
		return refused(CodeInvalid, err.Error(), "")
	}
}

// Codes of JetStream that say that there is no room.
var fullCodes = map[int]bool{
	10023: true, // insufficient resources
	10028: true, // resource limits exceeded for account
	10047: true, // insufficient storage resources available
	10077: true, // maximum messages or bytes exceeded
	10122: true, // server resource limits
}

// storeFailure turns JetStream's own refusal into one that says what to do.
func storeFailure(status, code int, description string) *Refusal {
	if fullCodes[code] || strings.Contains(description, "maximum bytes exceeded") {
		return &Refusal{
			Status: http.StatusServiceUnavailable, ErrCode: CodeStoreFull,
			Reason: "the event is valid, but the store is full: " + description + " (" + strconv.Itoa(code) + ")",
			Cure:   "raise the environment's store limit in mesh.yaml or free disk space, then publish again",
		}
	}
	return &Refusal{Status: status, ErrCode: code, Reason: description}
}

// keyError says that a subject's key tokens are not the event's.
type keyError struct {
	subject string
	keys    string
	want    []string
	cause   error
}

func (e *keyError) Error() string {
	text := "event " + e.subject + ": the subject's key tokens (" + e.keys + ") are not the values of " + strings.Join(e.want, ", ")
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

func (e *keyError) Unwrap() error { return e.cause }
