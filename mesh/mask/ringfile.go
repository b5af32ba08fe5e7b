package mask

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A ring's file has a line for each key, its state, ID, since when, and the key
// with its check sum, and ends with a check sum over all of that:
//
//	lockstep-key-ring-1
//	retiring k0123… 2026-01-01T00:00:00Z 89ab…:cdef…
//	active k4567… 2026-07-01T00:00:00Z 0123…:4567…
//	sum 89abcdef
//
// A file of a single key (keyPrefix) is a ring of one.
const ringHeader = "lockstep-key-ring-1"

// maxKeyFile bounds a key file: room for some three hundred keys.
const maxKeyFile = 64 << 10

// rawKey is a key as a file holds it.
type rawKey struct {
	info KeyInfo
	root []byte // nil if it is destroyed; whoever reads it clears it
}

// LoadRing reads the ring in the file at path; a file of a single key is a ring
// of one. What is refused is what LoadKey refuses. The error is a *KeyError.
func LoadRing(path string) (*Ring, error) {
	_, ring, err := readRing(path)
	return ring, err
}

// LoadOrCreateRing reads the ring in the file at path, or makes one of one key
// there if the file doesn't exist, as LoadOrCreateKey does.
func LoadOrCreateRing(path string) (*Ring, error) {
	if _, err := LoadOrCreateKey(path); err != nil {
		return nil, err
	}
	return LoadRing(path)
}

// RotateRing adds a new key to the ring in the file at path and makes it the
// active one; the one that was stays as a retiring one. The file is replaced at
// once and as a whole. The error is a *KeyError.
func RotateRing(path string, now time.Time) (*Ring, error) {
	return changeRing(path, func(keys []rawKey) ([]rawKey, error) {
		root, err := randomRoot()
		if err != nil {
			return nil, &KeyError{Code: CodeKeyUnreadable, Path: path, Why: "no random key can be made: " + err.Error(), Cure: "check the system", cause: err}
		}
		for i := range keys {
			if keys[i].info.State == KeyActive {
				keys[i].info.State, keys[i].info.Since = KeyRetiring, now.UTC().Truncate(time.Second)
			}
		}
		return append(keys, rawKey{info: KeyInfo{State: KeyActive, Since: now.UTC().Truncate(time.Second)}, root: root}), nil
	})
}

// DestroyKey removes a retiring key from the ring in the file at path; only its
// ID stays. What was encrypted with it can't be revealed any more, and values of
// before and after its rotation can't be mapped onto each other. Copies of the
// file, and blocks that the disk still holds of the former one, are not this
// function's to reach. The error is a *KeyError.
func DestroyKey(path, id string, now time.Time) (*Ring, error) {
	return changeRing(path, func(keys []rawKey) ([]rawKey, error) {
		for i := range keys {
			if keys[i].info.ID != id {
				continue
			}
			if keys[i].info.State != KeyRetiring {
				return nil, &KeyError{
					Code: CodeKeyUnknown, Path: path, Why: fmt.Sprintf("the key %s is %s", id, keys[i].info.State), Cure: "only a retiring key can be destroyed: rotate first",
				}
			}
			clear(keys[i].root)
			keys[i].root = nil
			keys[i].info.State, keys[i].info.Since = KeyDestroyed, now.UTC().Truncate(time.Second)
			return keys, nil
		}
		return nil, &KeyError{Code: CodeKeyUnknown, Path: path, Why: fmt.Sprintf("there is no key %q", id), Cure: "list the ring's keys"}
	})
}

func readRing(path string) ([]rawKey, *Ring, error) {
	text, err := readKeyFile(path)
	if err != nil {
		return nil, nil, err
	}
	defer clear(text)
	keys, err := decodeRing(path, text)
	if err != nil {
		return nil, nil, err
	}
	ring, err := newRing(path, keys)
	if err != nil {
		return nil, nil, err
	}
	for i := range keys { // a file of a single key doesn't name it
		if keys[i].info.ID == "" {
			keys[i].info.ID = ring.Active().ID()
		}
	}
	return keys, ring, nil
}

// changeRing replaces the ring's file by what change makes of it, one process
// at a time.
func changeRing(path string, change func([]rawKey) ([]rawKey, error)) (*Ring, error) {
	unlock, err := lockRing(path)
	if err != nil {
		return nil, err
	}
	ring, err := changeLocked(path, change)
	return ring, errors.Join(err, unlock())
}

