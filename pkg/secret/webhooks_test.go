package secret

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/config"
	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func parse(t *testing.T, text string) webhook.Secret {
	t.Helper()
	s, err := webhook.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keep(t *testing.T, a *Webhooks, id, text string) Kept {
	t.Helper()
	k, err := a.Keep(t.Context(), id, parse(t, text), Given)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func stored(t *testing.T, a *Webhooks, id string) string {
	t.Helper()
	secrets, err := a.Secrets(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, len(secrets))
	for i, s := range secrets {
		texts[i] = s.Hex()
	}
	return strings.Join(texts, " ")
}

func TestOrganizationsDoNotShareSecrets(t *testing.T) {
	for _, noKeyring := range []bool{true, false} {
		s, ctx := newStore(t, newKeyring(), noKeyring), t.Context()
		a, b := s.Webhooks(config.Account{Server: "https://a", Organization: "aaa"}), s.Webhooks(config.Account{Server: "https://a", Organization: "bbb"})
		keep(t, a, "1", "0011")
		keep(t, b, "1", "0022")
		if err := a.SetApplied(ctx, "1", parse(t, "0011")); err != nil {
			t.Fatal(err)
		}
		if got := stored(t, a, "1") + " " + stored(t, b, "1"); got != "0011 0022" {
			t.Errorf("got %s", got)
		}
		if drift, err := b.Compare(ctx, "1", parse(t, "0022")); drift != Unknown || err != nil {
			t.Errorf("another organization's fingerprint is used: %s, %v", drift, err)
		}
		_, err := s.organization("https://a")
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "aaa, bbb") {
			t.Errorf("several are possible: %v", err)
		}
		if err := b.Forget(ctx, "1"); err != nil {
			t.Fatal(err)
		}
		if only, err := s.organization("https://a"); only != "aaa" || err != nil || stored(t, a, "1") != "0011" {
			t.Errorf("one is possible: %q, %v", only, err)
		}
	}
}

func TestOldKeysAreAdoptedOnlyWithTheirIntegration(t *testing.T) {
	for _, noKeyring := range []bool{true, false} {
		ring := newKeyring()
		s, ctx := newStore(t, ring, noKeyring), t.Context()
		old, a := s.Webhooks(config.Account{Server: "https://a"}), s.Webhooks(config.Account{Server: "https://a", Organization: "aaa"})
		for _, id := range []string{"1", "2"} {
			keep(t, old, id, "00"+id+id)
			if err := old.SetApplied(ctx, id, parse(t, "00"+id+id)); err != nil {
				t.Fatal(err)
			}
		}
		if ids, err := a.WithoutOrganization(); err != nil || !slices.Equal(ids, []string{"1", "2"}) || stored(t, a, "1") != "" {
			t.Errorf("before: %v, %v", ids, err)
		}
		if err := a.Adopt(ctx, []string{"1", "3"}); err != nil {
			t.Fatal(err)
		}
		if ids, err := a.WithoutOrganization(); err != nil || !slices.Equal(ids, []string{"2"}) || stored(t, a, "1") != "0011" {
			t.Errorf("after: %v, %v, %q", ids, err, stored(t, a, "1"))
		}
		if drift, err := a.Compare(ctx, "1", parse(t, "0011")); drift != Same || err != nil {
			t.Errorf("the fingerprint: %s, %v", drift, err)
		}
		if !noKeyring && len(ring.items) != 2 {
			t.Errorf("the keyring has %v", ring.items)
		}
	}
}

func TestOneUnconfirmedSecret(t *testing.T) {
	s, ctx := newStore(t, newKeyring(), true), t.Context()
	a := s.Webhooks(config.Account{Server: "https://a"})
	keep(t, a, "pending", "0099") // as an earlier version of apply called it
	keep(t, a, Unconfirmed, "0011")
	second := keep(t, a, Unconfirmed, "0022")
	infos, err := a.List()
	if err != nil || len(infos) != 1 || infos[0].Name != second.Name || !strings.HasPrefix(second.Name, Unconfirmed+"-") {
		t.Errorf("%v, %v", infos, err)
	}
	if err := second.Undo(ctx); err != nil || stored(t, a, Unconfirmed) != "0011" {
		t.Errorf("undone: %q, %v", stored(t, a, Unconfirmed), err)
	}
	if err := a.Forget(ctx, Unconfirmed); err != nil || stored(t, a, Unconfirmed) != "" {
		t.Error(err)
	}
}

func TestKeepAndUndo(t *testing.T) {
	s, ctx := newStore(t, newKeyring(), true), t.Context()
	a := s.Webhooks(config.Account{Server: "https://a"})
	keep(t, a, "1", "0011")
	keep(t, a, "1", "0022")
	k := keep(t, a, "1", "0033")
	if got := stored(t, a, "1"); got != "0033 0022 0011" {
		t.Errorf("got %s", got)
	}
	if again := keep(t, a, "1", "0033"); again.Place != "" || again.Undo != nil {
		t.Errorf("an already stored secret was stored again: %+v", again)
	}
	if err := k.Undo(ctx); err != nil || stored(t, a, "1") != "0022 0011" {
		t.Errorf("undone: %s, %v", stored(t, a, "1"), err)
	}
	if err := a.ForgetOld(ctx, "1"); err != nil || stored(t, a, "1") != "0022" {
		t.Errorf("forgotten: %s, %v", stored(t, a, "1"), err)
	}
}

func TestWithoutStoreForgetsOnlyFingerprint(t *testing.T) {
	s, ctx := newStore(t, newKeyring(), true), t.Context()
	a := s.Webhooks(config.Account{Server: "https://a"})
	keep(t, a, "1", "0011")
	if err := a.SetApplied(ctx, "1", parse(t, "0011")); err != nil {
		t.Fatal(err)
	}
	none := a.WithoutStore()
	keep(t, none, "1", "0022")
	if err := errors.Join(none.Forget(ctx, "1"), none.SetApplied(ctx, "1", parse(t, "0022")), none.ForgetApplied(ctx, "1")); err != nil {
		t.Fatal(err)
	}
	drift, err := a.Compare(ctx, "1", parse(t, "0011"))
	if stored(t, a, "1") != "0011" || stored(t, none, "1") != "" || drift != Unknown || err != nil {
		t.Errorf("stored %s; fingerprint %s, %v", stored(t, a, "1"), drift, err)
	}
}

func TestAddToFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hook.secret")
	undo, added, err := AddToFile(path, parse(t, "0011"))
	if err != nil || added {
		t.Fatalf("a new file: %v, %v", added, err)
	}
	if _, err := CreateFile(path, parse(t, "0022")); fault.KindOf(err) != fault.Usage {
		t.Errorf("a file was replaced: %v", err)
	}
	undoSecond, added, err := AddToFile(path, parse(t, "0022"))
	if err != nil || !added {
		t.Fatalf("beside the old one: %v, %v", added, err)
	}
	if text, _ := os.ReadFile(path); string(text) != "0022\n0011\n" {
		t.Errorf("the file holds %q", text)
	}
	if err := undoSecond(); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "0011\n" {
		t.Errorf("after undo the file holds %q", text)
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the new file stayed: %v", err)
	}
	if err := os.WriteFile(path, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := AddToFile(path, parse(t, "0011")); fault.KindOf(err) != fault.Usage || strings.Contains(err.Error(), "horse") {
		t.Errorf("a file of something else: %v", err)
	}
}
