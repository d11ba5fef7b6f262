package cmd

import (
	"context"
	"net/url"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
)

// clusterLimit is how long listen waits at its start for a cluster that can't
// be reached, or has no quorum.
const clusterLimit = 10 * time.Second

func (l *listener) openCluster(ctx context.Context, target *url.URL) (sink, error) {
	r := l.options.relay
	o, err := r.nats.dial(l.app)
	if err != nil {
		return nil, err
	}
	o.MaxBytes, o.Keep, o.Replicas = int64(r.maxBytes), r.keep, r.replicas
	ctx, cancel := context.WithTimeout(ctx, clusterLimit)
	defer cancel()
	c, err := relay.Dial(ctx, o)
	if err != nil {
		return nil, natsError(err)
	}
	if state, err := c.Status(ctx); err == nil && (state.Waiting > 0 || state.Dead > 0) {
		l.app.say("on the cluster: %d waiting, %d dead", state.Waiting, state.Dead)
	}
	return &stored{l: l, queue: c.Queue, release: c.Close, target: target}, nil
}
