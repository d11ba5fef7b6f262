package mender

import (
	"fmt"
	"maps"
	"time"
)

// followVersion is the version of a FollowState's JSON.
const followVersion = 1

// FollowState is where a Follower is, for another one to go on from. It holds
// no secrets. Its JSON is what to keep.
type FollowState struct {
	Version int `json:"version"`
	// Server and IntegrationID say whose log it is.
	Server        string `json:"server"`
	IntegrationID string `json:"integration_id,omitempty"`
	// ReadAt is the server's time when the log was last read.
	ReadAt time.Time `json:"read_at,omitzero"`
	// Known is the time up to which the log is known, and KnownAt what the
	// server's clock showed then.
	Known   time.Time `json:"known,omitzero"`
	KnownAt time.Time `json:"known_at,omitzero"`
	// SavedAt is when the state was saved, by this machine's clock.
	SavedAt time.Time `json:"saved_at,omitzero"`
	// Floor is the time before which all events are done with.
	Floor time.Time `json:"floor,omitzero"`
	// Seen are the events since Floor that were given or passed over.
	Seen map[string]time.Time `json:"seen"`
}

// State returns where the Follower is: all events that count as given lie
// before it. Call it between events only.
func (f *Follower) State() FollowState {
	s := FollowState{
		Version: followVersion, Server: f.client.server, IntegrationID: f.opt.IntegrationID,
		ReadAt: f.readAt, Known: f.base.at, KnownAt: f.base.server, SavedAt: f.client.clock.now().UTC(),
		Floor: f.memory.floor, Seen: maps.Clone(f.memory.ids),
	}
	return s
}

// restore takes over where another Follower ended.
func (f *Follower) restore(s FollowState) error {
	switch {
	case s.Version != followVersion:
		return fmt.Errorf("%w: its version is %d, not %d", ErrFollowState, s.Version, followVersion)
	case s.Server != f.client.server:
		return fmt.Errorf("%w: it is of the server %s, not of %s", ErrFollowState, s.Server, f.client.server)
	case s.IntegrationID != f.opt.IntegrationID:
		return fmt.Errorf("%w: it follows the integration %q, not %q", ErrFollowState, s.IntegrationID, f.opt.IntegrationID)
	}
	f.base = mark{at: s.Known, server: s.KnownAt}
	f.readAt, f.last, f.savedAt = s.ReadAt, f.base, s.SavedAt
	f.memory.floor = s.Floor
	for id, at := range s.Seen {
		f.memory.add(id, at)
	}
	return nil
}
