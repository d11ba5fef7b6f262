package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// Options are a Receiver's settings. The zero value takes every POST
// unchecked and answers 204.
type Options struct {
	// Secrets returns the secrets that signatures are checked against. It is
	// asked for each request, from many goroutines, so it has to be cheap.
	// nil, or a result without a secret, leaves requests unchecked.
	Secrets func() []webhook.Secret
	// AllowUnchecked hands events that could not be checked to Accept.
	// Without it they are answered 204 and shown, and go nowhere.
	AllowUnchecked bool
	// Path is the only path taken; "" takes every path.
	Path string
	// MaxBody is the largest body taken, in bytes; 0 means webhook.MaxBody.
	MaxBody int64
	// Accept stores or forwards an event and says how to answer. nil answers
	// 204. The Request and its Body are Accept's to keep.
	Accept func(context.Context, *Request) Answer
	// Observe is called for each request once it is answered, by the goroutine
	// that answered it. It must return at once.
	Observe func(Exchange)
	// Remember is of how many recent events the id is kept, to mark repeats
	// in the records; 0 is none. Repeats are passed on all the same.
	Remember int
	// Respond, Delay and FailRate make a bad receiver of a good one, for
	// events that would otherwise be taken. A Respond of 300 or more is
	// answered in Accept's place; one under 300 replaces Accept's own where
	// that is under 300 too. Delay comes before the answer, and is cut short
	// when the sender goes away or the Server stops. FailRate, from 0 to 1,
	// is the share of events that are answered with Respond where it is 300
	// or more, and with 500 otherwise; the rest is answered as without it.
	Respond  int
	Delay    time.Duration
	FailRate float64
}

// Request is an event on its way to Accept.
type Request struct {
	// Header is the request's, as it came.
	Header http.Header
	// Body is the exact bytes that the signature stands for.
	Body []byte
	// ID and Type are the event's, as they came: neither empty nor bounded.
	ID   string
	Type webhook.EventType
	// Verification is Valid, or Unchecked where Options allow it.
	Verification webhook.Verification
	// RemoteAddr is the sender's address, host:port.
	RemoteAddr string
	// ReceivedAt is when the request's headers were in.
	ReceivedAt time.Time
}

// Answer is what the sender is told.
type Answer struct {
	// Status is the HTTP status; 0 means 204.
	Status int
	// Header holds what the answer needs, such as Content-Type. nil is none.
	Header http.Header
	// Body is sent where Status has one.
	Body []byte
	// Duplicate says that the event had been taken before.
	Duplicate bool
	// Forward says how passing the event on went, for the Record.
	Forward *Forward
}

// Receiver answers webhook deliveries. It is an http.Handler, and safe for
// concurrent use.
type Receiver struct {
	o      Options
	seen   *recent
	large  budget
	counts [5]atomic.Uint64
}

// New makes a Receiver. The error says which option makes no sense.
func New(o Options) (*Receiver, error) {
	if o.MaxBody == 0 {
		o.MaxBody = webhook.MaxBody
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	rc := &Receiver{o: o, seen: newRecent(o.Remember)}
	rc.large.free.Store(max(largeBodies, 4*o.MaxBody))
	return rc, nil
}

func (o Options) check() error {
	switch {
	case o.Path != "" && !strings.HasPrefix(o.Path, "/"):
		return fmt.Errorf("path %q: it has to begin with a slash", o.Path)
	case o.MaxBody < 0:
		return fmt.Errorf("body limit %d: it can't be negative", o.MaxBody)
	case o.Remember < 0:
		return errors.New("a memory of events can't be negative")
	case o.Respond != 0 && (o.Respond < 200 || o.Respond > 599):
		return fmt.Errorf("answer status %d: it has to be between 200 and 599", o.Respond)
	case o.Delay < 0:
		return fmt.Errorf("delay %s: it can't be negative", o.Delay)
	case !(o.FailRate >= 0 && o.FailRate <= 1): // so that NaN is caught too
		return fmt.Errorf("fail rate %v: it has to be between 0 and 1", o.FailRate)
	}
	return nil
}

// Count returns how many requests had the verdict so far.
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
