package eventlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/textfile"
)

// followVersion is the version of a FollowState's JSON.
const followVersion = 1

// FollowState is the position of a Follower, from which another one can resume.
// It contains no secrets. Save it with Save, or encode it as JSON.
type FollowState struct {
	Version int `json:"version"`
	// Server and IntegrationID identify the log.
	Server        string `json:"server"`
	IntegrationID string `json:"integration_id,omitempty"`
	// ReadAt is the server's time when the log was last read.
	ReadAt time.Time `json:"read_at,omitzero"`
	// Known is the time up to which the log is known, and KnownAt the server's
	// time at that moment.
	Known   time.Time `json:"known,omitzero"`
	KnownAt time.Time `json:"known_at,omitzero"`
	// SavedAt is when the state was saved, by this machine's clock.
	SavedAt time.Time `json:"saved_at,omitzero"`
	// Floor is the time before which all events count as seen.
	Floor time.Time `json:"floor,omitzero"`
	// Seen holds the ids and times of the events since Floor that were returned
	// or skipped.
	Seen map[string]time.Time `json:"seen"`
}

// LoadState reads a state that Save has written. It returns nil if path is empty
// or the file does not exist yet.
func LoadState(path string) (*FollowState, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(path)) // else Save would fail
		text = nil
	}
	if err != nil {
		return nil, fault.Usagef("read the position: %w", err)
	}
	if text == nil {
		return nil, nil
	}
	s := new(FollowState)
	if err := json.Unmarshal(text, s); err != nil || s.Version == 0 {
		return nil, fault.WithHint(fault.Usagef("%s contains no position in the log", path), "name another file, or remove it to start over")
	}
	return s, nil
}

// Save writes the state to the file at path, which it replaces as a whole.
func (s FollowState) Save(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return textfile.Replace(path, append(text, '\n'))
}

// State returns the position of the Follower: the reader has consumed all events
// before it. Call it only between two events.
func (f *Follower) State() FollowState {
	return FollowState{
		Version: followVersion, Server: f.client.Server(), IntegrationID: f.opt.Query.IntegrationID,
		ReadAt: f.readAt, Known: f.base.at, KnownAt: f.base.server, SavedAt: f.opt.Clock().UTC(),
		Floor: f.memory.floor, Seen: maps.Clone(f.memory.ids),
	}
}

// restore sets the position to a saved one.
func (f *Follower) restore(s FollowState) error {
	switch {
	case s.Version != followVersion:
		return fmt.Errorf("%w: its version is %d, not %d", errFollowState, s.Version, followVersion)
	case s.Server != f.client.Server():
		return fmt.Errorf("%w: its server is %s, not %s", errFollowState, s.Server, f.client.Server())
	case s.IntegrationID != f.opt.Query.IntegrationID:
		return fmt.Errorf("%w: it follows the integration %q, not %q", errFollowState, s.IntegrationID, f.opt.Query.IntegrationID)
	}
	f.base = mark{at: s.Known, server: s.KnownAt}
	f.readAt, f.last, f.savedAt = s.ReadAt, f.base, s.SavedAt
	f.memory.floor = s.Floor
	for id, at := range s.Seen {
		f.memory.add(id, at)
	}
	return nil
}
