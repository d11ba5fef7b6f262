// Package reload keeps values that are read from files up to date.
package reload

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the settings of a Value. All but Optional and Report are
// required.
type Options[T any] struct {
	// Files are the files that Read reads.
	Files []string
	// Optional treats a missing file as an empty one.
	Optional bool
	// Every is the shortest time between two checks of the files.
	Every time.Duration
	Read  func() (T, error)
	// Report is called after each read but the first, by the goroutine that
	// calls Get, with the new value or with the reason why there is none. The
	// same reason is reported once.
	Report func(T, error)
}

// Value is a value that is read from files, and read again when one of them
// changes. It is safe for concurrent use.
type Value[T any] struct {
	o       Options[T]
	next    atomic.Int64 // the time of the next look, in Unix nanoseconds
	current atomic.Pointer[T]

	mu     sync.Mutex
	stamps []fs.FileInfo // of the files at the last read; nil if they were not there
	failed string        // the last error reported; empty after a success
	retry  time.Time     // when to read again after a failure
}

// New reads a value for the first time.
func New[T any](o Options[T]) (*Value[T], error) {
	v := &Value[T]{o: o}
	stamps, err := v.look()
	if err != nil {
		return nil, err
	}
	value, err := o.Read()
	if err != nil {
		return nil, err
	}
	v.stamps = stamps
	v.current.Store(&value)
	v.next.Store(time.Now().Add(o.Every).UnixNano())
	return v, nil
}

// retryPause is the time after which a failed read is tried again although no
// file changed: a restored permission or a freed descriptor does not show in
// the state of the files.
const retryPause = time.Second

// Get returns the value, and reads it again first if a file changed. If that
// fails, it returns the value that was read before. Most calls take a few
// nanoseconds.
func (v *Value[T]) Get() T {
	now := time.Now().UnixNano()
	if next := v.next.Load(); now >= next && v.next.CompareAndSwap(next, now+int64(v.o.Every)) && v.mu.TryLock() {
		v.refresh()
		v.mu.Unlock()
	}
	return *v.current.Load()
}

func (v *Value[T]) refresh() {
	stamps, err := v.look()
	if err == nil && v.stamps != nil && slices.EqualFunc(stamps, v.stamps, same) && (v.failed == "" || time.Now().Before(v.retry)) {
		return
	}
	if err == nil {
		err = readable(stamps)
	}
	value := *v.current.Load()
	if err == nil {
		var read T
		if read, err = v.o.Read(); err == nil {
			value = read
		}
	}
	v.stamps = stamps
	v.current.Store(&value)
	before := v.failed
	if v.failed = ""; err != nil {
		v.failed, v.retry = err.Error(), time.Now().Add(retryPause)
		if v.failed == before {
			return
		}
	}
	if v.o.Report != nil {
		v.o.Report(value, err)
	}
}

// look returns the state of each file, following links; nil for a missing one.
func (v *Value[T]) look() ([]fs.FileInfo, error) {
	stamps := make([]fs.FileInfo, len(v.o.Files))
	for i, file := range v.o.Files {
		info, err := os.Stat(file)
		switch {
		case os.IsNotExist(err) && v.o.Optional:
			continue
		case err != nil:
			return nil, err // names the file
		case info.IsDir():
			return nil, fmt.Errorf("%s is a folder, not a file", file)
		}
		stamps[i] = info
	}
	return stamps, nil
}

// readable returns an error if one of the files is a pipe or a device:
// reading it could block.
func readable(stamps []fs.FileInfo) error {
	for _, info := range stamps {
		if info != nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", info.Name())
		}
	}
	return nil
}

// same reports whether a file is unchanged. A pipe is read only once.
func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if !a.Mode().IsRegular() && a.Mode().Type() == b.Mode().Type() {
		return true
	}
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}
