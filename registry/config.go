package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/compat"
)

// Level says which versions of a subject must be able to read what was written
// under which others.
type Level string

// The levels. Those that are not transitive look at the newest version only.
const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD" // the new version reads what the old one admits
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD" // the old version reads what the new one admits
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL" // both
	FullTransitive     Level = "FULL_TRANSITIVE"
)

// DefaultLevel holds where none is configured.
const DefaultLevel = Backward

// levels are all there are.
var levels = []Level{None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive}

func (l Level) backward() bool {
	return l == Backward || l == BackwardTransitive || l == Full || l == FullTransitive
}

func (l Level) forward() bool {
	return l == Forward || l == ForwardTransitive || l == Full || l == FullTransitive
}

func (l Level) transitive() bool {
	return l == BackwardTransitive || l == ForwardTransitive || l == FullTransitive
}

// policies are the names that a configuration may give to policies.
var policies = map[string]compat.Policy{"GATED": compat.Gated, "STRICT": compat.Strict, "LENIENT": compat.Lenient}

// Config is the configuration of a subject, or of all (the subject ""). What is
// absent is inherited from the one of all.
type Config struct {
	Level Level `json:"compatibilityLevel,omitempty"`
	// Policy is GATED, STRICT or LENIENT; see package compat. It does not loosen
	// what the mesh says is strict.
	Policy string `json:"compatibilityPolicy,omitempty"`
	// Group names the metadata property that divides a subject's versions into
	// groups; only versions of one group are compared.
	Group string `json:"compatibilityGroup,omitempty"`
	// Normalize has schemas normalized before they are registered or looked up.
	Normalize *bool `json:"normalize,omitempty"`
	// Alias is the subject that is meant when this one is asked for.
	Alias string `json:"alias,omitempty"`

	DefaultMetadata  *Metadata `json:"defaultMetadata,omitempty"`
	OverrideMetadata *Metadata `json:"overrideMetadata,omitempty"`
	DefaultRules     *RuleSet  `json:"defaultRuleSet,omitempty"`
	OverrideRules    *RuleSet  `json:"overrideRuleSet,omitempty"`
}

// check refuses what is no configuration.
func (c Config) check(subject string) error {
	if c.Level != "" && !slices.Contains(levels, c.Level) {
		return &Error{Code: CodeInvalidLevel, Message: fmt.Sprintf("invalid compatibility level %q", c.Level), Cure: fmt.Sprintf("valid values are %v", levels)}
	}
	if _, ok := policies[c.Policy]; c.Policy != "" && !ok {
		return &Error{Code: CodeInvalidLevel, Message: fmt.Sprintf("invalid compatibility policy %q", c.Policy), Cure: "valid values are GATED, STRICT and LENIENT"}
	}
	if c.Alias != "" {
		if err := checkSubject(c.Alias); err != nil {
			return err
		}
		if subject == "" || c.Alias == subject {
			return &Error{Code: CodeInvalidSubject, Message: "an alias leads from one subject to another one", Cure: "set it on a subject, and name another"}
		}
	}
	if err := c.DefaultRules.check(); err != nil {
		return err
	}
	return c.OverrideRules.check()
}

// over is c with what it lacks taken from base.
func (c Config) over(base Config) Config {
	inherit(&c.Level, base.Level)
	inherit(&c.Policy, base.Policy)
	inherit(&c.Group, base.Group)
	inherit(&c.Normalize, base.Normalize)
	inherit(&c.DefaultMetadata, base.DefaultMetadata)
	inherit(&c.OverrideMetadata, base.OverrideMetadata)
	inherit(&c.DefaultRules, base.DefaultRules)
	inherit(&c.OverrideRules, base.OverrideRules)
	return c
}

func inherit[T comparable](value *T, from T) {
	if none := *new(T); *value == none {
		*value = from
	}
}

// Config is what is configured for a subject alone, or, for the subject "", for
// all; the latter always is.
func (r *Registry) Config(subject string) (Config, bool) {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	return r.view.config(subject)
}

// Effective is the configuration that holds for a subject.
func (r *Registry) Effective(subject string) Config {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	own, _ := r.view.config(subject)
	if subject == "" {
		return own
	}
	all, _ := r.view.config("")
	return own.over(all)
}

func (w *view) config(subject string) (Config, bool) {
	c, ok := w.configs[subject]
	if subject == "" {
		ok = true
		inherit(&c.Level, DefaultLevel)
	}
	return c, ok
}

// policyFor is the policy under which a subject's versions are compared.
func (r *Registry) policyFor(subject string, c Config) compat.Policy {
	policy := r.policy(subject)
	if configured, ok := policies[c.Policy]; ok && policy != compat.Strict {
		return configured
	}
	return policy
}

