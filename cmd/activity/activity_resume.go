package activity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// resumeFile is where --resume keeps how far the log was followed.
type resumeFile struct {
	name  string // "": nowhere
	state *mender.FollowState
}

// openResume reads the file, if there is one already.
func openResume(name string) (*resumeFile, error) {
	r := &resumeFile{name: name}
	if name == "" {
		return r, nil
	}
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(name)); err != nil {
			return nil, cli.Usagef("--resume: %w", err)
		}
		return r, nil
	case err != nil:
		return nil, cli.Usagef("--resume: %w", err)
	}
	r.state = new(mender.FollowState)
	if err := json.Unmarshal(text, r.state); err != nil || r.state.Version == 0 {
		return nil, cli.Hinted(cli.Usagef("--resume %s: the file was not written by --resume", name), "name another file, or remove it to begin anew")
	}
	return r, nil
}

// save replaces the file in one step: it is never half written.
func (r *resumeFile) save(s mender.FollowState) error {
	if r.name == "" {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := textfile.Replace(r.name, append(text, '\n')); err != nil {
		return fmt.Errorf("--resume: %w", err)
	}
	return nil
}
