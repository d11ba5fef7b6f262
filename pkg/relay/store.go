package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay/embedded"
)

// DefaultMinFree is the default of StoreOptions.MinFree, in bytes.
const DefaultMinFree = 64 << 20

// StoreOptions configure a Store. The zero value of each field except Dir is its
// default.
type StoreOptions struct {
	// Dir is the folder. It is created if it is missing, accessible only to its
	// owner.
	Dir string
	// Sync makes JetStream sync each event to the disk before it acknowledges
	// the event (sync_interval: always), so that the event survives a power cut.
	// Without Sync, JetStream syncs once a second.
	Sync bool
	// MinFree is how many bytes of the disk must stay free. If fewer are free,
	// events are refused with ErrFull.
	MinFree int64
	// Routes are as in QueueOptions, but nil means the routes of the last
	// listener. MaxBytes, Keep, AckTimeout, AckWait and Logf are as in QueueOptions.
	Routes     []Route
	MaxBytes   int64
	Keep       time.Duration
	AckTimeout time.Duration
	AckWait    time.Duration
	Logf       Logf
}

func (o StoreOptions) queue() QueueOptions {
	return QueueOptions{
		MaxBytes: o.MaxBytes, Keep: o.Keep, AckTimeout: o.AckTimeout, AckWait: o.AckWait, Routes: o.Routes, Logf: o.Logf,
		single: true,
	}.withDefaults()
}

// Store is a queue in a folder. Its server runs in this process, or in another
// one that this process is attached to.
type Store struct {
	*Queue
	o        StoreOptions
	server   *embedded.Server // nil if another process runs it
	claimed  *claim           // nil if another process has it
	recovery Recovery
	brief    bool         // opened by Attach
	boot     string       // bootID
	restore  func() error // ends acting as the owner

	broken    atomic.Bool           // a write failed: the server restarts
	gone      atomic.Pointer[error] // the folder no longer exists
	acked     atomic.Int64          // when the server last acknowledged an event, in Unix nanoseconds
	checking  sync.Mutex            // held while the folder is inspected
	mend      chan struct{}
	checked   atomic.Int64 // when the free space was looked at, in Unix nanoseconds
	diskFull  atomic.Bool
	written   atomic.Pointer[record]
	opened    record // at the start
	ended     sync.Once
	announced atomic.Bool // other processes can connect
}

// Open opens the store in a folder for storing and forwarding, and recovers it if
// necessary. Logf and Recovery report what it found. The error wraps ErrInUse if another
// process uses the folder.
func Open(ctx context.Context, o StoreOptions) (*Store, error) { return open(ctx, o, false) }

func open(ctx context.Context, o StoreOptions, brief bool) (*Store, error) {
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	o.MinFree = orElse(o.MinFree, DefaultMinFree)
	s := &Store{o: o, brief: brief, boot: bootID(), mend: make(chan struct{}, 1)}
	if err := s.openFolder(ctx); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	s.server = embedded.New(embedded.Options{Dir: s.o.Dir, Sync: o.Sync, Logf: o.Logf, Failing: s.suspect})
	if err := s.run(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", err), s.Close())
	}
	return s, nil
}

// openFolder locks the folder and checks that its files can be used.
func (s *Store) openFolder(ctx context.Context) (err error) {
	if !s.brief {
		if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
			return err
		}
	}
	if s.restore, err = actAsOwner(&s.o.Dir, s.brief); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.restore())
		}
	}()
	wait, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	if s.claimed, err = lock(wait, s.o.Dir); err != nil {
		return err
	}
	if err = checkAccess(s.o.Dir); err != nil {
		err = errors.Join(err, s.claimed.release())
	}
	return err
}

// run starts the server and opens its queue.
func (s *Store) run(ctx context.Context) error {
	_, announced, err := readJSON[contact](s.o.Dir, contactFile)
	if err != nil {
		return err
	}
	before, known, err := readJSON[record](s.o.Dir, recordFile)
	if err != nil {
		return err
	}
	s.written.Store(&before)
	s.recovery.Unclean = before.Open || (announced && before.Version < recordVersion)
	if err := s.openServer(ctx, s.takeRoutes(before)); err != nil {
		return err
	}
	if s.ledger, err = openLedger(s.o.Dir); err != nil {
		return err
	}
	if err := s.begin(ctx, before, known); err != nil {
		return err
	}
	s.record, s.listening = s.recordRoutes, !s.brief
	if s.listening {
		if err := s.serveForget(); err != nil {
			return err
		}
	}
	s.announce(s.brief)
	if s.brief {
		return nil
	}
	s.claimed.files = embedded.Files(s.o.Dir, s.streamName("EVENTS"), s.streamName("DEAD"))
	s.barrier, s.Queue.heard = s.ready, s.heard
	if s.retention, _, err = readJSON[retention](s.o.Dir, deliveredFile); err != nil {
		return err
	}
	s.retained, s.read = s.saveRetention, s.lastRead
	s.maintain(s.tick)
	s.done.Go(s.repairLoop)
	return nil
}

