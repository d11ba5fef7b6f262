package receiver

import (
	"net/http"
	"slices"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// The reasons for the verdict webhook.Rejected.
const (
	methodNotAllowed webhook.Reason = "method-not-allowed" // 405
	pathNotFound     webhook.Reason = "path-not-found"     // 404
	bodyTooLarge     webhook.Reason = "body-too-large"     // 413
	bodyTooSlow      webhook.Reason = "body-too-slow"      // 408
	bodyBroken       webhook.Reason = "body-incomplete"    // 400
	notAnEvent       webhook.Reason = "not-an-event"       // 400
	tooBusy          webhook.Reason = "too-busy"           // 503: too many large bodies at once
)

// ServeHTTP implements http.Handler: it answers one delivery.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := &Request{Path: r.RequestURI, Header: r.Header, RemoteAddr: r.RemoteAddr, ReceivedAt: time.Now()}
	conn := connFrom(r.Context())

	held := 0
	answer, ok := rc.screen(r, req)
	if ok {
		answer, held, ok = rc.read(r, req)
		defer rc.large.give(&held)
	}
	if ok {
		conn.markBusy()
		answer, ok = rc.verify(req)
	}
	if ok {
		answer = rc.accept(r, req)
		if answer.Status < 300 && !answer.Duplicate {
			conn.markProven()
		}
	}
	conn.limitWriting(len(answer.Body) > 0)
	write(w, answer)
	now := time.Now()
	rc.record(r, req, answer, now)
	conn.markIdle(now)
}

// screen rejects requests that are wrong regardless of their body.
func (rc *Receiver) screen(r *http.Request, req *Request) (Answer, bool) {
	switch {
	case r.Method != http.MethodPost:
		a := refuse(req, http.StatusMethodNotAllowed, methodNotAllowed)
		a.Header.Set("Allow", http.MethodPost)
		return a, false
	case rc.o.NotFound || rc.o.Path != "" && r.URL.Path != rc.o.Path:
		return refuse(req, http.StatusNotFound, pathNotFound), false
	case r.ContentLength > rc.o.MaxBody:
		return hangUp(refuse(req, http.StatusRequestEntityTooLarge, bodyTooLarge)), false
	}
	return Answer{}, true
}

// verify checks the signature, and then whether the body is an event.
func (rc *Receiver) verify(req *Request) (Answer, bool) {
	req.Verification = rc.verifier().Verify(req.Header, req.Body)
	switch req.Verification.Verdict {
	case webhook.Valid, webhook.Unchecked:
	default:
		return reply(http.StatusUnauthorized, req.Verification.String()), false
	}
	var err error
	if req.ID, req.Type, err = peek(req.Body); err != nil {
		return refuse(req, http.StatusBadRequest, notAnEvent), false
	}
	return Answer{}, true
}

// verifier returns a Verifier for the current secrets.
func (rc *Receiver) verifier() *webhook.Verifier {
	var secrets []webhook.Secret
	if rc.o.Secrets != nil {
		secrets = rc.o.Secrets()
	}
	v := rc.verifies.Load()
	if v == nil || !v.Checks(secrets) {
		v = webhook.NewVerifier(secrets...)
		rc.verifies.Store(v)
	}
	return v
}

// accept calls Accept with the event, unless Respond or FailRate replaces its
// answer.
func (rc *Receiver) accept(r *http.Request, req *Request) Answer {
	status := rc.fault()
	answer := Answer{Status: status}
	checked := req.Verification.Verdict == webhook.Valid || rc.o.AllowUnchecked
	if status < 300 && checked && rc.o.Accept != nil {
		answer = rc.o.Accept(r.Context(), req)
		if status != 0 && answer.Status < 300 {
			answer.Status = status
		}
	}
	if answer.Status == 0 {
		answer.Status = http.StatusNoContent
	}
	if answer.Status < 200 || answer.Status > 599 {
		answer = reply(http.StatusInternalServerError, "invalid status")
	}
	known := rc.seen.look(req.ID, answer.Status < 300)
	answer.Duplicate = answer.Duplicate || known
	rc.delay(r)
	return answer
}

// record counts the request and calls Observe.
func (rc *Receiver) record(r *http.Request, req *Request, answer Answer, now time.Time) {
	rc.counts[verdictIndex(req.Verification.Verdict)].Add(1)
	if rc.o.Observe != nil {
		rc.o.Observe(Exchange{Request: *req, Answer: answer, Announced: r.ContentLength, Took: now.Sub(req.ReceivedAt)})
	}
}

// refuse returns the answer to a request that is not a delivery from Mender.
func refuse(req *Request, status int, reason webhook.Reason) Answer {
	req.Verification.Verdict, req.Verification.Reason = webhook.Rejected, reason
	return reply(status, req.Verification.String())
}

// reply returns an answer with a line of text. Mender does not read it; it helps
// developers who test with their own sender.
func reply(status int, text string) Answer {
	return Answer{
		Status: status,
		Header: http.Header{
			"Content-Type":           {"text/plain; charset=utf-8"},
			"X-Content-Type-Options": {"nosniff"},
		},
		Body: []byte(text + "\n"),
	}
}

// hangUp makes the server close the connection after the answer instead of
// reading the rest of the body.
func hangUp(a Answer) Answer {
	a.Header.Set("Connection", "close")
	return a
}

func write(w http.ResponseWriter, a Answer) {
	header := w.Header()
	for name, values := range a.Header {
		header[name] = slices.Clip(values)
	}
	w.WriteHeader(a.Status)
	if len(a.Body) > 0 {
		_, _ = w.Write(a.Body) // the sender may have disconnected
	}
}
