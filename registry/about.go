package registry

import (
	"context"
	"fmt"
)

// About says whose a subject is and what it is for. It is for people: nothing
// depends on it, and it stays in its environment.
type About struct {
	Team        string `json:"team,omitempty"`        // who owns the subject
	Contact     string `json:"contact,omitempty"`     // how they are reached
	Description string `json:"description,omitempty"` // what its events tell of
}

// The most bytes that the parts of an About may have.
const (
	maxTeam        = 100
	maxContact     = 200
	maxDescription = 4000
)

func (a About) check() error {
	for _, part := range []struct {
		name, text string
		most       int
	}{{"the team", a.Team, maxTeam}, {"the contact", a.Contact, maxContact}, {"the description", a.Description, maxDescription}} {
		if err := checkText(part.name, part.text, part.most); err != nil {
			return err
		}
	}
	return nil
}

// About is what is said about a subject; ok is false if nothing is.
func (r *Registry) About(subject string) (about About, ok bool) {
	r.view.mu.RLock()
	defer r.view.mu.RUnlock()
	about, ok = r.view.abouts[subject]
	return about, ok
}

// SetAbout says something else about a subject, which has to have a version; the
// zero About removes what was said.
func (r *Registry) SetAbout(ctx context.Context, subject string, about About, author string) error {
	if err := about.check(); err != nil {
		return err
	}
	return r.commit(ctx, func() (*record, error) {
		if len(r.AllVersions(subject)) == 0 {
			return nil, subjectNotFound(subject)
		}
		if err := r.changeable(subject); err != nil {
			return nil, err
		}
		if present, _ := r.About(subject); present == about {
			return nil, nil
		}
		c := &record{Kind: kindAbout, Subject: subject, Author: author}
		if about != (About{}) {
			c.About = &about
		}
		return c, nil
	})
}

func (w *view) setAbout(c *record) error {
	if c.Subject == "" {
		return fmt.Errorf("says something about no subject")
	}
	if c.About == nil {
		delete(w.abouts, c.Subject)
		return nil
	}
	w.abouts[c.Subject] = *c.About
	return nil
}
