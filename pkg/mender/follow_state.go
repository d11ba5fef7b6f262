package mender

import (
	"fmt"
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
	// Known is the newest event's time up to which the log is known.
	Known time.Time `json:"known,omitzero"`
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
		ReadAt: f.readAt, Known: f.base, Floor: f.memory.floor, Seen: map[string]time.Time{},
	}
	if at := f.horizon(time.Time{}); at.After(s.Floor) {
		s.Floor = at
	}
	for id, at := range f.memory.ids {
		if !at.Before(s.Floor) {
			s.Seen[id] = at
		}
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
	f.readAt, f.base, f.last = s.ReadAt, s.Known, s.Known
	f.memory.floor = s.Floor
	for id, at := range s.Seen {
		f.memory.add(id, at)
	}
	return nil
}
