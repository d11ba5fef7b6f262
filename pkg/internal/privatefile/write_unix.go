//go:build unix

package privatefile

import (
	"errors"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Write puts a file with mode 0600 in the place of what path names, whatever
// mode that had. The folder has to exist. It is safe for concurrent use: the
// last one wins, and none is mixed with another.
func Write(path string, content []byte) (err error) {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600), renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Cleanup()) }() // nothing, once the file is in place
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
