package relay

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
)

// The files in which a store records acknowledged events, so that it notices losses
// independently of the server's files.
const (
	recordFile       = "cursor.json"  // replaced about once a second
	acknowledgedFile = "acknowledged" // overwritten before each acknowledgement
)

// recordVersion is the version of a record with counts. Older ones have only Last and
// Floor.
const recordVersion = 2

// record is the state of a store about a second ago, or when it was closed.
type record struct {
	Version  int    `json:"version,omitempty"`
	Last     uint64 `json:"last"`  // sequence of the last event
	Floor    uint64 `json:"floor"` // all events up to it were settled
	Messages uint64 `json:"messages"`
	Dead     uint64 `json:"dead"`
	Holes    uint64 `json:"holes"`          // sequences between the first and the last without an event
	Removed  uint64 `json:"removed"`        // events removed one by one, when Holes were counted
	Open     bool   `json:"open,omitempty"` // a process stores events, or ended without closing the store
	Sync     bool   `json:"sync,omitempty"`
	Boot     string `json:"boot,omitempty"` // id of the machine's boot, if known
	// Routes are the floors of the routes, unless DefaultRoute is the only one; Floor
	// is then the lowest of them.
	Routes floors `json:"routes,omitzero"`
	// Former are the floors of routes that have no target any more.
	Former floors `json:"former_routes,omitempty"`
}

// active returns the floors of the routes. There are none if there was no record.
func (r record) active() floors {
	switch {
	case r.Routes != nil:
		return maps.Clone(r.Routes)
	case reflect.DeepEqual(r, record{}):
		return floors{}
	}
	return floors{DefaultRoute: r.Floor}
}

// floors returns the floors of the routes and the former routes.
func (r record) floors() floors {
	all := r.active()
	maps.Copy(all, r.Former)
	return all
}

// bootID returns an id that changes when the machine boots, or "" if the system has
// none.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// ledger records the sequence of an event before it is acknowledged, and each removal
// before it happens. It survives a crash of the process, but not of the machine,
// because it is not synced to the disk.
type ledger struct {
	mu      sync.Mutex
	file    *os.File
	last    uint64
	removed uint64 // number of events and dead letters that were removed one by one
	givenUp uint64 // events up to it were removed, although routes had not settled them
}

func openLedger(dir string) (*ledger, error) {
	f, err := os.OpenFile(filepath.Join(dir, acknowledgedFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &ledger{file: f}
	// A new file, or one that a power failure left empty, has no values.
	_, _ = fmt.Fscanf(f, "%d %d %d\n", &l.last, &l.removed, &l.givenUp)
	return l, nil
}

// acknowledged records the sequence of an event.
func (l *ledger) acknowledged(seq uint64) {
	if l == nil { // not used on a cluster
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq > l.last {
		l.last = seq
		l.write()
	}
}

// remove records that an event or a dead letter is about to be removed.
func (l *ledger) remove() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removed++
	l.write()
}

// giveUp records that all events up to a sequence are about to be removed, although
// some routes have not settled them.
func (l *ledger) giveUp(seq uint64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.givenUp = seq
	l.write()
}

// write overwrites the file in place, which needs no space on the disk. If it fails
// anyway, a later report may count too few lost events.
func (l *ledger) write() {
	_, _ = fmt.Fprintf(&at{l.file}, "%020d %020d %020d\n", l.last, l.removed, l.givenUp)
}

// at writes to the start of a file.
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

// reset sets the last sequence to that of the stream.
func (l *ledger) reset(last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = last
	l.write()
}

// measure returns a record of the current state of the store.
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
		Version: recordVersion, Last: p.last, Messages: p.messages, Dead: state.Dead,
		Removed: removed, Open: true, Sync: s.o.Sync, Boot: s.boot,
	}
	if p.messages > 0 {
		r.Holes = p.last - p.first + 1 - p.messages
	}
	known := floors{}
	for _, at := range p.routes {
		known[at.route.name] = at.floor
	}
	s.recordFloors(&r, known)
	return r
}

// recordFloors adds the positions of the routes to a record. The routes may have changed
// since the positions were read.
func (s *Store) recordFloors(r *record, known floors) {
	r.Floor, r.Routes, r.Former = r.Last, floors{}, nil
	for _, at := range s.routes() {
		floor, ok := known[at.name]
		if !ok {
			floor = at.floor.Load()
		}
		r.Routes[at.name] = floor
		r.Floor = min(r.Floor, floor)
	}
	if _, ok := r.Routes[DefaultRoute]; ok && len(r.Routes) == 1 {
		r.Routes = nil
	}
	if len(s.former) > 0 { // else as in a record that is read
		r.Former = maps.Clone(s.former)
	}
}

// recordRoutes saves the routes and the former ones, when they have changed.
func (s *Store) recordRoutes() error {
	r := *s.written.Load()
	s.recordFloors(&r, r.active())
	return s.keepRecord(r)
}

// keepRecord replaces the record if it has changed. If the disk is full, the next call
// tries again.
func (s *Store) keepRecord(r record) error {
	if reflect.DeepEqual(r, *s.written.Load()) {
		return nil
	}
	err := writeJSON(s.o.Dir, recordFile, r)
	if err == nil {
		s.written.Store(&r)
	}
	return err
}
