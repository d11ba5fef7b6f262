package receiving

import (
	"context"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
)

// openSaver opens the directory of --save; it returns nil without the flag.
func (o listenOptions) openSaver() (*listener.Saver, error) {
	if o.saveDir == "" {
		return nil, nil //nolint:nilnil // nothing is saved
	}
	saver, err := listener.NewSaver(o.saveDir)
	if err != nil {
		return nil, cli.Usagef("--save: %w", err)
	}
	return saver, nil
}

// save starts writing each request of a hub to a file. The function that it
// returns waits until all are written, but not longer than half a second.
// Receiving continues if a file cannot be written.
func (l *listening) save(hub *listener.Hub, saver *listener.Saver) (wait func()) {
	if saver == nil {
		return func() {}
	}
	sub, done := hub.Subscribe(listener.SubscribeOptions{}), make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = saver.Close() }() // a directory that was only read
		var warned time.Time
		for e := range sub.Events(context.Background()) {
			r, ok := e.(listener.Received)
			if !ok {
				continue
			}
			if _, err := saver.Save(r); err != nil && time.Since(warned) >= time.Minute {
				warned = time.Now()
				l.app.Warn("a request was not saved: %v", err)
			}
		}
	}()
	return func() {
		select {
		case <-done:
		case <-time.After(500 * time.Millisecond):
		}
		if n := sub.Dropped(); n > 0 {
			l.app.Warn("%s not saved: they came faster than they could be written", cli.Plural(int(n), "request")) //nolint:gosec // a count of requests
		}
	}
}
