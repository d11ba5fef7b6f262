package receiver

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// KindReceived is the Kind of every Record of this package.
const KindReceived = "received"

// Limits on what a record shows of a request that was refused, which anyone
// may have sent.
const (
	refusedName = 256      // bytes of an id or a type
	refusedData = 16 << 10 // bytes of a body whose data is shown
)

// Record is a request and its answer, as one line of listen's JSON output.
// Its text is as it came: what goes to a terminal has to be made safe.
type Record struct {
	// Kind is KindReceived.
	Kind string `json:"kind"`
	// ReceivedAt is when the request's headers were in, in UTC.
	ReceivedAt time.Time `json:"received_at"`
	// ID, Type, Time and Data are the event's. They are empty where the body
	// is no event, and cut, or left out, where a refused request is longer
	// than any of Mender's.
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Time time.Time       `json:"time,omitzero"`
	Data json.RawMessage `json:"data,omitempty"`
	// Verdict and Reason are what the signature, or the request, came to.
	Verdict webhook.Verdict `json:"verdict"`
	Reason  webhook.Reason  `json:"reason"`
	// Secret is the fingerprint of the secret that matched.
	Secret string `json:"secret,omitempty"`
	// Duplicate says that an event of this id had been taken before.
	Duplicate bool `json:"duplicate"`
	// Status is the HTTP status of the answer.
	Status int `json:"status"`
	// Bytes is the size of the body: what was read of it, or what was
	// announced where it was not read at all.
	Bytes int64 `json:"bytes"`
	// RemoteAddr is the sender's address, host:port.
	RemoteAddr string `json:"remote_addr"`
	// Forward says how passing the event on went; nil where it was not.
	Forward *Forward `json:"forward,omitempty"`
}

// Forward is one attempt to hand an event to an application.
type Forward struct {
	// URL is where it went, without what may be secret: user, password and
	// query.
	URL string `json:"url"`
	// Status is the application's; 0 where no HTTP answer came.
	Status int `json:"status"`
	// DurationMS is how long it took, in milliseconds.
	DurationMS float64 `json:"duration_ms"`
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
	// Error is empty where the application answered.
	Error string `json:"error"`
}

// Exchange is a request and the answer it was given. Its header and bodies are
// shared and must not be changed.
type Exchange struct {
	Request
	Answer Answer
	// Announced is the length of the body in bytes that the request stated, or
	// -1.
	Announced int64
	// Took is the time from the request's headers to the answer.
	Took time.Duration
}

// Record decodes the body and returns the exchange as a line of listen's
// output.
func (x *Exchange) Record() Record {
	r := Record{
		Kind:       KindReceived,
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