// SetConfig changes the configuration of a subject, or of all (""): change
// gets the present one and returns the new one. It may be called more than once.
func (r *Registry) SetConfig(ctx context.Context, subject, author string, change func(Config) Config) (Config, error) {
	var next Config
	err := r.commit(ctx, func() (*record, error) {
		if err := r.changeable(subject); err != nil {
			return nil, err
		}
		r.view.mu.RLock()
		present := r.view.configs[subject]
		r.view.mu.RUnlock()
		next = change(present)
		if err := next.check(subject); err != nil {
			return nil, err
		}
		if next == present {
			return nil, nil
		}
		return &record{Kind: kindConfig, Subject: subject, Config: &next, Author: author}, nil
	})
	return next, err
}

// DeleteConfig removes the configuration of a subject, or of all (""), and
// returns what it was.
func (r *Registry) DeleteConfig(ctx context.Context, subject, author string) (Config, error) {
	var before Config
	err := r.commit(ctx, func() (*record, error) {
		var ok bool
		if before, ok = r.Config(subject); !ok {
			return nil, subjectNotFound(subject)
		}
		if err := r.changeable(subject); err != nil {
			return nil, err
		}
		return &record{Kind: kindConfig, Subject: subject, Author: author}, nil
	})
	return before, err
}

// Mode says what may be changed about a subject.
type Mode string

// The modes.
const (
	ReadWrite Mode = "READWRITE"
	ReadOnly  Mode = "READONLY"
	// Import is for schemas that bring their ids and versions along. They are not
	// compared with each other.
	Import Mode = "IMPORT"
)

// ParseMode reads a mode, in either case.
func ParseMode(text string) (Mode, error) {
	switch m := Mode(strings.ToUpper(text)); m {
	case ReadWrite, ReadOnly, Import:
		return m, nil
	}
	return "", &Error{Code: CodeInvalidMode, Message: fmt.Sprintf("invalid mode %q", text), Cure: "valid values are READWRITE, READONLY and IMPORT"}
}

// Mode is what is set for a subject alone, or, for the subject "", for all; the
// latter always is.
func (r *Registry) Mode(subject string) (Mode, bool) {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	m, ok := r.view.modes[subject]
	if subject == "" && !ok {
		return ReadWrite, true
	}
	return m, ok
}

// EffectiveMode is the mode that holds for a subject.
func (r *Registry) EffectiveMode(subject string) Mode {
	if m, ok := r.Mode(subject); ok {
		return m
	}
	m, _ := r.Mode("")
	return m
}

// SetMode sets the mode of a subject, or of all (""). To import where there are
// versions already is refused unless it is forced: they would be mixed.
func (r *Registry) SetMode(ctx context.Context, subject string, mode Mode, force bool, author string) error {
	return r.commit(ctx, func() (*record, error) {
		if _, err := ParseMode(string(mode)); err != nil {
			return nil, err
		}
		if subject != "" {
			if err := checkSubject(subject); err != nil {
				return nil, err
			}
		}
		if present, ok := r.Mode(subject); ok && present == mode {
			return nil, nil
		}
		if mode == Import && !force && r.inhabited(subject) {
			return nil, &Error{Code: CodeNotPermitted, Message: "cannot import since found existing subjects", Cure: "import into an empty registry or subject, or add force=true"}
		}
		return &record{Kind: kindMode, Subject: subject, Mode: mode, Author: author}, nil
	})
}

// inhabited reports whether a subject, or any (""), has versions.
func (r *Registry) inhabited(subject string) bool {
	if subject == "" {
		return len(r.AllSubjects()) > 0
	}
	return len(r.AllVersions(subject)) > 0
}

// DeleteMode removes the mode of a subject, or of all (""), and returns what
// it was.
func (r *Registry) DeleteMode(ctx context.Context, subject, author string) (Mode, error) {
	var before Mode
	err := r.commit(ctx, func() (*record, error) {
		var ok bool
		if before, ok = r.Mode(subject); !ok {
			return nil, subjectNotFound(subject)
		}
		return &record{Kind: kindMode, Subject: subject, Author: author}, nil
	})
	return before, err
}

// changeable is nil when a subject's name is one and its mode allows changes.
func (r *Registry) changeable(subject string) error {
	if subject != "" {
		if err := checkSubject(subject); err != nil {
			return err
		}
	}
	if r.EffectiveMode(subject) == ReadOnly {
		return readOnlySubject(subject)
	}
	return nil
}

func readOnlySubject(subject string) *Error {
	what := "the registry"
	if subject != "" {
		what = fmt.Sprintf("subject %q", subject)
	}
	return &Error{Code: CodeNotPermitted, Message: what + " is in read-only mode", Cure: "set its mode to READWRITE first"}
}

// Policy is the policy under which a subject's versions are compared.
func (r *Registry) Policy(subject string) compat.Policy {
	return r.policyFor(subject, r.Effective(subject))
}
