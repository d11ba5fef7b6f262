package cli

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

const (
	// widestBar and narrowestBar are widths in columns.
	widestBar    = 30
	narrowestBar = 5
)

// startProgress starts to show the result of line on stderr. It shows nothing with -q, if
// stderr is not a terminal, or if rows appear on the same terminal in the meantime. atEnd
// means that all rows are printed together at the end.
func (a *App) startProgress(atEnd bool, line func() string) *output.Progress {
	if a.Flags.Quiet || !IsTerminal(a.Err) || !atEnd && IsTerminal(a.Out) {
		return nil
	}
	return output.StartProgress(a.Err, line)
}

// reading shows the progress of reading the log.
type reading struct {
	*output.Progress
	count  atomic.Int64
	oldest atomic.Int64 // time of the last event read, as Unix time in milliseconds
}

// NewReading starts to show the progress of reading events from the log.
func (a *App) NewReading(utc, atEnd bool) *reading {
	r := &reading{}
	r.Progress = a.startProgress(atEnd, func() string {
		n := int(r.count.Load())
		if n == 0 {
			return "waiting for the server"
		}
		return fmt.Sprintf("read %s, back to %s", Plural(n, "event"), output.Time(time.UnixMilli(r.oldest.Load()), utc))
	})
	return r
}

// Read counts an event that was read from the log.
func (r *reading) Read(e mender.Event) {
	r.count.Add(1)
	r.oldest.Store(e.Time.UnixMilli())
}

// sending shows the progress of sending events as a bar.
type sending struct {
	*output.Progress
	Sent, Failed atomic.Int64
}

// NewSending starts to show the progress of sending total events.
func (a *App) NewSending(total int) *sending {
	s := &sending{}
	s.Progress = a.startProgress(false, func() string {
		sent := int(s.Sent.Load())
		bar := output.Bar(sent, total, 30, a.OutStyle().Enabled)
		return fmt.Sprintf("%-30s %d of %s, %d failed", bar, sent, Plural(total, "event"), s.Failed.Load())
	})
	return s
}

// comparing shows the progress of work in several parts as a bar, with the rate and the
// remaining time of each part.
type comparing struct {
	*output.Progress
	mu          sync.Mutex
	part        string
	done, total int
	began       time.Time // of the part
	first       int       // done before the part began
	until       time.Time // instead of a bar: the end of a wait
}

// NewComparing starts to show the progress of comparing devices.
func (a *App) NewComparing() *comparing {
	c := &comparing{}
	c.Progress = a.startProgress(true, func() string { return c.text(widthOf(a.Err), a.ErrStyle().Enabled) })
	return c
}

// text returns the line, with a bar that fits into the width; 0 is no limit.
func (c *comparing) text(width int, blocks bool) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.until.IsZero():
		return fmt.Sprintf("%s: %s", c.part, output.Duration(max(time.Until(c.until), 0).Round(time.Second)))
	case c.part == "":
		return "waiting for the server"
	}
	total := max(c.done, c.total)
	text := fmt.Sprintf("%d of %s", c.done, Plural(total, "device"))
	took := time.Since(c.began)
	if rate := float64(c.done-c.first) / took.Seconds(); rate > 0 && took > time.Second {
		left := time.Duration(float64(max(c.total-c.done, 0)) / rate * float64(time.Second))
		text += fmt.Sprintf(", %.0f/s, %s left", rate, output.Duration(left.Round(time.Second)))
	}
	room := widestBar
	if width > 0 {
		room = min(room, width-len(c.part+"  "+text)-1) // no terminal wraps a line that is shorter than its width
	}
	if room < narrowestBar {
		return c.part + " " + text
	}
	return fmt.Sprintf("%s %-*s %s", c.part, room, output.Bar(c.done, total, room, blocks), text)
}

// Set updates a part of the work. If until is not zero, the part is a wait.
func (c *comparing) Set(part string, done, total int, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if part != c.part {
		c.part, c.began, c.first = part, time.Now(), done
	}
	c.done, c.total, c.until = done, total, until
}
