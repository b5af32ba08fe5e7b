package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/registry"
)

// forwardTimeout bounds one forwarded write.
const forwardTimeout = 15 * time.Second

// forwardedHeader marks a forwarded request, so that replicas that name each
// other as primary do not send one round for ever.
const forwardedHeader = "X-Lockstep-Forwarded"

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
func (f *Forwarder) serve(w http.ResponseWriter, r *http.Request, a *api) {
	unreachable := func(err error) {
		a.fail(w, &registry.Error{
			Code: registry.CodeForward, Message: "this registry is a replica, and its primary cannot be reached", Cause: err,
			Cure: "write again when the primary is back; reading goes on here",
		})
	}
	if r.Header.Get(forwardedHeader) != "" {
		unreachable(fmt.Errorf("%s, named as the primary, is a replica itself", r.Host))
		return
	}
	target := *f.primary
	target.Path, target.RawPath, target.RawQuery = strings.TrimSuffix(target.Path, "/")+r.URL.Path, "", r.URL.RawQuery
	if r.URL.RawPath != "" {
		target.RawPath = strings.TrimSuffix(f.primary.EscapedPath(), "/") + r.URL.RawPath
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, target.String(), http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		unreachable(err)
		return
	}
	for _, name := range []string{"Content-Type", "Accept", "X-Lockstep-Author"} {
		if v := r.Header.Get(name); v != "" {
			request.Header.Set(name, v)
		}
	}
	request.Header.Set(forwardedHeader, "1")
	response, err := f.client.Do(request)
	if err != nil {
		unreachable(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 2*MaxBody))
	if err != nil {
		unreachable(err)
		return
	}
	if response.StatusCode == http.StatusOK {
		f.settle(r, a, body)
	}
	w.Header().Set("Content-Type", response.Header.Get("Content-Type"))
	w.WriteHeader(response.StatusCode)
	if _, err := w.Write(body); err != nil {
		a.log.Debug().Err(err).Msg("a response was not read to its end")
	}
}

// settle waits, for a moment, until the replica holds the version that the
// primary has just registered. A replica that lags behind answers all the same.
func (f *Forwarder) settle(r *http.Request, a *api, body []byte) {
	version := versionIn(body)
	subject := subjectIn(r.URL.Path)
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	for {
		revision := a.registry.Revision()
		if _, ok := a.registry.Version(subject, version); ok || version == 0 {
			return
		}
		if a.registry.Wait(ctx, revision+1) != nil {
			return
		}
	}
}

// versionIn is the version that an answer to a registration names, or 0.
func versionIn(body []byte) int {
	var answer struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return 0
	}
	return answer.Version
}

// subjectIn is the subject in a path /subjects/{subject}/versions.
func subjectIn(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(path, "/"), "/subjects/"), "/versions")
}
