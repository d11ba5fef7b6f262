package receiver

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// fault returns a status that replaces Accept (300 or more) or Accept's own
// status of success (under 300), or 0 for neither.
func (rc *Receiver) fault() int {
	bad := http.StatusInternalServerError
	if rc.o.Respond >= 300 {
		bad = rc.o.Respond
	}
	switch {
	case rc.o.FailRate == 0:
		return rc.o.Respond
	case rand.Float64() < rc.o.FailRate:
		return bad
	case rc.o.Respond >= 300:
		return 0
	}
	return rc.o.Respond
}

// delay waits for Options.Delay, but no longer than the sender waits and the
// Server runs.
func (rc *Receiver) delay(r *http.Request) {
	if rc.o.Delay == 0 {
		return
	}
	timer := time.NewTimer(rc.o.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-stopping(r.Context()):
	}
}
