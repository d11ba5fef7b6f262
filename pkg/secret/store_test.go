package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zalando/go-keyring"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// fakeKeyring stores values, fails, or never answers.
type fakeKeyring struct {
	mu     sync.Mutex
	items  map[string]string
	err    error
	hang   chan struct{} // calls wait until it is closed
	calls  int
	called func() // called for each call
}

func (f *fakeKeyring) Set(service, user, password string) error {
	return f.do(func() error { f.items[service+"|"+user] = password; return nil })
}

func (f *fakeKeyring) Get(service, user string) (text string, err error) {
	err = f.do(func() error {
		var ok bool
		if text, ok = f.items[service+"|"+user]; !ok {
			return keyring.ErrNotFound
		}
		return nil
	})
	return text, err
}

func (f *fakeKeyring) Delete(service, user string) error {
	return f.do(func() error {
		if _, ok := f.items[service+"|"+user]; !ok {
			return keyring.ErrNotFound
		}
		delete(f.items, service+"|"+user)
		return nil
	})
}

func (f *fakeKeyring) do(call func() error) error {
	f.mu.Lock()
	f.calls++
	err, hang := f.err, f.hang
	f.mu.Unlock()
	if f.called != nil {
		f.called()
	}
	if hang != nil {
		<-hang
		return errors.New("too late")
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return call()
}

func newKeyring() *fakeKeyring { return &fakeKeyring{items: map[string]string{}} }

func hungKeyring(t *testing.T) *fakeKeyring {
	f := newKeyring()
	f.hang = make(chan struct{})
	t.Cleanup(func() { close(f.hang) })
	return f
}

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 1, time.UTC) }

func newStore(t *testing.T, k systemKeyring, noKeyring bool) *Store {
	return at(filepath.Join(t.TempDir(), "sub", "secrets.json"), k, noKeyring)
}

func at(path string, k systemKeyring, noKeyring bool) *Store {
	return New(Options{File: path, keyring: k, NoKeyring: noKeyring, keyringTimeout: 30 * time.Millisecond, Now: noon})
}

var (
	tokenKey = Key{Kind: Token, Server: "https://a.example", Name: "prod"}
	hookKey  = Key{Kind: Webhook, Server: "https://a.example", Name: "7e5c"}
)

// TestStore stores, reads and deletes a secret in each place.
func TestStore(t *testing.T) {
	for name, test := range map[string]struct {
		keyring func(*testing.T) *fakeKeyring
		no      bool
		place   Place
		told    string
	}{
		"keyring":    {func(*testing.T) *fakeKeyring { return newKeyring() }, false, Keyring, "the system's keyring"},
		"no keyring": {func(*testing.T) *fakeKeyring { return newKeyring() }, true, File, "secrets.json, which only you can read"},
		"failing": {func(*testing.T) *fakeKeyring { return &fakeKeyring{err: errors.New("no bus")} }, false, File,
			"since the keyring cannot be used (no bus)"},
		"hanging": {hungKeyring, false, File, "(no answer within 30ms)"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, ring := t.Context(), test.keyring(t)
			s := newStore(t, ring, test.no)
			if _, err := s.Get(ctx, tokenKey); !errors.Is(err, ErrNotFound) {
				t.Fatalf("before it is kept: %v", err)
			}
			e := Entry{Info: Info{Key: tokenKey, Origin: Login}, Value: "the-token"}
			saved, err := s.Set(ctx, e)
			if err != nil || saved.Place != test.place || !strings.Contains(saved.String(), test.told) {
				t.Fatalf("kept in %s, %v; want %s", saved, err, test.told)
			}
			again := at(s.path, ring, test.no) // as another process would open it
			got, err := again.Get(ctx, tokenKey)
			e.Place, e.Stored = test.place, noon().Truncate(time.Second)
			if err != nil || !cmp.Equal(e, got) {
				t.Errorf("got %+v of %s, %v; want %+v", got.Info, got.Value, err, e.Info)
			}
			if infos, err := again.List(Token); err != nil || !cmp.Equal(infos, []Info{e.Info}) {
				t.Errorf("list: %v, %v", infos, err)
			}
			text, err := os.ReadFile(s.path)
			if err != nil || strings.Contains(string(text), "the-token") != (test.place == File) {
				t.Errorf("the file holds %s, %v", text, err)
			}
			if err := again.Delete(ctx, tokenKey); err != nil {
				t.Error(err)
			}
			if _, err := s.Get(ctx, tokenKey); !errors.Is(err, ErrNotFound) {
				t.Errorf("after it is forgotten: %v", err)
			}
			if err := again.Delete(ctx, tokenKey); !errors.Is(err, ErrNotFound) {
				t.Errorf("forgotten twice: %v", err)
			}
			if len(ring.items) > 0 {
				t.Errorf("left in the keyring: %v", ring.items)
			}
		})
	}
}

