package mask

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

var ringTime = time.Date(2026, 7, 1, 12, 0, 0, 5, time.UTC)

func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	var e *KeyError
	if !errors.As(err, &e) || e.Code != code || e.Why == "" || e.Cure == "" {
		t.Errorf("%v, want %s", err, code)
	}
}

// A rotation would lose the former key, and with it what was encrypted; or a
// destroyed key would go on being used; or today's key files not be read.
func TestRingLifecycle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "production.key")
	key, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := LoadRing(path)
	if err != nil || ring.Active().ID() != key.ID() || len(ring.Keys()) != 1 || ring.Keys()[0] != (KeyInfo{ID: key.ID(), State: KeyActive}) {
		t.Fatalf("%v, %v", ring, err)
	}
	p := Policy{Classes: map[string]Rule{"email": {Technique: Encrypt}}}
	encrypt := func(k Key) string {
		m, err := New("p", p, "staging", k)
		if err != nil {
			t.Fatal(err)
		}
		return text(t, must(t, m, Email, str("ada@example.org"), nil, nil))
	}
	old := encrypt(ring.Active())
	if ring, err = RotateRing(path, ringTime); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadOrCreateRing(path)
	if err != nil || fmt.Sprint(loaded.Keys()) != fmt.Sprint(ring.Keys()) || len(ring.Keys()) != 2 {
		t.Fatalf("%v, %v; rotated %v", loaded, err, ring)
	}
	if ring.Active().ID() == key.ID() || ring.Keys()[1] != (KeyInfo{ID: key.ID(), State: KeyRetiring, Since: ringTime.Truncate(time.Second)}) {
		t.Fatalf("keys %+v", ring.Keys())
	}
	if active, err := LoadKey(path); err != nil || active.ID() != ring.Active().ID() {
		t.Fatalf("LoadKey gives %v, %v", active, err)
	}
	young := encrypt(ring.Active())
	for encrypted, id := range map[string]string{old: key.ID(), young: ring.Active().ID()} {
		if plain, by, err := loaded.Reveal("staging", Email, encrypted); err != nil || plain != "ada@example.org" || by != id {
			t.Errorf("revealed %s by %s, %v", plain, by, err)
		}
		for _, other := range []struct {
			destination string
			class       Class
			encrypted   string
		}{{"testing", Email, encrypted}, {"staging", Login, encrypted}, {"staging", Email, encrypted[1:]}, {"staging", Email, "?"}, {"staging", Email, ""}} {
			var refusal *Refusal
			if plain, _, err := loaded.Reveal(other.destination, other.class, other.encrypted); !errors.As(err, &refusal) || plain != "" {
				t.Errorf("%+v: %s, %v", other, plain, err)
			}
		}
	}
	if k, ok := ring.Key(key.ID()); !ok || k.ID() != key.ID() {
		t.Error("the retiring key isn't there")
	}
	_, err = DestroyKey(path, ring.Active().ID(), ringTime)
	wantCode(t, err, CodeKeyUnknown)
	_, err = DestroyKey(path, "nosuch", ringTime)
	wantCode(t, err, CodeKeyUnknown)
	before, _ := os.ReadFile(path)
	if ring, err = DestroyKey(path, key.ID(), ringTime); err != nil {
		t.Fatal(err)
	}
	if _, ok := ring.Key(key.ID()); ok || ring.Keys()[1].State != KeyDestroyed {
		t.Errorf("keys %+v", ring.Keys())
	}
	after, _ := os.ReadFile(path)
	retired := strings.Fields(strings.Split(string(before), "\n")[1])[3]
	if bytes.Contains(after, []byte(retired[:20])) {
		t.Error("the destroyed key is still in the file")
	}
	if _, _, err := ring.Reveal("staging", Email, old); err == nil {
		t.Error("what a destroyed key encrypted is revealed")
	}
	if _, err := DestroyKey(path, key.ID(), ringTime); err == nil {
		t.Error("a key is destroyed twice")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("files left behind: %v", files)
	}
	var none *Ring
	if !none.Active().IsZero() || none.Keys() != nil {
		t.Error("a nil ring has keys")
	}
}

// A truncated or changed ring would be read as one with other keys.
func TestDamagedRingIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := LoadOrCreateRing(path); err != nil {
		t.Fatal(err)
	}
	if _, err := RotateRing(path, ringTime); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for _, damaged := range [][]byte{whole[:i], append(append(bytes.Clone(whole[:i]), whole[i]^1), whole[i+1:]...)} {
			if _, err := decodeRingFully(path, damaged); err == nil {
				t.Fatalf("damage at %d goes unseen", i)
			}
		}
	}
	lines := strings.SplitAfter(string(whole), "\n")
	for name, body := range map[string]string{
		"no active key": lines[0] + lines[1], "two active keys": lines[0] + lines[2] + strings.Replace(lines[1], "retiring", "active", 1),
		"one key twice": lines[0] + lines[1] + lines[1] + lines[2], "another id": lines[0] + strings.Replace(lines[2], "active k", "active kk", 1),
		"unknown state": lines[0] + strings.Replace(lines[1], "retiring", "resting", 1) + lines[2], "no keys": lines[0],
		"destroyed and there": lines[0] + strings.Replace(lines[1], "retiring", "destroyed", 1) + lines[2],
	} {
		if _, err := decodeRingFully(path, []byte(body+"sum "+ringSum([]byte(body))+"\n")); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := decodeRingFully(path, whole); err != nil {
		t.Error(err)
	}
}

func decodeRingFully(path string, text []byte) (*Ring, error) {
	keys, err := decodeRing(path, text)
	if err != nil {
		return nil, err
	}
	return newRing(path, keys)
}

