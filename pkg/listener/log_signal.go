package listener

import (
	"net/http"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

// turn updates the state with a key, and reports whether the signal begins, continues
// or ends a failure.
func turn[K comparable](failing map[K]bool, key K, s signal) bool {
	was := failing[key]
	failing[key] = s == bad || was && s == none
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

// destination is where an event is forwarded to.
type destination struct{ endpoint, route, target string }

// destinationOf returns the destination that an event is about. It is empty if there is
// none.
func destinationOf(e Event) destination {
	switch e := e.(type) {
	case Attempted:
		return destination{e.Endpoint, shownRoute(e.Route), e.Target}
	case Received:
		if f := e.Answer.Forward; f != nil {
			return destination{e.Endpoint, "", f.URL}
		}
	}
	return destination{}
}

func isUnverified(r Received) bool {
	v := r.Verification.Verdict
	return v == webhook.Invalid || v == webhook.Unsigned
}
