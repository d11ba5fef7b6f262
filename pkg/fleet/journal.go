package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// resumable is how old an interrupted scan may be to be continued.
const resumable = 15 * time.Minute

// checkpointEvery is after how many devices the position is saved: a page.
const checkpointEvery = 500

// counts is how many devices have each status.
type counts map[webhook.DeviceStatus]int

func (c counts) total() (n int) {
	for _, count := range c {
		n += count
	}
	return n
}

// suspect is a device whose status in Mender is not the known one.
type suspect struct {
	ID string `json:"id"`
	// From is the known entry; nil if the device is unknown.
	From *Entry `json:"from,omitempty"`
	// To is the status in Mender; StatusDecommissioned if the device is missing.
	To webhook.DeviceStatus `json:"to"`
	// Record means that the device is recorded without an event.
	Record bool `json:"record,omitempty"`
}

// tally is what a scan has counted.
type tally struct {
	Scanned  counts `json:"scanned"`
	Known    int    `json:"known"`    // entries of devices that are not gone
	Suspects int    `json:"suspects"` // without those to record
	Gone     int    `json:"gone"`     // suspects that are missing in Mender
	Records  int    `json:"records"`
}

// scanRun is the first line of a journal. A scan continues that of a journal with
// the same State, which may have been updated in the meantime, and mode.
type scanRun struct {
	Version   int    `json:"version"`
	State     string `json:"state"` // its ID
	Baseline  bool   `json:"baseline"`
	Deep      bool   `json:"deep"`
	Bootstrap bool   `json:"bootstrap"`
	// ID is random; entries that are recorded without an event have it as their
	// last event.
	ID string `json:"id"`
	// Began is when the scan began, by Mender's clock, and Started by this
	// machine's.
	Began   time.Time `json:"began"`
	Started time.Time `json:"started"`
}

// line is a line of a journal after the first one.
type line struct {
	Suspect *suspect `json:"suspect,omitempty"`
	// Cursor is the last device that was compared; "" after the last one.
	Cursor *string    `json:"cursor,omitempty"`
	Tally  *tally     `json:"tally,omitempty"`
	At     *time.Time `json:"at,omitempty"`
}

// journal has the suspects of a scan in a file, so that they take no memory and an
// interrupted scan can be continued.
type journal struct {
	f   *os.File
	w   *bufio.Writer
	run scanRun
	tally
	cursor   string    // the last device that was compared
	complete time.Time // when the scan ended; zero if it has not
}

// openJournal opens the journal of an interrupted scan at path or, if there is none
// that run continues, creates a new one.
func openJournal(path string, run scanRun) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{f: f, w: bufio.NewWriter(f)}
	if j.restore(run) {
		return j, nil
	}
	if err := j.restart(run); err != nil {
		return nil, errors.Join(err, j.close(false))
	}
	return j, nil
}

// restart removes everything and begins a new scan.
func (j *journal) restart(run scanRun) error {
	run.Version, run.ID = stateVersion, uuid.NewString()
	j.run, j.tally, j.cursor, j.complete = run, tally{Scanned: counts{}}, "", time.Time{}
	j.w.Reset(j.f)
	if err := j.f.Truncate(0); err != nil {
		return err
	}
	if _, err := j.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return json.NewEncoder(j.w).Encode(run)
}

// restore continues after the last checkpoint, and reports whether there is one.
func (j *journal) restore(run scanRun) bool {
	lines := bufio.NewReader(j.f)
	var found scanRun
	text, err := lines.ReadBytes('\n')
	if err != nil || json.Unmarshal(text, &found) != nil {
		return false
	}
	mode := found
	mode.ID, mode.Began, mode.Started = run.ID, run.Began, run.Started
	if run.Version = stateVersion; mode != run {
		return false
	}
	j.run = found
	end, at, last := int64(len(text)), int64(0), time.Time{}
	for {
		text, err := lines.ReadBytes('\n')
		var l line
		if err != nil || json.Unmarshal(text, &l) != nil {
			break // the end, or a line that was not written whole
		}
		end += int64(len(text))
		if l.Cursor == nil || l.Tally == nil || l.At == nil {
			continue
		}
		at, last, j.cursor, j.tally = end, *l.At, *l.Cursor, *l.Tally
		if j.cursor == "" {
			j.complete = *l.At
		}
	}
	age := run.Started.Sub(last)
	if at == 0 || age < 0 || age > resumable || run.Deep && j.complete.IsZero() { // a deep scan has no order to continue in
		return false
	}
	if j.f.Truncate(at) != nil {
		return false
	}
	_, err = j.f.Seek(0, io.SeekEnd)
	return err == nil
}

// add appends a suspect.
func (j *journal) add(s suspect) error { return json.NewEncoder(j.w).Encode(line{Suspect: &s}) }

// checkpoint saves the position; "" is the end.
func (j *journal) checkpoint(cursor string, at time.Time) error {
	j.cursor = cursor
	if cursor == "" {
		j.complete = at
	}
	t := j.tally
	t.Scanned = maps.Clone(t.Scanned)
	if err := json.NewEncoder(j.w).Encode(line{Cursor: &cursor, Tally: &t, At: &at}); err != nil {
		return err
	}
	return j.w.Flush()
}

// suspects returns the suspects in the order in which they were added.
func (j *journal) suspects() iter.Seq2[suspect, error] {
	return func(yield func(suspect, error) bool) {
		if err := j.w.Flush(); err != nil {
			yield(suspect{}, err)
			return
		}
		lines := json.NewDecoder(io.NewSectionReader(j.f, 0, 1<<62))
		for first := true; ; first = false {
			var l line
			err := lines.Decode(&l)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(suspect{}, err)
				return
			case first || l.Suspect == nil:
			case !yield(*l.Suspect, nil):
				return
			}
		}
	}
}

// close closes the file and, if the run is done, removes it.
func (j *journal) close(done bool) error {
	err := errors.Join(j.w.Flush(), j.f.Close())
	if !done {
		return err
	}
	if removed := os.Remove(j.f.Name()); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
