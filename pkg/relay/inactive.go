package relay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// routeGrace is how long events on a cluster are retained for a route that no listener
// has: long enough for the only listener that has it to start on another machine.
const routeGrace = 15 * time.Minute

// The descriptions of consumers. On a cluster, the consumer of an inactive route has its
// position when it became inactive, since purging the stream moves the consumer's own.
const (
	activeText   = "position of the relay"
	inactiveText = activeText + ", inactive after event %d"
)

// inactiveAfter returns the position at which a route became inactive. ok is false if
// the route is not inactive.
func inactiveAfter(c jetstream.ConsumerConfig) (position uint64, ok bool) {
	_, err := fmt.Sscanf(c.Description, inactiveText, &position)
	return position, err == nil
}

// describe changes the description of a consumer.
func (q *Queue) describe(ctx context.Context, c jetstream.ConsumerConfig, text string) error {
	c.Description = text
	_, err := q.events.UpdateConsumer(ctx, c)
	return err
}

// sighting is what a listener on a cluster has seen of a route.
type sighting struct {
	at        time.Time     // of the last look; zero before the first
	delivered uint64        // deliveries of the consumer until then
	idle      time.Duration // without a sign of a listener, counted only while looking
}

// next adds a look at the consumer. It reports whether a listener has shown itself: one
// waits for an event, or has taken one.
func (s sighting) next(info *jetstream.ConsumerInfo) (now sighting, shown bool) {
	now = sighting{at: time.Now(), delivered: info.Delivered.Consumer}
	shown = info.NumWaiting > 0 || !s.at.IsZero() && now.delivered != s.delivered
	if !shown && !s.at.IsZero() {
		now.idle = s.idle + min(now.at.Sub(s.at), 2*upkeepPeriod)
	}
	return now, shown
}

// watch makes routes on a cluster inactive that no listener has had for a while, and
// active when one has them again. A process without any target leaves that to others:
// it may store events for listeners that are away.
func (q *Queue) watch(ctx context.Context, p position) {
	if q.o.single || q.o.Routes == nil && len(q.routes()) == 0 {
		return
	}
	seen := map[string]sighting{}
	for _, at := range slices.Concat(p.routes, p.inactive) {
		name := at.route.name
		_, inactive := inactiveAfter(at.info.Config)
		own := q.route(name) != nil
		s, shown := q.sightings[name].next(at.info)
		if own {
			s.idle = 0
		}
		var err error
		switch {
		case inactive && (own || shown):
			err = q.describe(ctx, at.info.Config, activeText)
		case !inactive && !own && s.idle >= q.o.grace:
			s.idle = 0
			err = q.deactivate(ctx, at)
		}
		if err != nil && ctx.Err() == nil {
			q.o.Logf("the consumer %s of the stream %s cannot be changed: %v", at.info.Name, q.streamName("EVENTS"), err)
		}
		seen[name] = s
	}
	q.sightings = seen
}

// deactivate makes a route inactive, unless a listener has it whose attempts take long.
func (q *Queue) deactivate(ctx context.Context, at routePosition) error {
	name := at.route.name
	if slices.ContainsFunc(q.ask(ctx, order{}), func(r report) bool { return r.Route == name }) {
		return nil
	}
	if err := q.describe(ctx, at.info.Config, fmt.Sprintf(inactiveText, at.floor)); err != nil {
		return err
	}
	q.o.Logf("no listener has had the route %s for %s: events are no longer retained for it; it continues after event %d if a listener has it again",
		name, q.o.grace, at.floor)
	return nil
}
