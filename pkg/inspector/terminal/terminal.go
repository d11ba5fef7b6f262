// Package terminal shows the requests of a listener, or the events of Mender's log, on
// a full terminal screen: a list with a filter, and one of them in full. It can send a
// request to the application again.
//
//	err := terminal.Run(ctx, terminal.Options{
//		In: os.Stdin, Out: os.Stdout, Title: title, Noun: "request", Verdict: "verdict",
//		Good: good, Items: items, Details: h.Details, Replay: h.Replay,
//	})
//
// All text from outside is escaped. The screen is drawn at most 20 times a second,
// however many events arrive, and the list holds the last 1,000.
package terminal

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/output"
)

const (
	// frames is how often the screen is drawn, per second.
	frames = 20
	// maxItems is how many events the list holds, as many as a hub's history.
	maxItems = 1000
	// maxName limits each string of an event in the list, in bytes, and maxReason the
	// reason why it failed.
	maxName   = 256
	maxReason = 1024
)

// Options are the settings of a screen.
type Options struct {
	// In and Out are the terminal. If In is not a terminal, keys are read from the
	// controlling one.
	In  io.Reader
	Out io.Writer
	// Title returns the first line, such as the address of the listener.
	Title func() string
	// Noun is what the list shows, such as request.
	Noun string
	// Verdict is what a verdict is called, such as verdict or delivery.
	Verdict string
	// Verdicts are the verdicts to filter by.
	Verdicts []string
	// Good reports whether a verdict is no problem. The others are red.
	Good func(verdict string) bool
	// Items yields the events to show until the context is done.
	Items func(context.Context) iter.Seq[history.Item]
	// Missed returns how many events Items could not yield; nil means none.
	Missed func() uint64
	// Details returns an item of the list in full.
	Details func(number uint64) (history.Details, error)
	// Replay sends a request to the application again; nil forbids that.
	Replay func(ctx context.Context, number uint64) (history.Attempt, error)
	// Totals returns one line about all events so far.
	Totals func() string
	// Log holds the messages to stderr. Run shows them on the screen, and releases
	// them when it returns.
	Log *output.Held
	// Style colors the screen.
	Style output.Style
	// UTC shows times in UTC instead of local time.
	UTC bool
	// Dates adds the date to the times of the list.
	Dates bool
}

// Run shows the screen until the user quits or ctx is done, and restores the
// terminal. It also does so if the screen panics, and then returns an error.
func Run(ctx context.Context, o Options) error {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	o.Log.Hold()
	defer o.Log.Release()
	m := newModel(running, o)
	options := []tea.ProgramOption{tea.WithOutput(o.Out), tea.WithoutSignalHandler(), tea.WithFPS(frames)}
	if isTerminal(o.In) {
		options = append(options, tea.WithInput(o.In))
	}
	program := tea.NewProgram(m, options...)
	m.send = program.Send
	// tea.WithContext would leave the goroutine that reads keys behind.
	context.AfterFunc(running, program.Quit)
	var feeding sync.WaitGroup
	f := &feed{o: o}
	feeding.Go(func() { f.collect(running) })
	feeding.Go(func() { f.deliver(running, program.Send) })
	_, err := program.Run()
	cancel()
	feeding.Wait()
	m.replays.Wait()
	return errors.Join(err, m.failed)
}

// feed collects items as fast as they arrive, and delivers them to the screen in
// batches. A screen that does not keep up misses the oldest.
type feed struct {
	o Options

	mu      sync.Mutex
	items   []history.Item
	arrived int // since the last batch
}

// batch is the message with the items since the previous one.
type batch struct {
	items   []history.Item // the last ones
	arrived int
}

func (f *feed) collect(ctx context.Context) {
	for item := range f.o.Items(ctx) {
		clip(&item)
		f.mu.Lock()
		if f.arrived++; len(f.items) == maxItems {
			f.items = f.items[1:]
		}
		f.items = append(f.items, item)
		f.mu.Unlock()
	}
}

// deliver sends a batch if there is something new, and at least every second for
// the totals.
func (f *feed) deliver(ctx context.Context, send func(tea.Msg)) {
	ticks := time.NewTicker(time.Second / frames)
	defer ticks.Stop()
	var sent time.Time
	said := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		f.mu.Lock()
		b := batch{items: f.items, arrived: f.arrived}
		f.items, f.arrived = nil, 0
		f.mu.Unlock()
		_, messages := f.o.Log.Last()
		if b.arrived == 0 && messages == said && time.Since(sent) < time.Second {
			continue
		}
		said = messages
		send(b)
		sent = time.Now()
	}
}

// clip limits the memory of an item. Its details have the full text.
func clip(i *history.Item) {
	cut := func(s *string, limit int) {
		if len(*s) > limit {
			*s = strings.Clone((*s)[:limit])
		}
	}
	for _, s := range []*string{&i.ID, &i.Type, &i.Device, &i.Status, &i.Reason} {
		cut(s, maxName)
	}
	cut(&i.Error, maxReason)
}
