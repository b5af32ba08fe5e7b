package mask

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// KeySize is the length of a root key in bytes.
const KeySize = 32

// Key is an origin's root key, from which every token's key is derived. It
// can't be printed, logged or marshalled: all of these give its ID. The zero
// Key is no key, and nothing can be masked with it.
type Key struct {
	id string
	// derive holds the key in its closure, out of reach of printing by reflection.
	derive func(info string) []byte
}

// NewKey makes a key of KeySize random bytes, which it copies.
func NewKey(root []byte) (Key, error) {
	if len(root) != KeySize {
		return Key{}, &KeyError{
			Code: CodeKeyInvalid, Why: fmt.Sprintf("a root key has %d bytes, and %d were given", KeySize, len(root)),
			Cure: "give the whole key, or let a new one be made",
		}
	}
	secret := [KeySize]byte(root)
	if secret == [KeySize]byte{} {
		return Key{}, &KeyError{Code: CodeKeyInvalid, Why: "the root key is all zeros", Cure: "let a new key be made"}
	}
	derive := func(info string) []byte {
		key, err := hkdf.Key(sha256.New, secret[:], nil, info, sha256.Size)
		if err != nil { // only for a length that HKDF can't give
			panic("mask: deriving a key: " + err.Error()) //nolint:forbidigo // the length is a constant
		}
		return key
	}
	return Key{id: "k" + hex.EncodeToString(derive("lockstep/key-id/1")[:8]), derive: derive}, nil
}

// GenerateKey makes a new random key.
func GenerateKey() (Key, error) {
	root, err := randomRoot()
	if err != nil {
		return Key{}, err
	}
	return NewKey(root)
}

// ID is the key's public name: a fingerprint from which nothing of the key can
// be told. It is empty for the zero Key.
func (k Key) ID() string { return k.id }

// IsZero reports whether k is no key.
func (k Key) IsZero() bool { return k.derive == nil }

// String is the key's ID in words; it never shows the key.
func (k Key) String() string {
	if k.IsZero() {
		return "mask.Key(none)"
	}
	return "mask.Key(" + k.id + ")"
}

// GoString is String: %#v shows no more.
func (k Key) GoString() string { return k.String() }

// Format prints String, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalJSON and MarshalText give the ID; a key can't be read back from them.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + k.id + `"`), nil }

// MarshalText gives the ID.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.id), nil }

// The codes of a KeyError. They are stable: programs may compare them.
const (
	CodeKeyExposed    = "key_exposed"    // others may read the key's file
	CodeKeyInvalid    = "key_invalid"    // the file holds no whole key
	CodeKeyUnreadable = "key_unreadable" // the file can't be read, written or made
	CodeKeySource     = "key_source"     // the environment variable or command gives no key
	CodeKeyUnknown    = "key_unknown"    // the ring has no such key, or not in that state
	CodeKeyBusy       = "key_busy"       // somebody else is changing the ring
)

// KeyError says why there is no key. It never holds any of the key.
type KeyError struct {
	Code string // one of the CodeKey constants
	Path string // the key's file, if it has one
	Why  string
	Cure string

	cause error
}

// Error says which file, why and how to mend it, in one line.
func (e *KeyError) Error() string {
	place := "key"
	if e.Path != "" {
		place = "key file " + e.Path
	}
	return fmt.Sprintf("%s (%s): %s; %s", place, e.Code, e.Why, e.Cure)
}

// Unwrap returns the operating system's error, where there is one.
func (e *KeyError) Unwrap() error { return e.cause }

// keyPrefix begins a key file; then come the key and its check sum in hex.
const keyPrefix = "lockstep-root-key-1:"

// LoadOrCreateKey reads the root key in the file at path, or makes a new one
// there (mode 0600, in a folder of mode 0700 if it must make that too) when the
// file doesn't exist. Of several processes that do so at once, all get the same
// key. A file that others may read, or that doesn't hold a whole key, is
// refused: a new key would silently break every join. The error is a *KeyError.
func LoadOrCreateKey(path string) (Key, error) {
	key, err := LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := createKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, &KeyError{
			Code: CodeKeyUnreadable, Path: path, Why: "can't be made: " + err.Error(),
			Cure: "make its folder writable for this user, or give another path", cause: err,
		}
	}
	return LoadKey(path)
}

// LoadKey reads the root key in the file at path, of a ring its active one, as
// LoadOrCreateKey does, and makes none.
func LoadKey(path string) (Key, error) {
	text, err := readKeyFile(path)
	if err != nil {
		return Key{}, err
	}
	defer clear(text)
	entries, err := decodeRing(path, text)
	if err != nil {
		return Key{}, err
	}
	ring, err := newRing(path, entries)
	if err != nil {
		return Key{}, err
	}
	return ring.Active(), nil
}

// readKeyFile reads a file that only this user may read.
func readKeyFile(path string) ([]byte, error) {
	refuse := func(code, why, cure string, cause error) error {
		return &KeyError{Code: code, Path: path, Why: why, Cure: cure, cause: cause}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, refuse(CodeKeyUnreadable, err.Error(), "give the path of a key file that this user may read", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, refuse(CodeKeyUnreadable, err.Error(), "check the file system", err)
	}
	if !info.Mode().IsRegular() {
		return nil, refuse(CodeKeyUnreadable, "is no regular file", "give the path of a file", nil)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, refuse(CodeKeyExposed, fmt.Sprintf("its mode %04o lets others at it", perm), "chmod 600 it; if others could have read it, make a new key", nil)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, refuse(CodeKeyUnreadable, err.Error(), "check the file system", err)
	}
	return text, nil
}

// createKey writes a new key to a file of its own and links it into place, so
// that the path never holds half a key and never loses one.
func createKey(path string) (err error) {
	root, err := randomRoot()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	defer clear(root)
	if _, err := file.WriteString(encodeKey(root)); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories can't be synced there
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func randomRoot() ([]byte, error) {
	root := make([]byte, KeySize)
	_, err := rand.Read(root)
	return root, err
}

func encodeKey(root []byte) string {
	sum := sha256.Sum256(root)
	return keyPrefix + hex.EncodeToString(root) + ":" + hex.EncodeToString(sum[:4]) + "\n"
}

func decodeKey(text string) ([]byte, bool) {
	body, ok := strings.CutPrefix(strings.TrimSuffix(text, "\n"), keyPrefix)
	if !ok {
		return nil, false
	}
	encoded, check, ok := strings.Cut(body, ":")
	if !ok {
		return nil, false
	}
	root, err := hex.DecodeString(encoded)
	if err != nil || len(root) != KeySize {
		return nil, false
	}
	sum := sha256.Sum256(root)
	return root, hmac.Equal([]byte(check), []byte(hex.EncodeToString(sum[:4])))
}
