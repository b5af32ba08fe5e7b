package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// format is the version of the records' format. A record of a later format, or
// of a kind that is not known here, ends the view: to pass over it would mean
// to answer from a history with holes.
const format = 1

// Kinds of records. Configuration, modes and deletions follow.
const kindVersion = "version"

// record is one change of the registry, as the log keeps it.
type record struct {
	Format     int         `json:"format"`
	Kind       string      `json:"kind"`
	Subject    string      `json:"subject"`
	Version    int         `json:"version"`
	ID         int         `json:"id"`
	GUID       string      `json:"guid"`
	Type       string      `json:"type"`
	Schema     string      `json:"schema"`
	References []Reference `json:"references,omitempty"`
	At         time.Time   `json:"at"`
	Author     string      `json:"author,omitempty"`
}

func encode(v Version) ([]byte, error) {
	return json.Marshal(record{
		Format: format, Kind: kindVersion, Subject: v.Subject, Version: v.Version, ID: v.ID, GUID: v.GUID,
		Type: v.Type, Schema: v.Schema, References: v.References, At: v.At, Author: v.Author,
	})
}

func decode(data []byte) (Version, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return Version{}, fmt.Errorf("it is no JSON: %w", err)
	}
	if r.Format != format || r.Kind != kindVersion {
		return Version{}, fmt.Errorf("it is of kind %q in format %d, which this version of Lockstep does not know: update it", r.Kind, r.Format)
	}
	return Version{
		Subject: r.Subject, Version: r.Version, ID: r.ID, GUID: r.GUID, Type: r.Type,
		Schema: r.Schema, References: r.References, At: r.At, Author: r.Author,
	}, nil
}

// identity is what makes two schemas the same: their type, text but for white
// space, and references. It has the form of a UUID (RFC 9562, version 8: its
// bits are a digest's).
func identity(s Schema) string {
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(s.Text)) != nil {
		compact.Reset()
		compact.WriteString(s.Text)
	}
	references := slices.Clone(s.References)
	slices.SortFunc(references, func(a, b Reference) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	for _, part := range append([]string{s.Type, compact.String()}, names(references)...) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	text := hex.EncodeToString(u)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

func names(references []Reference) []string {
	out := make([]string, 0, 3*len(references))
	for _, r := range references {
		out = append(out, r.Name, r.Subject, fmt.Sprint(r.Version))
	}
	return out
}
