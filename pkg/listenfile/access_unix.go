//go:build unix

package listenfile

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// maxLinks bounds a chain of symbolic links.
const maxLinks = 16

// checkAccess returns an error if another user could change which programs the file runs:
// the file, its folder, and the folders of symbolic links to it must belong to root or this
// user, and no one else may write there.
func checkAccess(path string) error {
	for range maxLinks {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return err
		}
		if err := trusted(dir); err != nil {
			return err
		}
		to, err := os.Readlink(path)
		if err != nil { // the file itself
			return trusted(path)
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return fmt.Errorf("%s: too many levels of symbolic links", path)
}

// trusted returns an error unless a file or folder belongs to root or this user, and no
// one else can write there.
func trusted(place string) error {
	info, err := os.Stat(place)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("the owner of %s is unknown", place)
	}
	mode := info.Mode().Perm()
	switch uid := int(stat.Uid); {
	case uid != 0 && uid != os.Geteuid():
		return fmt.Errorf("%s belongs to another user (id %d), who could change which programs are run", place, uid)
	case mode&0o022 != 0:
		return fmt.Errorf("%s has mode %04o, so other users could change which programs are run: run `chmod go-w %s`", place, mode, place)
	}
	return nil
}
