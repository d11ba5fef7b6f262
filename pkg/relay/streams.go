package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// openStreams opens the two streams. It creates missing streams only after it has
// checked the existing ones. If there is room for only one of two new streams, it
// removes that one again.
func (q *Queue) openStreams(ctx context.Context) error {
	eventsConfig, deadConfig := q.eventsConfig(), q.deadConfig()
	var err error
	if q.events, err = q.findStream(ctx, eventsConfig); err != nil {
		return err
	}
	if q.dead, err = q.findStream(ctx, deadConfig); err != nil {
		return err
	}
	madeDead := q.dead == nil
	if madeDead {
		if q.dead, err = q.makeStream(ctx, deadConfig); err != nil {
			return err
		}
	}
	if q.events != nil {
		return nil
	}
	q.events, err = q.makeStream(ctx, eventsConfig)
	if err != nil && madeDead && !errors.Is(err, ErrUnavailable) {
		err = errors.Join(err, q.unmake(ctx, deadConfig.Name))
	}
	return err
}

func (q *Queue) eventsConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        q.streamName("EVENTS"),
		Description: eventsDescription,
		Subjects:    []string{q.subject("events", "*")},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardNew,
		MaxBytes:    q.o.MaxBytes,
		Duplicates:  minWindow,
		Replicas:    q.o.Replicas,
		AllowDirect: true,
	}
}

func (q *Queue) deadConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              q.streamName("DEAD"),
		Description:       "Mender's webhook events that are no longer retried",
		Subjects:          []string{q.subject("dead", "*")},
		Retention:         jetstream.LimitsPolicy,
		Storage:           jetstream.FileStorage,
		Discard:           jetstream.DiscardNew,
		MaxBytes:          q.o.MaxBytes,
		MaxMsgsPerSubject: 1,
		Replicas:          q.o.Replicas,
		AllowDirect:       true,
	}
}

// findStream opens and checks a stream. It returns nil if there is none.
func (q *Queue) findStream(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := q.js.Stream(ctx, want.Name)
	switch {
	case err == nil:
		return q.fitStream(ctx, stream, want)
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, fmt.Errorf("open the stream %s: %w", want.Name, openError(err))
	case q.o.bind && !q.o.single:
		return nil, fmt.Errorf("%w: %s", ErrNoStream, want.Name)
	}
	return nil, nil
}

func (q *Queue) makeStream(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := q.js.CreateStream(ctx, want)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another listener was faster
		stream, err = q.js.Stream(ctx, want.Name)
	}
	switch {
	case isNoRoom(err):
		return nil, fmt.Errorf("%w for the stream %s: it needs %d MiB on each of %d servers, and so does the other stream: %w",
			ErrNoRoom, want.Name, want.MaxBytes>>20, want.Replicas, err)
	case err != nil:
		return nil, fmt.Errorf("create the stream %s: %w", want.Name, openError(err))
	}
	return q.fitStream(ctx, stream, want)
}

// fitStream checks a stream. On an embedded server, it also updates the limits.
func (q *Queue) fitStream(ctx context.Context, stream jetstream.Stream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	have := stream.CachedInfo().Config
	if wrong := misfits(have, want); len(wrong) > 0 {
		return nil, fmt.Errorf("%w: stream %s: %s", ErrMisfit, want.Name, strings.Join(wrong, "; "))
	}
	q.note(have, want)
	if !q.o.single || q.o.bind || (have.MaxBytes == want.MaxBytes && have.Discard == want.Discard) {
		return stream, nil
	}
	have.MaxBytes, have.Discard = want.MaxBytes, want.Discard
	stream, err := q.js.UpdateStream(ctx, have)
	if err != nil {
		return nil, fmt.Errorf("change the stream %s: %w", want.Name, openError(err))
	}
	return stream, nil
}

// unmake removes the dead letters' stream that was just created, unless another
// listener has created the events' stream and uses both.
func (q *Queue) unmake(ctx context.Context, dead string) error {
	_, err := q.js.Stream(ctx, q.streamName("EVENTS"))
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err := q.js.DeleteStream(ctx, dead); err != nil {
		return fmt.Errorf("remove the stream %s again: %w", dead, err)
	}
	return nil
}