// Two rotations at once would lose a key, or a lock left behind go unnoticed.
func TestRotationsDontCollide(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := LoadOrCreateRing(path); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	rotated := 1
	for range 8 {
		wg.Go(func() {
			if _, err := RotateRing(path, ringTime); err == nil {
				mu.Lock()
				rotated++
				mu.Unlock()
			} else {
				wantCode(t, err, CodeKeyBusy)
			}
		})
	}
	wg.Wait()
	if ring, err := LoadRing(path); err != nil || len(ring.Keys()) != rotated {
		t.Errorf("%v, %v, want %d keys", ring, err, rotated)
	}
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := RotateRing(path, ringTime)
	wantCode(t, err, CodeKeyBusy)
	if _, err := RotateRing(filepath.Join(t.TempDir(), "nosuch"), ringTime); err == nil {
		t.Error("a ring that isn't there is rotated")
	}
}

// A key would not be got from where an operator keeps it, or something that is
// no key be used; a command that hangs would hang the mesh.
func TestKeySources(t *testing.T) {
	root := testRoot()
	id := testKey(t).ID()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(encodeKey(root)), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(text string) (*Ring, error) {
		t.Helper()
		source, err := ParseKeySource(text)
		if err != nil {
			t.Fatal(err)
		}
		source.Timeout = 5 * time.Second
		return source.Load(t.Context())
	}
	for i, value := range []string{hex.EncodeToString(root), base64.StdEncoding.EncodeToString(root) + "\n", base64.RawURLEncoding.EncodeToString(root), encodeKey(root)} {
		t.Setenv("LOCKSTEP_TEST_KEY", value)
		if ring, err := load("env:LOCKSTEP_TEST_KEY"); err != nil || ring.Active().ID() != id {
			t.Errorf("value %d: %v, %v", i, ring, err)
		}
	}
	for _, source := range []string{path, "file:" + path, "command:cat " + path} {
		if ring, err := load(source); err != nil || ring.Active().ID() != id {
			t.Errorf("%s: %v, %v", source, ring, err)
		}
	}
	t.Setenv("LOCKSTEP_TEST_KEY", strings.Repeat("0", 64))
	for _, source := range []string{"env:LOCKSTEP_TEST_KEY", "env:LOCKSTEP_TEST_NO_KEY", "command:echo password", "command:false", "command:/nosuch/program secret", "command:yes"} {
		_, err := load(source)
		wantCode(t, err, CodeKeySource)
		if err != nil && (strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v", source, err)
		}
	}
	began := time.Now()
	_, err := KeySource{Command: []string{"sleep", "60"}, Timeout: 50 * time.Millisecond}.Load(t.Context())
	wantCode(t, err, CodeKeySource)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	for _, source := range []KeySource{{}, {File: path, Env: "X"}} {
		_, err := source.Load(t.Context())
		wantCode(t, err, CodeKeySource)
	}
	for _, text := range []string{"", "env:", "command: "} {
		_, err := ParseKeySource(text)
		wantCode(t, err, CodeKeySource)
	}
}

// Any of the keys would stand in a log, an error or a dump.
func TestNothingShowsAKey(t *testing.T) {
	ring, err := newRing("", []rawKey{{info: KeyInfo{State: KeyActive}, root: testRoot()}})
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{Classes: map[string]Rule{}}
	techniques := makingTechniques()
	for i, class := range Classes() {
		technique := techniques[i%len(techniques)]
		r := sampleRules()[technique]
		r.Technique = technique
		p.Classes[string(class)] = r
	}
	m, err := New("p", p, "staging", ring.Active())
	if err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	values := []any{ring, *ring, struct{ inner *Ring }{ring}, m, *m, KeySource{Command: []string{"get-key", string(testRoot())}}}
	for _, class := range Classes() {
		f := m.Field(class, nil, false, String)
		if _, err := f.Append(nil, String, []byte("2024-01-01"), subject("x")); err != nil && m.Technique(class) == Token {
			t.Error(err)
		}
		values = append(values, f, *f, m.recipes[class])
		if r := m.recipes[class]; r != nil {
			values = append(values, *r)
		}
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%t", "%p"} {
			if _, ok := v.(KeySource); ok && verb == "%p" {
				continue // a wrong verb prints fields, whatever a type has; no key is in it
			}
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		if text, err := json.Marshal(v); err == nil {
			shown.Write(text)
		}
	}
	log := zerolog.New(&shown)
	log.Info().Interface("ring", ring).Any("masker", m).Stringer("s", ring).Msg("configured")
	secrets := [][]byte{testRoot()}
	for _, purpose := range []string{"token", "fpe", "encrypt-mac", "encrypt-ctr", "hash", "noise", "date-shift"} {
		for _, class := range Classes() {
			secrets = append(secrets, ring.Active().derive(keyInfo(purpose, "staging", string(class))))
		}
	}
	text := strings.ToLower(shown.String())
	for _, secret := range secrets {
		for _, form := range []string{string(secret), hex.EncodeToString(secret[:8]), strings.Trim(fmt.Sprintf("%d", secret[:8]), "[]"), fmt.Sprintf("%#v", secret[:8])[7:40]} {
			if strings.Contains(text, strings.ToLower(form)) {
				at := strings.Index(text, strings.ToLower(form))
				t.Fatalf("a key is shown as %q in …%s", form, text[max(0, at-200):at])
			}
		}
	}
	if KeySource.String(KeySource{Command: []string{"vault", "token"}}) != "command:vault" {
		t.Error("a command's arguments are shown")
	}
}
