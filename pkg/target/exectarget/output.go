package exectarget

import (
	"bytes"
	"strings"
	"sync"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/printable"
)

// The limits of a run's output in the log. The rest is only counted.
const (
	maxLines = 20
	maxLine  = 512 // bytes; the rest of a longer line is dropped
)

// lines logs the output of one run. It stores at most one line, whatever the
// program writes.
type lines struct {
	logf   func(format string, args ...any)
	prefix string

	mu      sync.Mutex
	line    []byte // the current line, up to maxLine
	last    string // the last line with text
	logged  int
	dropped int // lines that were not logged
	closed  bool
}

// Write implements io.Writer. It never fails.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0 && !l.closed; {
		text, after, ended := bytes.Cut(rest, []byte{'\n'})
		l.line = append(l.line, text[:min(len(text), maxLine-len(l.line))]...)
		if ended {
			l.end()
		}
		rest = after
	}
	return len(p), nil
}

// end logs the current line.
func (l *lines) end() {
	text := strings.TrimSpace(printable.Escape(strings.TrimRight(string(l.line), "\r"), ""))
	l.line = l.line[:0]
	if text == "" {
		return
	}
	l.last = text
	if l.logged == maxLines {
		l.dropped++
		return
	}
	l.logged++
	l.logf("%s: %s", l.prefix, text)
}

// close ends the log of the run, and returns the last line with text.
func (l *lines) close() (last string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end(); l.dropped > 0 {
		l.logf("%s: %d more lines of output not logged", l.prefix, l.dropped)
	}
	l.closed = true
	return l.last
}
