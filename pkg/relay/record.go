package relay

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// The files in which a store keeps its own account of what it promised, so
// that a loss is noticed whatever the server's files say.
const (
	recordFile       = "cursor.json"  // replaced about once a second
	acknowledgedFile = "acknowledged" // overwritten before each acknowledgement
)

// recordVersion is the version of a record with figures. Older ones have only
// Last and Floor.
const recordVersion = 2

// record is the state of a store about a second ago, or at its end.
type record struct {
	Version  int    `json:"version,omitempty"`
	Last     uint64 `json:"last"`  // the last event's sequence
	Floor    uint64 `json:"floor"` // all events up to it were settled
	Messages uint64 `json:"messages"`
	Dead     uint64 `json:"dead"`
	Holes    uint64 `json:"holes"`          // sequences between the first and the last without an event
	Removed  uint64 `json:"removed"`        // events removed one by one, when Holes were counted
	Open     bool   `json:"open,omitempty"` // a process stores events, or ended without closing the store
	Sync     bool   `json:"sync,omitempty"`
	Boot     string `json:"boot,omitempty"` // the machine's boot, where that is known
}

// bootID returns an id that changes when the machine starts, or "" where the
// system has none.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// ledger writes down the last acknowledged event's sequence before it is
// acknowledged, and how many events were removed one by one before each is.
// It survives the end of the process, but is not synced to the disk.
type ledger struct {
	mu      sync.Mutex
	file    *os.File
	last    uint64
	removed uint64
}

func openLedger(dir string) (*ledger, error) {
	f, err := os.OpenFile(filepath.Join(dir, acknowledgedFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &ledger{file: f}
	// One that is new, or that a power cut left empty, says nothing.
	_, _ = fmt.Fscanf(f, "%d %d\n", &l.last, &l.removed)
	return l, nil
}

// acknowledged notes the sequence of an event.
func (l *ledger) acknowledged(seq uint64) {
	if l == nil { // a cluster looks after its own files
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq > l.last {
		l.last = seq
		l.write()
	}
}

// remove notes that one event is about to be removed.
func (l *ledger) remove() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removed++
	l.write()
}

// write overwrites the file in place, which needs no room on the disk. If it
// fails all the same, a later loss is told with a smaller number.
func (l *ledger) write() { _, _ = fmt.Fprintf(&at{l.file}, "%020d %020d\n", l.last, l.removed) }

// at writes to the beginning of a file.
type at struct{ f *os.File }

func (w *at) Write(b []byte) (int, error) { return w.f.WriteAt(b, 0) }

func (l *ledger) figures() (last, removed uint64) {
	if l == nil {
		return 0, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, l.removed
}

// reset begins with the stream as it is.
func (l *ledger) reset(last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = last
	l.write()
}

// measure returns the record of the store as it is.
func (s *Store) measure(ctx context.Context) (record, position, Status, error) {
	_, removed := s.ledger.figures() // before the holes are counted
	state, p, err := s.status(ctx)
	if err != nil {
		return record{}, p, state, err
	}
	return s.recordOf(p, state, removed), p, state, nil
}

func (s *Store) recordOf(p position, state Status, removed uint64) record {
	r := record{
		Version: recordVersion, Last: p.last, Floor: p.floor, Messages: p.messages, Dead: state.Dead,
		Removed: removed, Open: true, Sync: s.o.Sync, Boot: s.boot,
	}
	if p.messages > 0 {
		r.Holes = p.last - p.first + 1 - p.messages
	}
	return r
}

// keepRecord replaces the record if it has changed. A full disk may keep it
// from doing so until the next call.
func (s *Store) keepRecord(r record) error {
	if r == *s.written.Load() {
		return nil
	}
	err := writeJSON(s.o.Dir, recordFile, r)
	if err == nil {
		s.written.Store(&r)
	}
	return err
}
