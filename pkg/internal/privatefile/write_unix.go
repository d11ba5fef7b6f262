//go:build unix

package privatefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

const (
	othersRead  = 0o004
	othersWrite = 0o002
	groupWrite  = 0o020
)

func readableByAll(info fs.FileInfo) bool { return info.Mode().Perm()&othersRead != 0 }

// trusted returns an error unless place belongs to this user or root and no one
// else can write there. It ignores a link, which is checked when it is followed.
func trusted(place string) error {
	info, err := os.Lstat(place)
	if err != nil || info.Mode()&fs.ModeSymlink != 0 {
		return err
	}
	uid, mode := int(stat(info).Uid), info.Mode().Perm()
	switch {
	case uid != 0 && uid != os.Geteuid():
		return fault.Usagef("%s belongs to another user (id %d)", place, uid)
	case mode&(groupWrite|othersWrite) != 0:
		return fault.Usagef("%s has mode %04o, so others can write there", place, mode)
	}
	return nil
}

// replace replaces the file at path. old describes the file, or is nil.
func replace(path string, old fs.FileInfo, content func(io.Writer) error) (err error) {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600), renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Cleanup()) }() // does nothing once the file is in place
	if old != nil {
		if err := keepAccess(f.File, path, old); err != nil {
			return err
		}
	}
	if err := content(f); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// keepAccess gives f the owner, group, access control list and mode of the
// file that it replaces, without the right of others to write.
func keepAccess(f *os.File, path string, old fs.FileInfo) error {
	if n := stat(old).Nlink; n > 1 {
		return fault.Usagef("%s has %d names (hard links): the other names would keep the old content", path, n)
	}
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if is, was := stat(now), stat(old); is.Uid != was.Uid || is.Gid != was.Gid {
		if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
			return fault.Usagef("cannot replace %s: this user cannot preserve its owner (user %d, group %d): %w", path, was.Uid, was.Gid, errors.Unwrap(err))
		}
	}
	if err := copyACL(path, f); err != nil {
		return fmt.Errorf("keep the access control list of %s: %w", path, err)
	}
	return f.Chmod(old.Mode().Perm() &^ othersWrite)
}

func stat(info fs.FileInfo) *syscall.Stat_t {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok { // os fills it in on every Unix
		return &syscall.Stat_t{}
	}
	return s
}
