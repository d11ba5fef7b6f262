package relay

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrMisfit says that a stream or consumer that exists can't be the relay's:
// it would lose events, or hand out others.
var ErrMisfit = errors.New("it does not fit")

// ErrNoStream says that the streams to look after are not there.
var ErrNoStream = errors.New("there is no such stream on the cluster")

// ErrNoRoom says that a stream can't be made.
var ErrNoRoom = errors.New("the cluster has no room")

// errCodeNoPeers is the server's code for a cluster without enough servers
// that have enough room.
const errCodeNoPeers jetstream.ErrorCode = 10005

func isNoRoom(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && !isOffline(api) &&
		(api.ErrorCode == errCodeNoPeers || api.ErrorCode == errCodeStorage || api.ErrorCode == errCodeResources)
}

// isOffline tells a cluster that lacks servers for the moment from one that
// has too few.
func isOffline(api *jetstream.APIError) bool {
	return api.ErrorCode == errCodeNoPeers && strings.Contains(api.Description, "offline")
}

// misfits says what of a stream that exists would break a promise of the
// relay. All else is its owner's choice.
func misfits(have, want jetstream.StreamConfig) []string {
	var wrong []string
	needs := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	needs(have.Retention == want.Retention, "it has %s retention, and needs limits: others remove events that wait, or forget their ids", have.Retention)
	needs(have.Storage == want.Storage, "it is kept in %s, and needs a file", strings.ToLower(have.Storage.String()))
	needs(slices.Equal(have.Subjects, want.Subjects), "its subjects are %s, and have to be %s alone",
		strings.Join(have.Subjects, ", "), strings.Join(want.Subjects, ", "))
	needs(have.Mirror == nil && len(have.Sources) == 0, "it copies from other streams, and has to be filled by the relay alone")
	needs(have.MaxAge == 0, "it removes events after %s, waiting or not; it has to keep them (max age 0)", have.MaxAge)
	needs(have.Discard == want.Discard || (have.MaxBytes <= 0 && have.MaxMsgs <= 0),
		"it removes old events where it is full, waiting or not; it has to refuse new ones (discard new)")
	needs(have.MaxMsgsPerSubject <= 0 || want.MaxMsgsPerSubject > 0, "it keeps %d events of each type", have.MaxMsgsPerSubject)
	needs(!have.NoAck, "it does not acknowledge")
	needs(!have.Sealed, "it is sealed")
	needs(!have.DenyDelete && !have.DenyPurge, "it forbids to delete or purge, which is how room is made")
	needs(have.SubjectTransform == nil, "it changes subjects")
	return wrong
}

// note tells what of a stream that fits is not as it was asked for.
func (q *Queue) note(have, want jetstream.StreamConfig) {
	if q.o.single || q.o.bind {
		return
	}
	if have.Replicas < want.Replicas {
		q.o.Logf("the stream %s exists, and is used as it is: with %d replicas, not %d; `nats stream edit %s --replicas %d` changes it",
			want.Name, have.Replicas, want.Replicas, want.Name, want.Replicas)
	}
	if have.Description != eventsDescription && want.Duplicates > 0 && have.Duplicates < q.o.Keep {
		q.o.Logf("the stream %s knows events' ids for %s only: a repeat that comes later is forwarded again", want.Name, have.Duplicates)
	}
}

// openError says whether an error of the server's is one that passes.
func openError(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w: this account has no JetStream", ErrMisfit)
	case errors.As(err, &api) && api.Code != 503 && !isOffline(api):
		return err
	case errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
