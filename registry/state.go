package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is where a version is in its life. See [Registry.SetState] for how it
// gets from one to another.
type State string

// The states.
const (
	// Draft is proposed: it can be read by its number and its id, and by nobody who
	// asks for what is in use. It admits no event, is in no list of Confluent's API,
	// is never the latest version, and nothing is compared with it.
	Draft State = "draft"
	// Active is in use.
	Active State = "active"
	// Deprecated is in use still, and says that it should not be.
	Deprecated State = "deprecated"
	// Retired admits no new event. Events that were stored under it are there and can
	// be read, so new versions are compared with it as before.
	Retired State = "retired"
)

// States are all there are.
var States = []State{Draft, Active, Deprecated, Retired}

// transitions are the states that each may be followed by. Nothing becomes a draft
// again: events may have been stored under it. What was retired comes back as
// deprecated, which shows that it was on its way out.
var transitions = map[State][]State{
	Draft:      {Active},
	Active:     {Deprecated, Retired},
	Deprecated: {Active, Retired},
	Retired:    {Deprecated},
}

// Admits reports whether new events are admitted by a version in this state.
func (s State) Admits() bool { return s == Active || s == Deprecated }

// ParseState reads a state.
func ParseState(text string) (State, error) {
	if s := State(text); slices.Contains(States, s) {
		return s, nil
	}
	return "", &Error{Code: CodeInvalidState, Message: fmt.Sprintf("invalid state %q", text), Cure: "valid values are draft, active, deprecated and retired"}
}

// maxReason bounds the reason of a change of state, in bytes.
const maxReason = 1000

// Admitting are the versions of a subject under which new events are admitted:
// active ones first, then deprecated ones, each newest first. It is nil if there are
// none. The caller owns the list.
func (r *Registry) Admitting(subject string) []Version {
	var active, deprecated []Version
	for _, v := range slices.Backward(r.Versions(subject)) {
		switch v.State {
		case Active:
			active = append(active, v)
		case Deprecated:
			deprecated = append(deprecated, v)
		case Draft, Retired:
		}
	}
	return append(active, deprecated...)
}

// RegisterDraft makes s a draft of subject, after its last version, unless it is one
// of its versions or drafts already: then that one is returned. It has to be a
// schema whose references exist; whether it is compatible is asked when it is
// activated.
func (r *Registry) RegisterDraft(ctx context.Context, subject string, s Schema) (Version, error) {
	if err := checkSubject(subject); err != nil {
		return Version{}, err
	}
	var registered Version
	err := r.commit(ctx, func() (*record, error) {
		v, c, err := r.proposeDraft(subject, s)
		registered = v
		return c, err
	})
	if err != nil {
		return Version{}, err
	}
	if v, ok := r.Version(subject, registered.Version); ok {
		return v, nil
	}
	return registered, nil
}

func (r *Registry) proposeDraft(subject string, s Schema) (Version, *record, error) {
	if _, err := TypeOf(s.Type); err != nil {
		return Version{}, nil, err
	}
	if s.ID > 0 {
		return Version{}, nil, &Error{Code: CodeNotPermitted, Message: "a draft cannot be imported under an id of its own", Cure: "leave the id out"}
	}
	config := r.Effective(subject)
	s, err := r.complete(s, config)
	if err != nil {
		return Version{}, nil, err
	}
	if v, ok := r.existing(subject, s, false); ok {
		return v, nil, nil
	}
	s = r.embellish(subject, s, config)
	if v, ok := r.draft(subject, identity(s)); ok {
		return v, nil, nil
	}
	if v, ok := r.existing(subject, s, false); ok {
		return v, nil, nil
	}
	if mode := r.EffectiveMode(subject); mode != ReadWrite {
		return Version{}, nil, &Error{Code: CodeNotPermitted, Message: fmt.Sprintf("subject %q is in mode %s, and a draft needs READWRITE", subject, mode), Cure: "set its mode to READWRITE first"}
	}
	if _, err := r.usable(s); err != nil {
		return Version{}, nil, err
	}
	v, c, err := r.next(subject, s)
	if err != nil {
		return Version{}, nil, err
	}
	v.State, c.State = Draft, Draft
	return v, c, nil
}

// draft is the newest draft of a subject with that identity.
func (r *Registry) draft(subject, guid string) (Version, bool) {
	for _, v := range slices.Backward(r.AllVersions(subject)) {
		if v.GUID == guid && v.State == Draft && !v.Deleted {
			return v, true
		}
	}
	return Version{}, false
}