// TestWaitsForHungKeyringOnlyOnce checks that storing several secrets waits only
// once for a keyring that hangs.
func TestWaitsForHungKeyringOnlyOnce(t *testing.T) {
	ring := hungKeyring(t)
	s := newStore(t, ring, false)
	for _, k := range []Key{tokenKey, hookKey} {
		if _, err := s.Set(t.Context(), Entry{Info: Info{Key: k}, Value: "v"}); err != nil {
			t.Fatal(err)
		}
	}
	ring.mu.Lock()
	defer ring.mu.Unlock()
	if ring.calls != 1 {
		t.Errorf("the keyring was asked %d times", ring.calls)
	}
}

func TestKeyringThatHasItFails(t *testing.T) {
	ring := newKeyring()
	s := newStore(t, ring, false)
	if _, err := s.Set(t.Context(), Entry{Info: Info{Key: tokenKey}, Value: "the-token"}); err != nil {
		t.Fatal(err)
	}
	ring.err = errors.New("locked")
	_, err := s.Get(t.Context(), tokenKey)
	var problem *fault.Error
	if !errors.As(err, &problem) || errors.Is(err, ErrNotFound) || !strings.Contains(problem.Hint, "unlock") {
		t.Errorf("get: %v", err)
	}
	if err := s.Delete(t.Context(), tokenKey); err == nil {
		t.Errorf("delete: %v", err)
	}
	if infos, _ := s.List(Token); len(infos) != 1 {
		t.Error("a secret that could not be deleted is no longer listed")
	}
	ring.err, ring.items = nil, map[string]string{}
	if _, err := s.Get(t.Context(), tokenKey); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed from the keyring by hand: %v", err)
	}
}

// TestMove changes the place of a secret. It must not stay in the old one.
func TestMove(t *testing.T) {
	ring := newKeyring()
	inRing := newStore(t, ring, false)
	inFile := at(inRing.path, ring, true)
	for i, step := range []struct {
		store *Store
		place Place
	}{{inRing, Keyring}, {inFile, File}, {inRing, Keyring}} {
		value := fmt.Sprint("value", i)
		if _, err := step.store.Set(t.Context(), Entry{Info: Info{Key: tokenKey}, Value: value}); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(inRing.path)
		if strings.Contains(string(text), "value") != (step.place == File) || (len(ring.items) > 0) != (step.place == Keyring) {
			t.Errorf("step %d: the file has %s, the keyring %v", i, text, ring.items)
		}
		for _, s := range []*Store{inRing, inFile} {
			if e, err := s.Get(t.Context(), tokenKey); err != nil || e.Value != value {
				t.Errorf("step %d: got %q, %v", i, e.Value, err)
			}
		}
	}
}

