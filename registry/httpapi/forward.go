package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/registry"
)

const (
	// forwardTimeout bounds one forwarded write, and settleTimeout how long its
	// answer waits until the replica holds it too.
	forwardTimeout = 15 * time.Second
	settleTimeout  = 2 * time.Second
)

// forwardedHeader marks a forwarded request, so that replicas that name each
// other as primary do not send one round for ever.
const forwardedHeader = "X-Lockstep-Forwarded"

// IsForwarded reports whether a replica, in another environment, passes a request
// on: its answer leaves this one.
func IsForwarded(r *http.Request) bool { return r.Header.Get(forwardedHeader) != "" }

// Forwarder hands writes to the primary. It is safe for concurrent use.
type Forwarder struct {
	primary *url.URL
	client  *http.Client
}

// NewForwarder makes a forwarder to the primary's URL.
func NewForwarder(primary string) (*Forwarder, error) {
	u, err := url.Parse(primary)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no URL of a registry: write it as http://host:port", primary)
	}
	return &Forwarder{primary: u, client: &http.Client{Timeout: forwardTimeout}}, nil
}

// Close ends idle connections.
func (f *Forwarder) Close() { f.client.CloseIdleConnections() }

// serve passes a write on and its answer back. A write that succeeded is
// answered once the replica holds it too, so that a client that registers and
// then reads here finds what it registered.
func (f *Forwarder) serve(w http.ResponseWriter, r *http.Request, a *api, to route) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		a.fail(w, &httpError{http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("the body has more than %d bytes, or could not be read to its end", MaxBody)})
		return
	}
	answer, err := f.Pass(r, data)
	if err != nil {
		// What changes nothing can be answered here: a producer that registers its
		// schema each time it starts can start without the primary.
		r.Body = io.NopCloser(bytes.NewReader(data))
		if here, err := to.handle(r); err == nil {
			a.send(w, http.StatusOK, here)
			return
		}
		a.fail(w, &registry.Error{
			Code: registry.CodeForward, Message: "this registry is a replica, and its primary cannot be reached", Cause: err,
			Cure: "write again when the primary is back; reading goes on here",
		})
		return
	}
	if answer.Status == http.StatusOK {
		if err := f.Settle(r.Context(), a.registry, answer); err != nil {
			a.log.Debug().Err(err).Msg("a write is answered before the replica holds it")
		}
	}
	if err := answer.Copy(w); err != nil {
		a.log.Debug().Err(err).Msg("a response was not read to its end")
	}
}

// Answer is what the primary answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Copy writes the answer, as far as it concerns who asked.
func (a Answer) Copy(w http.ResponseWriter) error {
	for _, name := range []string{"Content-Type", RevisionHeader, "Retry-After", "Allow", "Location"} {
		if v := a.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(a.Status)
	_, err := w.Write(a.Body)
	return err
}

// Pass sends a request, whose body has been read, to the primary. Who sends it
// travels along, what it is authenticated by does not. The error is about reaching
// the primary: what it refuses is an answer.
func (f *Forwarder) Pass(r *http.Request, data []byte) (Answer, error) {
	if r.Header.Get(forwardedHeader) != "" {
		return Answer{}, fmt.Errorf("%s, named as the primary, is a replica itself", r.Host)
	}
	target := *f.primary
	target.Path = strings.TrimSuffix(f.primary.Path, "/") + r.URL.Path
	target.RawPath = strings.TrimSuffix(f.primary.EscapedPath(), "/") + r.URL.EscapedPath()
	target.RawQuery = r.URL.RawQuery
	request, err := http.NewRequestWithContext(r.Context(), r.Method, target.String(), bytes.NewReader(data))
	if err != nil {
		return Answer{}, err
	}
	for _, name := range []string{"Content-Type", "Accept"} {
		if v := r.Header.Get(name); v != "" {
			request.Header.Set(name, v)
		}
	}
	if name := Author(r); name != "" {
		request.Header.Set("X-Lockstep-Author", name)
	}
	request.Header.Set(forwardedHeader, "1")
	response, err := f.client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 2*MaxBody))
	return Answer{response.StatusCode, response.Header, body}, err
}

// Settle waits, for a moment, until the replica holds what the primary did when it
// answered. Revisions are the same here and there. The error says that it does not
// yet; the answer holds all the same.
func (f *Forwarder) Settle(ctx context.Context, replica *registry.Registry, answer Answer) error {
	revision, err := strconv.ParseUint(answer.Header.Get(RevisionHeader), 10, 64)
	if err != nil {
		return nil // it changed nothing
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return replica.Wait(ctx, revision)
}
