package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
)

// Owner is whose devices a State describes.
type Owner struct {
	Server       string `json:"server"`
	Organization string `json:"organization,omitempty"`
}

// stateVersion is the version of the format of a State's file.
const stateVersion = 1

// goneLife is how long the end of a device is remembered: longer than Mender's log
// can return an older event.
const goneLife = 8 * 24 * time.Hour

// header is the first line of a State's file. An Entry per line follows, ordered by
// id, and then a trailer.
type header struct {
	Version int `json:"version"`
	Owner
	// Stream and Sequence are the position in a queue up to which its events are
	// known; see Stored.
	Stream   string `json:"stream,omitempty"`
	Sequence uint64 `json:"sequence,omitempty"`
	// Baseline is set once all devices have been recorded.
	Baseline bool      `json:"baseline"`
	SavedAt  time.Time `json:"saved_at"`
	// DeepAt is when a run last read deviceauth, or when the first run was.
	DeepAt time.Time `json:"deep_at,omitzero"`
	// ID is random, and the same after each update.
	ID string `json:"id"`
}

// trailer is the last line. A file without it is incomplete.
type trailer struct {
	Entries *int `json:"entries"`
}

// State is the known state of an organization's devices, in a file. It is not safe
// for concurrent use; the file is locked against other processes.
type State struct {
	path    string
	name    string // for messages
	lock    *flock.Flock
	head    header
	updated bool

	temporary string // a folder that Close removes
}

// OpenState opens the state in the file at path, which need not exist yet. It
// refuses a state of another owner, and one that another process is using. Close
// it after use.
func OpenState(path string, owner Owner) (*State, error) { return openState(path, path, owner) }

func openState(path, name string, owner Owner) (*State, error) {
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, fault.Usagef("open the known state: %w", err)
	}
	s := &State{path: path, name: name, lock: flock.New(path+".lock", flock.SetPermissions(0o600)), head: header{Version: stateVersion, Owner: owner}}
	switch locked, err := s.lock.TryLock(); {
	case err != nil:
		return nil, fault.Usagef("lock the known state: %w", err)
	case !locked:
		return nil, fault.New(fault.Conflict, "%s is in use by another process", path)
	}
	head, err := readHead(path, name, owner)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if head.ID != "" {
		s.head = head
	}
	return s, nil
}

// readHead returns the header of the state in the file at path, or an empty one if
// there is no file.
func readHead(path, name string, owner Owner) (header, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return header{}, nil
	}
	if err != nil {
		return header{}, fault.Usagef("open the known state: %w", err)
	}
	defer f.Close()
	line, _ := bufio.NewReader(f).ReadBytes('\n') // an incomplete line is refused
	return parseHead(line, name, owner)
}

// parseHead refuses a header that is not one of the owner's.
func parseHead(line []byte, name string, owner Owner) (header, error) {
	var head header
	if err := json.Unmarshal(line, &head); err != nil || head.Version == 0 || head.ID == "" {
		return header{}, fault.WithHint(fault.Usagef("%s contains no known state of devices", name), "name another file, or remove it to start over")
	}
	switch {
	case head.Version != stateVersion:
		return header{}, fault.Usagef("%s has version %d of the format, not %d", name, head.Version, stateVersion)
	case head.Owner != owner:
		return header{}, fault.WithHint(fault.Usagef("%s has the devices of %s, not of %s", name, head.Owner, owner),
			"use one file, store or --subject-prefix for each server and organization")
	}
	return head, nil
}

// String names the server, and the organization if there is one.
func (o Owner) String() string {
	if o.Organization == "" {
		return o.Server
	}
	return fmt.Sprintf("organization %s on %s", o.Organization, o.Server)
}

// Close releases the lock.
func (s *State) Close() error {
	err := s.lock.Unlock()
	if s.temporary != "" {
		err = errors.Join(err, os.RemoveAll(s.temporary))
	}
	return err
}

// HasBaseline reports whether all devices of the organization have been recorded
// once, so that a device without an entry is new.
func (s *State) HasBaseline() bool { return s.head.Baseline }

// Entries returns the entries, ordered by id, one at a time. An error is the last
// value.
func (s *State) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := os.Open(s.path)
		if errors.Is(err, fs.ErrNotExist) && s.head.ID == "" {
			return
		}
		if err == nil {
			defer f.Close()
			err = readEntries(f, yield)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(Entry{}, fmt.Errorf("read the known state in %s: %w", s.path, err))
		}
	}
}

// errStopped reports that the reader of an iterator wants no more.
var errStopped = errors.New("stopped")

func readEntries(r io.Reader, yield func(Entry, error) bool) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	last, count := "", 0
	for first := true; ; first = false {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return errors.New("the file is incomplete")
		}
		if first {
			continue
		}
		var next struct {
			Entry
			trailer
		}
		if err := json.Unmarshal(line, &next); err != nil {
			return err
		}
		switch {
		case next.Entries != nil && *next.Entries != count:
			return fmt.Errorf("the file has %d of %d entries", count, *next.Entries)
		case next.Entries != nil:
			return nil
		case next.ID <= last:
			return fmt.Errorf("device %q is out of order, after %q", next.ID, last)
		}
		last, count = next.ID, count+1
		if !yield(next.Entry, nil) {
			return errStopped
		}
	}
}

// Update replaces entries by those in changes, which are ordered by id, and adds
// the missing ones. The file is replaced as a whole, or stays as it is if Update
// fails. baseline records that all devices have an entry.
func (s *State) Update(changes iter.Seq2[Entry, error], baseline bool) error {
	return s.update(changes, baseline, func(_, changed Entry) Entry { return changed })
}

func (s *State) update(changes iter.Seq2[Entry, error], baseline bool, combine func(old, changed Entry) Entry) error {
	head := s.head
	head.Baseline = head.Baseline || baseline
	head.SavedAt = time.Now().UTC()
	if head.ID == "" {
		head.ID = uuid.NewString()
	}
	err := privatefile.WriteStream(s.path, func(w io.Writer) error {
		out := json.NewEncoder(w)
		if err := out.Encode(head); err != nil {
			return err
		}
		count := 0
		for e, err := range merged(s.Entries(), changes, combine) {
			if err != nil {
				return err
			}
			if e.Gone() && head.SavedAt.Sub(e.Time) > goneLife {
				continue
			}
			count++
			if err := out.Encode(e); err != nil {
				return err
			}
		}
		return out.Encode(trailer{&count})
	})
	if err != nil {
		return fmt.Errorf("save the known state in %s: %w", s.path, err)
	}
	s.head, s.updated = head, true
	return nil
}