func TestRotate(t *testing.T) {
	for _, noKeyring := range []bool{false, true} {
		s, ctx := newStore(t, newKeyring(), noKeyring), t.Context()
		for _, value := range []string{"aa", "bb", "cc", "cc", "bb"} {
			if _, err := s.Rotate(ctx, hookKey, value, Generated); err != nil {
				t.Fatal(err)
			}
		}
		e, err := s.Get(ctx, hookKey)
		if err != nil || e.Value != "bb" || !cmp.Equal(e.Old, []string{"cc", "aa"}) || e.Origin != Generated {
			t.Errorf("got %s, old %v, %v", e.Value, e.Old, err)
		}
		if err := s.ForgetOld(ctx, hookKey); err != nil {
			t.Error(err)
		}
		if e, err := s.Get(ctx, hookKey); err != nil || e.Value != "bb" || len(e.Old) > 0 || e.Origin != Generated {
			t.Errorf("got %s, old %v, %v", e.Value, e.Old, err)
		}
		if err := s.ForgetOld(ctx, tokenKey); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
}

func TestApplied(t *testing.T) {
	s, ctx := newStore(t, newKeyring(), false), t.Context()
	compare := func(server, id, text string, want Drift) {
		t.Helper()
		if got, err := s.compare(Key{Kind: Applied, Server: server, Name: id}, text); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	compare("https://a", "1", "credentials", Unknown)
	for _, id := range []string{"1", "2"} {
		if err := s.setApplied(ctx, Key{Kind: Applied, Server: "https://a", Name: id}, "credentials"); err != nil {
			t.Fatal(err)
		}
	}
	compare("https://a", "1", "credentials", Same)
	compare("https://a", "1", "credential", Changed)
	compare("https://b", "1", "credentials", Unknown)
	c, err := s.load()
	if err != nil || len(c.Entries) != 2 || cmp.Equal(c.Entries[0].Sum, c.Entries[1].Sum) {
		t.Error("the same credentials have the same fingerprint twice", err)
	}
	if text, _ := os.ReadFile(s.path); strings.Contains(string(text), "credentials") {
		t.Errorf("%s", text)
	}
	key := Key{Kind: Applied, Server: "https://a", Name: "1"}
	if _, err := s.Get(ctx, key); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := s.Delete(ctx, key); err != nil {
		t.Error(err)
	}
	compare("https://a", "1", "credentials", Unknown)
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file modes on Windows")
	}
	s := newStore(t, newKeyring(), true)
	set := func() error {
		_, err := s.Set(t.Context(), Entry{Info: Info{Key: tokenKey}, Value: "v"})
		return err
	}
	if err := set(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		s.path: 0o600, s.path + ".lock": 0o600, filepath.Dir(s.path): 0o700 | os.ModeDir,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(s.path, mode); err != nil {
			t.Fatal(err)
		}
		_, getErr := s.Get(t.Context(), tokenKey)
		_, listErr := s.List(Token)
		for _, err := range []error{getErr, listErr, set(), s.Check(t.Context())} {
			var problem *fault.Error
			if !errors.As(err, &problem) || !strings.Contains(problem.Hint, "chmod 600 "+s.path) {
				t.Errorf("mode %o: %v", mode, err)
			}
		}
	}
}

func TestUnusableFile(t *testing.T) {
	for name, text := range map[string]string{
		"empty":      "",
		"damaged":    `{"version": 1, "entries": [{"value": "hunter2`,
		"other kind": `{"version": "hunter2"}`,
		"newer":      `{"version": 2}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secrets.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := at(path, newKeyring(), true)
			_, err := s.Set(t.Context(), Entry{Info: Info{Key: tokenKey}, Value: "v"})
			var problem *fault.Error
			if !errors.As(err, &problem) || !strings.Contains(err.Error(), path) || problem.Hint == "" || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
			if got, _ := os.ReadFile(path); string(got) != text {
				t.Errorf("the file was overwritten: %s", got)
			}
		})
	}
}

// TestReadOnlyFolder also puts a file where the folder should be, since root
// may write into any folder.
func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	paths := []string{"", filepath.Join(blocked, "secrets.json")}
	readOnly := filepath.Join(dir, "read-only")
	if err := os.Mkdir(readOnly, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Log("a read-only folder does not stop this user; only a missing one is tested")
	} else {
		paths = append(paths, filepath.Join(readOnly, "secrets.json"))
	}
	for _, path := range paths {
		ring := newKeyring()
		s := at(path, ring, false)
		if err := s.Check(t.Context()); err == nil {
			t.Errorf("%q: check: %v", path, err)
		}
		_, err := s.Set(t.Context(), Entry{Info: Info{Key: tokenKey}, Value: "the-token"})
		if err == nil || strings.Contains(err.Error(), "the-token") || len(ring.items) > 0 {
			t.Errorf("%q: set: %v, and in the keyring %v", path, err, ring.items)
		}
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	e := Entry{Info: Info{Key: tokenKey}, Value: "the-token", Old: []string{"the-token"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, []any{e, &e}); strings.Contains(text, "the-token") {
			t.Errorf("%s: %s", verb, text)
		}
	}
	if text, err := json.Marshal(e); err != nil || strings.Contains(string(text), "the-token") {
		t.Errorf("JSON: %s, %v", text, err)
	}
}

// TestCancelled interrupts while the keyring waits for its owner. The secret must
// not end up in the file.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ring := hungKeyring(t)
	s := New(Options{File: filepath.Join(t.TempDir(), "secrets.json"), keyring: ring, keyringTimeout: time.Hour})
	ring.called = cancel
	_, err := s.Set(ctx, Entry{Info: Info{Key: tokenKey}, Value: "v"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if infos, err := s.List(Token); err != nil || len(infos) > 0 {
		t.Errorf("stored despite the cancellation: %v, %v", infos, err)
	}
}
