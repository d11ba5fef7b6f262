package inspector

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/redact"
	"github.com/mender-webhooks/mender-webhooks/pkg/listener"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// item is an event of the hub as the page lists it.
type item struct {
	Number uint64    `json:"number"`
	Kind   string    `json:"kind"` // received, forwarded or dead
	At     time.Time `json:"at"`
	ID     string    `json:"id"`
	Type   string    `json:"type"`
	// The fields of a request.
	Device    string  `json:"device,omitempty"`
	Status    string  `json:"device_status,omitempty"`
	Verdict   string  `json:"verdict,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Duplicate bool    `json:"duplicate,omitempty"`
	Answer    int     `json:"answer,omitempty"` // status
	Bytes     int64   `json:"bytes,omitempty"`
	TookMS    float64 `json:"took_ms,omitempty"`
	From      string  `json:"from,omitempty"`
	// The fields of an attempt to forward an event, or of a dead letter.
	Target  string  `json:"target,omitempty"`
	Attempt int     `json:"attempt,omitempty"`
	Code    int     `json:"status,omitempty"` // of the application's answer
	Error   string  `json:"error,omitempty"`
	PauseMS float64 `json:"pause_ms,omitempty"`
}

// newItem returns the item of an event, whose strings are as they arrived: the page
// only ever shows them as text.
func newItem(n listener.Numbered) item {
	switch e := n.Event.(type) {
	case listener.Received:
		return receivedItem(n.Number, e)
	case listener.Attempted:
		l := e.Line()
		return item{
			Number: n.Number, Kind: l.Kind, At: l.At, ID: l.ID, Type: l.Type, Target: l.Forward.URL,
			Attempt: l.Forward.Attempt, Code: l.Forward.Status, Error: l.Forward.Error,
			PauseMS: l.Forward.PauseMS, TookMS: l.Forward.DurationMS,
		}
	case listener.DeadLettered:
		l := e.Line()
		return item{Number: n.Number, Kind: l.Kind, At: l.At, ID: l.ID, Type: l.Type, Error: l.Reason}
	}
	return item{Number: n.Number}
}

func receivedItem(number uint64, e listener.Received) item {
	r := e.Record()
	x := item{
		Number: number, Kind: r.Kind, At: r.ReceivedAt, ID: r.ID, Type: r.Type, Verdict: string(r.Verdict),
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

// details is a request in full.
type details struct {
	item
	Path   string      `json:"path"`
	Header http.Header `json:"header"`
	// Body is the body as text. If Binary is set, bytes that are not UTF-8 were
	// replaced.
	Body         string      `json:"body"`
	Binary       bool        `json:"binary"`
	Fix          string      `json:"fix,omitempty"` // for a verdict other than valid
	AnswerHeader http.Header `json:"answer_header,omitempty"`
	AnswerBody   string      `json:"answer_body,omitempty"`
}

// about answers with what the page may offer.
func (i *Inspector) about(w http.ResponseWriter, _ *http.Request) {
	about := struct {
		Target string `json:"target"`
		Edit   bool   `json:"edit"`
		Queue  bool   `json:"queue"`
	}{Edit: i.canEdit(), Queue: i.o.Listener.Queue() != nil}
	if i.o.Target != nil {
		about.Target = i.o.Target.String()
	}
	writeJSON(w, about)
}

// details answers with a request in full.
func (i *Inspector) details(w http.ResponseWriter, r *http.Request) {
	number, e, ok := i.find(w, r)
	if !ok {
		return
	}
	d := details{
		item: receivedItem(number, e), Path: redact.URLs(e.Path), Header: e.Header, Body: strings.ToValidUTF8(string(e.Body), "\uFFFD"),
		Binary: !utf8.Valid(e.Body), AnswerHeader: e.Answer.Header, AnswerBody: strings.ToValidUTF8(string(e.Answer.Body), "\uFFFD"),
	}
	if v := e.Verification; v.Verdict == webhook.Invalid {
		d.Fix = webhook.Explain(v, e.Header, e.Body, i.o.Secrets()...)
	}
	writeJSON(w, d)
}

// raw answers with a request as an HTTP message, as `listen --save` writes it.
func (i *Inspector) raw(w http.ResponseWriter, r *http.Request) {
	number, e, ok := i.find(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=request-%d.http", number))
	_, _ = w.Write(webhook.Message{Path: redact.URLs(e.Path), Header: e.Header, Body: e.Body}.Bytes())
}

// find returns the request that a URL names, or answers with 404.
func (i *Inspector) find(w http.ResponseWriter, r *http.Request) (number uint64, e listener.Received, ok bool) {
	number, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err == nil {
		var found listener.Event
		if found, ok = i.o.Listener.Hub().Find(number); ok {
			e, ok = found.(listener.Received)
		}
	}
	if !ok {
		http.Error(w, "this request is no longer in the history", http.StatusNotFound)
	}
	return number, e, ok
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails if the page is gone
}
