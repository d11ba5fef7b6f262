package inspector

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/inspector/history"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// statsEvery is how often the page gets the state of the queue. It also shows the
// page that the connection is alive.
const statsEvery = time.Second

// events streams the history and then each new event as server-sent events, and
// the state of the queue every second.
func (i *Inspector) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	sub := i.o.Listener.Hub().Subscribe(listener.SubscribeOptions{History: true})
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	items := make(chan history.Item)
	go func() {
		defer close(items)
		defer sub.Close()
		for n := range sub.Numbered(ctx) {
			select {
			case items <- history.NewItem(n):
			case <-ctx.Done():
			}
		}
	}()
	out := stream{w: w, flush: http.NewResponseController(w)}
	out.send("stats", i.stats())
	ticks := time.NewTicker(statsEvery)
	defer ticks.Stop()
	for out.err == nil {
		select {
		case x, more := <-items:
			if !more {
				return
			}
			out.send("item", x)
			if sub.Buffered() > 0 {
				continue
			}
		case <-ticks.C:
			out.send("stats", i.stats())
		}
		if err := out.flush.Flush(); err != nil {
			return
		}
	}
}

type stream struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	err   error
}

func (s *stream) send(kind string, v any) {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", kind, text)
	}
	s.err = err
}

// stats is the state of the queue, or the zero value without one.
type stats struct {
	Waiting   uint64  `json:"waiting"`
	OldestS   float64 `json:"oldest_s"`
	Dead      uint64  `json:"dead"`
	Available bool    `json:"available"`
}

func (i *Inspector) stats() stats {
	s, ok := i.o.Listener.Stats()
	if !ok {
		s = relay.Stats{Available: true}
	}
	return stats{Waiting: s.Waiting, OldestS: s.OldestAge.Seconds(), Dead: s.Dead, Available: s.Available}
}