// SetState moves a version into a state, and keeps the reason. A draft can become
// active; active ones deprecated or retired; deprecated ones active or retired;
// retired ones deprecated. To be activated, a draft has to be the subject's newest
// version and compatible with those before it, as if it were registered then. A
// version that is in that state already is returned as it is.
func (r *Registry) SetState(ctx context.Context, subject string, number int, to State, reason, author string) (Version, error) {
	if _, err := ParseState(string(to)); err != nil {
		return Version{}, err
	}
	if err := checkText("the reason", reason, maxReason); err != nil {
		return Version{}, err
	}
	err := r.commit(ctx, func() (*record, error) { return r.proposeState(subject, number, to, reason, author) })
	if err != nil {
		return Version{}, err
	}
	v, ok := r.Version(subject, number)
	if !ok { // it was deleted for good meanwhile
		return Version{}, r.missing(subject, number)
	}
	return v, nil
}

func (r *Registry) proposeState(subject string, number int, to State, reason, author string) (*record, error) {
	v, ok := r.Version(subject, number)
	switch {
	case !ok:
		return nil, r.missing(subject, number)
	case v.Deleted:
		return nil, &Error{Code: CodeVersionSoftDeleted, Message: fmt.Sprintf("subject %q version %d was soft deleted", subject, number), Cure: "register the schema again"}
	case v.State == to:
		return nil, nil
	case !slices.Contains(transitions[v.State], to):
		return nil, &Error{
			Code:    CodeStateTransition,
			Message: fmt.Sprintf("version %d of subject %q is %s, and cannot become %s", number, subject, v.State, to),
			Cure:    "from " + string(v.State) + " it can become " + words(transitions[v.State]),
		}
	}
	if err := r.changeable(subject); err != nil {
		return nil, err
	}
	if v.State == Draft {
		if err := r.activatable(v); err != nil {
			return nil, err
		}
	}
	return &record{Kind: kindState, Subject: subject, Version: number, State: to, Reason: reason, Author: author}, nil
}

// activatable is nil when a draft may become a version.
func (r *Registry) activatable(v Version) error {
	if live := r.Versions(v.Subject); len(live) > 0 && live[len(live)-1].Version > v.Version {
		return &Error{
			Code:    CodeStateTransition,
			Message: fmt.Sprintf("version %d of subject %q came into use after draft %d was made", live[len(live)-1].Version, v.Subject, v.Version),
			Cure:    "make the draft again, so that its number is the highest, and delete this one",
		}
	}
	s := Schema{Type: v.Type, Text: v.Schema, References: v.References, Metadata: v.Metadata, Rules: v.Rules}
	if other, ok := r.existing(v.Subject, s, false); ok && other.GUID == v.GUID {
		return &Error{Code: CodeStateTransition, Message: fmt.Sprintf("version %d of subject %q is the same schema", other.Version, v.Subject), Cure: "delete the draft"}
	}
	bundle, err := r.usable(s)
	if err != nil {
		return err
	}
	return r.admissible(v.Subject, s, bundle, r.Effective(v.Subject))
}

func words(states []State) string {
	texts := make([]string, len(states))
	for i, s := range states {
		texts[i] = string(s)
	}
	return strings.Join(texts, " or ")
}

// setState applies a record.
func (w *view) setState(c *record) error {
	s := w.subjects[c.Subject]
	if s == nil {
		return fmt.Errorf("sets the state of version %d of %q, which has none", c.Version, c.Subject)
	}
	i, found := search(s.versions, c.Version)
	if !found || s.versions[i].Deleted || !slices.Contains(transitions[s.versions[i].State], c.State) {
		return fmt.Errorf("makes version %d of %q %s, which is not there or not in a state for it", c.Version, c.Subject, c.State)
	}
	v := s.versions[i]
	v.State, v.StateAt, v.StateReason = c.State, c.At, c.Reason
	s.versions = slices.Concat(s.versions[:i], []Version{v}, s.versions[i+1:])
	s.refresh()
	w.live[subjectSchema{v.Subject, v.GUID}] = v.Version
	return nil
}

// refresh makes the list of the versions in use anew.
func (s *subject) refresh() {
	s.live = nil
	for _, v := range s.versions {
		if !v.Deleted && v.State != Draft {
			s.live = append(s.live, v)
		}
	}
}

// checkText refuses a text for people that is too long or holds control characters.
func checkText(what, text string, most int) error {
	problem := ""
	switch {
	case len(text) > most:
		problem = fmt.Sprintf("has %d bytes, and may have %d", len(text), most)
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\uFFFD' }):
		problem = "holds a control character or no UTF-8"
	default:
		return nil
	}
	return &Error{Code: CodeInvalidAbout, Message: what + " " + problem, Cure: "shorten or correct it"}
}

// Since is when the version came into its present state.
func (v Version) Since() time.Time {
	if v.StateAt.IsZero() {
		return v.At
	}
	return v.StateAt
}
