package history

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// The kinds of an Item.
const (
	Received  = "received"
	Forwarded = "forwarded"
	Dead      = "dead"
	Logged    = "logged"
)

// Item is an event of the hub or of Mender's log as a list shows it. Its strings are as they arrived:
// escape them before you print them to a terminal.
type Item struct {
	Number uint64 `json:"number"`
	Kind   string `json:"kind"` // Received, Forwarded, Dead or Logged
	// Endpoint is the listener's endpoint, and Route the way of an attempt or a dead
	// letter. Both are empty if they have no name.
	Endpoint string    `json:"endpoint,omitempty"`
	Route    string    `json:"route,omitempty"`
	At       time.Time `json:"at"`
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	// The fields of a request, or of an event of Mender's log. For the latter,
	// Verdict is Delivered, Failed or empty, and Answer is the receiver's.
	Device    string  `json:"device,omitempty"`
	Status    string  `json:"device_status,omitempty"`
	Verdict   string  `json:"verdict,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Duplicate bool    `json:"duplicate,omitempty"`
	Answer    int     `json:"answer,omitempty"` // status
	Bytes     int64   `json:"bytes,omitempty"`
	TookMS    float64 `json:"took_ms,omitempty"`
	From      string  `json:"from,omitempty"`
	// The fields of an attempt to forward an event, or of a dead letter. Error is
	// also why a delivery of Mender failed.
	Target  string  `json:"target,omitempty"`
	Attempt int     `json:"attempt,omitempty"`
	Code    int     `json:"status,omitempty"` // of the application's answer
	Error   string  `json:"error,omitempty"`
	PauseMS float64 `json:"pause_ms,omitempty"`
}

// NewItem returns the item of an event.
func NewItem(n listener.Numbered) Item {
	switch e := n.Event.(type) {
	case listener.Received:
		return receivedItem(n.Number, e)
	case listener.Attempted:
		l := e.Line()
		return Item{
			Number: n.Number, Kind: Forwarded, Endpoint: l.Endpoint, Route: l.Route, At: l.At, ID: l.ID, Type: l.Type, Target: l.Forward.URL,
			Attempt: l.Forward.Attempt, Code: l.Forward.Status, Error: l.Forward.Error,
			PauseMS: l.Forward.PauseMS, TookMS: l.Forward.DurationMS,
		}
	case listener.DeadLettered:
		l := e.Line()
		return Item{Number: n.Number, Kind: Dead, Endpoint: l.Endpoint, Route: l.Route, At: l.At, ID: l.ID, Type: l.Type, Error: l.Reason}
	}
	return Item{Number: n.Number}
}

func receivedItem(number uint64, e listener.Received) Item {
	r := e.Record()
	x := Item{
		Number: number, Kind: Received, Endpoint: r.Endpoint, At: r.ReceivedAt, ID: r.ID, Type: r.Type, Verdict: string(r.Verdict),
		Reason: string(r.Reason), Duplicate: r.Duplicate, Answer: r.Status, Bytes: r.Bytes, From: r.RemoteAddr,
		TookMS: milliseconds(e.Took),
	}
	event := webhook.Event{Type: webhook.EventType(r.Type), Data: r.Data}
	x.Device, x.Status = event.DeviceID(), string(event.DeviceStatus())
	if f := r.Forward; f != nil {
		x.Target, x.Attempt, x.Code, x.Error = f.URL, f.Attempt, f.Status, f.Error
	}
	return x
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Details is a request, or an event of Mender's log, in full. Credentials in its headers and its path are masked.
type Details struct {
	Item
	Path   string      `json:"path"`
	Header http.Header `json:"header"`
	// Body is the body as text. If Binary is set, bytes that are not UTF-8 were
	// replaced.
	Body         string      `json:"body"`
	Binary       bool        `json:"binary"`
	Fix          string      `json:"fix,omitempty"` // for a verdict other than valid
	AnswerHeader http.Header `json:"answer_header,omitempty"`
	AnswerBody   string      `json:"answer_body,omitempty"`
	Deliveries   []string    `json:"-"` // the outcome of each delivery of an event of Mender's log
}

// Details returns the request with the number in full, or ErrGone.
func (h *History) Details(number uint64) (Details, error) {
	e, err := h.Find(number)
	if err != nil {
		return Details{}, err
	}
	d := Details{
		Item: receivedItem(number, e), Path: redact.URLs(e.Path), Header: e.Header, Body: strings.ToValidUTF8(string(e.Body), "\uFFFD"),
		Binary: !utf8.Valid(e.Body), AnswerHeader: e.Answer.Header, AnswerBody: strings.ToValidUTF8(string(e.Answer.Body), "\uFFFD"),
	}
	if v := e.Verification; v.Verdict == webhook.Invalid {
		d.Fix = webhook.Explain(v, e.Header, e.Body, h.Listener.Secrets(e.Endpoint)...)
	}
	return d, nil
}
