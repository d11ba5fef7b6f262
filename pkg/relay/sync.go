package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// syncer brings a stream's acknowledged messages onto the disk, many with one
// fsync. JetStream has an option of its own (SyncAlways), which does one fsync
// a message and holds the stream meanwhile. A stream of one replica writes a
// message to its block file before it acknowledges it, so an fsync of the file
// that begins after the acknowledgement covers it.
type syncer struct {
	dir string // of the stream's block files
	// sync does the work; tests count it.
	sync func() error

	mu     sync.Mutex
	next   *round // of those who wait for the fsync after the one that runs
	active bool

	synced int // the highest block whose name is known to be on the disk
}

type round struct {
	done chan struct{}
	err  error
}

func newSyncer(dir string) *syncer {
	s := &syncer{dir: dir}
	s.sync = s.syncBlocks
	return s
}

// wait returns when all that was written before the call is on the disk.
func (s *syncer) wait(ctx context.Context) error {
	s.mu.Lock()
	if s.next == nil {
		s.next = &round{done: make(chan struct{})}
	}
	r := s.next
	if !s.active {
		s.active = true
		go s.run()
	}
	s.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// run does one fsync after the other, as long as somebody waits.
func (s *syncer) run() {
	for {
		s.mu.Lock()
		r := s.next
		s.next = nil
		if r == nil {
			s.active = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if err := s.sync(); err != nil {
			r.err = fmt.Errorf("%w: can't bring it onto the disk: %w", ErrUnavailable, err)
		}
		close(r.done)
	}
}

// syncBlocks syncs the block files that may have grown: the last one known,
// and those that came after it, whose names are new to their folder.
func (s *syncer) syncBlocks() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	highest := s.synced
	for _, entry := range entries {
		name, isBlock := strings.CutSuffix(entry.Name(), ".blk")
		index, err := strconv.Atoi(name)
		if !isBlock || err != nil || index < s.synced {
			continue
		}
		if err := syncPath(filepath.Join(s.dir, entry.Name())); err != nil {
			return err
		}
		highest = max(highest, index)
	}
	if highest != s.synced {
		if err := syncDir(s.dir); err != nil {
			return err
		}
	}
	s.synced = highest
	return nil
}

// syncPath syncs a file. One that is gone held nothing that is still kept.
func syncPath(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDir syncs a folder's list of names. Windows has no such thing.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// syncTree syncs a folder and all that is in it, once, so that what is
// synced later can be found after a power cut.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.IsDir():
			return syncDir(path)
		case entry.Type().IsRegular():
			return syncPath(path)
		}
		return nil
	})
}
