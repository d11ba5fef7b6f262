package receiver

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Options are the settings of a Receiver. The zero value accepts every event
// unchecked and answers with 204.
type Options struct {
	// Secrets returns the secrets to check signatures against. It is called for
	// each request, from many goroutines, and must be fast. If it is nil, or
	// returns no secret, requests are unchecked.
	Secrets func() []webhook.Secret
	// AllowUnchecked calls Accept for unchecked events, too. Otherwise, unchecked
	// events are answered with 204 and reported to Observe, but not accepted.
	AllowUnchecked bool
	// Path is the only path accepted; "" accepts every path.
	Path string
	// NotFound accepts no path: all requests are rejected. It is for the paths that
	// no other Receiver accepts.
	NotFound bool
	// MaxBody is the size of the largest body accepted, in bytes; 0 means
	// webhook.MaxBody.
	MaxBody int64
	// Accept stores or forwards an event and returns the answer; nil answers
	// with 204. It may keep the Request and its Body after it returns.
	Accept func(context.Context, *Request) Answer
	// Observe, if set, is called for each request after it is answered, by the
	// goroutine that answered it. It must return at once.
	Observe func(Exchange)
	// Remember is how many recent event ids to remember in order to mark
	// duplicates; 0 marks none. Duplicates are accepted like other events.
	Remember int
	// Respond, Delay and FailRate simulate a faulty receiver for events that
	// would otherwise be accepted.
	//
	// Respond is the status to answer with. If it is 300 or more, Accept is not
	// called; otherwise, it replaces the status of a success. Delay is the time to
	// wait before the answer. The wait ends early if the sender disconnects or the
	// Server stops. FailRate, from 0 to 1, is the share of events that fail: with
	// Respond if that is 300 or more, and with 500 otherwise. With a FailRate, a
	// Respond of 300 or more does not apply to the other events.
	Respond  int
	Delay    time.Duration
	FailRate float64
}

// Request is an event on its way to Accept.
type Request struct {
	// Path is the path and query of the request as it arrived.
	Path string
	// Header is the header of the request as it arrived.
	Header http.Header
	// Body is the exact bytes that were signed.
	Body []byte
	// ID and Type are the event's, as they arrived. They are never empty, and
	// their length is not limited.
	ID   string
	Type webhook.EventType
	// Verification has the verdict Valid, or Unchecked if Options allow that.
	Verification webhook.Verification
	// RemoteAddr is the address of the sender, host:port.
	RemoteAddr string
	// ReceivedAt is the time at which the request's headers had arrived.
	ReceivedAt time.Time
}

// Answer is the answer to a request.
type Answer struct {
	// Status is the HTTP status; 0 means 204.
	Status int
	// Header holds additional headers, such as Content-Type.
	Header http.Header
	// Body is sent if Status allows one.
	Body []byte
	// Duplicate reports that the event is a duplicate.
	Duplicate bool
	// Forward is the attempt to forward the event, or nil if there was none.
	Forward *Forward
}

// Receiver answers webhook deliveries. It is an http.Handler, and safe for
// concurrent use.
type Receiver struct {
	o        Options
	seen     *recent
	verifies atomic.Pointer[webhook.Verifier] // for the secrets of the last request
	*shared
}

// shared is the state that Receivers share.
type shared struct {
	large  budget
	counts [5]atomic.Uint64
}

// New returns a Receiver, or an error that names the invalid option.
func New(o Options) (*Receiver, error) {
	rc, err := (&Receiver{shared: new(shared)}).With(o)
	if err == nil {
		rc.large.free.Store(max(largeBodies, 4*rc.o.MaxBody))
	}
	return rc, err
}

// With returns a Receiver with other options, or an error that names the invalid
// option. Both share their counts and the memory for large bodies, so that many
// Receivers together use no more than one.
func (rc *Receiver) With(o Options) (*Receiver, error) {
	if o.MaxBody == 0 {
		o.MaxBody = webhook.MaxBody
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	return &Receiver{o: o, seen: newRecent(o.Remember), shared: rc.shared}, nil
}

func (o Options) check() error {
	switch {
	case o.Path != "" && !strings.HasPrefix(o.Path, "/"):
		return fault.Usagef("invalid path %q: must begin with a slash", o.Path)
	case o.MaxBody < 0:
		return fault.Usagef("invalid body limit %d: must not be negative", o.MaxBody)
	case o.Remember < 0:
		return fault.Usagef("invalid number of ids to remember %d: must not be negative", o.Remember)
	case o.Respond != 0 && (o.Respond < 200 || o.Respond > 599):
		return fault.Usagef("invalid status %d to answer with: must be from 200 to 599", o.Respond)
	case o.Delay < 0:
		return fault.Usagef("invalid delay %s: must not be negative", o.Delay)
	case !(o.FailRate >= 0 && o.FailRate <= 1): // catches NaN, too
		return fault.Usagef("invalid fail rate %v: must be from 0 to 1", o.FailRate)
	}
	return nil
}

// Count returns how many requests to this Receiver, and to those that share its
// counts, have had the verdict so far.
func (rc *Receiver) Count(v webhook.Verdict) uint64 {
	if i := verdictIndex(v); i >= 0 {
		return rc.counts[i].Load()
	}
	return 0
}

func verdictIndex(v webhook.Verdict) int {
	switch v {
	case webhook.Valid:
		return 0
	case webhook.Invalid:
		return 1
	case webhook.Unsigned:
		return 2
	case webhook.Unchecked:
		return 3
	case webhook.Rejected:
		return 4
	}
	return -1
}
