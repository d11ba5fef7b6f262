package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestAddToSecretFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "hook.secret")
	secret, err := webhook.ParseSecret("00ee")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AddToSecretFile(file, secret); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	content := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("the file holds %q, %v; want %q", got, err, want)
		}
	}
	if err := os.WriteFile(file, []byte("not a secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong *UsageError
	if _, err := AddToSecretFile(file, secret); !errors.As(err, &wrong) {
		t.Errorf("no file of secrets: %v", err)
	}
	content("not a secret\n")
	if err := os.WriteFile(file, []byte("00ff\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	undo, err := AddToSecretFile(file, secret)
	if err != nil {
		t.Fatal(err)
	}
	content("00ee\n00ff\n")
	if secrets, err := ReadSecretFile(file, nil); err != nil || len(secrets) != 2 || secrets[0] != secret {
		t.Errorf("reading it gives %v, %v", secrets, err)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	content("00ff\n")
}
