package registry

import (
	"encoding/json"
	"fmt"
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
)

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
}

func (c *record) encode() ([]byte, error) {
	c.Format = format
	return json.Marshal(c)
}

func decode(data []byte) (*record, error) {
	c := &record{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	if c.Format == format {
		switch c.Kind {
		case kindVersion, kindConfig, kindMode, kindDelete:
			return c, nil
		}
	}
	return nil, fmt.Errorf("it is of kind %q in format %d, which this version of Lockstep does not know: update it", c.Kind, c.Format)
}

// asVersion is the version that a record of that kind makes.
func (c *record) asVersion() Version {
	return Version{
		Subject: c.Subject, Version: c.Version, ID: c.ID, GUID: c.GUID, Type: c.Type, Schema: c.Schema,
		References: c.References, Metadata: c.Metadata, Rules: c.Rules, At: c.At, Author: c.Author,
	}
}
