package mask

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// KeySource is where an origin's root keys come from: exactly one of a file, an
// environment variable and a command. Only a file can be rotated by us.
type KeySource struct {
	File string // a key file, made if it doesn't exist
	// Env is the name of an environment variable that holds a key: 32 bytes in
	// hex or base64, or the content of a key file.
	Env string
	// Command prints the same on its standard output, as a client of a KMS or of
	// Vault does. It is run without a shell, and not longer than Timeout. What it
	// writes on standard error is not kept: it might quote the key.
	Command []string
	Timeout time.Duration // 0 means DefaultKeyTimeout
}

// DefaultKeyTimeout is how long a command may take to print a key.
const DefaultKeyTimeout = 15 * time.Second

// ParseKeySource reads file:PATH, env:NAME or command:PROGRAM ARGUMENTS…; a
// text without any of these is a path. The error is a *KeyError.
func ParseKeySource(text string) (KeySource, error) {
	kind, rest, found := strings.Cut(text, ":")
	source := KeySource{}
	switch {
	case found && kind == "env":
		source.Env = rest
	case found && kind == "command":
		source.Command = strings.Fields(rest)
	case found && kind == "file":
		source.File = rest
	default:
		source.File = text
	}
	if _, err := source.kind(); err != nil {
		return KeySource{}, err
	}
	return source, nil
}

// String names the source; a command without its arguments, which may hold a
// credential.
func (s KeySource) String() string {
	switch {
	case s.Env != "":
		return "env:" + s.Env
	case len(s.Command) > 0:
		return "command:" + s.Command[0]
	}
	return "file:" + s.File
}

// Format prints String, whatever the verb.
func (s KeySource) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText gives String: what is written down lacks a command's arguments.
func (s KeySource) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseKeySource.
func (s *KeySource) UnmarshalText(text []byte) error {
	source, err := ParseKeySource(string(text))
	if err == nil {
		*s = source
	}
	return err
}

func (s KeySource) kind() (string, error) {
	var given []string
	if s.File != "" {
		given = append(given, "file")
	}
	if s.Env != "" {
		given = append(given, "env")
	}
	if len(s.Command) > 0 {
		given = append(given, "command")
	}
	if len(given) != 1 {
		return "", &KeyError{
			Code: CodeKeySource, Why: fmt.Sprintf("a key comes from one source, and %d are given", len(given)), Cure: "give file:PATH, env:NAME or command:PROGRAM",
		}
	}
	return given[0], nil
}

// Load gets the keys. A file that doesn't exist is made. The error is a *KeyError.
func (s KeySource) Load(ctx context.Context) (*Ring, error) {
	kind, err := s.kind()
	if err != nil {
		return nil, err
	}
	var text []byte
	switch kind {
	case "file":
		return LoadOrCreateRing(s.File)
	case "env":
		text = []byte(os.Getenv(s.Env))
	default:
		if text, err = s.run(ctx); err != nil {
			return nil, err
		}
	}
	defer clear(text)
	keys, err := decodeSource(text)
	if err != nil {
		return nil, &KeyError{
			Code: CodeKeySource, Why: s.String() + " gives no key", Cure: "have it give 32 bytes in hex (64 characters) or base64 (44), or the content of a key file",
		}
	}
	defer func() {
		for _, k := range keys {
			clear(k.root)
		}
	}()
	ring, err := newRing("", keys)
	if err != nil {
		return nil, &KeyError{Code: CodeKeySource, Why: s.String() + " gives no usable key", Cure: "have it give a random key of 32 bytes"}
	}
	return ring, nil
}

// run runs the command and returns its output.
func (s KeySource) run(ctx context.Context) ([]byte, error) {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = DefaultKeyTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	command := exec.CommandContext(ctx, s.Command[0], s.Command[1:]...)
	command.WaitDelay = time.Second // for children that keep its output open
	var out limited
	command.Stdout, command.Stderr = &out, io.Discard
	err := command.Run()
	switch {
	case err == nil:
		return out.text, nil
	case ctx.Err() != nil:
		err = fmt.Errorf("it took longer than %s, or was cancelled: %w", timeout, ctx.Err())
	case errors.Is(err, errTooLong):
		err = errTooLong
	}
	clear(out.text)
	return nil, &KeyError{
		Code: CodeKeySource, Why: s.String() + " failed: " + err.Error(), Cure: "run it by hand as this user; its standard error is not kept here", cause: err,
	}
}

var errTooLong = errors.New("it printed more than a key file has")

// limited keeps what is written to it, and refuses more than a key file has.
type limited struct{ text []byte }

func (l *limited) Write(p []byte) (int, error) {
	if len(l.text)+len(p) > maxKeyFile {
		return 0, errTooLong
	}
	l.text = append(l.text, p...)
	return len(p), nil
}

// decodeSource reads a key in hex or base64, or a key file's content.
func decodeSource(text []byte) ([]rawKey, error) {
	trimmed := bytes.TrimSpace(text)
	one := func(root []byte) []rawKey { return []rawKey{{info: KeyInfo{State: KeyActive}, root: root}} }
	if len(trimmed) == hex.EncodedLen(KeySize) {
		if root, err := hex.DecodeString(string(trimmed)); err == nil {
			return one(root), nil
		}
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if root, err := encoding.DecodeString(string(trimmed)); err == nil && len(root) == KeySize {
			return one(root), nil
		}
	}
	return decodeRing("", append(trimmed, '\n'))
}
