package receiving

import (
	"context"
	"time"

	"github.com/mender-webhooks/mender-webhooks/cmd/cli"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
)

// openSaver opens the folder in --save. It returns nil without the flag.
func (o listenOptions) openSaver() (*listener.Saver, error) {
	if o.saveDir == "" {
		return nil, nil //nolint:nilnil // nil means that nothing is saved
	}
	saver, err := listener.NewSaver(o.saveDir)
	if err != nil {
		return nil, cli.Usagef("--save: %w", err)
	}
	return saver, nil
}

// save starts to write each request of a hub to a file. The returned function
// waits until all requests are written, but at most 500 ms. Receiving continues
// if a file cannot be written.
func (l *listening) save(hub *listener.Hub, saver *listener.Saver) (wait func()) {
	if saver == nil {
		return func() {}
	}
	sub, done := hub.Subscribe(listener.SubscribeOptions{}), make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = saver.Close() }() // closes only the folder, so an error loses no data
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
