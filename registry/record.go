package registry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// format is the version of the records' format. A record of a later format, or
// of a kind that is not known here, ends the view: to pass over it would mean
// to answer from a history with holes.
const format = 1

// Kinds of records.
const (
	kindVersion = "version" // a schema became a version of a subject
	kindConfig  = "config"  // a configuration was set, or removed
	kindMode    = "mode"    // a mode was set, or removed
	kindDelete  = "delete"  // versions were deleted, softly or for good
	kindState   = "state"   // a version went on in its life
	kindAbout   = "about"   // owner and description of a subject were set, or removed
)

// kinds are all of them.
var kinds = []string{kindVersion, kindConfig, kindMode, kindDelete, kindState, kindAbout}

// record is one change of the registry, as the log keeps it. Which fields are
// set depends on the kind.
type record struct {
	Format  int       `json:"format"`
	Kind    string    `json:"kind"`
	Subject string    `json:"subject"` // empty: a configuration or mode of all subjects
	At      time.Time `json:"at"`
	Author  string    `json:"author,omitempty"`

	Version    int         `json:"version,omitempty"`
	ID         int         `json:"id,omitempty"`
	GUID       string      `json:"guid,omitempty"`
	Type       string      `json:"type,omitempty"`
	Schema     string      `json:"schema,omitempty"`
	References []Reference `json:"references,omitempty"`
	Metadata   *Metadata   `json:"metadata,omitempty"`
	Rules      *RuleSet    `json:"ruleSet,omitempty"`
	Imported   bool        `json:"imported,omitempty"` // version and id are the importer's

	Config *Config `json:"config,omitempty"` // absent: removed
	Mode   Mode    `json:"mode,omitempty"`   // absent: removed

	Versions  []int `json:"versions,omitempty"` // those that were deleted
	Permanent bool  `json:"permanent,omitempty"`
	Whole     bool  `json:"whole,omitempty"` // the subject with its configuration and mode

	State  State  `json:"state,omitempty"`  // that a version came into; of a new one Draft, or absent for Active
	Reason string `json:"reason,omitempty"` // why
	About  *About `json:"about,omitempty"`  // absent: removed
}

func (c *record) encode() ([]byte, error) {
	c.Format = format
	return json.Marshal(c)
}

// decode reads a record. One that says more than is known here is refused: what it
// says may be what decides.
func decode(data []byte) (*record, error) {
	c := &record{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(c)
	if err != nil {
		var head struct {
			Format int    `json:"format"`
			Kind   string `json:"kind"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			return nil, fmt.Errorf("it is no JSON: %w", err)
		}
		c.Format, c.Kind = head.Format, head.Kind
	}
	switch {
	case c.Format != format || !slices.Contains(kinds, c.Kind):
		return nil, fmt.Errorf("it is of kind %q in format %d, which this version of Lockstep does not know: update it", c.Kind, c.Format)
	case err != nil:
		return nil, fmt.Errorf("it says something that this version of Lockstep does not know, so update it: %w", err)
	case c.State != "" && !slices.Contains(States, c.State):
		return nil, fmt.Errorf("it holds the state %q, which this version of Lockstep does not know: update it", c.State)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows after it")
	}
	return c, nil
}

// asVersion is the version that a record of that kind makes.
func (c *record) asVersion() Version {
	return Version{
		Subject: c.Subject, Version: c.Version, ID: c.ID, GUID: c.GUID, Type: c.Type, Schema: c.Schema,
		References: c.References, Metadata: c.Metadata, Rules: c.Rules, At: c.At, Author: c.Author, State: cmp.Or(c.State, Active),
	}
}
