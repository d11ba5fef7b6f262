package yamlfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Sources resolve the references in a file. No error quotes a value, which may be secret.
type Sources struct {
	// LookupEnv is os.LookupEnv, or a replacement in tests.
	LookupEnv func(string) (string, bool)
	// ReadFile is os.ReadFile, or a replacement in tests.
	ReadFile func(string) ([]byte, error)
	// Dir is the folder that relative paths start from: the file's folder, or ""
	// for the current one.
	Dir string
}

// Path resolves a name relative to Dir.
func (s Sources) Path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.Dir, name)
}

// Env returns the value of a variable without surrounding whitespace. A variable that is
// not set or empty is an error.
func (s Sources) Env(name string) (string, error) {
	text, ok := s.LookupEnv(name)
	switch text = strings.TrimSpace(text); {
	case !ok:
		return "", errors.New("it is not set")
	case text == "":
		return "", errors.New("it is empty, which is what a missing CI secret looks like")
	}
	return text, nil
}

// File returns the content of a file. The error does not name the file.
func (s Sources) File(name string) ([]byte, error) {
	data, err := s.ReadFile(s.Path(name))
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // the message names the file already
	}
	return data, err
}

// Line returns the only line of a file, ignoring blank lines and comments. The error does
// not name the file.
func (s Sources) Line(name string) (string, error) {
	data, err := s.File(name)
	if err != nil {
		return "", err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	switch len(lines) {
	case 0:
		return "", errors.New("it is empty")
	case 1:
		return lines[0], nil
	}
	return "", fmt.Errorf("it has %d lines: must have one, so leave only the newest secret in it", len(lines))
}
