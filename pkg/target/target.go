// Package target defines where events are forwarded to: a Target delivers one
// event to one destination and reports how that went. It knows nothing of
// queues, pauses and attempts; who calls it decides what a failure means.
package target

import (
	"context"
	"net/http"
	"time"
)

// Event is one event on its way to a target.
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

// Result is how one attempt went.
type Result struct {
	// Err is nil if the target accepted the event. Its text contains no
	// credentials.
	Err error
	// Status is the HTTP status, or 0 if there was no HTTP answer.
	Status int
	// Duplicate reports that the target knew the event already.
	Duplicate bool
	// Permanent reports that the target will never accept the event.
	Permanent bool
	// RetryAfter is the pause that the target asked for, or 0.
	RetryAfter time.Duration
	// Duration is how long the attempt took, up to the headers of the answer.
	Duration time.Duration
	// Answer is what the target answered, bounded; nil if it did not.
	Answer *Answer
}

// Answer is the application's answer to an event.
type Answer struct {
	Header http.Header
	Body   []byte // cut at the target's limit
}
