// Package target defines the interface for a destination of events. A Target
// makes one attempt to deliver one event and reports the result. Its caller is
// responsible for queues, pauses and further attempts.
package target

import (
	"context"
	"net/http"
	"time"
)

// Event is an event to deliver.
type Event struct {
	// ID and Type are Mender's; both may be empty if the body was never read.
	ID, Type string
	// Header holds the end-to-end headers that came with the event.
	Header http.Header
	// Body is the exact bytes that were received. A target must not change them.
	Body []byte
}

// Target delivers events to one destination. It is safe for concurrent use.
type Target interface {
	// Deliver makes one attempt, bounded by ctx and by the target's own limit.
	Deliver(ctx context.Context, e Event) Result
	// String names the destination without credentials, safe to log.
	String() string
	// Close releases connections and processes. No Deliver may follow.
	Close() error
}

// Selective is a Target that does not want every event. Select makes no attempt, and its
// result has Skipped set if the target does not want the event.
type Selective interface {
	Select(ctx context.Context, e Event) Result
}

// Result is the result of one attempt.
type Result struct {
	// Err is nil if the target accepted or skipped the event. Its text contains no
	// credentials.
	Err error
	// Status is the HTTP status, or 0 if there was no HTTP answer.
	Status int
	// Duplicate reports that the target already knew the event.
	Duplicate bool
	// Permanent reports that the target will never accept the event.
	Permanent bool
	// Skipped reports that the target does not want the event: nothing was sent, and
	// the event is settled for its route. With Err, a filter failed and its route says
	// on_error: skip; with Permanent as well, the event becomes a dead letter.
	Skipped bool
	// RetryAfter is the pause that the target asked for, or 0.
	RetryAfter time.Duration
	// Duration is how long the attempt took, up to the headers of the answer.
	Duration time.Duration
	// Answer is the application's answer if the target keeps it; nil otherwise.
	Answer *Answer
}

// Answer is the answer of an application to an event.
type Answer struct {
	Header http.Header
	Body   []byte // truncated at the target's limit
}
