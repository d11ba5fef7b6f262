//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unitCommand returns the command of a setting in the systemd unit, also of one in a comment,
// in which a \ continues the line.
func unitCommand(t *testing.T, setting *regexp.Regexp) string {
	t.Helper()
	unit, err := os.ReadFile("../../docs/deploy/systemd/mender-webhooks.service")
	if err != nil {
		t.Fatal(err)
	}
	m := setting.FindStringSubmatch(regexp.MustCompile(`\\\n[# ]*`).ReplaceAllString(string(unit), ""))
	if m == nil {
		t.Fatalf("the unit has no %s", setting)
	}
	return m[1]
}

// TestUnitReloads starts listen -f with the command in the systemd unit, and reloads it with
// the unit's ExecReload.
func TestUnitReloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, file := filepath.Join(t.TempDir(), "mender-webhooks"), filepath.Join(dir, "listen.yaml")
	write := func(routes string) error {
		return os.WriteFile(file, []byte("apiVersion: mender-webhooks/v1\nroutes: "+routes+"\n"), 0o600)
	}
	if err := errors.Join(os.Symlink(self, program), write("[]"), os.WriteFile(filepath.Join(dir, "hook.secret"), []byte("deadbeef\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	start := strings.NewReplacer("/usr/bin/mender-webhooks", program, "/etc/mender-webhooks", dir, "${CREDENTIALS_DIRECTORY}", dir,
		"${STATE_DIRECTORY}", dir, "127.0.0.1:9190", "127.0.0.1:0").Replace(unitCommand(t, regexp.MustCompile(`(?m)^# +ExecStart=(/\S+ listen .*-f .*)$`)))
	words := append(strings.Fields(start), "--addr", "127.0.0.1:0")
	listen, stderr := exec.Command(words[0], words[1:]...), newWatched()
	listen.Env, listen.Stderr = []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir}, stderr
	if err := listen.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listen.Process.Kill() })
	await := func(text string) {
		t.Helper()
		if _, err := stderr.find(regexp.MustCompile(text), nil); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
	}
	await("listening on ")
	if err := write("[{ name: a, forward_to: localhost:1 }]"); err != nil {
		t.Fatal(err)
	}
	reload := exec.Command("sh", "-c", unitCommand(t, regexp.MustCompile(`(?m)^ExecReload=(.*)$`)))
	reload.Env = append(os.Environ(), "MAINPID="+strconv.Itoa(listen.Process.Pid))
	if out, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("ExecReload: %v: %s", err, out)
	}
	await("listen.yaml is applied: added route a")
	if err := errors.Join(listen.Process.Signal(os.Interrupt), listen.Wait()); err != nil {
		t.Errorf("listen ended with %v", err)
	}
}
