package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// openStreams opens the two streams. What is missing is made, but only after
// what is there was found to fit; and where there is no room for both, none is
// left behind.
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
		Description:       "Mender's webhook events that were given up",
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

// findStream opens a stream that exists, if it fits; one that does not exist
// is nil.
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
		return nil, fmt.Errorf("%w for the stream %s: %d servers with %d MiB each, as each of the two streams reserves: %w",
			ErrNoRoom, want.Name, want.Replicas, want.MaxBytes>>20, err)
	case err != nil:
		return nil, fmt.Errorf("make the stream %s: %w", want.Name, openError(err))
	}
	return q.fitStream(ctx, stream, want)
}

// fitStream looks whether a stream fits. Only that of an own server is changed.
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

// unmake removes the dead letters' stream that was just made, unless another
// listener has made that of the events meanwhile: then it is in use.
func (q *Queue) unmake(ctx context.Context, dead string) error {
	_, err := q.js.Stream(ctx, q.streamName("EVENTS"))
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err := q.js.DeleteStream(ctx, dead); err != nil {
		return fmt.Errorf("the stream %s is left behind: %w", dead, err)
	}
	return nil
}
