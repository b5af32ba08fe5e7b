package topology

import (
	"errors"
	"path/filepath"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// KeySource is where an origin's root key comes from: file:PATH, env:NAME or
// command:PROGRAM ARGUMENTS. It says where to look and holds no key itself.
type KeySource string

// Source is where to look, with a relative path taken from the environment's
// own folder of the data directory. The empty KeySource is the file
// keys/mask.key there. The error is a *mask.KeyError.
func (s KeySource) Source(folder string) (mask.KeySource, error) {
	if s == "" {
		s = "file:keys/mask.key"
	}
	source, err := mask.ParseKeySource(string(s))
	if err == nil && source.File != "" && !filepath.IsAbs(source.File) {
		source.File = filepath.Join(folder, source.File)
	}
	return source, err
}

// UnmarshalText refuses what names no source.
func (s *KeySource) UnmarshalText(text []byte) error {
	if _, err := mask.ParseKeySource(string(text)); err != nil {
		why := err.Error()
		if refused := (*mask.KeyError)(nil); errors.As(err, &refused) {
			why = refused.Why
		}
		return &ValueError{What: "this is no source of keys", Why: why, Cure: "write file:PATH, env:NAME or command:PROGRAM ARGUMENTS"}
	}
	*s = KeySource(text)
	return nil
}

// MarshalText is the source as it was written.
func (s KeySource) MarshalText() ([]byte, error) { return []byte(s), nil }

// Article names the type in messages.
func (KeySource) Article() string { return "a source of keys, file:PATH, env:NAME or command:PROGRAM" }
