package receiver

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// stamp tells versions of a file apart.
type stamp struct{ info os.FileInfo }

// stampOf looks at the file, or, where path is a link, at what it leads to.
func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err // names the path
	}
	if info.IsDir() {
		return stamp{}, fmt.Errorf("%s is a folder, not a file", path)
	}
	return stamp{info: info}, nil
}

func (s stamp) same(other stamp) bool {
	if s.info == nil || other.info == nil {
		return s.info == nil && other.info == nil
	}
	return s.info.ModTime().Equal(other.info.ModTime()) &&
		s.info.Size() == other.info.Size() && os.SameFile(s.info, other.info)
}

// throttle lets one caller through at most once per interval.
type throttle struct {
	every time.Duration
	last  atomic.Int64 // Unix nanoseconds
}

func (t *throttle) pass() bool {
	now, last := time.Now().UnixNano(), t.last.Load()
	return now-last >= int64(t.every) && t.last.CompareAndSwap(last, now)
}
