package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Remote is what a registry holds. It is safe for concurrent use.
type Remote struct {
	address string
	client  *client.Client
	failed  func(error) error

	mu      sync.Mutex
	bundles map[place]*jsonschema.Bundle
}

type place struct {
	subject string
	version int
}

// OpenRemote reads from the registry at address through c. What the registry
// refuses passes through failed, which makes an error for the user of it.
func OpenRemote(address string, c *client.Client, failed func(error) error) *Remote {
	return &Remote{address: address, client: c, failed: failed, bundles: map[place]*jsonschema.Bundle{}}
}

// Label is the registry's address.
func (r *Remote) Label() string { return r.address }

// Level is the configuration that holds for a subject.
func (r *Remote) Level(ctx context.Context, subject string) (registry.Level, string, error) {
	c, err := r.client.Config(ctx, subject)
	if missing(err) { // a registry without a configuration of its own
		return registry.DefaultLevel, "", nil
	} else if err != nil {
		return "", "", r.failed(err)
	}
	level, err := Level(c.Level)
	if err != nil {
		return "", "", fmt.Errorf("the configuration of subject %s at %s: %w", subject, r.address, err)
	}
	return level, c.Policy, nil
}

// Subjects are the domain's subjects in the registry. Others may have put them
// there, so what has no file need not have been removed.
func (r *Remote) Subjects(ctx context.Context, d Domain) (names []string, complete bool, err error) {
	all, err := r.client.Subjects(ctx)
	if err != nil {
		return nil, false, r.failed(err)
	}
	for _, name := range all {
		if strings.HasPrefix(name, d.Name+".") {
			names = append(names, name)
		}
	}
	return names, false, nil
}

// Versions are the subject's versions.
func (r *Remote) Versions(ctx context.Context, _ Domain, subject string, all bool) ([]Version, error) {
	numbers, err := r.client.Versions(ctx, subject)
	if missing(err) {
		return nil, nil
	} else if err != nil {
		return nil, r.failed(err)
	}
	var out []Version
	for i := len(numbers) - 1; i >= 0 && (all || len(out) == 0); i-- {
		b, err := r.Bundle(ctx, subject, numbers[i])
		if err != nil {
			return nil, err
		}
		out = append(out, Version{Label: "version " + strconv.Itoa(numbers[i]), Bundle: b})
	}
	return out, nil
}

// Numbers are the numbers of a subject's versions, oldest first: one at least.
func (r *Remote) Numbers(ctx context.Context, subject string) ([]int, error) {
	numbers, err := r.client.Versions(ctx, subject)
	if err != nil {
		return nil, r.failed(err)
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("subject %s at %s has no versions", subject, r.address)
	}
	return numbers, nil
}

func missing(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// Bundle is one version with all that it refers to.
func (r *Remote) Bundle(ctx context.Context, subject string, version int) (*jsonschema.Bundle, error) {
	return r.load(ctx, place{subject, version}, nil)
}

// load fetches a version; users are those that refer to it, outermost first. What
// two ask for at once may be fetched twice, and is one bundle for both.
func (r *Remote) load(ctx context.Context, at place, users []place) (*jsonschema.Bundle, error) {
	r.mu.Lock()
	known := r.bundles[at]
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	if slices.Contains(users, at) {
		return nil, fmt.Errorf("version %d of subject %s at %s refers to itself by way of others", at.version, at.subject, r.address)
	}
	v, err := r.client.Version(ctx, at.subject, strconv.Itoa(at.version))
	if err != nil {
		return nil, r.failed(err)
	}
	document, err := jsonschema.Parse([]byte(v.Schema))
	if err != nil {
		return nil, fmt.Errorf("version %d of subject %s at %s: %w", at.version, at.subject, r.address, err)
	}
	b := &jsonschema.Bundle{Document: document, References: make(map[string]*jsonschema.Bundle, len(v.References))}
	for _, ref := range v.References {
		if b.References[ref.Name], err = r.load(ctx, place{ref.Subject, ref.Version}, append(slices.Clip(users), at)); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.bundles[at]; known != nil {
		return known, nil
	}
	r.bundles[at] = b
	return b, nil
}
