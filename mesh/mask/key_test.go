package mask

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
)

func testRoot() []byte { return []byte("an origin's root key: 32 bytes !") }

func testKey(t testing.TB) Key {
	t.Helper()
	k, err := NewKey(testRoot())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A key would be made anew, so that every join breaks, or a damaged one be used.
func TestLoadOrCreateKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "production.key")
	first, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateKey(path)
	if err != nil || again.ID() != first.ID() || first.ID() == "" {
		t.Fatalf("loaded %v, %v; made %v", again, err, first)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("files left behind: %v", files)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	damaged[30] ^= 1
	for name, text := range map[string][]byte{
		"empty": {}, "truncated": whole[:50], "without check sum": whole[:len(keyPrefix)+64], "damaged": damaged,
		"something else": []byte("password\n"), "with more behind": append(bytes.Clone(whole), "x"...),
	} {
		other := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(other, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadOrCreateKey(other)
		var e *KeyError
		if !errors.As(err, &e) || e.Code != CodeKeyInvalid || e.Path != other || e.Cure == "" {
			t.Errorf("%s: %v", name, err)
		}
		if kept, _ := os.ReadFile(other); !bytes.Equal(kept, text) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// Others on the machine would read the key, and nobody would notice.
func TestExposedKeyIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := LoadOrCreateKey(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadOrCreateKey(path)
		var e *KeyError
		if !errors.As(err, &e) || e.Code != CodeKeyExposed {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(path, "below-a-file")} {
		_, err := LoadOrCreateKey(path)
		var e *KeyError
		if !errors.As(err, &e) || e.Code != CodeKeyUnreadable {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Two processes that start together would have two keys.
func TestKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			k, err := LoadOrCreateKey(path)
			if err != nil {
				t.Error(err)
			}
			ids[i] = k.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("several keys: %v", ids)
		}
	}
}

// The key would stand in a log, an error or a dump of the configuration.
func TestKeyIsNeverShown(t *testing.T) {
	k := testKey(t)
	m, err := New("p", Policy{}, "staging", k)
	if err != nil {
		t.Fatal(err)
	}
	type settings struct {
		Name  string
		Key   Key
		inner Key
		any   any
	}
	var shown bytes.Buffer
	for _, v := range []any{k, &k, settings{"x", k, k, k}, &settings{"x", k, k, &k}, []Key{k}, map[string]Key{"k": k}, m, *m} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%t", "%p"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		if text, err := json.Marshal(v); err == nil {
			shown.Write(text)
		}
	}
	log := zerolog.New(&shown)
	log.Info().Interface("key", k).Any("settings", settings{"x", k, k, k}).Stringer("s", k).Str("f", fmt.Sprint(k)).Msg("configured")
	root := testRoot()
	for _, secret := range []string{
		string(root), hex.EncodeToString(root), strings.ToUpper(hex.EncodeToString(root)), strings.Trim(fmt.Sprintf("%d", root), "[]"),
		fmt.Sprintf("%#v", root)[7:40],
	} {
		if strings.Contains(shown.String(), secret) {
			t.Errorf("the key is shown:\n%s", shown.String())
		}
	}
	if !strings.Contains(shown.String(), k.ID()) {
		t.Error("not even the id is shown")
	}
	for _, bad := range [][]byte{nil, make([]byte, KeySize), make([]byte, 31)} {
		if _, err := NewKey(bad); err == nil {
			t.Errorf("a key of %d bytes is accepted", len(bad))
		}
	}
	if (Key{}).String() != "mask.Key(none)" || !(Key{}).IsZero() {
		t.Error("the zero key passes for one")
	}
}
