package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry"
)

// settingOf is the subject whose configuration or mode is meant: the one in the
// path, itself and not what it is an alias of, or all of them, "".
func settingOf(r *http.Request) (string, error) { return plain(r.PathValue("subject")) }

func (a *api) config(r *http.Request) (any, error) {
	subject, err := settingOf(r)
	if err != nil {
		return nil, err
	}
	inherit := false
	if err := flags(r, map[string]*bool{"defaultToGlobal": &inherit}); err != nil {
		return nil, err
	}
	config, ok := a.registry.Config(subject)
	switch {
	case inherit:
		return a.registry.Effective(subject), nil
	case !ok:
		return nil, &registry.Error{Code: registry.CodeLevelNotConfigured, Message: fmt.Sprintf("Subject '%s' does not have subject-level compatibility configured", subject), Cure: "add defaultToGlobal=true to see what holds for it"}
	}
	return config, nil
}

// configFields are what a change of a configuration may name. What it does not
// name stays, what is null is removed.
var configFields = map[string]func(data []byte, c *registry.Config) error{
	"compatibility":       setLevel,
	"compatibilityLevel":  setLevel, // as it is called where it is read
	"compatibilityPolicy": func(data []byte, c *registry.Config) error { return set(data, &c.Policy) },
	"compatibilityGroup":  func(data []byte, c *registry.Config) error { return set(data, &c.Group) },
	"normalize":           func(data []byte, c *registry.Config) error { return set(data, &c.Normalize) },
	"alias":               func(data []byte, c *registry.Config) error { return set(data, &c.Alias) },
	"defaultMetadata":     func(data []byte, c *registry.Config) error { return set(data, &c.DefaultMetadata) },
	"overrideMetadata":    func(data []byte, c *registry.Config) error { return set(data, &c.OverrideMetadata) },
	"defaultRuleSet":      func(data []byte, c *registry.Config) error { return set(data, &c.DefaultRules) },
	"overrideRuleSet":     func(data []byte, c *registry.Config) error { return set(data, &c.OverrideRules) },
}

func setLevel(data []byte, c *registry.Config) error {
	var level string
	if err := set(data, &level); err != nil {
		return err
	}
	c.Level = registry.Level(strings.ToUpper(level))
	return nil
}

// set decodes a field anew; null leaves it empty.
func set[T any](data []byte, into *T) error {
	*into = *new(T)
	return decodeBody(data, into, true)
}

func (a *api) setConfig(r *http.Request) (any, error) {
	subject, err := settingOf(r)
	if err != nil {
		return nil, err
	}
	data, err := readBody(r)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := decodeBody(data, &fields, true); err != nil {
		return nil, within("the body", err)
	}
	if len(fields) == 0 {
		return nil, &registry.Error{Code: registry.CodeInvalidLevel, Message: "the body names no setting", Cure: `send {"compatibility":"BACKWARD"}, or another setting`}
	}
	change := func(c registry.Config) registry.Config {
		for name, value := range fields {
			_ = configFields[name](value, &c) // tried below
		}
		return c
	}
	for name, value := range fields {
		apply, ok := configFields[name]
		if !ok {
			return nil, &httpError{http.StatusUnprocessableEntity, codeBody, "unrecognized field: " + name}
		}
		if err := apply(value, &registry.Config{}); err != nil {
			return nil, within(name, err)
		}
	}
	if _, err := a.registry.SetConfig(r.Context(), subject, Author(r), change); err != nil {
		return nil, err
	}
	return json.RawMessage(data), nil // as Confluent's registry answers
}

// removed is a configuration that is no more, under both names that clients
// look for its level by.
type removed struct {
	Compatibility registry.Level `json:"compatibility,omitempty"`
	registry.Config
}

func (a *api) deleteConfig(r *http.Request) (any, error) {
	subject, err := settingOf(r)
	if err != nil {
		return nil, err
	}
	before, err := a.registry.DeleteConfig(r.Context(), subject, Author(r))
	if err != nil {
		return nil, err
	}
	return removed{before.Level, before}, nil
}

// modeBody is a mode in a request or an answer.
type modeBody struct {
	Mode string `json:"mode"`
}

func (a *api) mode(r *http.Request) (any, error) {
	subject, err := settingOf(r)
	if err != nil {
		return nil, err
	}
	inherit := false
	if err := flags(r, map[string]*bool{"defaultToGlobal": &inherit}); err != nil {
		return nil, err
	}
	mode, ok := a.registry.Mode(subject)
	if inherit {
		mode, ok = a.registry.EffectiveMode(subject), true
	}
	if !ok {
		return nil, &registry.Error{Code: registry.CodeModeNotConfigured, Message: fmt.Sprintf("Subject '%s' does not have subject-level mode configured", subject), Cure: "add defaultToGlobal=true to see what holds for it"}
	}
	if !a.registry.Writable() && a.forward == nil {
		mode = registry.ReadOnly
	}
	return modeBody{string(mode)}, nil
}

func (a *api) setMode(r *http.Request) (any, error) {
	subject, err := settingOf(r)
	if err != nil {
		return nil, err
	}
	data, err := readBody(r)
	if err != nil {
		return nil, err
	}
	var body modeBody
	if err := decodeBody(data, &body, true); err != nil {
		return nil, within("the body", err)
	}
	mode, err := registry.ParseMode(body.Mode)
	if err != nil {
		return nil, err
	}
	force := false
	if err := flags(r, map[string]*bool{"force": &force}); err != nil {
		return nil, err
	}
	if err := a.registry.SetMode(r.Context(), subject, mode, force, Author(r)); err != nil {
		return nil, err
	}
	return modeBody{string(mode)}, nil
}

func (a *api) deleteMode(r *http.Request) (any, error) {
	subject, err := settingOf(r)
	if err != nil {
		return nil, err
	}
	before, err := a.registry.DeleteMode(r.Context(), subject, Author(r))
	if err != nil {
		return nil, err
	}
	return modeBody{string(before)}, nil
}

// deleteContext refuses: the default context is the only one, and stays.
func (a *api) deleteContext(r *http.Request) (any, error) {
	name := r.PathValue("context")
	if !isDefault(name) {
		return nil, &httpError{http.StatusNotFound, codeNotFound, fmt.Sprintf("HTTP 404 Not Found: there is no context %q; there is only the default one", name)}
	}
	if len(a.registry.AllSubjects()) > 0 {
		return nil, &registry.Error{Code: registry.CodeContextNotEmpty, Message: "the default context is not empty, and cannot be deleted"}
	}
	return nil, &registry.Error{Code: registry.CodeNotPermitted, Message: "the default context cannot be deleted"}
}
