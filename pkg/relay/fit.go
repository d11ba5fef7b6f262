package relay

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrMisfit reports an existing stream or consumer that the relay cannot use, because
// it would lose events or deliver events of other programs.
var ErrMisfit = errors.New("unsuitable stream or consumer")

// ErrNoStream reports that the cluster does not have the streams.
var ErrNoStream = errors.New("no such stream on the cluster")

// ErrNoRoom reports that a stream cannot be created.
var ErrNoRoom = errors.New("not enough space on the cluster")

// errCodeNoPeers is the server's code for too few servers with enough space.
const errCodeNoPeers jetstream.ErrorCode = 10005

func isNoRoom(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && !isOffline(api) &&
		(api.ErrorCode == errCodeNoPeers || api.ErrorCode == errCodeStorage || api.ErrorCode == errCodeResources)
}

// isOffline reports whether servers are missing only temporarily.
func isOffline(api *jetstream.APIError) bool {
	return api.ErrorCode == errCodeNoPeers && strings.Contains(api.Description, "offline")
}

// misfits returns the settings of an existing stream that would break a guarantee
// of the relay. The stream's owner may choose all other settings.
func misfits(have, want jetstream.StreamConfig) []string {
	var wrong []string
	needs := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	needs(have.Retention == want.Retention, "retention is %s but must be limits: other policies remove waiting events", have.Retention)
	needs(have.Storage == want.Storage, "storage is %s but must be file", strings.ToLower(have.Storage.String()))
	needs(slices.Equal(have.Subjects, want.Subjects), "subjects are %s but must be %s",
		strings.Join(have.Subjects, ", "), strings.Join(want.Subjects, ", "))
	needs(have.Mirror == nil && len(have.Sources) == 0, "it mirrors or sources other streams, but only the relay may add events")
	needs(have.MaxAge == 0, "max age is %s but must be 0: waiting events would be removed", have.MaxAge)
	needs(have.Discard == want.Discard || (have.MaxBytes <= 0 && have.MaxMsgs <= 0),
		"discard policy is old but must be new: waiting events would be removed")
	needs(have.MaxMsgsPerSubject <= 0 || want.MaxMsgsPerSubject > 0, "max messages per subject is %d but must be unlimited", have.MaxMsgsPerSubject)
	needs(!have.NoAck, "it does not acknowledge messages")
	needs(!have.Sealed, "it is sealed")
	needs(!have.DenyDelete && !have.DenyPurge, "it denies deleting or purging messages, which the relay needs to make room")
	needs(have.SubjectTransform == nil, "it transforms subjects")
	return wrong
}

// note logs settings of the existing stream that differ from the requested ones.
func (q *Queue) note(have, want jetstream.StreamConfig) {
	if q.o.single || q.o.bind {
		return
	}
	if have.Replicas < want.Replicas {
		q.o.Logf("the existing stream %s has %d replicas, not %d; change it with `nats stream edit %s --replicas %d`",
			want.Name, have.Replicas, want.Replicas, want.Name, want.Replicas)
	}
	if have.Description != eventsDescription && want.Duplicates > 0 && have.Duplicates < q.o.Keep {
		q.o.Logf("the stream %s has a deduplication window of %s: later duplicates are forwarded", want.Name, have.Duplicates)
	}
}

// openError classifies an error of the server. It wraps ErrUnavailable if the error may
// be temporary.
func openError(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w: the account has no JetStream", ErrMisfit)
	case errors.As(err, &api) && api.Code != 503 && !isOffline(api):
		return err
	case errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