// begin compares the store with its record, and starts a new one.
func (s *Store) begin(ctx context.Context, before record, known bool) (err error) {
	if err := s.assess(ctx, before, known); err != nil {
		return err
	}
	if text := s.recovery.describe(s.o.Dir, s.forgotten); text != "" && (!s.brief || s.recovery.Lost > 0) {
		s.o.Logf("%s", text)
	}
	var p position
	if s.opened, p, _, err = s.measure(ctx); err != nil || s.brief {
		return err
	}
	s.ledger.reset(p.last)
	if err := s.keepRecord(s.opened); err != nil {
		// A full disk must not prevent the start: forwarding makes room.
		s.o.Logf("the record of the store in %s cannot be written: %v", s.o.Dir, err)
	}
	return nil
}

// takeRoutes uses the routes of the last listener, unless others are given, and returns
// the recorded positions.
func (s *Store) takeRoutes(before record) positions {
	active, isNew := before.active(), reflect.DeepEqual(before, record{})
	if s.o.Routes == nil {
		s.o.Routes = []Route{}
		for _, name := range slices.Sorted(maps.Keys(active)) {
			s.o.Routes = append(s.o.Routes, Route{Name: name})
		}
		if len(active) == 0 && (isNew || !s.brief) {
			s.o.Routes = []Route{{Name: DefaultRoute}}
		}
	}
	known := positions{floors: before.floors(), former: before.Former, origin: active, unrecorded: isNew}
	if len(active) == 0 && !isNew {
		known.origin = nil // nothing waits
	}
	for _, r := range s.o.Routes {
		if _, remains := active[r.Name]; remains {
			known.origin = nil
		}
	}
	return known
}

// openServer starts the server and opens its queue.
func (s *Store) openServer(ctx context.Context, known positions) error {
	o := s.o.queue()
	o.bind = s.brief
	for again := false; ; again = true {
		if err := s.server.Start(ctx); err != nil {
			return err
		}
		nc, err := s.server.Connect()
		if err != nil {
			return err
		}
		s.Queue, err = newQueue(ctx, nc, o, known)
		if err != nil {
			nc.Close()
			return err
		}
		if s.brief || again {
			return nil
		}
		// The store may have been closed for longer than the deduplication window.
		late, err := s.adjustWindow(ctx)
		if err != nil || !late {
			return err
		}
		nc.Close()
		s.server.Stop()
	}
}

// announce writes the server's address for other processes. A full disk may
// prevent that until forwarding has made room.
func (s *Store) announce(brief bool) {
	c := contact{URL: s.server.Address(), Password: s.server.Password(), PID: os.Getpid(), Brief: brief}
	err := writeJSON(s.o.Dir, contactFile, c)
	if err != nil {
		s.o.Logf("other processes cannot reach the store in %s: %v", s.o.Dir, err)
	}
	s.announced.Store(err == nil)
}

// Close closes the store, or detaches from it. It aborts a forwarder that was not
// stopped. Calls after the first have no effect.
func (s *Store) Close() (err error) {
	s.ended.Do(func() { err = s.close() })
	return err
}

// lastLook limits how long to read the state for the last record.
const lastLook = time.Second

func (s *Store) close() error {
	if s.server == nil { // attached
		s.Queue.Close()
		closeConn(s.nc)
		return nil
	}
	var failed []error
	if s.Queue != nil {
		s.interruptForwarders()
		s.Queue.Close()
		if s.ledger != nil {
			failed = append(failed, s.closeRecord(), s.ledger.file.Close())
		}
		closeConn(s.nc)
	}
	if s.claimed.replaced() {
		// Do not stop the server: it would write files into the new folder. It
		// ends with the process.
		return errors.Join(s.claimed.release(), s.restore())
	}
	s.server.Close()
	if err := os.Remove(filepath.Join(s.o.Dir, contactFile)); !errors.Is(err, os.ErrNotExist) {
		failed = append(failed, err)
	}
	failed = append(failed, s.claimed.release(), s.restore())
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("close the store in %s: %w", s.o.Dir, err)
	}
	return nil
}
