// Package privatefile replaces files as a whole: a reader sees either the old
// or the new content, even after a power failure. A new file has mode 0600. An existing file
// keeps its owner, group and mode; if that is not possible, the file stays as it
// is, and the result is an error.
package privatefile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
)

// Write replaces the content of the file at path, or creates the file with mode
// 0600 in an existing folder. Others lose the right to write to it. Write follows a
// symbolic link only if its folder, the target and the target's folder belong to
// this user or root, and no one else can write there. It is safe for concurrent
// use: the last call wins.
func Write(path string, content []byte) error { return write(path, bytesOf(content), false) }

// WriteStream is Write for content that is too large for memory. The file stays
// as it is if content returns an error, which WriteStream returns.
func WriteStream(path string, content func(io.Writer) error) error {
	return write(path, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 64<<10)
		if err := content(buffered); err != nil {
			return err
		}
		return buffered.Flush()
	}, false)
}

// WriteSecret is Write for content that must stay secret: it refuses a file
// that everyone on this machine can read.
func WriteSecret(path string, content []byte) error { return write(path, bytesOf(content), true) }

func bytesOf(content []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}
}

// Create writes content to a new file with mode 0600, and fails with fs.ErrExist
// if there is a file already.
func Create(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func write(path string, content func(io.Writer) error, secret bool) error {
	target, err := Resolve(path)
	if err != nil {
		return err
	}
	old, err := os.Lstat(target)
	if os.IsNotExist(err) {
		return replace(target, nil, content)
	}
	switch {
	case err != nil:
		return err
	case !old.Mode().IsRegular():
		return fault.Usagef("%s is not a regular file", path)
	case secret && readableByAll(old):
		return fault.WithHint(fault.Usagef("%s has mode %04o: everyone on this machine could read the secret", path, old.Mode().Perm()),
			"run `chmod o-r %s`", path)
	}
	return replace(target, old, content)
}

// RemoveUnfinished removes the files that processes killed during Write left
// beside path. The caller makes sure that no other process is writing.
func RemoveUnfinished(path string) {
	if target, err := Resolve(path); err == nil {
		path = target
	}
	dir, name := filepath.Split(path)
	files, _ := os.ReadDir(filepath.Clean(dir)) // an unreadable folder has nothing to remove
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "."+name) {
			_ = os.Remove(filepath.Join(dir, f.Name())) // the next call tries again
		}
	}
}

// maxLinks bounds a chain of symbolic links.
const maxLinks = 16

// Resolve returns the path of the file that Write would replace, which need not
// exist. A link that Write does not follow is an error.
func Resolve(path string) (string, error) {
	for range maxLinks {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, ignoreNotExist(err)
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(folder(path), to)
		}
		for _, place := range []string{folder(path), folder(to), to} {
			if err := trusted(place); ignoreNotExist(err) != nil {
				return "", fmt.Errorf("%s is an unsafe symbolic link to %s: %w", path, to, err)
			}
		}
		path = to
	}
	return "", fault.Usagef("%s: too many levels of symbolic links", path)
}

// folder returns the folder of path without symbolic links, so that ".." in a
// link's target means the same as to the system.
func folder(path string) string {
	dir := filepath.Dir(path)
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		return resolved
	}
	return dir
}

func ignoreNotExist(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
