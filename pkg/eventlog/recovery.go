package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
)

// recoverMargin is how far before the newest received event the log is read:
// events are saved in any order, up to 10 s late.
const recoverMargin = time.Minute

// source is the part of a Log that a Recovery needs.
type source interface {
	Events(ctx context.Context, q Query) iter.Seq2[mender.Event, error]
	ServerTime(ctx context.Context) (time.Time, error)
}

// Inbox is the destination of recovered events.
type Inbox interface {
	// Newest returns the newest event that was received from Mender, or false.
	Newest(ctx context.Context) (Received, bool, error)
	// Put stores an event and reports whether it was missing.
	Put(ctx context.Context, e mender.Event) (stored bool, err error)
}

// Received is an event that was received from Mender.
type Received struct {
	Time time.Time // the event's own, by the server's clock
	At   time.Time // when it was received, by this machine's clock
}

// Recovery reads Mender's log for the events whose deliveries to a listener
// failed. It is not safe for concurrent use.
type Recovery struct {
	Log   source // a *Log
	Inbox Inbox
	// File is where the starting point is saved until a recovery is complete,
	// so that an interrupted one resumes from there; empty saves nothing.
	File string
	// Clock returns the time by this machine's clock; nil means time.Now.
	Clock func() time.Time
	// Unsaved receives the error if the starting point cannot be saved. The
	// recovery continues; nil ignores the error.
	Unsaved func(error)

	start recoveryState
}

// Recovered is the result of a recovery.
type Recovered struct {
	// Since is the time since which deliveries were checked, by the server's
	// clock; zero if the whole log was checked.
	Since time.Time
	// Now is the server's time when the recovery began.
	Now time.Time
	// Failed is how many events had a failed delivery, and Stored how many of
	// them were missing and are now stored.
	Failed, Stored int
}

// recoveryState is the content of Recovery.File.
type recoveryState struct {
	// Since is where the next recovery starts, or, if Complete, the time up to
	// which the log was read; zero means that the whole log is to be read.
	Since time.Time `json:"since,omitzero"`
	// ReceivedAt is when the event at Since was received, by this machine's
	// clock; zero if Since comes from the log.
	ReceivedAt time.Time `json:"received_at,omitzero"`
	Complete   bool      `json:"complete"`
}

// Start finds and saves the starting point: the newest event that was received,
// or where an interrupted recovery started. Call it before the listener receives
// its first event. It needs only the Inbox, not the server.
func (r *Recovery) Start(ctx context.Context) error {
	state, err := r.read()
	if err != nil {
		return err
	}
	if state.Complete {
		state.Complete = false
		newest, ok, err := r.Inbox.Newest(ctx)
		if err != nil {
			return fmt.Errorf("find the newest stored event: %w", err)
		}
		if ok && newest.Time.After(state.Since) {
			state.Since, state.ReceivedAt = newest.Time, newest.At
		}
	}
	r.start = state
	r.write(state)
	return nil
}

// since returns the starting point by the server's clock. An event that was not
// sent by the server may have a time from another clock, so the starting point
// is at most the event's time of arrival, corrected by the present difference
// between the two clocks.
func (r *Recovery) since(now time.Time) time.Time {
	since := r.start.Since
	if r.Clock == nil {
		r.Clock = time.Now
	}
	if arrived := r.start.ReceivedAt.Add(now.Sub(r.Clock())); !r.start.ReceivedAt.IsZero() && arrived.Before(since) {
		since = arrived
	}
	if since.IsZero() {
		return since
	}
	return since.Add(-recoverMargin)
}

// Run fetches the failed events since the starting point and puts them into
// the Inbox, in the order in which they happened.
func (r *Recovery) Run(ctx context.Context) (Recovered, error) {
	now, err := r.Log.ServerTime(ctx)
	if err != nil {
		return Recovered{}, err
	}
	done := Recovered{Since: r.since(now), Now: now}
	var failed []mender.Event
	for e, err := range r.Log.Events(ctx, Query{Since: done.Since, Failed: true}) {
		if err != nil {
			return done, err
		}
		failed = append(failed, e)
	}
	done.Failed = len(failed)
	for _, e := range slices.Backward(failed) {
		stored, err := r.Inbox.Put(ctx, e)
		if err != nil {
			return done, err
		}
		if stored {
			done.Stored++
		}
	}
	r.write(recoveryState{Since: now.UTC(), Complete: true})
	return done, nil
}

// read returns the saved state. If the file is missing or was not written by a
// Recovery, it returns a complete recovery of nothing.
func (r *Recovery) read() (recoveryState, error) {
	state := recoveryState{Complete: true}
	if r.File == "" {
		return state, nil
	}
	text, err := os.ReadFile(r.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return state, nil
	case err != nil:
		return state, fmt.Errorf("read the starting point of the recovery: %w", err)
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return recoveryState{Complete: true}, nil //nolint:nilerr // written by something else: as good as missing
	}
	return state, nil
}

func (r *Recovery) write(s recoveryState) {
	if r.File == "" {
		return
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(r.File), 0o700)
	}
	if err == nil {
		err = privatefile.Write(r.File, text)
	}
	if err != nil && r.Unsaved != nil {
		r.Unsaved(fmt.Errorf("save the starting point of the recovery: %w", err))
	}
}
