package listenfile

import (
	"context"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/reload"
)

// watchEvery is how often Watch checks the file.
const watchEvery = 100 * time.Millisecond

// Watch calls changed with the result of Read: once, and then whenever the file has changed,
// until ctx is done. A mistake that stays is reported once. changed is called by Watch's
// goroutine, which waits until it returns.
func Watch(ctx context.Context, path string, o Options, changed func(*File, error)) error {
	isFirst := true
	v, err := reload.New(reload.Options[*File]{
		Files: []string{path}, Optional: true, Every: watchEvery / 2,
		Read: func() (*File, error) {
			if isFirst { // its error would end Watch
				isFirst = false
				return nil, nil
			}
			return Read(ctx, path, o)
		},
		Report: changed,
	})
	if err != nil {
		return err
	}
	changed(Read(ctx, path, o))
	ticks := time.NewTicker(watchEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
			v.Get()
		}
	}
}
