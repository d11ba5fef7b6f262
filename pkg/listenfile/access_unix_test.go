//go:build unix

package listenfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

const runsTrue = "apiVersion: mender-webhooks/v1\nroutes:\n- name: a\n  exec: [\"true\"]\n"

// readable returns the path of a file that runs a program, in a folder of its own.
func readable(t *testing.T) (dir, path string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "etc")
	path = filepath.Join(dir, "listen.yaml")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(path, []byte(runsTrue), 0o644)); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

func readFile(path string) error {
	_, err := Read(context.Background(), path, Options{LookupEnv: os.LookupEnv})
	return err
}

func TestAccessOfOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(dir, path string) error
		want   string // empty if the file is safe
	}{
		"safe":               {func(string, string) error { return nil }, ""},
		"private":            {func(dir, path string) error { return errors.Join(os.Chmod(dir, 0o700), os.Chmod(path, 0o600)) }, ""},
		"group writes file":  {func(_, path string) error { return os.Chmod(path, 0o664) }, "listen.yaml has mode 0664"},
		"all write file":     {func(_, path string) error { return os.Chmod(path, 0o646) }, "listen.yaml has mode 0646"},
		"group writes dir":   {func(dir, _ string) error { return os.Chmod(dir, 0o775) }, "etc has mode 0775"},
		"all write sticky":   {func(dir, _ string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }, "etc has mode 0777"},
		"link in unsafe dir": {func(dir, path string) error { return moveBehindLink(dir, path, 0o777) }, "links has mode 0777"},
		"link in safe dir":   {func(dir, path string) error { return moveBehindLink(dir, path, 0o755) }, ""},
		"link to unsafe dir": {func(dir, path string) error { return errors.Join(os.Chmod(dir, 0o777), linkTo(dir, path)) }, "etc has mode 0777"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, path := readable(t)
			if err := test.change(dir, path); err != nil {
				t.Fatal(err)
			}
			if link := filepath.Join(filepath.Dir(dir), "link.yaml"); exists(link) {
				path = link
			}
			err := readFile(path)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), ":4:9: exec: ")):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

// linkTo makes link.yaml, beside the folder of the file, a link to the file.
func linkTo(dir, path string) error {
	return os.Symlink(path, filepath.Join(filepath.Dir(dir), "link.yaml"))
}

// moveBehindLink makes link.yaml a link to a link in another folder, which has a mode.
func moveBehindLink(dir, path string, mode os.FileMode) error {
	links := filepath.Join(filepath.Dir(dir), "links")
	return errors.Join(os.Mkdir(links, 0o700), os.Symlink(path, filepath.Join(links, "x.yaml")), os.Chmod(links, mode),
		os.Symlink(filepath.Join("links", "x.yaml"), filepath.Join(filepath.Dir(dir), "link.yaml")))
}

// TestAccessOfOwner finds that the file may belong to root or to this user only.
func TestAccessOfOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	for _, place := range []func(dir, path string) string{
		func(dir, _ string) string { return dir }, func(_, path string) string { return path },
	} {
		dir, path := readable(t)
		if err := os.Chown(place(dir, path), 12345, -1); err != nil {
			t.Fatal(err)
		}
		if err := readFile(path); err == nil || !strings.Contains(err.Error(), "belongs to another user (id 12345)") {
			t.Errorf("got %v", err)
		}
	}
}

// TestReadNeverBlocks finds that a pipe is refused instead of waiting for a writer.
func TestReadNeverBlocks(t *testing.T) {
	t.Parallel()
	dir, path := readable(t)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := readFile(pipe); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("the file: %v", err)
	}
	if err := os.WriteFile(path, []byte("apiVersion: mender-webhooks/v1\nroutes: []\nendpoints: [{name: a, path: /, secret: {file: pipe}}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong *yamlfile.Error
	if err := readFile(path); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a secret: %v", err)
	}
}