func changeLocked(path string, change func([]rawKey) ([]rawKey, error)) (*Ring, error) {
	keys, _, err := readRing(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, k := range keys {
			clear(k.root)
		}
	}()
	if keys, err = change(keys); err != nil {
		return nil, err
	}
	ring, err := newRing(path, keys)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i].info.ID == "" {
			keys[i].info.ID = ring.Active().ID()
		}
	}
	text := encodeRing(keys)
	defer clear(text)
	if err := replaceFile(path, text); err != nil {
		return nil, &KeyError{
			Code: CodeKeyUnreadable, Path: path, Why: "can't be replaced: " + err.Error(), Cure: "make its folder writable for this user; the file is as it was", cause: err,
		}
	}
	return ring, nil
}

// lockRing makes a file beside the ring's that only one process can make.
func lockRing(path string) (unlock func() error, err error) {
	name := path + ".lock"
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, &KeyError{
			Code: CodeKeyBusy, Path: path, Why: "another process is changing it, or one ended while it did", Cure: "try again; if nobody is, remove " + name, cause: err,
		}
	}
	if err != nil {
		return nil, &KeyError{Code: CodeKeyUnreadable, Path: path, Why: "can't be locked: " + err.Error(), Cure: "make its folder writable for this user", cause: err}
	}
	return func() error {
		if err := errors.Join(file.Close(), os.Remove(name)); err != nil {
			return &KeyError{Code: CodeKeyBusy, Path: path, Why: "its lock can't be removed: " + err.Error(), Cure: "remove " + name, cause: err}
		}
		return nil
	}, nil
}

// replaceFile puts a new file in another one's place, so that the path holds
// either of them as a whole, whatever happens.
func replaceFile(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	if _, err := file.Write(text); err != nil {
		return errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncDir(dir)
}

func damagedKey(path string) error {
	return &KeyError{
		Code: CodeKeyInvalid, Path: path, Why: "it doesn't hold a whole key: it is truncated, damaged or something else",
		Cure: "restore it from its backup; remove it only if losing all joins with what was masked before is acceptable",
	}
}

func encodeRing(keys []rawKey) []byte {
	var b bytes.Buffer
	b.WriteString(ringHeader + "\n")
	for _, k := range keys {
		since := "-"
		if !k.info.Since.IsZero() {
			since = k.info.Since.Format(time.RFC3339)
		}
		fmt.Fprintf(&b, "%s %s %s ", k.info.State, k.info.ID, since)
		if k.root == nil {
			b.WriteString("-\n")
			continue
		}
		b.WriteString(strings.TrimPrefix(encodeKey(k.root), keyPrefix))
	}
	fmt.Fprintf(&b, "sum %s\n", ringSum(b.Bytes()))
	return b.Bytes()
}

func ringSum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

// decodeRing reads a key file of either format. Its error says nothing of what
// it holds.
func decodeRing(path string, text []byte) ([]rawKey, error) {
	if root, ok := decodeKey(string(text)); ok {
		return []rawKey{{info: KeyInfo{State: KeyActive}, root: root}}, nil
	}
	end := bytes.LastIndex(text, []byte("sum "))
	if !bytes.HasPrefix(text, []byte(ringHeader+"\n")) || end < 0 ||
		!hmac.Equal(text[end:], []byte("sum "+ringSum(text[:end])+"\n")) {
		return nil, damagedKey(path)
	}
	var keys []rawKey
	for line := range strings.Lines(string(text[len(ringHeader)+1 : end])) {
		f := strings.Fields(line)
		if len(f) != 4 {
			return nil, damagedKey(path)
		}
		k := rawKey{info: KeyInfo{State: KeyState(f[0]), ID: f[1]}}
		if f[2] != "-" {
			since, err := time.Parse(time.RFC3339, f[2])
			if err != nil {
				return nil, damagedKey(path)
			}
			k.info.Since = since
		}
		if !slices.Contains([]KeyState{KeyActive, KeyRetiring, KeyDestroyed}, k.info.State) || (f[3] == "-") != (k.info.State == KeyDestroyed) {
			return nil, damagedKey(path)
		}
		if f[3] != "-" {
			root, ok := decodeKey(keyPrefix + f[3])
			if !ok {
				return nil, damagedKey(path)
			}
			k.root = root
		}
		keys = append(keys, k)
	}
	return keys, nil
}
