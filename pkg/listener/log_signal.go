package listener

import (
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// turn updates a state, and reports whether the signal begins, continues or ends a
// failure.
func turn(failing *bool, s signal) bool {
	was := *failing
	*failing = s == bad || was && s == none
	return s == bad || was && s == good
}

// signal is what an event says about the application or the store.
type signal int

const (
	none signal = iota // nothing
	good               // it accepted an event
	bad                // it did not
)

func signalsOf(e Event) (app, store signal) {
	switch e := e.(type) {
	case Attempted:
		switch {
		case e.Err == nil:
			return good, none
		case e.Pause == 0 && e.Status > 0 && e.Status < http.StatusInternalServerError:
			return none, none // it refused this event, and works
		}
		return bad, none
	case Received:
		if f := e.Answer.Forward; f != nil {
			if f.Status >= 200 && f.Status < 300 {
				return good, good
			}
			return bad, good
		}
		// The answers of --respond have no body.
		if e.Answer.Status == http.StatusServiceUnavailable && len(e.Answer.Body) > 0 {
			return none, bad
		}
		if v := e.Verification.Verdict; e.Answer.Status < 300 && (v == webhook.Valid || v == webhook.Unchecked) {
			return none, good
		}
	}
	return none, none
}

// targetOf returns the target that an event is about, or "".
func targetOf(e Event) string {
	switch e := e.(type) {
	case Attempted:
		return e.Target
	case Received:
		if f := e.Answer.Forward; f != nil {
			return f.URL
		}
	}
	return ""
}

func isUnverified(r Received) bool {
	v := r.Verification.Verdict
	return v == webhook.Invalid || v == webhook.Unsigned
}
