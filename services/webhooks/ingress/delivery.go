package ingress

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Headers of a delivery, as GitHub sends them.
const (
	headerEvent     = "X-GitHub-Event"
	headerDelivery  = "X-GitHub-Delivery"
	headerSignature = "X-Hub-Signature-256"
)

// longest is how long the names in a delivery may be; GitHub's have under 50 bytes.
const longest = 128

// delivery is a request whose signature is right.
type delivery struct {
	event   string // X-GitHub-Event
	id      string // X-GitHub-Delivery
	payload []byte // exactly as it was signed, or as it stood in the form that was
}

// subject is what the delivery is published on: github.<event>.<action>, or
// github.<event> where the payload has no action that can stand in a subject.
// Whether the payload is JSON at all is the gate's to say.
func (d *delivery) subject() string {
	if action, ok := actionOf(d.payload); ok {
		return Domain + "." + d.event + "." + action
	}
	return Domain + "." + d.event
}

// read takes a delivery out of a request, or says what is wrong with it.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (*delivery, *problem) {
	form, p := contentType(r)
	if p != nil {
		return nil, p
	}
	signature, p := signatureOf(r)
	if p != nil {
		return nil, p
	}
	limit := h.limit
	if form {
		limit = 3*h.limit + int64(len("payload=")) // every byte may be percent-encoded
	}
	body, p := readBody(w, r, limit)
	if p != nil {
		return nil, p
	}
	mac := hmac.New(sha256.New, h.secret)
	mac.Write(body)
	if !hmac.Equal(signature, mac.Sum(nil)) {
		return nil, unauthorized("the signature is not that of this body under the webhook's secret")
	}

	// From here on the sender is known to have the secret.
	d := &delivery{payload: body}
	if d.event, p = eventOf(r); p != nil {
		return nil, p
	}
	if d.id, p = idOf(r); p != nil {
		return nil, p
	}
	if form {
		if d.payload, p = payloadOf(body); p != nil {
			return nil, p
		}
		if int64(len(d.payload)) > h.limit {
			return nil, tooLarge(h.limit)
		}
	}
	return d, nil
}

// contentType reports whether the body is a form. JSON and forms are what
// GitHub can be told to send.
func contentType(r *http.Request) (form bool, p *problem) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return false, unsupported("the body has the Content-Encoding %q", e)
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return false, unsupported("the Content-Type %q cannot be read", r.Header.Get("Content-Type"))
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return false, unsupported("the charset is %q", charset)
	}
	switch media {
	case "application/json":
		return false, nil
	case "application/x-www-form-urlencoded":
		return true, nil
	}
	return false, unsupported("the Content-Type is %q", media)
}

func signatureOf(r *http.Request) ([]byte, *problem) {
	given, ok := single(r, headerSignature)
	if !ok {
		return nil, unauthorized("the delivery carries no single " + headerSignature)
	}
	digits, ok := strings.CutPrefix(given, "sha256=")
	if !ok || len(digits) != 2*sha256.Size {
		return nil, unauthorized(headerSignature + " is not of the form sha256=<64 hexadecimal digits>")
	}
	signature, err := hex.DecodeString(digits)
	if err != nil {
		return nil, unauthorized(headerSignature + " is not of the form sha256=<64 hexadecimal digits>")
	}
	return signature, nil
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *problem) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge(limit)
	case err != nil:
		return nil, &problem{
			status: http.StatusBadRequest, code: "unreadable_body", title: "The body could not be read",
			detail: fmt.Sprintf("reading the body failed after %d bytes: %v", body.Len(), err), cure: "send the delivery again, whole and in time",
		}
	}
	return body.Bytes(), nil
}

func eventOf(r *http.Request) (string, *problem) {
	event, ok := single(r, headerEvent)
	switch {
	case !ok:
		return "", badHeader(headerEvent, "it is missing, or there is more than one")
	case len(event) > longest || !wire.ValidToken(event):
		return "", badHeader(headerEvent, "it cannot be a token of a subject")
	}
	return event, nil
}

// idOf is the delivery's identity, by which a repeated delivery is recognised.
// A sender that gives none gets a new one each time.
func idOf(r *http.Request) (string, *problem) {
	if len(r.Header.Values(headerDelivery)) == 0 {
		return rand.Text(), nil
	}
	id, ok := single(r, headerDelivery)
	if !ok || id == "" || len(id) > longest {
		return "", badHeader(headerDelivery, fmt.Sprintf("it is empty, longer than %d bytes, or there is more than one", longest))
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return "", badHeader(headerDelivery, "it holds something else than visible ASCII characters")
		}
	}
	return id, nil
}

// single is the value of a header that must stand exactly once.
func single(r *http.Request, name string) (string, bool) {
	values := r.Header.Values(name)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// payloadOf is the one field that GitHub's forms have.
func payloadOf(body []byte) ([]byte, *problem) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badForm("it is not encoded as a form: " + err.Error())
	}
	if len(values["payload"]) != 1 {
		return nil, badForm(fmt.Sprintf("it has %d fields named payload", len(values["payload"])))
	}
	return []byte(values.Get("payload")), nil
}

// actionOf is the "action" of a payload that is an object, if it is a string
// that can stand as one token of a subject.
func actionOf(payload []byte) (string, bool) {
	decoder := jsontext.NewDecoder(bytes.NewReader(payload))
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return "", false
	}
	for {
		name, err := decoder.ReadToken()
		if err != nil || name.Kind() != '"' {
			return "", false // the object's end, or no JSON
		}
		if name.String() != "action" {
			if err := decoder.SkipValue(); err != nil {
				return "", false
			}
			continue
		}
		value, err := decoder.ReadToken()
		if err != nil || value.Kind() != '"' {
			return "", false
		}
		action := value.String()
		return action, len(action) <= longest && wire.ValidToken(action)
	}
}
