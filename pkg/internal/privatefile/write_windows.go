package privatefile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// On Windows the folder decides who can read a file.
func readableByAll(fs.FileInfo) bool { return false }

func trusted(place string) error {
	_, err := os.Lstat(place)
	return err
}

// replace replaces the file at path. Windows guarantees less about the moment of
// replacing than other systems.
func replace(path string, _ fs.FileInfo, content func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
	if err != nil {
		return err
	}
	err = content(f)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
