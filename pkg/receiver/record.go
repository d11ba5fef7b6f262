package receiver

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// kindReceived is the Kind of every Record of this package.
const kindReceived = "received"

// The limits of a refused request's record. They matter because anyone can send
// such a request.
const (
	refusedName = 256      // bytes of an id or a type
	refusedData = 16 << 10 // bytes of a body whose data is shown
)

// Record is a request and its answer as one line of listen's JSON output. Its
// strings are as they arrived: escape them before you print them to a terminal.
type Record struct {
	// Kind is always "received".
	Kind string `json:"kind"`
	// Endpoint is the name of the endpoint that got the request; empty if a
	// listener has only one without a name, and for a path that none has.
	Endpoint string `json:"endpoint,omitempty"`
	// ReceivedAt is the time at which the request's headers had arrived, in UTC.
	ReceivedAt time.Time `json:"received_at"`
	// ID, Type, Time and Data are the event's. They are empty if the body is not
	// an event. If a refused request is longer than Mender's ever are, they are
	// truncated or omitted.
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Time time.Time       `json:"time,omitzero"`
	Data json.RawMessage `json:"data,omitempty"`
	// Verdict and Reason are the result of checking the request.
	Verdict webhook.Verdict `json:"verdict"`
	Reason  webhook.Reason  `json:"reason"`
	// Secret is the fingerprint of the secret that matched.
	Secret string `json:"secret,omitempty"`
	// Duplicate reports that an event with this id was accepted before.
	Duplicate bool `json:"duplicate"`
	// Status is the HTTP status of the answer.
	Status int `json:"status"`
	// Bytes is how much of the body was read, or its announced length if
	// nothing was read.
	Bytes int64 `json:"bytes"`
	// RemoteAddr is the address of the sender, host:port.
	RemoteAddr string `json:"remote_addr"`
	// Forward is the attempt to forward the event; nil if there was none.
	Forward *Forward `json:"forward,omitempty"`
}

// Forward is one attempt to forward an event.
type Forward struct {
	// URL is the target, without user, password and query.
	URL string `json:"url"`
	// Status is the HTTP status of the application's answer; 0 if there was none.
	Status int `json:"status"`
	// DurationMS is how long the attempt took, in milliseconds.
	DurationMS float64 `json:"duration_ms"`
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
	// Error is empty if the application answered.
	Error string `json:"error"`
	// Err is the error that Error describes.
	Err error `json:"-"`
	// PauseMS is the time until the next attempt, in milliseconds, or 0.
	PauseMS float64 `json:"pause_ms,omitempty"`
}

// Exchange is a request and its answer. Its headers and bodies are shared and
// must not be changed.
type Exchange struct {
	Request
	Answer Answer
	// Announced is the length of the body that the request declared, in bytes, or
	// -1 if it declared none.
	Announced int64
	// Took is the time from the arrival of the headers to the answer.
	Took time.Duration
}

// Record decodes the body and returns the exchange as a line of listen's
// output.
func (x *Exchange) Record() Record {
	r := Record{
		Kind:       kindReceived,
		ReceivedAt: x.ReceivedAt.UTC(),
		Verdict:    x.Verification.Verdict,
		Reason:     x.Verification.Reason,
		Secret:     x.Verification.Secret,
		Duplicate:  x.Answer.Duplicate,
		Status:     x.Answer.Status,
		Bytes:      int64(len(x.Body)),
		RemoteAddr: x.RemoteAddr,
		Forward:    x.Answer.Forward,
	}
	if x.Body == nil {
		r.Bytes = max(x.Announced, 0)
	}
	refused := x.ID == ""
	if refused && len(x.Body) > refusedData {
		return r
	}
	e, err := webhook.ParseEvent(x.Body)
	if err != nil {
		return r // shown without an event
	}
	if refused {
		e.ID, e.Type = clip(e.ID), clip(e.Type)
	}
	r.ID, r.Type, r.Time, r.Data = e.ID, string(e.Type), e.Time, e.Data
	return r
}

func clip[S ~string](s S) S {
	if len(s) > refusedName {
		return S(strings.ToValidUTF8(string(s[:refusedName]), "")) + "…"
	}
	return s
}
