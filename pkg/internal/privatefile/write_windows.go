package privatefile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write puts a new file in the place of what path names. The folder has to
// exist. On Windows a file's readers are those that its folder lets in, and
// the system vouches less for the moment of replacing than others do.
func Write(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
