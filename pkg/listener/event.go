package listener

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/receiver"
	"github.com/mender-webhooks/mender-webhooks/pkg/target"
)

// Event is one thing that happened: a Received, an Attempted or a
// DeadLettered. Events are shared between subscribers and must not be changed.
type Event interface {
	// size returns roughly how much memory the event occupies, in bytes.
	size() int64
	// masked returns the event without credentials.
	masked() Event
}

// Received is a request to the webhook and its answer. Refused requests are
// included. If events are forwarded without a store, the answer also holds the
// result of the attempt.
type Received struct {
	receiver.Exchange
	// Endpoint is the name of the endpoint; empty for a single one without a name, and
	// for a path that no endpoint has.
	Endpoint string
}

// Record returns the request as a line of listen's output.
func (r Received) Record() receiver.Record {
	record := r.Exchange.Record()
	record.Endpoint = r.Endpoint
	return record
}

// Attempted is one attempt to forward a stored event.
type Attempted struct {
	At       time.Time
	ID, Type string        // the event's
	Endpoint string        // as in Received
	Route    string        // by which it was forwarded; empty without a store
	Target   string        // where it was forwarded to, without credentials
	Attempt  int           // counts from 1
	Status   int           // the HTTP status, or 0 if there was no answer
	Err      error         // nil if the target accepted the event
	Duration time.Duration // until the answer's headers
	Pause    time.Duration // until the next attempt, or 0 if there is none
	// Answer is the application's answer if the target keeps it; nil otherwise.
	Answer *target.Answer
}

// DeadLettered is an event that is no longer retried.
type DeadLettered struct {
	At       time.Time
	ID, Type string // the event's
	Endpoint string // as in Received
	Route    string // the other routes still forward it
	Reason   error
}

// eventOverhead is the approximate size of an event without its strings, in
// bytes.
const eventOverhead = 512

func (r Received) size() int64 {
	return int64(eventOverhead + len(r.Body) + len(r.Answer.Body) + sizeOf(r.Header) + sizeOf(r.Answer.Header))
}

func sizeOf(header http.Header) (n int) {
	for name, values := range header {
		n += len(name) + len(strings.Join(values, ""))
	}
	return n
}

func (a Attempted) size() int64 {
	n := eventOverhead + len(a.ID) + len(a.Type)
	if a.Answer != nil {
		n += len(a.Answer.Body) + sizeOf(a.Answer.Header)
	}
	return int64(n)
}

func (d DeadLettered) size() int64 { return int64(eventOverhead + len(d.ID) + len(d.Type)) }

func (r Received) masked() Event {
	r.Header, r.Answer.Header = maskHeader(r.Header), maskHeader(r.Answer.Header)
	return r
}

func (a Attempted) masked() Event {
	if a.Answer != nil {
		a.Answer = &target.Answer{Header: maskHeader(a.Answer.Header), Body: a.Answer.Body}
	}
	return a
}

func (d DeadLettered) masked() Event { return d }

// maskHeader returns the header with *** in place of credentials. An
// authentication scheme, such as Basic, stays readable. Most headers have none
// and are returned as they are, since copying each would cost a tenth of the rate
// of listen -o none.
func maskHeader(header http.Header) http.Header {
	shown, cloned := header, false
	for name := range header {
		if !redact.IsCredential(name) {
			continue
		}
		if !cloned {
			shown, cloned = maps.Clone(header), true
		}
		shown[name] = []string{redact.HeaderValue(name, header.Get(name))}
	}
	return shown
}
