package output

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// When a line of progress appears, and how often it changes.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// Progress is a line on a terminal that appears when something takes longer than a second,
// and is removed at the end. A nil Progress shows nothing.
type Progress struct {
	w    io.Writer
	line func() string
	end  chan struct{}
	done sync.WaitGroup

	stopped sync.Once
}

// StartProgress starts to show the result of line, which must be safe to call at any time,
// on a terminal.
func StartProgress(w io.Writer, line func() string) *Progress {
	p := &Progress{w: w, line: line, end: make(chan struct{})}
	p.done.Go(p.show)
	return p
}

func (p *Progress) show() {
	timer := time.NewTimer(progressAfter)
	defer timer.Stop()
	shown := false
	for {
		select {
		case <-timer.C:
			fmt.Fprintf(p.w, "\r\x1b[K%s", p.line())
			shown = true
			timer.Reset(progressEvery)
		case <-p.end:
			if shown {
				fmt.Fprint(p.w, "\r\x1b[K")
			}
			return
		}
	}
}

// Stop removes the line. It may be called again.
func (p *Progress) Stop() {
	if p != nil {
		p.stopped.Do(func() { close(p.end) })
		p.done.Wait()
	}
}
