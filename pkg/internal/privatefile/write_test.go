//go:build unix

package privatefile

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file writes a file with exactly this mode, whatever the umask.
func file(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func want(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != content {
		t.Errorf("%s: got %q, %v; want %q", path, got, err, content)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("%s: got mode %v, %v; want %v", path, info.Mode(), err, mode)
	}
}

func TestWriteKeepsModeWithoutWriteForOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for before, after := range map[fs.FileMode]fs.FileMode{0o600: 0o600, 0o640: 0o640, 0o644: 0o644, 0o660: 0o660, 0o666: 0o664} {
		path := file(t, filepath.Join(dir, before.String()), before)
		if err := Write(path, []byte("new")); err != nil {
			t.Fatal(err)
		}
		want(t, path, "new", after)
	}
	path := filepath.Join(dir, "not there yet")
	if err := Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	want(t, path, "new", 0o600)
	if err := Write(filepath.Join(dir, "no", "folder"), nil); err == nil {
		t.Error("wrote a file in a folder that does not exist")
	}
	if names, _ := filepath.Glob(filepath.Join(dir, ".*")); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestWriteKeepsOwnerAndGroup(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a file of another user's")
	}
	path := file(t, filepath.Join(t.TempDir(), "hook.secret"), 0o640)
	if err := os.Chown(path, 1234, 4321); err != nil {
		t.Fatal(err)
	}
	if err := WriteSecret(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	want(t, path, "new", 0o640)
	info, err := os.Stat(path)
	if err != nil || stat(info).Uid != 1234 || stat(info).Gid != 4321 {
		t.Errorf("the file belongs to %+v, %v; want 1234 and 4321", info.Sys(), err)
	}
}

func TestWriteSecretRefusesFileThatAllCanRead(t *testing.T) {
	t.Parallel()
	path := file(t, filepath.Join(t.TempDir(), "hook.secret"), 0o644)
	if err := WriteSecret(path, []byte("new")); err == nil || !strings.Contains(err.Error(), "0644") {
		t.Errorf("got %v; want an error that names the mode", err)
	}
	want(t, path, "old", 0o644)
}

func TestWriteFollowsOnlyTrustedLinks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		spoil   func(t *testing.T, linkDir, targetDir, target string)
		problem string
	}{
		{name: "own folders", spoil: func(*testing.T, string, string, string) {}},
		{name: "others can write to the link's folder", problem: "others can write there",
			spoil: func(t *testing.T, linkDir, _, _ string) { chmod(t, linkDir, 0o777) }},
		{name: "others can write to the target's folder", problem: "others can write there",
			spoil: func(t *testing.T, _, targetDir, _ string) { chmod(t, targetDir, 0o1777) }},
		{name: "others can write to the target", problem: "others can write there",
			spoil: func(t *testing.T, _, _, target string) { chmod(t, target, 0o620) }},
		{name: "another user's target", problem: "belongs to another user",
			spoil: func(t *testing.T, _, _, target string) {
				if os.Geteuid() != 0 {
					t.Skip("only root can make a file of another user's")
				}
				if err := os.Chown(target, 1234, 0); err != nil {
					t.Fatal(err)
				}
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			linkDir, targetDir := t.TempDir(), t.TempDir()
			chmod(t, linkDir, 0o700)
			chmod(t, targetDir, 0o700)
			target := file(t, filepath.Join(targetDir, "target"), 0o640)
			link, direct := filepath.Join(linkDir, "link"), filepath.Join(linkDir, "direct")
			for from, to := range map[string]string{link: "direct", direct: target} {
				if err := os.Symlink(to, from); err != nil {
					t.Fatal(err)
				}
			}
			test.spoil(t, linkDir, targetDir, target)
			err := Write(link, []byte("new"))
			if test.problem == "" {
				if err != nil {
					t.Fatal(err)
				}
				want(t, target, "new", 0o640)
			} else if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("got %v; want %q", err, test.problem)
			} else if got, _ := os.ReadFile(target); string(got) != "old" {
				t.Errorf("the target was changed to %q", got)
			}
			if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("the link was replaced: %v, %v", info, err)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode&fs.ModePerm); err != nil {
		t.Fatal(err)
	}
}

func TestWriteRefusesToLoseAttributes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := file(t, filepath.Join(dir, "one"), 0o600)
	if err := os.Link(path, filepath.Join(dir, "two")); err != nil {
		t.Skip(err)
	}
	if err := Write(path, []byte("new")); err == nil || !strings.Contains(err.Error(), "hard links") {
		t.Errorf("two names: got %v", err)
	}
	if err := Write(dir, nil); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: got %v", err)
	}
}
