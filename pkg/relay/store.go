package relay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultMinFree is how much of the disk is left alone.
const DefaultMinFree = 64 << 20

// syncInterval is how often the server brings its files onto the disk by itself.
const syncInterval = time.Second

// StoreOptions are the settings of a Store. The zero value of each but Dir is
// its default.
type StoreOptions struct {
	// Dir is the folder. It is made where it is missing, for its owner alone.
	Dir string
	// Sync brings each event onto the disk before Publish returns, and so
	// through a power cut. Without it that happens every second.
	Sync bool
	// MinFree is how many bytes of the disk must stay free: with less,
	// nothing more is stored (ErrFull).
	MinFree int64
	// MaxBytes, Keep, AckTimeout, AckWait and Logf are as in QueueOptions.
	MaxBytes   int64
	Keep       time.Duration
	AckTimeout time.Duration
	AckWait    time.Duration
	Logf       Logf
}

func (o StoreOptions) queue() QueueOptions {
	return QueueOptions{
		MaxBytes: o.MaxBytes, Keep: o.Keep, AckTimeout: o.AckTimeout, AckWait: o.AckWait, Logf: o.Logf,
		single: true,
	}.withDefaults()
}

// Store is a queue in a folder, with the server that runs it in this process,
// or that it is attached to.
type Store struct {
	*Queue
	o        StoreOptions
	server   *embedded // nil where another process runs it
	claimed  *claim    // nil where another process has it
	recovery Recovery

	broken    atomic.Bool           // a write failed: the server restarts
	gone      atomic.Pointer[error] // the folder is not there any more
	acked     atomic.Int64          // when the server last acknowledged an event, in Unix nanoseconds
	checking  sync.Mutex            // held while the folder is inspected
	mend      chan struct{}
	checked   atomic.Int64 // when the free space was looked at, in Unix nanoseconds
	diskFull  atomic.Bool
	written   cursor
	ended     sync.Once
	announced atomic.Bool // others know how to reach the server
}

// Open opens the store in a folder for storing and forwarding, and recovers
// it if need be: what was found is told through Logf and Recovery. The error
// wraps ErrInUse where another process has the folder.
func Open(ctx context.Context, o StoreOptions) (*Store, error) { return open(ctx, o, false) }

func open(ctx context.Context, o StoreOptions, brief bool) (*Store, error) {
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	o.MinFree = orElse(o.MinFree, DefaultMinFree)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	wait, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	held, err := lock(wait, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	s := &Store{o: o, claimed: held, mend: make(chan struct{}, 1)}
	log := &serverLog{logf: o.Logf, onError: s.suspect}
	s.server = newEmbedded(o.Dir, syncInterval, log)
	if err := s.run(ctx, brief); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", err), s.Close())
	}
	return s, nil
}

// run starts the server and opens its queue.
func (s *Store) run(ctx context.Context, brief bool) error {
	_, s.recovery.Unclean = readJSON[contact](s.o.Dir, contactFile)
	before, known := readJSON[cursor](s.o.Dir, cursorFile)
	if err := s.openServer(ctx, brief, before.Floor); err != nil {
		return err
	}
	if err := s.report(ctx, before, known); err != nil {
		return err
	}
	if s.o.Sync {
		if err := s.syncing(); err != nil {
			return err
		}
	}
	s.announce(brief)
	s.barrier, s.Queue.heard = s.ready, s.heard
	s.maintain(s.tick)
	s.done.Go(s.mender)
	return nil
}

// openServer starts the server and opens its queue.
func (s *Store) openServer(ctx context.Context, brief bool, resume uint64) error {
	o := s.o.queue()
	o.bind = brief
	for again := false; ; again = true {
		if err := s.server.start(ctx); err != nil {
			return err
		}
		s.recovery.Found = append(s.recovery.Found, s.server.found...)
		nc, err := s.server.connect()
		if err != nil {
			return err
		}
		s.Queue, err = newQueue(ctx, nc, o, resume)
		if err == nil && !brief && !again {
			// It may have been closed for longer than ids were to be known.
			var late bool
			if late, err = s.adjustWindow(ctx); err == nil && late {
				nc.Close()
				s.server.stop()
				continue
			}
		}
		if err == nil {
			return nil
		}
		nc.Close()
		if again || !isConsumerLost(err) {
			return err
		}
		if err := s.forgetConsumer(o.Prefix, resume); err != nil {
			return err
		}
	}
}

// syncing makes Publish wait for the disk.
func (s *Store) syncing() error {
	if err := syncTree(s.o.Dir); err != nil {
		return fmt.Errorf("bring the store onto the disk: %w", err)
	}
	s.durable = newSyncer(s.blocks(s.Queue.o.Prefix, "EVENTS")).wait
	s.durableDead = newSyncer(s.blocks(s.Queue.o.Prefix, "DEAD")).wait
	return nil
}

// blocks is the folder of a stream's files. $G is the server's only account.
func (s *Store) blocks(prefix, kind string) string {
	return filepath.Join(s.o.Dir, serverDirectory, "jetstream", "$G", "streams", streamName(prefix, kind), "msgs")
}

// announce writes down how the server is reached. On a full disk that may
// fail, and forwarding goes on nevertheless: it is what makes room.
func (s *Store) announce(brief bool) {
	c := contact{URL: "nats://" + s.server.address(), Password: s.server.password, PID: os.Getpid(), Brief: brief}
	err := writeJSON(s.o.Dir, contactFile, c)
	if err != nil {
		s.o.Logf("other processes can't reach the store in %s: %v", s.o.Dir, err)
	}
	s.announced.Store(err == nil)
}

// Close ends what this process does with the store. A forwarder that was not
// stopped is broken off.
//
// Only the first call does something.
func (s *Store) Close() (err error) {
	s.ended.Do(func() { err = s.close() })
	return err
}

// lastLook is how long the last look at the queue may take.
const lastLook = 500 * time.Millisecond

func (s *Store) close() error {
	if s.Queue != nil {
		s.breakOff()
		s.Queue.Close()
		if s.server != nil && s.server.running.Load() != nil {
			ctx, cancel := context.WithTimeout(context.Background(), lastLook)
			defer cancel()
			s.look(ctx, s.tick)
		}
		closeConn(s.nc)
	}
	if s.server == nil {
		return nil
	}
	if s.claimed.replaced() {
		// A server that stops writes its files. It ends with the process.
		return s.claimed.release()
	}
	s.server.close()
	err := os.Remove(filepath.Join(s.o.Dir, contactFile))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, s.claimed.release()); err != nil {
		return fmt.Errorf("close the store in %s: %w", s.o.Dir, err)
	}
	return nil
}
